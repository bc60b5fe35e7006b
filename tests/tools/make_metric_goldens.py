"""Makes tests/golden/metrics.json: random answers, and what the usual tools count of them.

    python make_metric_goldens.py tests/golden/metrics.json

Classification and NDCG by scikit-learn, entities by seqeval, answers by the SQuAD 2.0 script of
transformers, correlations by scipy. tests/tools/requirements-pipelines.txt has the releases.
"""
import json
import random
import sys
import types
import warnings

import numpy as np
import scipy
import sklearn.metrics
from scipy import stats
from seqeval.metrics import sequence_labeling
from transformers.data.metrics import squad_metrics

warnings.filterwarnings("ignore")
rng = random.Random(7)
KEYS = ("precision", "recall", "f1", "support")


def scores(values, support=None):
    precision, recall, f1, n = values
    return dict(zip(KEYS, (float(precision), float(recall), float(f1), int(n if n is not None else support))))


def classification():
    for classes, n, right in [(2, 40, 0.8), (3, 60, 0.5), (5, 30, 0.3), (3, 10, 1.0), (4, 8, 0.0), (2, 6, None),
                              (6, 200, 0.6)]:
        expected = [rng.randrange(classes) for _ in range(n)] if right is not None else [0] * n
        predicted = [e if rng.random() < (right or 0) else rng.randrange(classes) for e in expected]
        if classes == 5:  # one never predicted, one that is never true
            predicted = [0 if p == 4 else p for p in predicted]
            expected = [1 if e == 3 else e for e in expected]
        labels = list(range(classes))
        support = sklearn.metrics.precision_recall_fscore_support

        def of(average):
            return support(expected, predicted, labels=labels, average=average, zero_division=0)

        each = of(None)
        yield {
            "expected": expected, "predicted": predicted, "n_classes": classes,
            "confusion": sklearn.metrics.confusion_matrix(expected, predicted, labels=labels).tolist(),
            "accuracy": sklearn.metrics.accuracy_score(expected, predicted),
            "matthews": float(sklearn.metrics.matthews_corrcoef(expected, predicted)),
            "classes": [scores(column) for column in zip(*each)],
            **{average: scores(of(average), n) for average in ("micro", "macro", "weighted")},
        }


def entities():
    usual = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG-X", "I-ORG-X"]
    others = usual + ["E-PER", "S-PER", "E-LOC", "S-LOC", "B", "I", "LABEL_1"]
    inside_only = ["O", "I-PER", "I-LOC"]
    for tags, sentences, right in [(usual, 30, 0.7), (usual, 10, 0.2), (usual, 5, 1.0), (others, 60, 0.6),
                                   (others, 60, 0.2), (inside_only, 20, 0.6), (["O"], 3, 1.0), (usual, 1, 0.0)]:
        lengths = [rng.randint(0 if sentences > 5 else 1, 9) for _ in range(sentences)]
        expected = [[rng.choice(tags) for _ in range(n)] for n in lengths]
        predicted = [[t if rng.random() < right else rng.choice(tags) for t in row] for row in expected]
        support = sequence_labeling.precision_recall_fscore_support

        def of(average):
            return support(expected, predicted, average=average, zero_division=0)

        spans = [[{"type": t, "start": s, "end": e + 1}
                  for t, s, e in sequence_labeling.get_entities(row)] for row in expected]
        names = sorted({t for row in expected + predicted for t, _, _ in sequence_labeling.get_entities(row)})
        case = {"expected": expected, "predicted": predicted, "spans": spans,
                "types": dict(zip(names, (scores(c) for c in zip(*of(None)))))}
        if names:
            case.update({average: scores(of(average)) for average in ("micro", "macro", "weighted")})
        else:  # seqeval gives nan or raises where there is no entity at all
            case.update({average: dict.fromkeys(KEYS, 0) for average in ("micro", "macro", "weighted")})
        yield case


PIECES = ["the", "The", "an", "a", "cat", "Cat", "cats.", "in", "the-hat", "U.S.", "$9.99", "99", "Köln", "köln", "日本",
          "a日", "“a”", "ÉTÉ", "été", "theé", "_a_", "a_", "\u00a0", "\t", "...", "!", "don't", "dont", "😀", "a😀the", "Ⅷ", "a\u0301",
          "İstanbul", "ΣΟΦΟΣ", "\x1f", "\u200b", "x²", "²the"]


def answers():
    def phrase(most):
        return rng.choice([" ", " ", "  "]).join(rng.choice(PIECES) for _ in range(rng.randint(0, most)))

    normal = PIECES + [phrase(6) for _ in range(80)]
    yield {"texts": normal, "normalized": [squad_metrics.normalize_answer(t) for t in normal]}
    for n, golds, impossible in [(40, 3, 0.3), (20, 1, 0.0), (10, 2, 1.0), (60, 2, 0.2)]:
        expected, predicted = [], []
        for _ in range(n):
            all_golds = [] if rng.random() < impossible else [phrase(5) for _ in range(rng.randint(1, golds))]
            expected.append(all_golds)
            guess = phrase(5)
            if all_golds and rng.random() < 0.6:
                guess = rng.choice(all_golds)
                words = guess.split(" ")
                guess = " ".join(w for w in words if rng.random() < 0.8).upper() if rng.random() < 0.7 else guess
            predicted.append("" if rng.random() < 0.2 else guess)
        examples = [types.SimpleNamespace(qas_id=i, answers=[{"text": t} for t in e]) for i, e in enumerate(expected)]
        exact, f1 = squad_metrics.get_raw_scores(examples, dict(enumerate(predicted)))
        has = [i for i, e in enumerate(expected) if any(squad_metrics.normalize_answer(t) for t in e)]
        groups = {"all": list(range(n)), "has_answer": has, "no_answer": [i for i in range(n) if i not in has]}
        yield {"expected": expected, "predicted": predicted, **{
            name: {"exact": sum(exact[i] for i in ids) / len(ids), "f1": sum(f1[i] for i in ids) / len(ids),
                   "n": len(ids)} for name, ids in groups.items() if ids}}


def correlations():
    def case(a, b):
        return {"a": a, "b": b, "pearson": float(stats.pearsonr(a, b)[0]), "spearman": float(stats.spearmanr(a, b)[0])}

    for n in (2, 3, 10, 50):
        a = [rng.gauss(0, 1) for _ in range(n)]
        yield case(a, [rng.gauss(0, 1) for _ in range(n)])
        yield case(a, [x + rng.gauss(0, 0.3) for x in a])
        yield case(a, [-3 * x + 2 for x in a])
        yield case([1e6 + x for x in a], [rng.random() for _ in a])
    for n in (6, 40):
        yield case([rng.randint(0, 3) for _ in range(n)], [rng.random() for _ in range(n)])
        yield case([rng.randint(0, 5) for _ in range(n)], [rng.randint(0, 3) for _ in range(n)])


def rankings():
    for n in (1, 2, 5, 12, 30):
        for grades in (1, 3):
            gains = [rng.randint(0, grades) if rng.random() < 0.4 else 0 for _ in range(n)]
            guesses = rng.sample(range(1000), n)
            ranked = sorted(range(n), key=lambda i: -guesses[i])
            for k in (1, 3, 10):
                first = next((r for r, d in enumerate(ranked[:k]) if gains[d] > 0), None)
                yield {"ranked": ranked, "gains": gains, "k": k,
                       "ndcg": float(sklearn.metrics.ndcg_score([gains], [guesses], k=k)) if n > 1 else float(gains[0] > 0),
                       "reciprocal_rank": 0 if first is None else 1 / (first + 1)}


def hits():
    for _ in range(4):
        scores_ = np.array([[rng.random() for _ in range(8)] for _ in range(20)])
        expected = [rng.randrange(8) for _ in range(20)]
        ranked = (-scores_).argsort(axis=1).tolist()
        yield {"expected": expected, "ranked": ranked, "top": {str(k): float(
            sklearn.metrics.top_k_accuracy_score(expected, scores_, k=k, labels=list(range(8)))) for k in (1, 3, 5)}}


def main():
    groups = (classification, entities, answers, correlations, rankings, hits)
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        file.write("{\n" + json.dumps("made_with") + ": " + json.dumps(
            {"scikit-learn": sklearn.__version__, "scipy": scipy.__version__, "seqeval": "1.2.2"}))
        for group in groups:
            cases = ",\n".join(json.dumps(case, ensure_ascii=False) for case in group())
            file.write(f',\n"{group.__name__}": [\n{cases}\n]')
        file.write("\n}\n")


if __name__ == "__main__":
    main()
