"""The kinds of claim about a series of levels: a rise along them, and a power law over sizes."""

from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import numpy as np

from isthmus.kinds import Direction, Kind, NonInferior, Source, levels_differ
from isthmus.samples import Sample
from isthmus.stats import Interval, above, below, holm, interval


@dataclass(frozen=True)
class Monotone(Kind):
    """Rises along the listed levels (list them backwards for a fall); the sample's columns are the levels.

    Passes if every neighbouring contrast has low > -delta and the ends low > delta; contradicted if one contrast is
    reversed beyond delta (Holm); weaker if the neighbours pass and the ends rise, but by less than delta.
    """

    levels: tuple[Hashable, ...]
    delta: float
    delta_from: Source
    name: ClassVar[str] = "monotone"

    def __post_init__(self) -> None:
        levels_differ(self.levels, 3)
        NonInferior(self.delta, self.delta_from)

    def effect(self, sample: Sample) -> Sample:
        return sample.rise(self.levels[0], self.levels[-1])

    def parts(self, sample: Sample) -> dict[str, tuple[Kind, Sample]]:
        step = NonInferior(self.delta, self.delta_from)
        return {
            f"{a} to {b}": (step, sample.rise(a, b)) for a, b in zip(self.levels, self.levels[1:], strict=False)
        }

    @property
    def _ends(self) -> Direction:
        return Direction(self.delta, self.delta_from)

    def passes(self, sample: Sample, alpha: float = 0.05) -> bool:
        return self._ends.passes(self.effect(sample), alpha) and self._steps(sample, alpha)

    def weaker(self, sample: Sample, alpha: float = 0.05) -> bool:
        return self._ends.weaker(self.effect(sample), alpha) and self._steps(sample, alpha)

    def contradicted(self, sample: Sample, alpha: float = 0.05) -> bool:
        return any(holm([partial(kind.contradicted, part) for kind, part in self.parts(sample).values()], alpha))

    def fails(self, sample: Sample) -> bool:
        return self._ends.fails(self.effect(sample)) or self.contradicted(sample)

    def _steps(self, sample: Sample, alpha: float) -> bool:
        return all(kind.passes(part, alpha) for kind, part in self.parts(sample).values())


@dataclass(frozen=True)
class Exponent(Kind):
    """A power law over at least four sizes: the slope of log(column) against log(size), fitted per unit.

    The interval spans those over the units with all sizes, without the smallest, and without the largest. Passes
    if it lies within prediction + finite_size (a computed range below and above); contradicted if all three lie on
    one side of that. The sample's columns are the sizes, its values positive.
    """

    sizes: tuple[float, ...]
    prediction: float
    finite_size: tuple[float, float]
    delta_from: Source = "derived"
    name: ClassVar[str] = "exponent"
    larger: ClassVar[int] = 0
    false_pass: ClassVar[float] = 0.025

    def __post_init__(self) -> None:
        levels_differ(self.sizes, 4)
        if not self.finite_size[0] <= 0 <= self.finite_size[1] or self.finite_size[0] == self.finite_size[1]:
            raise ValueError(f"exponent: wanted a range around 0 in finite_size, found {self.finite_size}")

    @property
    def delta(self) -> float:
        """The larger half of the band, for the verdict's column of that name."""
        return max(-self.finite_size[0], self.finite_size[1])

    def effect(self, sample: Sample) -> Sample:
        return self._slopes(sample, self.sizes)

    def shown(self, sample: Sample) -> Interval:
        found = [interval(slopes) for slopes in self._windows(sample)]
        low, high = min(one.low for one in found), max(one.high for one in found)
        return replace(found[0], low=low, high=high, constant=low == high)

    def passes(self, sample: Sample, alpha: float = 0.05) -> bool:
        low, high = self._band
        return all(above(part, low, alpha) and below(part, high, alpha) for part in self._windows(sample))

    def contradicted(self, sample: Sample, alpha: float = 0.05) -> bool:
        low, high = self._band
        windows = self._windows(sample)
        return all(below(part, low, alpha) for part in windows) or all(above(part, high, alpha) for part in windows)

    @property
    def _band(self) -> tuple[float, float]:
        return self.prediction + self.finite_size[0], self.prediction + self.finite_size[1]

    def _windows(self, sample: Sample) -> list[Sample]:
        sizes = sorted(self.sizes)
        return [self._slopes(sample, tuple(window)) for window in (sizes, sizes[1:], sizes[:-1])]

    def _slopes(self, sample: Sample, sizes: tuple[float, ...]) -> Sample:
        values = np.column_stack([sample.pick(size).rows for size in sizes])
        if (values <= 0).any():
            raise ValueError("exponent: wanted positive values, found one that is not")
        x = np.log(np.array(sizes, dtype=float))
        x = x - x.mean()
        slopes = np.log(values) @ (x / (x @ x))
        return replace(sample, rows=slopes[:, None], columns=("slope",))
