"""train: recipe -> one chunk of a fleet."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import torch

from isthmus.data import prepared
from isthmus.data.prepared import DataSet
from isthmus.engine import memory
from isthmus.engine.checkpoints import SAVE_EVERY, Counter, train_chunk
from isthmus.engine.fleet import Fleet, Source
from isthmus.engine.recipe import Recipe
from isthmus.engine.saves import say
from isthmus.engine.start import Start, branched
from isthmus.errors import UserError
from isthmus.stopping import Requests


def train(
    recipe: Recipe,
    index: int,
    data: Path,
    out: Path,
    save: Path,
    code: str,
    progress: Counter,
    reads: Mapping[str, Source] | None = None,
    device: str = "cpu",
    requests: Requests | None = None,
    save_every: float = SAVE_EVERY,
) -> None:
    """Write chunk `index` of the recipe's fleet to `out`; errors as in `train_chunk`.

    data: the prepared file. save: where the state of a running job is kept, every `save_every` seconds. code:
    fingerprint of this code. reads: the fleets that the recipe begins at: `parent`, of a branch, and `giver` and
    `dense`, of masks. device: where the rows are computed.

    Raises UserError where PyTorch finds no such device, and MemoryError, whose message is what was wanted, when
    there is not enough.
    """
    if device == "cuda" and not torch.cuda.is_available():
        wanted = "wanted a machine on which PyTorch finds CUDA, or `device: cpu` in config/config.yaml"
        raise UserError(f"--device: {wanted}, found cuda on a machine without")
    rows = recipe.chunks[index]
    with memory.told(f"memory to read {data}"):
        examples = prepared.load(data)
    reads = reads or {}
    read = sum(path.stat().st_size for one in reads.values() for path in one.chunks if path.is_file())
    needed = memory.megabytes(recipe, rows, examples, read, device)
    wanted = f"about {needed} MB of {device} memory for {rows.stop - rows.start} networks"
    # At the start: the kernel may end a process that takes too much without a word.
    say(wanted)
    with memory.told(wanted):
        fleets = {role: source.load({data: examples}) for role, source in reads.items()}
        start = _start(recipe, rows, examples, fleets)
        train_chunk(recipe, index, examples, out, save, code, progress, start, device, requests, save_every)


def _start(recipe: Recipe, rows: slice, data: DataSet, fleets: Mapping[str, Fleet]) -> Start | None:
    """Where these rows begin, or None at their initialisation, whole."""
    start = None if recipe.branch is None else branched(recipe, rows, fleets["parent"])
    if recipe.pruning is None:
        return start
    # By name: a change of what prunes, or matches, is no change of the code that trains whole networks.
    return import_module("isthmus.pruning.begin").pruned(recipe, rows, start or Start(), data, fleets)
