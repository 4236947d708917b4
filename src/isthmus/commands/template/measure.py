"""What is measured: one function a table, from the fleets of its runs to a tidy table, one row per observation."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from isthmus.engine import evaluate
from isthmus.engine.checkpoints import Counter
from isthmus.engine.fleet import Fleet


def accuracy(fleets: Mapping[str, Fleet], settings: Mapping[str, Any], progress: Counter) -> pd.DataFrame:
    """Accuracy (share) of each network at each checkpoint, on one part of the data.

    Columns: run, seed, step (updates taken), accuracy.
    """
    rows = []
    progress.expect(sum(len(fleet.thetas) for fleet in fleets.values()))
    for run, fleet in fleets.items():
        inputs, labels = (side[settings["part"]] for side in (fleet.data.inputs, fleet.data.labels))
        for step, theta in fleet.thetas.items():
            _, errors = evaluate.evaluate(fleet.architecture, theta, inputs, labels)
            for network, error in zip(fleet.networks, errors.tolist(), strict=True):
                rows.append({"run": run, "seed": network.seed, "step": step, "accuracy": 1 - error})
            progress.advance()
    return pd.DataFrame(rows)
