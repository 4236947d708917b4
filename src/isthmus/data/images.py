"""Real image sets in their official files, read and verified by torchvision; imported late, as it takes seconds."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np

from isthmus.data.examples import Examples
from isthmus.data.register import FILE
from isthmus.errors import UserError


class Official(NamedTuple):
    """torchvision's class; how it is asked for the parts; the axes that make its array (N, C, H, W)."""

    name: str
    parts: dict[str, dict[str, object]]
    axes: tuple[int, ...]


_BY_FLAG: dict[str, dict[str, object]] = {"train": {"train": True}, "test": {"train": False}}
_BY_NAME: dict[str, dict[str, object]] = {"train": {"split": "train"}, "test": {"split": "test"}}

OFFICIAL = {
    "mnist": Official("MNIST", _BY_FLAG, (0, 1, 2)),
    "fashion_mnist": Official("FashionMNIST", _BY_FLAG, (0, 1, 2)),
    "cifar10": Official("CIFAR10", _BY_FLAG, (0, 3, 1, 2)),
    "cifar100": Official("CIFAR100", _BY_FLAG, (0, 3, 1, 2)),
    "svhn": Official("SVHN", _BY_NAME, (0, 1, 2, 3)),
}


def read(name: str, folder: Path, download: bool) -> dict[str, Examples]:
    """Pools train and test of an official set below `folder`: uint8 (N, C, H, W), labels int64.

    With `download`, files that are missing are fetched into the folder first, by one process at a time.
    """
    if name not in OFFICIAL:
        raise UserError(f"{FILE}: sets.{name}: wanted one of {', '.join(OFFICIAL)} for kind torchvision")
    from torchvision import datasets

    official = OFFICIAL[name]
    maker = getattr(datasets, official.name)
    try:
        with _alone(folder) if download else nullcontext():
            made = {part: maker(folder, download=download, **how) for part, how in official.parts.items()}
    # torchvision reads with asserts, pickles and scipy, behind checks of its own: a damaged file may raise
    # anything.
    except Exception as error:
        remedy = f"; delete it and try again, or set data.{name} in config/config.yaml" if download else ""
        found = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise UserError(f"{folder}: wanted the intact files of {name}, found {found}{remedy}") from error
    return {part: _examples(found, official.axes) for part, found in made.items()}


def _examples(found: object, axes: tuple[int, ...]) -> Examples:
    labels = found.labels if hasattr(found, "labels") else found.targets
    data = np.asarray(found.data).transpose(axes)
    data = data[:, None] if data.ndim == 3 else data
    return Examples(np.ascontiguousarray(data, dtype=np.uint8), np.asarray(labels, dtype=np.int64))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two jobs that prepare two splits of one set must not unpack over each other."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
