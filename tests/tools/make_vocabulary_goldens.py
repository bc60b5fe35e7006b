"""tests/golden/vocabulary/*.json: what `tokenizers` makes of corpus.txt there.

    python tests/tools/make_vocabulary_goldens.py

The library gives continuing characters (##x) ids in the order of a hash map, another one in each
process, and breaks ties by these ids. Here all characters are given to it as special tokens, which
it takes first and in order: so it is repeatable, and has the order that js/train/vocabulary/ has.
Where the alphabet is limited, the limit is one at which no two characters are as frequent.
"""
import collections
import json
import os

import tokenizers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

FOLDER = os.path.join(os.path.dirname(__file__), "..", "golden", "vocabulary")
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

CASES = {
    "uncased": dict(size=270, min_frequency=2, limit_alphabet=1000, lowercase=True),
    "cased": dict(size=10_000, min_frequency=1, limit_alphabet=1000, lowercase=False),
    "limited": dict(size=10_000, min_frequency=3, limit_alphabet=30, lowercase=True),
}


def pieces(lines, size, min_frequency, limit_alphabet, lowercase):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    words = collections.Counter()
    for line in lines:
        text = tokenizer.normalizer.normalize_str(line)
        words.update(word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text))
    counts, continuing = collections.Counter(), set()
    for word, n in words.items():
        for i, character in enumerate(word):
            counts[character] += n
            if i:
                continuing.add(character)
    ranked = counts.most_common()
    if limit_alphabet < len(ranked):
        assert ranked[limit_alphabet - 1][1] > ranked[limit_alphabet][1], ranked
    alphabet = sorted(c for c, _ in ranked[:limit_alphabet])
    first = SPECIAL + alphabet + ["##" + c for c in alphabet if c in continuing]
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, min_frequency=min_frequency, limit_alphabet=limit_alphabet,
        special_tokens=first, show_progress=False)
    tokenizer.train_from_iterator(lines, trainer)
    vocabulary = tokenizer.get_vocab()
    return sorted(vocabulary, key=vocabulary.get)


def main():
    with open(os.path.join(FOLDER, "corpus.txt"), encoding="utf-8") as file:
        lines = file.read().split("\n")
    for name, options in CASES.items():
        found = dict(tokenizers=tokenizers.__version__, options=options,
                     pieces=pieces(lines, **options))
        print(name, len(found["pieces"]))
        with open(os.path.join(FOLDER, name + ".json"), "w", encoding="utf-8") as file:
            json.dump(found, file, ensure_ascii=False)
            file.write("\n")


main()
