"""What scikit-learn's LogisticRegression, at its defaults, learns: tests/golden/logistic.json.

    python make_logistic_golden.py ../golden/logistic.json

Rows are drawn, of a few clusters that overlap; of two classes there is one vector of weights, of more
one each. `probabilities` are those of the first rows.
"""
import json
import sys

import numpy
from sklearn.linear_model import LogisticRegression

CASES = [dict(n=12, n_in=20, n_classes=2, scale=0.3), dict(n=30, n_in=8, n_classes=4, scale=1.0)]

random = numpy.random.default_rng(20261130)
cases = []
for case in CASES:
    centres = random.normal(size=(case["n_classes"], case["n_in"]))
    labels = numpy.arange(case["n"]) % case["n_classes"]
    noise = random.normal(size=(case["n"], case["n_in"]))
    rows = (case["scale"] * (centres[labels] + noise)).round(4)
    model = LogisticRegression(tol=1e-10, max_iter=10000).fit(rows, labels)
    cases.append(dict(rows=rows.tolist(), labels=labels.tolist(),
                      weight=model.coef_.round(7).tolist(),
                      bias=model.intercept_.round(7).tolist(),
                      probabilities=model.predict_proba(rows[:5]).round(7).tolist()))
with open(sys.argv[1], "w") as file:
    file.write("[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]\n")
