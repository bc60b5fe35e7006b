/* tokenizer_files.c - see tokenizer_files.h. */
#include "source/tokenizer_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/file.h"
#include "files/json.h"
#include "source/sentencepiece.h"

#define METASPACE "\xe2\x96\x81" /* U+2581 */

/* ------------------------------------------------------------------------------------- hints -- */

static const char *text_of(const cJSON *config, const char *key, const char *fallback)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(config, key);
    if (cJSON_IsObject(item)) /* an AddedToken */
        item = cJSON_GetObjectItemCaseSensitive(item, "content");
    return cJSON_IsString(item) ? item->valuestring : fallback;
}

static bool flag_of(const cJSON *config, const char *key, bool fallback)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(config, key);
    return cJSON_IsBool(item) ? cJSON_IsTrue(item) : fallback;
}

/* Whether config.json's model_type, or the class of the tokenizer, is of that family. */
static bool is_family(const tokenizer_hints *hints, const char *model_type, const char *class_name)
{
    const char *class_of = text_of(hints->tokenizer_config, "tokenizer_class", "");
    size_t n = strlen(class_name);
    return strcmp(text_of(hints->config, "model_type", ""), model_type) == 0 ||
           (strncmp(class_of, class_name, n) == 0 &&
            (strcmp(class_of + n, "Tokenizer") == 0 || strcmp(class_of + n, "TokenizerFast") == 0));
}

/* Names of the special tokens. */
typedef struct specials {
    const char *cls, *sep, *pad, *unk, *mask;
} specials;

static specials read_specials(const tokenizer_hints *hints, bool like_bert)
{
    const cJSON *config = hints->tokenizer_config;
    return (specials){text_of(config, "cls_token", like_bert ? "[CLS]" : "<s>"),
                      text_of(config, "sep_token", like_bert ? "[SEP]" : "</s>"),
                      text_of(config, "pad_token", like_bert ? "[PAD]" : "<pad>"),
                      text_of(config, "unk_token", like_bert ? "[UNK]" : "<unk>"),
                      text_of(config, "mask_token", like_bert ? "[MASK]" : "<mask>")};
}

/* -------------------------------------------------------------------------------------- JSON -- */

static cJSON *typed(const char *type)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "type", type);
    return json;
}

static cJSON *add(cJSON *list, cJSON *item)
{
    cJSON_AddItemToArray(list, item);
    return item;
}

/* A tokenizer.json without a model. */
static cJSON *new_tokenizer(void)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "version", "1.0");
    cJSON_AddNullToObject(json, "truncation");
    cJSON_AddNullToObject(json, "padding");
    cJSON_AddArrayToObject(json, "added_tokens");
    return json;
}

/* Adds a special token, if it has an id. */
static void add_special(cJSON *tokenizer, const char *content, double id, bool normalized,
                        bool lstrip)
{
    cJSON *list = cJSON_GetObjectItemCaseSensitive(tokenizer, "added_tokens"), *other;
    if (id < 0)
        return;
    cJSON_ArrayForEach(other, list) if (cJSON_GetObjectItem(other, "id")->valuedouble == id) return;
    cJSON *token = add(list, cJSON_CreateObject());
    cJSON_AddNumberToObject(token, "id", id);
    cJSON_AddStringToObject(token, "content", content);
    cJSON_AddBoolToObject(token, "single_word", false);
    cJSON_AddBoolToObject(token, "lstrip", lstrip);
    cJSON_AddBoolToObject(token, "rstrip", false);
    cJSON_AddBoolToObject(token, "normalized", normalized);
    cJSON_AddBoolToObject(token, "special", true);
}

static void add_piece(cJSON *template, const char *kind, const char *id, int type_id)
{
    cJSON *piece = add(template, cJSON_CreateObject());
    cJSON *inner = cJSON_AddObjectToObject(piece, kind);
    cJSON_AddStringToObject(inner, "id", id);
    cJSON_AddNumberToObject(inner, "type_id", type_id);
}

static void add_template_token(cJSON *tokens, const char *content, double id)
{
    cJSON *entry = cJSON_AddObjectToObject(tokens, content);
    cJSON_AddStringToObject(entry, "id", content);
    cJSON_AddItemToArray(cJSON_AddArrayToObject(entry, "ids"), cJSON_CreateNumber(id));
    cJSON_AddItemToArray(cJSON_AddArrayToObject(entry, "tokens"), cJSON_CreateString(content));
}

/* CLS A SEP and CLS A SEP B SEP, or as RoBERTa has it, CLS A SEP SEP B SEP of one type. */
static void add_template(cJSON *tokenizer, const specials *names, double cls_id, double sep_id,
                         bool like_roberta)
{
    cJSON *processor = typed("TemplateProcessing");
    cJSON_AddItemToObject(tokenizer, "post_processor", processor);
    cJSON *single = cJSON_AddArrayToObject(processor, "single");
    cJSON *pair = cJSON_AddArrayToObject(processor, "pair");
    cJSON *templates[] = {single, pair};
    for (int i = 0; i < 2; i++) {
        add_piece(templates[i], "SpecialToken", names->cls, 0);
        add_piece(templates[i], "Sequence", "A", 0);
        add_piece(templates[i], "SpecialToken", names->sep, 0);
    }
    if (like_roberta)
        add_piece(pair, "SpecialToken", names->sep, 0);
    add_piece(pair, "Sequence", "B", like_roberta ? 0 : 1);
    add_piece(pair, "SpecialToken", names->sep, like_roberta ? 0 : 1);
    cJSON *tokens = cJSON_AddObjectToObject(processor, "special_tokens");
    add_template_token(tokens, names->cls, cls_id);
    add_template_token(tokens, names->sep, sep_id);
}

/* The JSON as text; NULL with a fault if a piece appears twice. Frees the JSON. */
static char *finish(cJSON *tokenizer, const char *path, fault_text *fault)
{
    const char *repeated = json_repeated_key(tokenizer);
    char *text = repeated ? NULL : cJSON_PrintUnformatted(tokenizer);
    if (repeated)
        fault_set(fault, "%s: has '%.100s' twice", path, repeated);
    else if (!text)
        fault_set(fault, "%s: out of memory", path);
    cJSON_Delete(tokenizer);
    return text;
}

/* A special token's id, or -1 with a fault. */
static double need(double id, const char *name, const char *path, fault_text *fault)
{
    if (id < 0)
        fault_set(fault, "%s: has no '%s', which tokenizer_config.json or the family asks for",
                  path, name);
    return id;
}

/* --------------------------------------------------------------------------------- WordPiece -- */

/* A copy of the next line, without its end; NULL at the end. free() it. */
static char *next_line(const whole_file *file, size_t *at)
{
    if (*at >= file->n_bytes)
        return NULL;
    const char *start = (const char *)file->data + *at;
    const char *end = memchr(start, '\n', file->n_bytes - *at);
    size_t n = end ? (size_t)(end - start) : file->n_bytes - *at;
    *at += n + (end != NULL);
    while (n > 0 && start[n - 1] == '\r')
        n--;
    char *line = malloc(n + 1);
    if (!line)
        abort();
    memcpy(line, start, n);
    line[n] = '\0';
    return line;
}

/* token: line number, and the ids of the five special tokens, -1 where one is missing. */
static cJSON *read_lines(const char *path, const whole_file *file, const specials *names,
                         double ids[5], fault_text *fault)
{
    cJSON *vocab = cJSON_CreateObject();
    const char *const wanted[] = {names->cls, names->sep, names->pad, names->unk, names->mask};
    char *line;
    size_t at = 0;
    double id = 0;
    for (int i = 0; i < 5; i++)
        ids[i] = -1;
    while ((line = next_line(file, &at))) {
        bool is_text = json_is_text(line, strlen(line));
        for (int i = 0; is_text && i < 5; i++)
            if (strcmp(line, wanted[i]) == 0)
                ids[i] = id;
        if (is_text)
            cJSON_AddNumberToObject(vocab, line, id++);
        free(line);
        if (!is_text) {
            fault_set(fault, "%s: line %.0f is not UTF-8 text", path, id + 1);
            cJSON_Delete(vocab);
            return NULL;
        }
    }
    return vocab;
}

static char *make_word_piece(const char *path, const tokenizer_hints *hints, fault_text *fault)
{
    bool is_mpnet = is_family(hints, "mpnet", "MPNet");
    specials names = read_specials(hints, !is_mpnet);
    if (is_mpnet)
        names.unk = text_of(hints->tokenizer_config, "unk_token", "[UNK]");
    const cJSON *strip = cJSON_GetObjectItemCaseSensitive(hints->tokenizer_config, "strip_accents");
    double ids[5];
    whole_file file;
    if (!file_open(path, &file, fault))
        return NULL;
    cJSON *vocab = read_lines(path, &file, &names, ids, fault);
    file_close(&file);
    if (!vocab)
        return NULL;
    if (need(ids[0], names.cls, path, fault) < 0 || need(ids[1], names.sep, path, fault) < 0 ||
        need(ids[3], names.unk, path, fault) < 0) {
        cJSON_Delete(vocab);
        return NULL;
    }
    cJSON *json = new_tokenizer();
    add_special(json, names.pad, ids[2], false, false);
    add_special(json, names.unk, ids[3], false, false);
    add_special(json, names.cls, ids[0], false, false);
    add_special(json, names.sep, ids[1], false, false);
    add_special(json, names.mask, ids[4], false, is_mpnet);
    cJSON *normalizer = typed("BertNormalizer");
    cJSON_AddItemToObject(json, "normalizer", normalizer);
    cJSON_AddBoolToObject(normalizer, "clean_text", true);
    cJSON_AddBoolToObject(normalizer, "handle_chinese_chars",
                          flag_of(hints->tokenizer_config, "tokenize_chinese_chars", true));
    if (cJSON_IsBool(strip))
        cJSON_AddBoolToObject(normalizer, "strip_accents", cJSON_IsTrue(strip));
    else
        cJSON_AddNullToObject(normalizer, "strip_accents");
    cJSON_AddBoolToObject(normalizer, "lowercase",
                          flag_of(hints->tokenizer_config, "do_lower_case", true));
    cJSON_AddItemToObject(json, "pre_tokenizer", typed("BertPreTokenizer"));
    add_template(json, &names, ids[0], ids[1], is_mpnet);
    cJSON *decoder = typed("WordPiece");
    cJSON_AddItemToObject(json, "decoder", decoder);
    cJSON_AddStringToObject(decoder, "prefix", "##");
    cJSON_AddBoolToObject(decoder, "cleanup", true);
    cJSON *model = typed("WordPiece");
    cJSON_AddItemToObject(json, "model", model);
    cJSON_AddStringToObject(model, "unk_token", names.unk);
    cJSON_AddStringToObject(model, "continuing_subword_prefix", "##");
    cJSON_AddNumberToObject(model, "max_input_chars_per_word", 100);
    cJSON_AddItemToObject(model, "vocab", vocab);
    return finish(json, path, fault);
}

/* --------------------------------------------------------------------------------------- BPE -- */

/* Pairs "a b", in order of rank; the first line may be a comment. */
static cJSON *read_merges(const char *path, fault_text *fault)
{
    whole_file file;
    if (!file_open(path, &file, fault))
        return NULL;
    cJSON *merges = cJSON_CreateArray();
    char *line;
    size_t at = 0;
    for (size_t number = 1; merges && (line = next_line(&file, &at)); number++) {
        const char *space = strchr(line, ' ');
        bool is_comment = number == 1 && strncmp(line, "#version", 8) == 0;
        if (line[0] && !is_comment) {
            if (!space || space == line || !space[1] || strchr(space + 1, ' ') ||
                !json_is_text(line, strlen(line))) {
                fault_set(fault, "%s: line %zu is not a pair of pieces", path, number);
                cJSON_Delete(merges);
                merges = NULL;
            } else {
                cJSON_AddItemToArray(merges, cJSON_CreateString(line));
            }
        }
        free(line);
    }
    file_close(&file);
    return merges;
}

static double id_in(const cJSON *vocab, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(vocab, name);
    return cJSON_IsNumber(item) ? item->valuedouble : -1;
}

static cJSON *byte_level(bool add_prefix_space)
{
    cJSON *json = typed("ByteLevel");
    cJSON_AddBoolToObject(json, "add_prefix_space", add_prefix_space);
    cJSON_AddBoolToObject(json, "trim_offsets", true);
    cJSON_AddBoolToObject(json, "use_regex", true);
    return json;
}

static void add_pair(cJSON *processor, const char *key, const char *name, double id)
{
    cJSON *pair = cJSON_AddArrayToObject(processor, key);
    cJSON_AddItemToArray(pair, cJSON_CreateString(name));
    cJSON_AddItemToArray(pair, cJSON_CreateNumber(id));
}

static cJSON *read_vocab(const char *path, fault_text *fault)
{
    whole_file file;
    if (!file_open(path, &file, fault))
        return NULL;
    cJSON *vocab = json_object(path, file.data, file.n_bytes, fault);
    file_close(&file);
    return vocab;
}

static char *make_bpe(const char *vocab_path, const char *merges_path, const tokenizer_hints *hints,
                      fault_text *fault)
{
    bool is_deberta = is_family(hints, "deberta", "Deberta");
    bool add_prefix_space = flag_of(hints->tokenizer_config, "add_prefix_space", false);
    specials names = read_specials(hints, is_deberta);
    cJSON *vocab = read_vocab(vocab_path, fault), *merges = read_merges(merges_path, fault);
    double cls = id_in(vocab, names.cls), sep = id_in(vocab, names.sep);
    if (!vocab || !merges || need(cls, names.cls, vocab_path, fault) < 0 ||
        need(sep, names.sep, vocab_path, fault) < 0) {
        cJSON_Delete(vocab);
        cJSON_Delete(merges);
        return NULL;
    }
    cJSON *json = new_tokenizer();
    const char *const plain[] = {names.cls, names.pad, names.sep, names.unk};
    for (int i = 0; i < 4; i++)
        add_special(json, plain[i], id_in(vocab, plain[i]), !is_deberta, false);
    add_special(json, names.mask, id_in(vocab, names.mask), is_deberta, true);
    cJSON_AddNullToObject(json, "normalizer");
    cJSON_AddItemToObject(json, "pre_tokenizer", byte_level(add_prefix_space));
    if (is_deberta) {
        add_template(json, &names, cls, sep, false);
    } else {
        cJSON *processor = typed("RobertaProcessing");
        cJSON_AddItemToObject(json, "post_processor", processor);
        add_pair(processor, "sep", names.sep, sep);
        add_pair(processor, "cls", names.cls, cls);
        cJSON_AddBoolToObject(processor, "trim_offsets",
                              flag_of(hints->tokenizer_config, "trim_offsets", true));
        cJSON_AddBoolToObject(processor, "add_prefix_space", add_prefix_space);
    }
    cJSON_AddItemToObject(json, "decoder", byte_level(true));
    cJSON *model = typed("BPE");
    cJSON_AddItemToObject(json, "model", model);
    cJSON_AddNullToObject(model, "dropout");
    cJSON_AddNullToObject(model, "unk_token");
    cJSON_AddStringToObject(model, "continuing_subword_prefix", "");
    cJSON_AddStringToObject(model, "end_of_word_suffix", "");
    cJSON_AddBoolToObject(model, "fuse_unk", false);
    cJSON_AddBoolToObject(model, "byte_fallback", false);
    cJSON_AddBoolToObject(model, "ignore_merges", false);
    cJSON_AddItemToObject(model, "vocab", vocab);
    cJSON_AddItemToObject(model, "merges", merges);
    return finish(json, vocab_path, fault);
}

/* ----------------------------------------------------------------------------------- Unigram -- */

static void push_piece(cJSON *vocab, const void *text, size_t n_bytes, double score)
{
    char *copy = malloc(n_bytes + 1);
    if (!copy)
        abort();
    if (n_bytes)
        memcpy(copy, text, n_bytes);
    copy[n_bytes] = '\0';
    cJSON *pair = add(vocab, cJSON_CreateArray());
    cJSON_AddItemToArray(pair, cJSON_CreateString(copy));
    /* cJSON would leave out the last two digits. */
    char number[32];
    snprintf(number, sizeof number, "%.17g", score);
    cJSON_AddItemToArray(pair, cJSON_CreateRaw(number));
    free(copy);
}

static void push_name(cJSON *vocab, const char *name, double score)
{
    push_piece(vocab, name, strlen(name), score);
}

/* ALBERT does not join a number and the comma after it: AlbertConverter. */
static bool ends_in_number_comma(const ProtobufCBinaryData *text)
{
    size_t n = text->len;
    return n >= 2 && text->data[n - 1] == ',' && text->data[n - 2] >= '0' &&
           text->data[n - 2] <= '9';
}

typedef enum sentencepiece_family { ALBERT, DEBERTA, XLM_ROBERTA, CAMEMBERT } sentencepiece_family;

static cJSON *unigram_vocab(const sentencepiece *spm, sentencepiece_family family)
{
    static const char *const xlm[] = {"<s>", "<pad>", "</s>", "<unk>"};
    static const char *const camembert[] = {"<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>"};
    cJSON *vocab = cJSON_CreateArray();
    size_t first = family == XLM_ROBERTA ? 3 : family == CAMEMBERT ? 1 : 0;
    for (int i = 0; first > 0 && i < 4; i++)
        push_name(vocab, family == XLM_ROBERTA ? xlm[i] : camembert[i], 0);
    if (family == CAMEMBERT)
        push_name(vocab, "<unk>NOTUSED", -100);
    for (size_t i = first; i < spm->model->n_pieces; i++) {
        const Sentencepiece__Piece *piece = spm->model->pieces[i];
        double penalty = family == ALBERT && ends_in_number_comma(&piece->text) ? 100 : 0;
        push_piece(vocab, piece->text.data, piece->text.len, piece->score - penalty);
    }
    if (first > 0)
        push_name(vocab, "<mask>", 0);
    return vocab;
}

static void add_replace(cJSON *list, const char *kind, const char *pattern, const char *content)
{
    cJSON *replace = add(list, typed("Replace"));
    cJSON_AddStringToObject(cJSON_AddObjectToObject(replace, "pattern"), kind, pattern);
    cJSON_AddStringToObject(replace, "content", content);
}

static void add_strip(cJSON *list, bool left)
{
    cJSON *strip = add(list, typed("Strip"));
    cJSON_AddBoolToObject(strip, "strip_left", left);
    cJSON_AddBoolToObject(strip, "strip_right", true);
}

/* Base64 of RFC 4648, terminated; `text` has room for 4 * ceil(n_bytes / 3) + 1 characters. */
static void write_base64(const uint8_t *bytes, size_t n_bytes, char *text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n_bytes; i += 3) {
        size_t n = n_bytes - i < 3 ? n_bytes - i : 3;
        uint32_t group = (uint32_t)bytes[i] << 16;
        if (n > 1)
            group |= (uint32_t)bytes[i + 1] << 8;
        if (n > 2)
            group |= bytes[i + 2];
        for (size_t k = 0; k < 4; k++)
            *text++ = k <= n ? digits[group >> (18 - 6 * k) & 63] : '=';
    }
    *text = '\0';
}

static void add_charsmap(cJSON *list, const sentencepiece *spm)
{
    const ProtobufCBinaryData *charsmap = &spm->normalizer->precompiled_charsmap;
    if (charsmap->len == 0)
        return;
    char *text = malloc((charsmap->len + 2) / 3 * 4 + 1);
    if (!text)
        abort();
    write_base64(charsmap->data, charsmap->len, text);
    cJSON *precompiled = add(list, typed("Precompiled"));
    cJSON_AddStringToObject(precompiled, "precompiled_charsmap", text);
    free(text);
}

static cJSON *unigram_normalizer(const sentencepiece *spm, sentencepiece_family family,
                                 const cJSON *config)
{
    cJSON *normalizer = typed("Sequence"),
          *list = cJSON_AddArrayToObject(normalizer, "normalizers");
    if (family == ALBERT) {
        add_replace(list, "String", "``", "\"");
        add_replace(list, "String", "''", "\"");
        if (!flag_of(config, "keep_accents", false)) {
            add(list, typed("NFKD"));
            add(list, typed("StripAccents"));
        }
        if (flag_of(config, "do_lower_case", true))
            add(list, typed("Lowercase"));
    } else if (family == DEBERTA) {
        if (flag_of(config, "do_lower_case", false))
            add(list, typed("Lowercase"));
        add_strip(list, true);
    }
    add_charsmap(list, spm);
    if (family == XLM_ROBERTA || family == CAMEMBERT) {
        add_strip(list, false);
        add_replace(list, "Regex", " {2,}", METASPACE);
    } else {
        add_replace(list, "Regex", " {2,}", " ");
    }
    return normalizer;
}

static cJSON *metaspace(void)
{
    cJSON *json = typed("Metaspace");
    cJSON_AddStringToObject(json, "replacement", METASPACE);
    cJSON_AddStringToObject(json, "prepend_scheme", "always");
    cJSON_AddBoolToObject(json, "split", true);
    return json;
}

static cJSON *unigram_pre_tokenizer(sentencepiece_family family, const cJSON *config)
{
    if (family != DEBERTA)
        return metaspace();
    cJSON *sequence = typed("Sequence");
    cJSON *list = cJSON_AddArrayToObject(sequence, "pretokenizers");
    if (flag_of(config, "split_by_punct", false)) {
        cJSON *punctuation = add(list, typed("Punctuation"));
        cJSON_AddStringToObject(punctuation, "behavior", "Isolated");
    }
    add(list, metaspace());
    return sequence;
}

/* The first piece of that name, or -1. */
static double id_of_piece(const cJSON *vocab, const char *name)
{
    const cJSON *pair;
    double id = 0;
    cJSON_ArrayForEach(pair, vocab)
    {
        if (strcmp(pair->child->valuestring, name) == 0)
            return id;
        id++;
    }
    return -1;
}

static bool find_family(const tokenizer_hints *hints, sentencepiece_family *family)
{
    if (is_family(hints, "albert", "Albert"))
        *family = ALBERT;
    else if (is_family(hints, "deberta-v2", "DebertaV2"))
        *family = DEBERTA;
    else if (is_family(hints, "xlm-roberta", "XLMRoberta"))
        *family = XLM_ROBERTA;
    else if (is_family(hints, "camembert", "Camembert"))
        *family = CAMEMBERT;
    else
        return false;
    return true;
}

/* Whether every piece is UTF-8 text. */
static bool check_pieces(const char *path, const sentencepiece *spm, fault_text *fault)
{
    for (size_t i = 0; i < spm->model->n_pieces; i++) {
        const Sentencepiece__Piece *piece = spm->model->pieces[i];
        if (!json_is_text(piece->text.data, piece->text.len))
            return fault_set(fault, "%s: piece %zu is not UTF-8 text", path, i);
        if (!(piece->score > -1e30f && piece->score < 1e30f))
            return fault_set(fault, "%s: the score of piece %zu is not a finite number", path, i);
    }
    return true;
}

static cJSON *unigram(const char *path, const sentencepiece *spm, sentencepiece_family family,
                      const tokenizer_hints *hints, fault_text *fault)
{
    bool like_roberta = family == XLM_ROBERTA || family == CAMEMBERT;
    specials names = read_specials(hints, !like_roberta);
    if (family == ALBERT) {
        names.pad = text_of(hints->tokenizer_config, "pad_token", "<pad>");
        names.unk = text_of(hints->tokenizer_config, "unk_token", "<unk>");
    }
    cJSON *vocab = unigram_vocab(spm, family), *json = new_tokenizer();
    double cls = need(id_of_piece(vocab, names.cls), names.cls, path, fault);
    double sep = need(id_of_piece(vocab, names.sep), names.sep, path, fault);
    double unk = like_roberta ? 3 : spm->trainer->unk_id;
    double mask = id_of_piece(vocab, names.mask);
    if (mask < 0)
        mask = cJSON_GetArraySize(vocab); /* DeBERTa's comes after all pieces */
    if (cls < 0 || sep < 0 || unk < 0 || unk >= cJSON_GetArraySize(vocab)) {
        fault_set(fault, "%s: its unknown piece is number %.0f, which is not there", path, unk);
        cJSON_Delete(vocab);
        cJSON_Delete(json);
        return NULL;
    }
    const char *const plain[] = {names.pad, names.unk, names.cls, names.sep};
    for (int i = 0; i < 4; i++)
        add_special(json, plain[i], id_of_piece(vocab, plain[i]), false, false);
    add_special(json, names.mask, mask, false, true);
    cJSON_AddItemToObject(json, "normalizer",
                          unigram_normalizer(spm, family, hints->tokenizer_config));
    cJSON_AddItemToObject(json, "pre_tokenizer",
                          unigram_pre_tokenizer(family, hints->tokenizer_config));
    add_template(json, &names, cls, sep, like_roberta);
    cJSON_AddItemToObject(json, "decoder", metaspace());
    cJSON *model = typed("Unigram");
    cJSON_AddItemToObject(json, "model", model);
    cJSON_AddNumberToObject(model, "unk_id", unk);
    cJSON_AddItemToObject(model, "vocab", vocab);
    cJSON_AddBoolToObject(model, "byte_fallback", spm->trainer->byte_fallback);
    return json;
}

static char *make_unigram(const char *path, const tokenizer_hints *hints, fault_text *fault)
{
    sentencepiece_family family;
    sentencepiece spm = {0};
    if (!find_family(hints, &family)) {
        fault_set(fault,
                  "%s: neither config.json's model_type nor tokenizer_config.json says whose it "
                  "is: albert, deberta-v2, xlm-roberta or camembert",
                  path);
        return NULL;
    }
    cJSON *json = sentencepiece_open(path, &spm, fault) && check_pieces(path, &spm, fault)
                      ? unigram(path, &spm, family, hints, fault)
                      : NULL;
    sentencepiece_close(&spm);
    return json ? finish(json, path, fault) : NULL;
}

char *tokenizer_files_make(const char *vocab_txt, const char *vocab_json, const char *merges_txt,
                           const char *sentencepiece_model, const tokenizer_hints *hints,
                           fault_text *fault)
{
    if (sentencepiece_model)
        return make_unigram(sentencepiece_model, hints, fault);
    if (vocab_json && merges_txt)
        return make_bpe(vocab_json, merges_txt, hints, fault);
    return vocab_txt ? make_word_piece(vocab_txt, hints, fault) : NULL;
}
