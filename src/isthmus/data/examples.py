"""Raw examples as a source gives them, and what is done to them on the way to a prepared set: check, cut, scale.

All of it is exact or elementwise arithmetic, so that the bits do not depend on the machine.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from isthmus.data import PARTS
from isthmus.data.register import Entry, Scaling, Split
from isthmus.errors import UserError

# Examples scaled at a time: their float64 copy stays in the processor's cache.
_BLOCK = 128


class Examples(NamedTuple):
    """Inputs (N, *shape), uint8 or float64, and labels (N,) int64."""

    inputs: np.ndarray
    labels: np.ndarray


# A source gives either the one pool "all", or pools that are named like the parts they belong to.
Pools = Mapping[str, Examples]


def checksum(pools: Pools) -> str:
    """SHA-256 over names, types, shapes and bytes of all pools, in the order of their names."""
    running = hashlib.sha256()
    for name in sorted(pools):
        for array in pools[name]:
            plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
            running.update(f"{name} {plain.dtype.str} {plain.shape} ".encode())
            running.update(plain.data)
    return running.hexdigest()


def check(pools: Pools, entry: Entry, source: str) -> None:
    """UserError, naming the source and the row, unless shapes and labels are as the entry says."""
    for name, (inputs, labels) in pools.items():
        where = f"{source}, {name}"
        if inputs.shape[1:] != entry.shape:
            raise UserError(f"{where}: wanted inputs of shape {entry.shape}, found {inputs.shape[1:]}")
        if len(inputs) != len(labels):
            raise UserError(f"{where}: wanted a label per input, found {len(inputs)} and {len(labels)}")
        if (wrong := np.flatnonzero((labels < 0) | (labels >= entry.classes))).size:
            found = labels[wrong[0]]
            raise UserError(f"{where}, row {wrong[0]}: wanted a label from 0 to {entry.classes - 1}, found {found}")


def permutation(seed: int, count: int) -> np.ndarray:
    """A permutation of 0..count-1 as a function of the seed, equal on every machine and numpy version.

    numpy keeps the raw stream of a bit generator fixed for ever (NEP 19), but not Generator.permutation.
    """
    return np.argsort(np.random.Philox(seed).random_raw(count), kind="stable")


def cut(pools: Pools, split: Split, source: str) -> dict[str, Examples]:
    """The split's parts, in the order train, validation, test.

    The pool "all" gives every part; "train" gives the training part, and the validation part where that has no
    pool of its own; both are permuted first if the split has a seed. A pool must be used up: sizes that do not
    fit it mean another data set.
    """
    parts: dict[str, Examples] = {}
    for name, pool in pools.items():
        gives = {"all": PARTS, "train": ("train",) if "validation" in pools else ("train", "validation")}
        wanted = [part for part in gives.get(name, (name,)) if part in split.sizes]
        if not wanted:
            continue
        sizes = [split.sizes[part] for part in wanted]
        if len(pool.labels) != sum(sizes):
            which = " + ".join(wanted)
            raise UserError(f"{source}: wanted {sum(sizes)} examples ({which}), found {len(pool.labels)}")
        order = np.arange(sum(sizes))
        if split.seed is not None and name in gives:
            order = permutation(split.seed, len(order))
        for part, index in zip(wanted, np.split(order, np.cumsum(sizes)[:-1]), strict=True):
            parts[part] = Examples(pool.inputs[index], pool.labels[index])
    return {part: parts[part] for part in PARTS if part in parts}


def moments(scaling: Scaling, train: np.ndarray) -> tuple[list[float], list[float]]:
    """Mean and std of a scaling: one each, or one per channel (axis 1 of train).

    Sums are exact before one rounding (fsum; counts of each value where inputs are integers), since an
    ordinary sum depends on the order in which a processor adds.
    """
    if scaling.fit is None:
        return [scaling.mean], [scaling.std]
    groups = [train] if scaling.fit == "whole" else [train[:, c] for c in range(train.shape[1])]
    pairs = [_moments(group) for group in groups]
    return [mean for mean, _ in pairs], [std for _, std in pairs]


def _moments(values: np.ndarray) -> tuple[float, float]:
    if values.dtype == np.uint8:
        weights = sum(np.bincount(block.ravel(), minlength=256) for block in _blocks(values))
        values = np.arange(256.0)
    else:
        values = values.ravel()
        weights = np.ones_like(values)
    count = math.fsum(weights)
    mean = math.fsum(values * weights) / count
    std = math.sqrt(math.fsum((values - mean) ** 2 * weights) / count)
    return mean, std


def scaled(inputs: np.ndarray, mean: list[float], std: list[float]) -> np.ndarray:
    """(inputs - mean) / std, float32 rounded once from float64; several means go along the channels, axis 1."""
    broadcast = (len(mean), *[1] * (inputs.ndim - 2))
    centre, unit = np.reshape(mean, broadcast), np.reshape(std, broadcast)
    out = np.empty(inputs.shape, dtype=np.float32)
    for target, block in zip(_blocks(out), _blocks(inputs), strict=True):
        target[...] = (block - centre) / unit
    return out


def _blocks(array: np.ndarray) -> Iterator[np.ndarray]:
    return (array[start : start + _BLOCK] for start in range(0, len(array), _BLOCK))
