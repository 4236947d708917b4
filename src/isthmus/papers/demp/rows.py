"""Choosing rows of this room's tables, and methods compared at equal sparsity. No torch."""

from collections.abc import Hashable

import numpy as np
import pandas as pd

from isthmus.claims import Tables


def those(frame: pd.DataFrame, **where: object) -> pd.DataFrame:
    """The rows with these values; floats within rounding."""
    for key, value in where.items():
        frame = frame[np.isclose(frame[key], value) if isinstance(value, float) else frame[key] == value]
    return frame


def dead(tables: Tables, **where: object) -> pd.Series:
    """Share of dead units after the last update, by seed."""
    frame = those(tables["deaths"], **{"order": 0, "penalty": 0.0, **where})
    return frame[frame["step"] == frame["step"].max()].set_index("seed")["dead"]


def died(tables: Tables, **where: object) -> pd.Series:
    """The same less that before the first update."""
    frame = those(tables["deaths"], **{"order": 0, "penalty": 0.0, **where})
    return dead(tables, **where) - those(frame, step=0).set_index("seed")["dead"]


def rotated(levels: pd.DataFrame) -> pd.DataFrame:
    """Units by levels, each unit's labels of the levels moved on by one more than those of the unit before it.

    With as many units as levels, or a multiple of that, every label stands equally often for every level.
    """
    values = levels.sort_index().to_numpy()
    turned = np.stack([np.roll(row, -place) for place, row in enumerate(values)])
    return pd.DataFrame(turned, index=sorted(levels.index), columns=levels.columns)


def hits(frame: pd.DataFrame) -> np.ndarray:
    """Networks by test examples: 100 where the network has the example right, else 0, so that means are points."""
    right = np.stack([np.frombuffer(text.encode(), dtype=np.uint8) for text in frame["right"]])
    return 100.0 * (right == ord("x"))


def above_curve(networks: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    """Seeds by test examples: points by which networks are better than others of their seed that are as sparse.

    Beside each network stand the two of the others whose neuron sparsity encloses its own, weighted so that
    theirs is equal to it; beyond their ends stands the one at the end. The mean over the networks of a seed.
    Networks that lost a whole layer stand on neither side; a seed that has no network left is NaN.
    """
    found: dict[Hashable, np.ndarray] = {}
    for seed, every in networks.groupby("seed"):
        mine = every[~every["collapsed"]]
        curve = others[(others["seed"] == seed) & ~others["collapsed"]].sort_values(
            "neuron_sparsity", kind="stable"
        )
        if mine.empty:
            found[seed] = np.full(len(every["right"].iloc[0]), np.nan)
            continue
        weights = _weights(mine["neuron_sparsity"].to_numpy(), curve["neuron_sparsity"].to_numpy())
        found[seed] = (hits(mine) - weights @ hits(curve)).mean(axis=0)
    return pd.DataFrame.from_dict(found, orient="index")


def _weights(at: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(len(at), len(known)): what linear interpolation between rising, known places gives to each of them."""
    return np.stack([np.interp(at, known, row) for row in np.eye(len(known))], axis=1)


def sparsest(networks: pd.DataFrame, dense: pd.DataFrame, within: float) -> pd.Series:
    """By seed: the largest neuron sparsity among networks whose validation accuracy is no more than `within`
    below the dense network's of the seed; 0, which is the dense one's, where there is none.
    """
    least = dense.set_index("seed")["validation"] - within
    good = networks[networks["validation"] >= networks["seed"].map(least)]
    return good.groupby("seed")["neuron_sparsity"].max().reindex(least.index, fill_value=0.0)
