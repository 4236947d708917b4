"""The kinds of claim that join others: all of several, without a correction, and any of several, with one."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from isthmus.kinds import Kind, Outcome, outcome
from isthmus.samples import Sample
from isthmus.stats import Interval, holm

_WORST_FIRST: tuple[Outcome, ...] = ("contradicted", "unclear", "weaker", "passes")


class _Several(Kind):
    """Parts with names; the statistic gives a sample for each name, a control perhaps only for some."""

    kinds: Mapping[str, Kind]

    @property
    def exact(self) -> bool:
        """Whether no part is sampled."""
        return all(kind.exact for kind in self.kinds.values())

    @property
    def no_effect(self) -> bool:
        """Whether any part claims an absence."""
        return any(kind.no_effect for kind in self.kinds.values())

    def parts(self, sample: Mapping[str, Sample]) -> dict[str, tuple[Kind, Sample]]:
        unknown = [name for name in sample if name not in self.kinds]
        if unknown or not sample:
            raise ValueError(f"{self.name}: wanted samples named {list(self.kinds)}, found {list(sample)}")
        return {name: (kind, sample[name]) for name, kind in self.kinds.items() if name in sample}

    def n(self, sample: Mapping[str, Sample]) -> int:
        sampled = [(kind, part) for kind, part in self.parts(sample).values() if not kind.exact]
        return min(kind.n(part) for kind, part in sampled or self.parts(sample).values())

    def decisive(self, sample: Mapping[str, Sample]) -> str:
        """The name of the part that decides, whose numbers are shown: the first with the deciding outcome."""
        found = {name: outcome(kind, part) for name, (kind, part) in self.parts(sample).items()}
        return min(found, key=lambda name: self._order.index(found[name]))

    def effect(self, sample: Mapping[str, Sample]) -> Sample:
        kind, part = self.parts(sample)[self.decisive(sample)]
        return kind.effect(part)

    def shown(self, sample: Mapping[str, Sample]) -> Interval:
        kind, part = self.parts(sample)[self.decisive(sample)]
        return kind.shown(part)

    def _each(self, question: str, sample: Mapping[str, Sample], alpha: float) -> list[bool]:
        return [getattr(kind, question)(part, alpha) for kind, part in self.parts(sample).values()]

    def _shared(self, question: str, sample: Mapping[str, Sample], alpha: float) -> tuple[bool, ...]:
        return holm([partial(getattr(k, question), part) for k, part in self.parts(sample).values()], alpha)


@dataclass(frozen=True)
class AllOf(_Several):
    """Every part passes, without correction. Contradicted if one part is (Holm); weaker if none is worse than that.

    A control must differ in every part that it does not pass.
    """

    kinds: Mapping[str, Kind]
    name: ClassVar[str] = "all of"
    _order: ClassVar[tuple[Outcome, ...]] = _WORST_FIRST

    def passes(self, sample: Mapping[str, Sample], alpha: float = 0.05) -> bool:
        return all(self._each("passes", sample, alpha))

    def contradicted(self, sample: Mapping[str, Sample], alpha: float = 0.05) -> bool:
        return any(self._shared("contradicted", sample, alpha))

    def weaker(self, sample: Mapping[str, Sample], alpha: float = 0.05) -> bool:
        passed, short = self._each("passes", sample, alpha), self._each("weaker", sample, alpha)
        return all(a or b for a, b in zip(passed, short, strict=True))

    def fails(self, sample: Mapping[str, Sample]) -> bool:
        return any(kind.fails(part) for kind, part in self.parts(sample).values())

    def detects(self, sample: Mapping[str, Sample]) -> bool:
        return all(kind.detects(part) for kind, part in self.parts(sample).values())

    def differs(self, sample: Mapping[str, Sample], control: Mapping[str, Sample]) -> bool:
        against = self.parts(control).items()
        return all(kind.differs(sample[name], part) for name, (kind, part) in against if not kind.passes(part))


@dataclass(frozen=True)
class AnyOf(_Several):
    """At least one part passes by Holm's rule. Contradicted if all parts are; weaker if all are that or weaker.

    A control must differ in a part in which the claim passes.
    """

    kinds: Mapping[str, Kind]
    name: ClassVar[str] = "any of"
    false_pass: ClassVar[float] = 0.05
    _order: ClassVar[tuple[Outcome, ...]] = _WORST_FIRST[::-1]

    def passes(self, sample: Mapping[str, Sample], alpha: float = 0.05) -> bool:
        return any(self._shared("passes", sample, alpha))

    def contradicted(self, sample: Mapping[str, Sample], alpha: float = 0.05) -> bool:
        return all(self._each("contradicted", sample, alpha))

    def weaker(self, sample: Mapping[str, Sample], alpha: float = 0.05) -> bool:
        against, short = self._each("contradicted", sample, alpha), self._each("weaker", sample, alpha)
        return any(short) and all(a or b for a, b in zip(against, short, strict=True))

    def fails(self, sample: Mapping[str, Sample]) -> bool:
        return all(kind.fails(part) for kind, part in self.parts(sample).values())

    def differs(self, sample: Mapping[str, Sample], control: Mapping[str, Sample]) -> bool:
        passed = dict(zip(self.parts(sample), self._shared("passes", sample, 0.05), strict=True))
        against = self.parts(control).items()
        return any(kind.differs(sample[name], part) for name, (kind, part) in against if passed[name])
