"""Write js/tokenizer/unicode_tables.js: what Hugging Face `tokenizers` takes each code point for.

    pip install tokenizers==0.23.* unicodedata2
    python make_unicode_tables.py ../../js/tokenizer/unicode_tables.js

The Rust library mixes Unicode versions: categories of about 8 (crate unicode_categories),
normalisation of 9 (unicode-normalization-alignments), letters of a word of 16 (regex), lower case
and numbers of 17 (the Rust compiler of the wheel). So nothing is taken from a Unicode database
that the library does not agree with: every code point is put through the library. Only the
combining classes come from unicodedata2 (they never change once assigned), and only where the
library is seen to reorder.
"""
import struct
import sys

import tokenizers
import unicodedata2 as ucd
from tokenizers import normalizers, pre_tokenizers

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def bert(**on):
    off = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**off, **on})


def between(normalizer):
    """What becomes of each code point between two letters."""
    return {c: normalizer.normalize_str("a" + chr(c) + "b")[1:-1] for c in CODE_POINTS}


def pieces(pre_tokenizer, c):
    return len(pre_tokenizer.pre_tokenize_str("a" + chr(c) + "b"))


def ranges(values):
    found = []
    for c in sorted(values):
        if found and found[-1][1] == c - 1:
            found[-1][1] = c
        else:
            found.append([c, c])
    return found


def digits(value):
    text = ""
    while value > 31:
        text += DIGITS[32 | value & 31]
        value >>= 5
    return text + DIGITS[value]


def packed(runs):
    """Each run (first, last, extra...) as: gap from the end of the last run, length - 1, extra."""
    text, end = "", 0
    for first, last, *extra in runs:
        text += digits(first - end) + digits(last - first) + "".join(map(digits, extra))
        end = last + 1
    return text


def reorders(c):
    """Whether the library knows the combining class of c."""
    other = 0x334 if ucd.combining(chr(c)) > 1 else 0x301
    pair = chr(c) + chr(other) if other == 0x334 else chr(other) + chr(c)
    return normalizers.NFD().normalize_str(pair) != pair


clean = between(bert(clean_text=True))
strip = between(bert(strip_accents=True))
accents = between(normalizers.StripAccents())
sets = {
    "OTHER": ("category Cc, Cf, Co: what clean_text removes, with U+0000 and U+FFFD",
              [c for c in CODE_POINTS if clean[c] == ""]),
    "PUNCTUATION": ("ASCII punctuation or category P",
                    [c for c in CODE_POINTS if pieces(pre_tokenizers.BertPreTokenizer(), c) == 3]),
    "NONSPACING": ("category Mn, for strip_accents",
                   [c for c in CODE_POINTS if strip[c] == ""]),
    "SPACING": ("categories Mc and Me: with NONSPACING what the normalizer StripAccents removes",
                [c for c in CODE_POINTS if accents[c] == "" and strip[c] != ""]),
    "NUMERIC": ("category N",
                [c for c in CODE_POINTS if pieces(pre_tokenizers.Digits(), c) == 3]),
}

# Letters and so on of the expressions of a file, which Oniguruma runs; and where the sets above, of
# other versions of Unicode, differ.


def matching(expression):
    split = pre_tokenizers.Split(tokenizers.Regex(expression), "isolated")
    return {c for c in CODE_POINTS if len(split.pre_tokenize_str("\n" + chr(c) + "\n")) == 3}


words = {c for c in CODE_POINTS if pieces(pre_tokenizers.Whitespace(), c) == 1}
letters = matching(r"\p{L}")
sets["LETTER"] = ("\\p{L} of a regular expression", letters)
sets["WORD_REST"] = ("what \\w has besides, to the crate regex", words ^ letters)
sets["WORD_CHANGES"] = ("what of \\w is otherwise to Oniguruma", words ^ matching(r"[\w]"))
latin_numbers = {c for c in matching(r"\p{N}") if c < 256}
assert matching(r"\w") == matching(r"[\w]") | latin_numbers  # so it is, in brackets and not
sets["DECIMAL"] = ("\\d of a regular expression", matching(r"\d"))
sets["NUMBER_CHANGES"] = ("what of NUMERIC is otherwise in \\p{N}",
                          set(sets["NUMERIC"][1]) ^ matching(r"\p{N}"))
sets["SIGN_CHANGES"] = ("what of PUNCTUATION is otherwise in \\p{P}",
                        set(sets["PUNCTUATION"][1]) ^ matching(r"\p{P}"))

assert all(accents[c] == "" for c in CODE_POINTS if strip[c] == "")

# Decompositions are the engine's, but for code points that the library does not decompose.
newer = set()
for form, normalizer in (("NFD", normalizers.NFD()), ("NFKD", normalizers.NFKD())):
    theirs = between(normalizer)
    for c in CODE_POINTS:
        if theirs[c] != ucd.normalize(form, chr(c)):
            assert theirs[c] == chr(c), hex(c)
            newer.add(c)
sets["UNDECOMPOSED"] = ("decomposed by Unicode after 9.0, not by the library", sorted(newer))

classes = []
for c in CODE_POINTS:
    k = ucd.combining(chr(c))
    if k and reorders(c):
        if classes and classes[-1][1] == c - 1 and classes[-1][2] == k:
            classes[-1][1] = c
        else:
            classes.append([c, c, k])

# Lower case is the engine's too. Engines differ in what Unicode 14 and later brought.
lower = between(normalizers.Lowercase())
changes = []
for c in CODE_POINTS:
    new = c in (0x2C2F, 0xA7C0, 0x1C89, 0x10D50) or 0xA7CB <= c <= 0xA7DC or \
        0x10570 <= c <= 0x10595 or 0x10D50 <= c <= 0x10D65 or 0x16EA0 <= c <= 0x16EB8
    if new and lower[c] != chr(c):
        delta = ord(lower[c]) - c
        if changes and changes[-1][1] == c - 1 and changes[-1][2] == delta:
            changes[-1][1] = c
        else:
            changes.append([c, c, delta])
known = {c for first, last, _ in changes for c in range(first, last + 1)}
for c in CODE_POINTS:
    here = chr(c).lower() if c != 0x3A3 else "\u03c3"
    assert c in known or lower[c] == here, hex(c)

# Grapheme clusters show in what Precompiled does: a cluster of fewer than 6 bytes that begins with
# a key of its table is replaced as a whole, marks and all.


def precompiled(key):
    """The normalizer that puts x for one character, and what it makes of a text."""
    units, node = [0] * 256 * (len(key.encode()) + 2), 0
    for k, byte in enumerate(key.encode()):
        units[node] |= (node ^ 256 * (k + 1)) << 10
        node = 256 * (k + 1) + byte
        units[node] = byte
    base = 256 * (len(key.encode()) + 1)
    units[node] |= (node ^ base) << 10 | 1 << 8
    units[base] = 1 << 31
    trie = struct.pack(f"<{len(units)}I", *units)
    return normalizers.Precompiled(struct.pack("<I", len(trie)) + trie + b"x\0").normalize_str


def kept(key, before, after=""):
    """Those that, after `before`, form a cluster with what follows them: its accent is kept."""
    put = precompiled(key)
    text = after + key + "\u0301"
    return {c for c in CODE_POINTS if put(before + chr(c) + text).endswith("x\u0301")}


put_a, put_mark = precompiled("a"), precompiled("\u0300")
joins = {c for c in CODE_POINTS if put_a("a" + chr(c)) == "x"}
prepends = kept("a", "")
extends = joins & kept("\u00a9", "\u00a9", "\u200d")
sets["GRAPHEME_EXTEND"] = ("Grapheme_Cluster_Break Extend", extends)
sets["GRAPHEME_SPACING"] = ("Grapheme_Cluster_Break SpacingMark and ZWJ", joins - extends)
sets["GRAPHEME_PREPEND"] = ("Grapheme_Cluster_Break Prepend", prepends)
sets["GRAPHEME_CONTROL"] = ("Grapheme_Cluster_Break Control, CR and LF",
                            {c for c in CODE_POINTS if c != 0x300 and not
                             put_mark(chr(c) + "\u0300\u0301").endswith("x\u0301")})
sets["PICTOGRAPHIC"] = ("Extended_Pictographic", kept("\u00a9", "", "\u200d") - prepends)
sets["CONSONANT"] = ("Indic_Conjunct_Break Consonant", kept("\u0915", "", "\u094d") - prepends)
sets["LINKER"] = ("Indic_Conjunct_Break Linker", kept("\u0915", "\u0916") - prepends)
# What needs no table: all that extends, but not ZWNJ, may stand in a conjunct; and Hangul.
conjoined = kept("\u0915", "\u0916\u094d") - prepends
assert conjoined == extends - {0x200C} | {0x200D}
leading = set(range(0x1100, 0x1160)) | set(range(0xA960, 0xA97D))
assert kept("\u1100", "") - prepends == leading
vowels = set(range(0x1160, 0x11A8)) | set(range(0xD7B0, 0xD7C7)) | {0x16D63} | \
    set(range(0x16D67, 0x16D6B))
assert kept("\u1161", "") - prepends == leading | vowels | set(range(0xAC00, 0xD7A4, 28))
trailing = set(range(0x11A8, 0x1200)) | set(range(0xD7CB, 0xD7FC))
assert kept("\u11a8", "") - prepends == vowels | trailing | set(range(0xAC00, 0xD7A4))

# Scripts, as UnicodeScripts cuts at them; 0 is any.
scripts = pre_tokenizers.UnicodeScripts()


def one(text):
    return len(scripts.pre_tokenize_str(text)) == 1


script_runs, samples = [], []
for c in CODE_POINTS:
    if one("a" + chr(c) + "a") and one("\u0436" + chr(c) + "\u0436"):
        continue  # any script, as space and what is not assigned
    if script_runs and script_runs[-1][1] == c - 1 and one(chr(c - 1) + chr(c)):
        script_runs[-1][1] = c
        continue
    known = [k for k, sample in enumerate(samples) if one(chr(sample) + chr(c))]
    if not known:
        samples.append(c)
    script_runs.append([c, c, known[0] if known else len(samples) - 1])


def literal(name, comment, text):
    lines = [text[i:i + 88] for i in range(0, len(text), 88)]
    body = " +\n".join(f"    '{line}'" for line in lines)
    return f"\n/** {comment} */\nexport const {name} =\n{body};\n"


out = f"""/**
 * What Hugging Face `tokenizers` {tokenizers.__version__} takes each code point for. The library mixes several
 * versions of Unicode, and the engine's own tables (`\\p{{...}}`) differ from browser to browser, so
 * the sets are stored: the same text gives the same tokens everywhere.
 *
 * Written by tests/tools/make_unicode_tables.py; do not edit. Sets are runs of code
 * points: gap since the last run, length - 1. Numbers are little-endian groups of five bits in
 * base64 digits; 32 says that more follow.
 */
"""
for name, (comment, values) in sets.items():
    out += literal(name, comment, packed(ranges(values)))
out += literal("COMBINING_CLASSES", "canonical combining classes: gap, length - 1, class",
               packed(classes))
out += literal("SCRIPTS", "scripts, numbered in the order they come: gap, length - 1, number",
               packed(script_runs))
rows = [f"    [0x{a:x}, 0x{b:x}, 0x{a + d:x}]," for a, b, d in changes]
out += "\n/** Lower case that engines may not know yet: first, last, lower case of the first */\n"
out += "export const LOWER_CASE = [\n" + "\n".join(rows) + "\n];\n"
open(sys.argv[1], "w", encoding="utf-8").write(out)
