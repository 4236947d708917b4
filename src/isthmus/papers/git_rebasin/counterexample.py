"""Two ReLU networks that compute one function and that no order of units connects (the counterexample).

Two inputs, two hidden layers of two units, one output; the label is x1 < 0 and x2 > 0, a network says yes where its
output is 0 or more. Both are right everywhere: f = -(max(0, x1) + max(0, -x2)).
"""

from collections.abc import Iterator
from itertools import product

import numpy as np

# W1, b1, W2, b2, w3 of z = relu(W1 x + b1), f = w3 relu(W2 z + b2).
Weights = tuple[np.ndarray, ...]

A: Weights = (-np.eye(2), np.array([1.0, 0.0]), np.diag([-1.0, 1.0]), np.array([1.0, 0.0]), np.array([-1.0, -1.0]))
B: Weights = (np.eye(2), np.array([0.0, 1.0]), np.diag([1.0, -1.0]), np.array([0.0, 1.0]), np.array([-1.0, -1.0]))
ORDERS = tuple(product(([0, 1], [1, 0]), repeat=2))


def output(weights: Weights, x: np.ndarray) -> np.ndarray:
    """f (N,) of inputs x (N, 2)."""
    w1, b1, w2, b2, w3 = weights
    return np.maximum(np.maximum(x @ w1.T + b1, 0) @ w2.T + b2, 0) @ w3


def reordered(weights: Weights, first: list[int], second: list[int]) -> Weights:
    """The same function with the units of both hidden layers in these orders."""
    w1, b1, w2, b2, w3 = weights
    return w1[first], b1[first], w2[np.ix_(second, first)], b2[second], w3[second]


def between(a: Weights, b: Weights, alpha: float) -> Weights:
    """The network at alpha on the line."""
    return tuple((1 - alpha) * p + alpha * q for p, q in zip(a, b, strict=True))


def square(side: int) -> np.ndarray:
    """The centres (side^2, 2) of the cells of [-1, 1]^2: none lies where a label changes, for an even side."""
    centres = (np.arange(side) + 0.5) / side * 2 - 1
    return np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2)


def accuracy(weights: Weights, x: np.ndarray) -> float:
    """Share of inputs (N, 2) on which the network is right."""
    label = (x[:, 0] < 0) & (x[:, 1] > 0)
    return float(np.mean((output(weights, x) >= 0) == label))


def lines(a: Weights, b: Weights, x: np.ndarray, points: int) -> Iterator[tuple[str, float, float]]:
    """(order of b's units, alpha, accuracy) on the line to each of the four networks that b is."""
    for first, second in ORDERS:
        moved = reordered(b, first, second)
        for alpha in np.linspace(0, 1, points).tolist():
            yield f"{first[0]}{first[1]} {second[0]}{second[1]}", alpha, accuracy(between(a, moved, alpha), x)
