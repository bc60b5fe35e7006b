"""Mean-pooled embeddings by a .tflite file of padded signatures, as make_litert.py writes them:

    python -I litert_embeddings.py FILE < sequences.json > embeddings.json

sequences.json is a list of lists of token ids. The interpreter is the native one, with the arithmetic of LiteRT.js.
"""
import json
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter

interpreter = Interpreter(sys.argv[1])
runners = {int(name[1:]): interpreter.get_signature_runner(name) for name in interpreter.get_signature_list()}


def embed(ids):
    n_tokens = min(n for n in runners if n >= len(ids))
    padding = [0] * (n_tokens - len(ids))
    given = [ids + padding, [1] * len(ids) + padding]
    names = sorted(runners[n_tokens].get_input_details())
    (states,) = runners[n_tokens](**{name: np.array([row], np.int32) for name, row in zip(names, given)}).values()
    return states[0, :len(ids)].mean(0, dtype=np.float64)


json.dump([embed(ids).tolist() for ids in json.load(sys.stdin)], sys.stdout)
