"""A prepared data set in memory and on disk: one safetensors file that says what it holds and how it was made."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from isthmus import tensors
from isthmus.data import PARTS
from isthmus.errors import UserError

_HEADER = {"key", "classes", "shape", "counts", "mean", "std", "checksum"}


@dataclass(frozen=True)
class DataSet:
    """Inputs part -> (N, *shape) float32, scaled as (raw - mean) / std, and labels part -> (N,) int64.

    The checksum covers the raw content and how it was split and scaled.
    """

    key: str
    inputs: dict[str, Tensor]
    labels: dict[str, Tensor]
    classes: int
    shape: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    checksum: str


def save(path: Path, data: DataSet, provenance: dict[str, Any]) -> None:
    """Write a prepared set atomically; provenance is what else its header should say."""
    header = {
        **provenance,
        "key": data.key,
        "dtype": "float32",
        "classes": data.classes,
        "shape": data.shape,
        "counts": {part: len(labels) for part, labels in data.labels.items()},
        "mean": data.mean,
        "std": data.std,
        "checksum": data.checksum,
    }
    inputs = {f"{part}/inputs": tensor for part, tensor in data.inputs.items()}
    labels = {f"{part}/labels": tensor for part, tensor in data.labels.items()}
    tensors.save(path, inputs | labels, header)


def load(path: Path) -> DataSet:
    """The prepared set in a file; UserError, naming it, unless header and tensors fit each other."""
    found, header = tensors.load(path)
    missing = sorted(_HEADER - header.keys())
    if missing:
        raise UserError(f"{path}: wanted a prepared data set, found a header without {missing[0]!r}")
    shape, classes = tuple(header["shape"]), header["classes"]
    counts = {part: header["counts"][part] for part in PARTS if part in header["counts"]}
    wanted = {f"{part}/inputs": (torch.float32, (count, *shape)) for part, count in counts.items()}
    wanted |= {f"{part}/labels": (torch.int64, (count,)) for part, count in counts.items()}
    for name in sorted(wanted.keys() | found.keys()):
        has = (found[name].dtype, tuple(found[name].shape)) if name in found else None
        if has != wanted.get(name):
            raise UserError(f"{path}: {name}: wanted {wanted.get(name)} by its header, found {has}")
    labels = {part: found[f"{part}/labels"] for part in counts}
    for part, of_part in labels.items():
        if not bool(((of_part >= 0) & (of_part < classes)).all()):
            raise UserError(f"{path}: {part}/labels: wanted labels from 0 to {classes - 1}, found others")
    return DataSet(
        key=header["key"],
        inputs={part: found[f"{part}/inputs"] for part in counts},
        labels=labels,
        classes=classes,
        shape=shape,
        mean=tuple(header["mean"]),
        std=tuple(header["std"]),
        checksum=header["checksum"],
    )
