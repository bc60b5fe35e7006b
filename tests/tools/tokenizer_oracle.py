"""What Hugging Face `tokenizers` makes of texts, for tests/js/tokenizer*.test.js.

Reads JSON lines: {"tokenizer": the text of a tokenizer.json} for those that follow, or
{"text", "pair", "special", "truncation"}. Writes a line for each text: ids, type_ids, tokens,
offsets (flat, in code points), sequence, special and overflow, or {"error"}.
"""
import json
import os
import sys

os.environ["RUST_BACKTRACE"] = "0"
from tokenizers import Tokenizer


def flat(encoding):
    return {
        "ids": encoding.ids,
        "type_ids": encoding.type_ids,
        "tokens": encoding.tokens,
        "offsets": [x for pair in encoding.offsets for x in pair],
        "sequence": [-1 if s is None else s for s in encoding.sequence_ids],
        "special": encoding.special_tokens_mask,
    }


def answer(tokenizer, job):
    tokenizer.no_truncation()
    tokenizer.no_padding()
    t = job.get("truncation")
    if t:
        tokenizer.enable_truncation(t["max_length"], stride=t["stride"], strategy=t["strategy"],
                                    direction=t["direction"])
    encoding = tokenizer.encode(job["text"], job.get("pair"),
                                add_special_tokens=job.get("special", True))
    result = flat(encoding)
    if t:
        result["overflow"] = [flat(each) for each in encoding.overflowing]
    if job.get("decode"):
        result["decoded"] = [tokenizer.decode(encoding.ids, skip_special_tokens=skip)
                             for skip in (True, False)]
    return result


tokenizer = None
for line in sys.stdin:
    job = json.loads(line)
    if "tokenizer" in job:
        tokenizer = Tokenizer.from_str(job["tokenizer"])
        continue
    try:
        result = answer(tokenizer, job)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a panic of the library is not an Exception
        result = {"error": str(error)}
    sys.stdout.write(json.dumps(result) + "\n")
