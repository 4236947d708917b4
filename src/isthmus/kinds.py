"""The kinds of claim: each says, of a sample, whether the claim passes, falls short, or is contradicted.

delta is what the claim must exceed or stay within, stated beforehand with its source. alpha is the two-sided level:
0.05, or a share of it where a kind shares it among its parts by Holm's rule.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np

from isthmus.samples import Sample
from isthmus.stats import FEW, Interval, above, below, contrast, interval

Source = Literal["paper", "derived", "noise floor", "pilot"]
Outcome = Literal["passes", "weaker", "unclear", "contradicted"]
Measured: TypeAlias = Sample | Mapping[str, Sample]


class Kind:
    """What all kinds share. One that is made of parts answers from their answers."""

    name: ClassVar[str]
    exact: ClassVar[bool] = False  # no sampling: verified or violated
    no_effect: ClassVar[bool] = False  # claims an absence, and so needs a positive control
    larger: ClassVar[int] = 1  # how the claim should differ from its control: 1 above, -1 below, 0 either way
    level: ClassVar[float] = 0.95  # of the interval that decides whether it passes
    false_pass: ClassVar[float] = 0.025  # how often a claim that is just not true passes

    def passes(self, sample: Measured, alpha: float = 0.05) -> bool:
        """Whether the claim's test passes."""
        raise NotImplementedError

    def contradicted(self, sample: Measured, alpha: float = 0.05) -> bool:
        """Whether the interval lies wholly on the other side."""
        raise NotImplementedError

    def weaker(self, sample: Measured, alpha: float = 0.05) -> bool:
        """Whether the sign is as claimed and the size wholly below."""
        return False

    def fails(self, sample: Measured) -> bool:
        """Whether the interval lies wholly outside what would pass: what a control is to show."""
        return self.contradicted(sample)

    def detects(self, sample: Measured) -> bool:
        """Whether the effect of a positive control is seen, for a claim of no effect."""
        return self.contradicted(sample)

    def parts(self, sample: Measured) -> dict[str, tuple["Kind", Sample]]:
        """Parts with a name each, and what is measured of them; none for a simple kind."""
        return {}

    def effect(self, sample: Measured) -> Sample:
        """The one sample whose estimate is shown and set against the control's."""
        return sample

    def differs(self, sample: Measured, control: Measured) -> bool:
        """Whether the claim's effect differs from its control's, the way it should."""
        sign = contrast(self.effect(sample), self.effect(control))
        return sign == self.larger if self.larger else sign != 0

    def shown(self, sample: Measured) -> Interval:
        """The estimate and its 95 % interval."""
        return interval(self.effect(sample))

    def n(self, sample: Measured) -> int:
        """The least number of units that any part rests on."""
        parts = self.parts(sample).values()
        return min(kind.n(part) for kind, part in parts) if parts else sample.n


@dataclass(frozen=True)
class Direction(Kind):
    """An effect beyond delta.

    Passes if low > delta; weaker if low > 0 and high < delta; contradicted if high < 0.
    """

    delta: float = 0.0
    delta_from: Source | None = None
    name: ClassVar[str] = "direction"

    def __post_init__(self) -> None:
        _stated(self, self.delta >= 0, self.delta > 0)

    def passes(self, sample: Sample, alpha: float = 0.05) -> bool:
        return above(sample, self.delta, alpha)

    def weaker(self, sample: Sample, alpha: float = 0.05) -> bool:
        return above(sample, 0.0, alpha) and below(sample, self.delta, alpha)

    def contradicted(self, sample: Sample, alpha: float = 0.05) -> bool:
        return below(sample, 0.0, alpha)

    def fails(self, sample: Sample) -> bool:
        return below(sample, self.delta)


@dataclass(frozen=True)
class Equivalence(Kind):
    """The same within delta. Passes if the 90 % interval lies inside; contradicted if the 95 % one lies outside."""

    delta: float
    delta_from: Source
    name: ClassVar[str] = "equivalence"
    no_effect: ClassVar[bool] = True
    level: ClassVar[float] = 0.90
    larger: ClassVar[int] = 0
    false_pass: ClassVar[float] = 0.05

    def __post_init__(self) -> None:
        _stated(self, self.delta > 0, True)

    def passes(self, sample: Sample, alpha: float = 0.05) -> bool:
        return above(sample, -self.delta, 2 * alpha) and below(sample, self.delta, 2 * alpha)

    def contradicted(self, sample: Sample, alpha: float = 0.05) -> bool:
        return above(sample, self.delta, alpha) or below(sample, -self.delta, alpha)


@dataclass(frozen=True)
class NonInferior(Kind):
    """Not worse by more than delta. Passes if low > -delta; contradicted if high < -delta."""

    delta: float
    delta_from: Source
    name: ClassVar[str] = "non-inferior"

    def __post_init__(self) -> None:
        _stated(self, self.delta > 0, True)

    def passes(self, sample: Sample, alpha: float = 0.05) -> bool:
        return above(sample, -self.delta, alpha)

    def contradicted(self, sample: Sample, alpha: float = 0.05) -> bool:
        return below(sample, -self.delta, alpha)


@dataclass(frozen=True)
class NearZero(Kind):
    """Something that cannot be negative (a barrier) is below delta: one-sided upper 95 % bound < delta."""

    delta: float
    delta_from: Source
    name: ClassVar[str] = "near zero"
    no_effect: ClassVar[bool] = True
    level: ClassVar[float] = 0.90
    larger: ClassVar[int] = -1
    false_pass: ClassVar[float] = 0.05

    def __post_init__(self) -> None:
        _stated(self, self.delta > 0, True)

    def passes(self, sample: Sample, alpha: float = 0.05) -> bool:
        return below(sample, self.delta, 2 * alpha)

    def contradicted(self, sample: Sample, alpha: float = 0.05) -> bool:
        return above(sample, self.delta, alpha)


@dataclass(frozen=True)
class Exact(Kind):
    """Theory without sampling: the worst residual over the cases is within a tolerance; NaN is a violation."""

    tolerance: float
    delta_from: Source = "derived"
    name: ClassVar[str] = "exact"
    exact: ClassVar[bool] = True
    larger: ClassVar[int] = -1
    false_pass: ClassVar[float] = 0.0

    def __post_init__(self) -> None:
        _stated(self, self.tolerance >= 0, True)

    @property
    def delta(self) -> float:
        """The tolerance, under the name it has in a verdict."""
        return self.tolerance

    def passes(self, sample: Sample, alpha: float = 0.05) -> bool:
        return sample.n > 0 and not sample.diverged and self.shown(sample).estimate <= self.tolerance

    def contradicted(self, sample: Sample, alpha: float = 0.05) -> bool:
        return not self.passes(sample)

    def differs(self, sample: Sample, control: Sample) -> bool:
        return True  # a residual beyond the tolerance is all that can be asked of a mutated formula

    def shown(self, sample: Sample) -> Interval:
        worst = float(np.abs(sample.rows).max()) if sample.n else float("nan")
        return Interval(worst, worst, worst, sample.n)


def outcome(kind: Kind, sample: Measured, least: int = FEW) -> Outcome:
    """What the claim's test comes to; `unclear` with fewer than `least` units."""
    if not kind.exact and kind.n(sample) < least:
        return "unclear"
    if kind.passes(sample):
        return "passes"
    if kind.contradicted(sample):
        return "contradicted"
    return "weaker" if kind.weaker(sample) else "unclear"


def describe(kind: Any) -> Any:
    """The kind and all it states, as plain values with the kinds' names: what is frozen of it."""
    if isinstance(kind, Kind) and is_dataclass(kind):
        return {"kind": kind.name} | {f.name: describe(getattr(kind, f.name)) for f in fields(kind)}
    if isinstance(kind, Mapping):
        return {str(name): describe(part) for name, part in kind.items()}
    return kind


def _stated(kind: Any, allowed: bool, needs_source: bool) -> None:
    """ValueError for a delta out of range, or one without its source."""
    if not allowed:
        raise ValueError(f"{kind.name}: wanted a positive delta, found {kind.delta}")
    if needs_source and kind.delta_from is None:
        raise ValueError(f"{kind.name}: wanted delta_from (paper, derived, noise floor or pilot), found none")


def levels_differ(levels: tuple[Hashable, ...], least: int) -> None:
    """ValueError for fewer than `least` levels, or one that comes twice."""
    if len(levels) < least or len(set(levels)) < len(levels):
        raise ValueError(f"wanted at least {least} different levels, found {levels}")
