"""The examples of your own training runs, scored: how hard each is by every score, and how far a score can be
trusted.

scored = Scored(logits, labels)
scored.table, scored.consistency
"""

from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from isthmus.difficulty.consistency import runs_needed
from isthmus.difficulty.ranks import ranks, spearman
from isthmus.difficulty.trajectory import SCORES, Trajectory


class Scored:
    """Scores of N examples by the logits that R runs gave them at T checkpoints of training."""

    def __init__(self, logits: Any, labels: Any) -> None:
        """logits (R, T, N, C), or (T, N, C) of one run; labels (N,), integers. Arrays, or tensors on the CPU.

        ValueError where the two do not fit each other, or a logit is not finite.
        """
        self._logits, self._labels = np.asarray(logits), np.asarray(labels)
        if self._logits.ndim == 3:
            self._logits = self._logits[None]
        shape = self._logits.shape
        if len(shape) != 4 or 0 in shape:
            wanted = "logits of shape (runs, checkpoints, examples, classes), or without runs"
            raise ValueError(f"wanted {wanted}, found {np.shape(logits)}")
        if self._labels.shape != shape[2:3] or self._labels.dtype.kind not in "iu":
            wanted = f"an integer label for each of {shape[2]} examples"
            raise ValueError(f"wanted {wanted}, found {self._labels.dtype} of shape {self._labels.shape}")
        if self._labels.min() < 0 or self._labels.max() >= shape[3]:
            found = f"{self._labels.min()} to {self._labels.max()}"
            raise ValueError(f"wanted labels from 0 to {shape[3] - 1}, found {found}")
        if not np.isfinite(self._logits).all():
            raise ValueError("wanted finite logits, found others")

    @cached_property
    def by_run(self) -> dict[str, np.ndarray]:
        """Score -> (R, N), larger is harder: accuracy, confidence, margin and AUM have their sign changed.

        Infinite where an example that was never right has no number of forgetting events. `loss_variance` needs two
        checkpoints, and is left out where there is one.
        """
        names = [name for name in SCORES if name != "loss_variance" or self._logits.shape[1] > 1]
        runs = [Trajectory(logits, self._labels) for logits in self._logits]
        return {name: np.stack([SCORES[name](run) for run in runs]) for name in names}

    @property
    def table(self) -> pd.DataFrame:
        """One row an example, one column a score, mean over runs; larger is harder."""
        columns = {name: values.mean(axis=0) for name, values in self.by_run.items()}
        return pd.DataFrame(columns).rename_axis("example")

    @property
    def consistency(self) -> pd.DataFrame:
        """Per score: Spearman correlation between runs, mean over pairs, and how many runs must be averaged for
        0.95.

        The latter by the Spearman-Brown formula, which flatters scores with many ties. NaN for a score that is
        constant in a run. ValueError for fewer than two runs.
        """
        count = len(self._logits)
        if count < 2:
            raise ValueError(f"consistency: wanted two runs or more, found {count}")
        pairs = np.triu_indices(count, 1)
        found = {
            name: spearman(*(ranks(values)[at] for at in pairs)).mean() for name, values in self.by_run.items()
        }
        rho = pd.Series(found, name="spearman")
        # A score that does not repeat itself at all needs more runs than there are.
        needed = runs_needed(rho.where(rho > 0), 0.95).clip(lower=1).rename("runs_for_0.95")
        return pd.concat([rho, needed], axis=1).rename_axis("score")
