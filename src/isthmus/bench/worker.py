"""A process of its own for a cell, so that its memory is its own; it works only when it is told to."""

import time
from multiprocessing.connection import Connection
from typing import NamedTuple

import torch

from isthmus.bench.cell import Cell
from isthmus.bench.works import begin, synchronise
from isthmus.engine import memory


class Ended(NamedTuple):
    """What a worker says when it is done. networks, block: as in `Work`. finite: whether all numbers are."""

    networks: int
    block: int
    peak_mb: float
    finite: bool


def serve(pipe: Connection, cell: Cell, seeds: range) -> None:
    """Make the work, then for each number of steps that comes in: make ready, say so, wait for the word, take the
    steps, and send their seconds. None ends it.

    What goes wrong is sent as one line of text in place of an answer.
    """
    try:
        work = begin(cell, seeds)
        while (steps := pipe.recv()) is not None:
            work.reset(steps)
            synchronise(cell.device)
            pipe.send("ready")
            pipe.recv()
            start = time.perf_counter()
            work.run()
            synchronise(cell.device)
            pipe.send(time.perf_counter() - start)
        finite = bool(work.rows().isfinite().all())
        pipe.send(Ended(work.networks, work.block, peak_mb(cell.device), finite))
    except Exception as error:
        pipe.send(f"{type(error).__name__}: {error}".splitlines()[0])


def peak_mb(device: str) -> float:
    """Largest memory of this process so far in MB, with libraries; on a GPU what was allocated there."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 1e6
    return memory.held() / 1e6
