"""What a claim's statistic hands to its test: a number, or several, for each thing that was trained independently.

The rows of a Sample are the units of the claim (runs, disjoint pairs, data draws); what is estimated from them is a
function of the rows, so that every interval is made by leaving out or redrawing whole units.
"""

from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

Rows = np.ndarray


def _same(value: np.ndarray) -> np.ndarray:
    return value


@dataclass(frozen=True)
class Estimator:
    """How a number is estimated from the rows of a sample, which have so many columns.

    function: rows (..., n, columns) -> (...), leading axes free, so that 10,000 resamples are one call.
    forward, back: to the scale on which the estimate is about normal, and from there.
    residual: rows (n, columns) and a bound -> (n,), with mean zero where the bound is the truth; for the exact
    sign-flip test. None where there is no such form.
    """

    name: str
    columns: int
    function: Callable[[Rows], np.ndarray]
    forward: Callable[[np.ndarray], np.ndarray] = _same
    back: Callable[[np.ndarray], np.ndarray] = _same
    residual: Callable[[Rows, float], np.ndarray] | None = None


def _mean(rows: Rows) -> np.ndarray:
    return rows[..., 0].mean(axis=-1)


def _ratio(rows: Rows) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return rows[..., 0].mean(axis=-1) / rows[..., 1].mean(axis=-1)


def _rank_correlation(rows: Rows) -> np.ndarray:
    from scipy.stats import rankdata  # scipy.stats takes most of a second to import

    ranks = rankdata(rows, axis=-2)
    ranks = ranks - ranks.mean(axis=-2, keepdims=True)
    x, y = ranks[..., 0], ranks[..., 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        return (x * y).sum(axis=-1) / np.sqrt((x**2).sum(axis=-1) * (y**2).sum(axis=-1))


def _fisher(r: np.ndarray) -> np.ndarray:
    return np.arctanh(np.clip(r, -0.999, 0.999))


def _first_minus(rows: Rows, bound: float) -> np.ndarray:
    return rows[:, 0] - bound


def _first_minus_times_second(rows: Rows, bound: float) -> np.ndarray:
    # mean(a) / mean(b) = bound says the same as mean(a - bound * b) = 0 (Fieller 1954).
    return rows[:, 0] - bound * rows[:, 1]


MEAN = Estimator("mean", 1, _mean, residual=_first_minus)
PROPORTION = Estimator("proportion", 1, _mean)
RATIO = Estimator("ratio of means", 2, _ratio, residual=_first_minus_times_second)
RANK_CORRELATION = Estimator("rank correlation", 2, _rank_correlation, _fisher, np.tanh)


@dataclass(frozen=True, eq=False)
class Sample:
    """n independent units with what was measured on each; made by `Sample.of`.

    rows: (number of rows, columns), finite. units: labels of what is independent, sorted. columns: labels.
    diverged: labels of units left out because a value was NaN; they are listed in the verdict.
    ends: None, or for pairs that share networks (rows, 2): the places in `units` of each row's two networks.
    examples: whether the columns are test examples, which are redrawn as well.
    usual: whether its interval is the one that its n asks for, or else the other sound one (see stats).
    """

    rows: Rows
    units: tuple[str, ...]
    columns: tuple[Hashable, ...]
    estimator: Estimator = MEAN
    diverged: tuple[str, ...] = ()
    ends: np.ndarray | None = None
    examples: bool = False
    usual: bool = True

    @classmethod
    def of(
        cls,
        data: pd.Series | pd.DataFrame,
        estimator: Estimator = MEAN,
        *,
        networks: bool = False,
        examples: bool = False,
    ) -> "Sample":
        """The sample in a series (one number a unit) or a frame (units by levels) indexed by the unit's label.

        A row with NaN is a unit that diverged: it is left out and listed. The order of rows does not matter.
        networks: the index has two levels, the networks of a pair; networks are then the units.
        examples: the columns of the frame are test examples, and the estimate is the mean of all.
        ValueError for a repeated unit (average within a unit in the statistic), an infinite value (give a
        logarithm its floor; write NaN for a network that diverged), or a two-level index not said to be networks.
        """
        frame = data.to_frame() if isinstance(data, pd.Series) else data
        if frame.index.has_duplicates:
            raise ValueError(f"wanted one row a unit, found {frame.index[frame.index.duplicated()][0]!r} twice")
        if frame.index.nlevels != (2 if networks else 1):
            raise ValueError(f"wanted the unit as the index, found {frame.index.names}; networks={networks}")
        frame = frame.sort_index()
        rows = frame.to_numpy(dtype=float)
        if np.isinf(rows).any():
            unit = frame.index[np.isinf(rows).any(axis=1)][0]
            raise ValueError(f"wanted finite numbers or NaN (diverged), found an infinite one for unit {unit!r}")
        if estimator is PROPORTION and not np.isin(rows, (0.0, 1.0)).all():
            raise ValueError("wanted 0 or 1 for each unit of a proportion, found another number")
        whole = ~np.isnan(rows).any(axis=1)
        labels = [" and ".join(map(str, unit)) if networks else str(unit) for unit in frame.index]
        diverged = tuple(label for label, good in zip(labels, whole, strict=True) if not good)
        units, ends = tuple(label for label, good in zip(labels, whole, strict=True) if good), None
        if networks:
            pairs = frame.index[whole].to_frame().to_numpy()
            known = sorted(set(pairs.ravel()))
            units = tuple(map(str, known))
            place = {network: i for i, network in enumerate(known)}
            ends = np.array([[place[a], place[b]] for a, b in pairs], dtype=int).reshape(-1, 2)
        return cls(rows[whole], units, tuple(frame.columns), estimator, diverged, ends, examples)

    @property
    def n(self) -> int:
        """How many independent units there are."""
        return len(self.units)

    @property
    def estimate(self) -> float:
        """The estimate from all units; NaN where there is none. ValueError where the columns do not fit it."""
        if not self.examples and self.rows.shape[1] != self.estimator.columns:
            wanted = f"{self.estimator.columns} columns for a {self.estimator.name}"
            raise ValueError(f"wanted {wanted}, found {list(self.columns)}")
        return float(self.redrawn(np.arange(self.n))) if self.n else float("nan")

    def redrawn(self, index: np.ndarray, examples: np.ndarray | None = None) -> np.ndarray:
        """The estimates (...) from units `index` (..., any number), repeats allowed, and columns `examples`."""
        if self.examples:
            if examples is None:
                return self.rows[index].mean(axis=(-2, -1))
            return self.rows[index[..., :, None], examples[..., None, :]].mean(axis=(-2, -1))
        if self.ends is None:
            return self.estimator.function(self.rows[index])
        if index.ndim > 1:
            return np.array([self.redrawn(one) for one in index])
        # A pair counts as often as both its networks were drawn.
        count = np.bincount(index, minlength=self.n)
        rows = np.repeat(self.rows, count[self.ends].prod(axis=1), axis=0)
        return self.estimator.function(rows) if len(rows) else np.array(np.nan)

    def pseudo_values(self) -> np.ndarray:
        """(n,) jackknife pseudo-values on the estimator's scale: for a mean, the values themselves."""
        if self.examples:
            return self.rows.mean(axis=1)
        if self.ends is None and self.estimator.function is _mean:
            return self.rows[:, 0]
        others = np.array([[j for j in range(self.n) if j != i] for i in range(self.n)], dtype=int)
        forward = self.estimator.forward
        return self.n * forward(self.estimate) - (self.n - 1) * forward(self.redrawn(others))

    def without(self, dropped: Collection[str]) -> "Sample":
        """The sample without the units of these labels; where networks are units, without all their pairs."""
        kept = np.array([unit not in dropped for unit in self.units], dtype=bool)
        units = tuple(unit for unit in self.units if unit not in dropped)
        diverged = tuple(unit for unit in self.diverged if unit not in dropped)
        if self.ends is None:
            return replace(self, rows=self.rows[kept], units=units, diverged=diverged)
        whole, place = kept[self.ends].all(axis=1), np.cumsum(kept) - 1
        ends = place[self.ends[whole]]
        return replace(self, rows=self.rows[whole], units=units, diverged=diverged, ends=ends)

    def of_these_examples(self) -> "Sample":
        """The same with a mean for each unit: test examples as they are, not drawn from more."""
        means = self.rows.mean(axis=1, keepdims=True)
        return replace(self, rows=means, columns=("mean",), examples=False)

    def pick(self, column: Hashable) -> "Sample":
        """The sample of one column; ValueError if there is none with that label."""
        if column not in self.columns:
            raise ValueError(f"wanted a column of {list(self.columns)}, found {column!r}")
        place = self.columns.index(column)
        return replace(self, rows=self.rows[:, [place]], columns=(column,))

    def rise(self, start: Hashable, end: Hashable) -> "Sample":
        """The sample of differences within a unit: column `end` minus column `start`."""
        rows = self.pick(end).rows - self.pick(start).rows
        return replace(self, rows=rows, columns=(f"{start} to {end}",))
