"""How much memory a chunk needs in training, from shapes alone, and the error that says so if it is not there."""

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from isthmus.data.prepared import DataSet
from isthmus.engine.architecture import Architecture
from isthmus.engine.lanes import STREAMS
from isthmus.engine.recipe import Recipe
from isthmus.engine.updates import optimizer_of

# Bytes of a float32.
_FLOAT = 4


def megabytes(recipe: Recipe, rows: slice, data: DataSet, read: int = 0, device: str = "cpu") -> int:
    """About how many megabytes (10^6 bytes) these rows need in training, without what the recipe's probes record.

    read: bytes of the fleets that it begins at. On the CPU they are what this process holds by now, data and
    libraries, and what is to come: theta, theta_0, rows at each checkpoint, the optimizer's memory, losses, and one
    block's activations, gradient and temporary rows. On another device they are what lies there.
    """
    count, of = rows.stop - rows.start, (recipe, data.shape, data.classes)
    try:
        with told("one network"):
            architecture = Architecture.of(*of)
            floats = _at_work(architecture, count, recipe.batch, device)
    except MemoryError:
        # Not even one: its shapes still say what its rows would take.
        with torch.device("meta"):
            architecture, floats = Architecture.of(*of), 0
    layout = architecture.layout
    of_one_scalar = optimizer_of(recipe).init(torch.zeros(1, 1), recipe.optimizer.settings)
    floats += count * (layout.size * (2 + len({*recipe.checkpoints})) + recipe.steps)
    floats += count * layout.trained * len(of_one_scalar) * (1 + len(recipe.memory))
    pruned, frozen = recipe.pruning is not None, bool(recipe.frozen)
    floats += count * layout.trained * ((pruned or frozen) + frozen)
    if recipe.removal is not None:
        # Copies of rows and memory that are cut, where they lie in whole rows (8 bytes), and what is held.
        floats += count * layout.trained * (len(of_one_scalar) + 4)
    # Bytes of masks, as they are kept.
    kept = count * layout.size if pruned else 0
    if device == "cpu":
        # Twice what is read: as the file's pages, and as tensors.
        return round((held() + 2 * read + kept + _FLOAT * floats) / 1e6)
    there = sum(part["train"].nbytes for part in (data.inputs, data.labels))
    return round((there + kept + _FLOAT * floats) / 1e6)


@contextmanager
def told(wanted: str) -> Iterator[None]:
    """Every failure to allocate, PyTorch's too, leaves the block as a MemoryError whose message is `wanted`."""
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise MemoryError(wanted) from error
    except RuntimeError as error:
        if "DefaultCPUAllocator" not in str(error):
            raise
        raise MemoryError(wanted) from error


def _at_work(architecture: Architecture, rows: int, batch: int, device: str) -> int:
    """Floats of the blocks of rows that take a step at a time: gradient, temporary rows, and at most what goes
    through each part.
    """
    depth = sum(not [*part.children()] for part in architecture.module.modules())
    of_one = 4 * architecture.layout.size + 2 * depth * architecture.widest * batch
    return of_one * min(rows, STREAMS[device] * architecture.rows_at_once(batch, device))


def held() -> int:
    """Most bytes of memory that this process has held so far, libraries included."""
    try:
        # Not ru_maxrss, which a process inherits from the one that started it.
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        (kilobytes,) = (line.split()[1] for line in lines if line.startswith("VmHWM"))
        return 1024 * int(kilobytes)
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else 1024 * peak
