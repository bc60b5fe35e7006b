"""Native `tokenizers` for bench/tokenizers.js: loads tokenizer.json, then for every line on standard
input encodes all texts of a JSON file once and prints the seconds.

    python tokenizers.py TOKENIZER.json TEXTS.json
"""
import json
import os
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
sys.path = [path for path in sys.path if os.path.abspath(path or ".") != os.path.dirname(os.path.abspath(__file__))]
from tokenizers import Tokenizer  # noqa: E402 - this file has the package's name

start = time.perf_counter()
tokenizer = Tokenizer.from_file(sys.argv[1])
tokenizer.no_truncation()
print(time.perf_counter() - start, flush=True)
with open(sys.argv[2], encoding="utf-8") as file:
    texts = json.load(file)
for _ in sys.stdin:
    start = time.perf_counter()
    for text in texts:
        tokenizer.encode(text)
    print(time.perf_counter() - start, flush=True)
