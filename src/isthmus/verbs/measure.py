"""measure: fleets -> one tidy table."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from isthmus import store
from isthmus.engine import heap
from isthmus.engine.checkpoints import Counter
from isthmus.engine.fleet import Source


def measure(
    slug: str, table: str, runs: Mapping[str, Source], settings: Mapping[str, Any], out: Path, progress: Counter
) -> None:
    """Write the table that the function `table` of the room's measure.py makes of its runs' fleets.

    progress is the function's third argument, to be advanced as it likes.
    """
    heap.keep()
    # One thread: measurements run side by side, and sums in another order are other bits.
    torch.set_num_threads(1)
    function = getattr(import_module(f"isthmus.papers.{slug}.measure"), table)
    fleets = {name: run.load() for name, run in runs.items()}
    store.write_table(out, function(fleets, settings, progress))
