/*
 * own_texts.c - the sentences of texts_own(). They are of every kind that models meet: news,
 * reviews, questions, chat, rules, numbers; four of five are English. A hundred of them were no
 * better, and take twice the time. Ids drawn at random, which are no texts, were worse: on
 * MiniLM-L6 worse than no factors at all for the worst sentence.
 */
#include "quantise/texts.h"

#include <stdlib.h>

#include "quantise/vocabulary.h"

/* Tokens that are run at once, and of a sequence of random ids. */
#define BATCH_TOKENS 256
#define RANDOM_TOKENS 12

static const char *const SENTENCES[] = {
    "The ferry was late again, so we walked along the harbour until it came.",
    "I loved every minute of this film, even the slow ones.",
    "Please send the invoice to our office in Leeds before 31 March.",
    "She opened the letter, read it twice and put it back.",
    "Who wrote the first grammar of the Basque language?",
    "Heavy snow closed the mountain pass for a third day.",
    "Water freezes at zero degrees and boils at one hundred.",
    "The quick answer is no, but the long one is more interesting.",
    "Add the onions, lower the heat and stir for ten minutes.",
    "Can I cancel my order if it has already been shipped?",
    "He is not the kind of man who forgets a debt.",
    "The museum keeps a small collection of Roman coins.",
    "This agreement is governed by the laws of Scotland.",
    "The species lives only in two valleys in northern Peru.",
    "Thank you so much for your help yesterday, it meant a lot.",
    "A prime number has exactly two divisors.",
    "Nobody expected the minister to resign so soon.",
    "Is there a train to Lyon after nine in the evening?",
    "Battery life is decent, but the screen is far too dark.",
    "The court rejected the appeal by five votes to four.",
    "Remember to back up your files before you install the update.",
    "Galaxies move away from each other as space expands.",
    "The river floods its banks nearly every spring.",
    "Unemployment dropped to 4.1 percent, the lowest in ten years.",
    "Which planet has the most moons?",
    "Our hotel room was clean, quiet and close to the beach.",
    "Dear Sir or Madam, I am writing to complain about the noise.",
    "The virus spreads through the air and on surfaces.",
    "Farmers say that the drought has cost them half the harvest.",
    "The treaty was signed in Vienna by eleven states.",
    "The new bridge is 640 metres long and carries six lanes.",
    "If the light is red, press the button once and wait.",
    "Copper conducts heat better than iron does.",
    "Police are looking for a man in a grey coat.",
    "An old clock stood in the corner and ticked like a beetle.",
    "Could you tell me where the nearest pharmacy is?",
    "Bees see colours that people do not.",
    "After the war the factory made bicycles instead.",
    "Her speech was short, plain and to the point.",
    "The sequel is better than the first part in every way.",
    "Der Zug nach Hamburg hat heute zwanzig Minuten Verspätung.",
    "Le marché ouvre à huit heures tous les samedis.",
    "El río crece cada primavera y cubre los campos.",
    "La squadra ha perso la finale ai rigori.",
    "O museu fica fechado às segundas-feiras.",
    "Nowy most ma ponad sześćset metrów długości.",
    "Поезд опоздал на два часа.",
    "我 们 明 天 去 北 京 。",
    "今日 は 天気 が いい です 。",
    "القطار يصل في المساء.",
};

#define N_SENTENCES (sizeof SENTENCES / sizeof *SENTENCES)

/* Sequences that are gathered until there are enough to be run. */
typedef struct text_buffer {
    uint32_t ids[BATCH_TOKENS], lengths[BATCH_TOKENS];
    uint32_t n_sequences, n_tokens;
} text_buffer;

static void give(text_list *texts, text_buffer *buffer)
{
    if (buffer->n_sequences > 0)
        texts_add(texts, buffer->n_sequences, buffer->lengths, buffer->ids, NULL, "calibration");
    buffer->n_sequences = buffer->n_tokens = 0;
}

/* The ids of sequence i. Numerical Recipes, 7.1. */
static uint32_t draw(uint32_t i, uint32_t most, uint32_t n_ids, uint32_t *ids)
{
    uint32_t state = i, n = most < RANDOM_TOKENS ? most : RANDOM_TOKENS;
    for (uint32_t k = 0; k < n; k++) {
        state = state * 1664525u + 1013904223u;
        ids[k] = (state >> 8) % n_ids;
    }
    return n;
}

/* Every sentence by `pieces`, or as many random sequences where that is NULL. */
static void add_each(text_list *texts, const vocabulary *pieces, uint32_t n_ids, uint32_t most)
{
    text_buffer buffer = {.n_sequences = 0};
    if (most > BATCH_TOKENS / 4)
        most = BATCH_TOKENS / 4;
    for (uint32_t i = 0; i < N_SENTENCES; i++) {
        uint32_t *ids = buffer.ids + buffer.n_tokens;
        uint32_t n =
            pieces ? vocabulary_encode(pieces, SENTENCES[i], most, ids) : draw(i, most, n_ids, ids);
        if (n > 0)
            buffer.lengths[buffer.n_sequences++] = n;
        buffer.n_tokens += n;
        if (buffer.n_tokens + most > BATCH_TOKENS)
            give(texts, &buffer);
    }
    give(texts, &buffer);
}

bool texts_own(text_list *texts, const void *tokenizer, size_t n_bytes, uint32_t n_ids,
               uint32_t most, fault_text *fault)
{
    vocabulary pieces = {0};
    bool ok = vocabulary_open(&pieces, tokenizer, n_bytes, n_ids, fault);
    if (ok)
        add_each(texts, &pieces, n_ids, most);
    vocabulary_close(&pieces);
    if (ok && texts->n_tokens == 0)
        add_each(texts, NULL, n_ids, most);
    return ok;
}
