"""How far a headline claim's verdict hangs on choices: the same claim judged in other ways, a row for each.

A row is what the verdict would have been, had one choice been another: the margin, the interval, the units, or what
the room's claims name (`Claim.other_ways`). It goes through the claim's own test and controls, and it changes no
verdict: that is the frozen one.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from isthmus.claims import HEADLINE, AllOf, AnyOf, Claim, Exponent, Tables
from isthmus.judging import Controls, measured, tested
from isthmus.kinds import Kind, Measured
from isthmus.samples import PROPORTION, Sample
from isthmus.stats import FEW, MANY
from isthmus.ways import NotMeasuredError

# A half of ten units, the least of a headline claim, is too few for a verdict; two thirds are enough.
_THIRDS = ("1, 4, 7", "2, 5, 8", "3, 6, 9")


def rows(claim: Claim, tables: Tables, paper_setting: bool) -> list[dict[str, Any]]:
    """For each other way: way, verdict, estimate, interval, n, delta, perhaps why; of several parts, the one shown.

    None for a claim that is no headline, is exact, or is not measured at this scale; a way that takes what this
    scale has not measured is left out.
    """
    if not claim.headline or claim.kind.exact or claim.out_of_reach is not None:
        return []
    try:
        sample, controls = measured(claim, tables)
    except NotMeasuredError:
        return []
    found = []
    for way, other, change, least in _general(claim, sample):
        changed = {name: (control, _each(change, of)) for name, (control, of) in controls.items()}
        found.append(_row(way, other, _each(change, sample), changed, paper_setting, least))
    for way in claim.other_ways:
        other = claim if way.kind is None else replace(claim, kind=way.kind)
        try:
            seen = way.seen(tables)
            pair = measured(other, seen, seen if way.controls else tables)
        except NotMeasuredError:
            continue
        found.append(_row(way.name, other, *pair, paper_setting, HEADLINE))
    return found


def _general(claim: Claim, sample: Measured) -> Iterator[tuple[str, Claim, Callable[[Sample], Sample], int]]:
    """The ways that need nothing of the room: name, claim, what becomes of each sample, and the units wanted."""
    for name, factor in (("half the margin", 0.5), ("twice the margin", 2.0)):
        kind = _scaled(claim.kind, factor)
        if kind != claim.kind:
            yield name, replace(claim, kind=kind), _as_it_is, HEADLINE
    samples = list(sample.values()) if isinstance(sample, Mapping) else [sample]
    if not all(one.estimator is PROPORTION for one in samples):
        few = min(one.n for one in samples) < MANY
        name = "interval by the bootstrap, not Student's" if few else "Student's interval, not the bootstrap's"
        yield name, claim, lambda one: replace(one, usual=False), HEADLINE
    if any(one.examples for one in samples):
        yield "test examples not redrawn", claim, _of_these_examples, HEADLINE
    for place, units in enumerate(_THIRDS):
        yield f"without units {units}, ...", claim, lambda one, place=place: _without(one, place), FEW


def _row(
    way: str, claim: Claim, sample: Measured, controls: Controls, paper_setting: bool, least: int
) -> dict[str, Any]:
    entry, kind = tested(claim, sample, controls, paper_setting, least), claim.kind
    row = {key: entry[key] for key in ("verdict", "estimate", "interval", "n", "why") if key in entry}
    if isinstance(kind, AllOf | AnyOf):
        row["part"] = kind.decisive(sample)
        kind = kind.kinds[row["part"]]
    return row | {"way": way, "delta": kind.delta}


def _each(change: Callable[[Sample], Sample], sample: Measured) -> Measured:
    if isinstance(sample, Mapping):
        return {name: change(one) for name, one in sample.items()}
    return change(sample)


def _as_it_is(sample: Sample) -> Sample:
    return sample


def _of_these_examples(sample: Sample) -> Sample:
    return sample.of_these_examples() if sample.examples else sample


def _without(sample: Sample, place: int) -> Sample:
    """Without every third unit, by label: a claim and its control lose the same ones."""
    return sample.without(sorted((*sample.units, *sample.diverged))[place::3])


def _scaled(kind: Kind, factor: float) -> Kind:
    """The kind with its margin, or those of its parts, so many times as wide."""
    if isinstance(kind, AllOf | AnyOf):
        return replace(kind, kinds={name: _scaled(part, factor) for name, part in kind.kinds.items()})
    if isinstance(kind, Exponent):
        return replace(kind, finite_size=tuple(factor * end for end in kind.finite_size))
    return kind if kind.exact else replace(kind, delta=factor * kind.delta)
