"""Sets and graphs with labels that depend on no order: a function of a seed and a size."""

import numpy as np
import torch
from torch import Tensor

from isthmus.engine.streams import stream


def point_sets(seed: int, part: str, count: int, elements: int) -> tuple[Tensor, Tensor]:
    """Sets (count, elements, 2) of normal points with a deviation for each axis, uniform in [0.5, 1.5], and labels:
    the axis along which the points vary more."""
    rng = stream(seed, "point sets", part)
    points = rng.standard_normal((count, elements, 2)) * rng.uniform(0.5, 1.5, (count, 1, 2))
    labels = points.var(axis=1).argmax(axis=1)
    return torch.from_numpy(points.astype(np.float32)), torch.from_numpy(labels)


def triangle_graphs(seed: int, part: str, count: int, nodes: int) -> tuple[Tensor, Tensor]:
    """Random graphs as adjacency matrices (count, nodes, nodes), each edge with a chance of one half, and labels:
    whether a graph has more triangles than half of such graphs, by a reference draw of 4,000 of this seed."""
    median = np.median(_triangles(_adjacency(stream(seed, "graphs", "reference"), 4000, nodes)))
    adjacency = _adjacency(stream(seed, "graphs", part), count, nodes)
    labels = (_triangles(adjacency) > median).astype(np.int64)
    return torch.from_numpy(adjacency.astype(np.float32)), torch.from_numpy(labels)


def _adjacency(rng: np.random.Generator, count: int, nodes: int) -> np.ndarray:
    above = np.triu(rng.random((count, nodes, nodes)) < 0.5, 1)
    return (above | above.transpose(0, 2, 1)).astype(float)


def _triangles(adjacency: np.ndarray) -> np.ndarray:
    return np.trace(adjacency @ adjacency @ adjacency, axis1=1, axis2=2) / 6
