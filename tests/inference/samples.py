"""Fixed small data, so that numbers of other libraries can be written down, and the models that are fitted to them."""

import numpy as np

from skcurv import CurvatureClassifier, CurvatureRegressor

N = 20
x = np.arange(N) / 4 - 2.0
X = np.column_stack([np.ones(N), x])
counts = np.array([0, 1, 0, 2, 1, 0, 3, 1, 2, 2, 1, 4, 3, 2, 6, 3, 9, 5, 12, 7.0])
dispersed = np.array([0, 3, 0, 1, 6, 0, 2, 9, 1, 0, 12, 4, 1, 15, 3, 22, 7, 2, 30, 11.0])
positive = np.array([3, 5, 2, 9, 4, 11, 6, 15, 8, 21, 12, 29, 14, 36, 22, 48, 31, 62, 75, 44]) / 10
labels = np.array([0, 0, 1, 0, 0, 1, 0, 0, 1, 1, 0, 1, 0, 1, 1, 1, 0, 1, 1, 1])
three = np.array([0, 0, 1, 0, 0, 2, 0, 1, 1, 0, 2, 1, 0, 1, 2, 1, 2, 2, 2, 1])
offset = np.where(np.arange(N) % 3 == 0, 0.5, -0.25)
weights = 1 + np.arange(N) % 4 / 2

t = np.linspace(0, 4, N)[:, None]
noise = np.array([3, -12, 7, 1, -4, 11, -9, 2, 5, -6, 13, -2, -10, 8, 4, -7, 6, -3, 9, -11]) / 100
decayed = 3 * np.exp(-0.9 * t[:, 0]) + 0.5 + noise


def linear(X, theta):
    return X @ theta


def decay(X, a, k, c):
    return a * np.exp(-k * X[:, 0]) + c


def regressor(model=linear, start=None, **options):
    return CurvatureRegressor(model, np.zeros(2) if start is None else start, **options)


def classifier(model=linear, start=None, **options):
    return CurvatureClassifier(model, np.zeros(2) if start is None else start, **options)


def decaying(**options):
    return CurvatureRegressor(decay, {"a": 2.0, "k": 1.0, "c": 0.0}, **options)
