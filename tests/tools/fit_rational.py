"""Derives the coefficients in core/vector_math.h: odd rational approximations x P(x^2) / Q(x^2) of erf
and tanh with the least relative error on [0, bound], by Loeb's linearised iteration with Lawson's
weights, in double-double (mpmath) and then in float32; and a polynomial for e^x on [-ln 2 / 2, ln 2 / 2]
with c[0] = 1, by Lawson's weights alone. Needs numpy and mpmath.

    python3 tests/tools/fit_rational.py
"""
import mpmath as mp
import numpy as np

mp.mp.dps = 50


def fit(function, bound, p_degree, q_degree, n_nodes=160, rounds=40):
    nodes = [mp.mpf(bound) * (1 - mp.cos(mp.pi * (2 * i + 1) / (2 * n_nodes))) / 2 for i in range(n_nodes)]
    target = [function(x) / x for x in nodes]
    weight = [mp.mpf(1)] * n_nodes
    q_value = [mp.mpf(1)] * n_nodes
    best = None
    for _ in range(rounds):
        # P(t) - target (Q(t) - 1) = target, every row divided by target and by the last Q
        rows, right = [], []
        for x, f, w, q in zip(nodes, target, weight, q_value):
            t, scale = x * x, mp.sqrt(w) / (f * q)
            rows.append([scale * t**k for k in range(p_degree + 1)] +
                        [-scale * f * t**k for k in range(1, q_degree + 1)])
            right.append(scale * f)
        solution = mp.lu_solve(mp.matrix(rows), mp.matrix(right))
        p, q = list(solution[:p_degree + 1]), [mp.mpf(1)] + list(solution[p_degree + 1:])
        q_value = [mp.polyval(q[::-1], x * x) for x in nodes]
        error = [abs(mp.polyval(p[::-1], x * x) / qv / f - 1) for x, f, qv in zip(nodes, target, q_value)]
        if best is None or max(error) < best[0]:
            best = (max(error), p, q)
        weight = [w * (e + mp.mpf(10)**-30) for w, e in zip(weight, error)]
        total = sum(weight)
        weight = [w * n_nodes / total for w in weight]
    return best


def evaluate32(x, p, q, bound):
    x = np.clip(x, np.float32(-bound), np.float32(bound))
    t = x * x
    horner = lambda c: np.polyval([np.float32(float(v)) for v in c[::-1]], t).astype(np.float32)
    return x * horner(p) / horner(q)


for name, function, bound, degrees in (('erf', mp.erf, 4, (5, 5)), ('tanh', mp.tanh, 9, (6, 4))):
    error, p, q = fit(function, bound, *degrees)
    x = np.linspace(-bound - 1, bound + 1, 200001).astype(np.float32)
    exact = np.array([float(function(mp.mpf(float(v)))) for v in x[::20]])
    got = evaluate32(x, p, q, bound)[::20]
    print(name, 'bound', bound, 'relative error', mp.nstr(error, 3),
          'float32: largest absolute error %.3g, relative %.3g' % (
              np.abs(got - exact).max(), np.nanmax(np.abs(got - exact) / np.maximum(np.abs(exact), 1e-30))))
    print('  P', ', '.join('%.9ef' % float(v) for v in p))
    print('  Q', ', '.join('%.9ef' % float(v) for v in q))



def fit_exp(degree, n_nodes=120, rounds=60):
    bound = mp.log(2) / 2
    nodes = [bound * mp.cos(mp.pi * (2 * i + 1) / (2 * n_nodes)) for i in range(n_nodes)]
    weight = [mp.mpf(1)] * n_nodes
    best = None
    for _ in range(rounds):
        rows = [[mp.sqrt(w) * x**k / mp.exp(x) for k in range(1, degree + 1)] for x, w in zip(nodes, weight)]
        right = [mp.sqrt(w) * (mp.exp(x) - 1) / mp.exp(x) for x, w in zip(nodes, weight)]
        c = [mp.mpf(1)] + list(mp.lu_solve(mp.matrix(rows), mp.matrix(right)))
        error = [abs(mp.polyval(c[::-1], x) / mp.exp(x) - 1) for x in nodes]
        if best is None or max(error) < best[0]:
            best = (max(error), c)
        weight = [w * (e + mp.mpf(10)**-30) for w, e in zip(weight, error)]
        total = sum(weight)
        weight = [w * n_nodes / total for w in weight]
    return best


for degree in 4, 5, 6:
    error, c = fit_exp(degree)
    print('exp', degree, 'relative error', mp.nstr(error, 3))
    print('  c', ', '.join('%.9ef' % float(v) for v in c))
