"""From a claim and the room's tables to its entry in verdict.json: the test, then what its controls allow.

A control can only take away: where one passes or decides nothing, a good outcome becomes `unclear`; where a
positive control is not seen, an absence has not been shown at this scale and is `out of reach`.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from isthmus.claims import HEADLINE, Claim, Control, Tables
from isthmus.kinds import Kind, Measured, Outcome, outcome
from isthmus.samples import Sample
from isthmus.stats import FEW, Interval, interval
from isthmus.ways import Measurements, NotMeasuredError

PASSED = ("reproduced", "holds", "verified")

Controls = Mapping[str, tuple[Control, Measured]]


def judged(claim: Claim, tables: Tables, paper_setting: bool) -> dict[str, Any]:
    """The claim's entry in verdict.json. `not run` where a table that it needs is not there.

    paper_setting: whether the tables come from the paper's own data, model and size, so that a claim that passes
    is `reproduced` and not only `holds`.
    """
    unlike = () if paper_setting else claim.differs_from_paper
    entry = {
        "says": claim.says,
        "where": claim.where,
        "kind": claim.kind.name,
        "headline": claim.headline,
        "verdict": "out of reach",
        "estimate": None,
        "interval": None,
        "unit": claim.unit,
        "n": 0,
        "unit_of_n": claim.unit_of_n,
        "delta": getattr(claim.kind, "delta", None),
        "delta_from": getattr(claim.kind, "delta_from", None),
        "frozen": claim.frozen(),
        "paper_says": asdict(claim.paper_says) if claim.paper_says else None,
        "control": None,
        "differs_from_paper": [*claim.differs_always, *unlike],
    }
    if claim.out_of_reach is not None:
        return entry | {"why": claim.out_of_reach, "needs": claim.needs}
    try:
        sample, controls = measured(claim, tables)
    except NotMeasuredError as missing:
        return entry | {"verdict": "not run", "why": f"no table {missing} at this scale"}
    return entry | tested(claim, sample, controls, paper_setting, HEADLINE if claim.headline else FEW)


def measured(claim: Claim, tables: Tables, controls_in: Tables | None = None) -> tuple[Measured, Controls]:
    """What the claim and its controls measure in the tables, or the controls in others.

    NotMeasuredError for a table that is not there.
    """
    tables = Measurements(tables)
    others = tables if controls_in is None else Measurements(controls_in)
    return claim.measure(tables), {control.name: (control, control.statistic(others)) for control in claim.controls}


def tested(claim: Claim, sample: Measured, controls: Controls, paper_setting: bool, least: int) -> dict[str, Any]:
    """The part of an entry that follows from what was measured: verdict, numbers, controls. least: units wanted."""
    found = outcome(claim.kind, sample, least)
    entry = _numbers(claim.kind, sample) | {
        "verdict": _word(claim.kind, found, paper_setting and not claim.differs_always)
    }
    if not claim.kind.exact and claim.kind.n(sample) < least:
        entry["why"] = f"n = {claim.kind.n(sample)}, fewer than {least}"
    checked = {name: _checked(claim.kind, sample, *control) for name, control in controls.items()}
    if found in ("passes", "weaker"):
        entry |= _allowed(claim, checked)
    return entry | _placed(checked)


def _word(kind: Kind, found: Outcome, paper_setting: bool) -> str:
    if kind.exact:
        return "verified" if found == "passes" else "violated"
    if found == "passes":
        return "reproduced" if paper_setting else "holds"
    return found


def _numbers(kind: Kind, sample: Measured) -> dict[str, Any]:
    """Estimate, interval and n, and what else a reader needs to see: parts, diverged units, constant data."""
    shown = kind.shown(sample)
    numbers: dict[str, Any] = {
        "estimate": _finite(shown.estimate),
        "interval": _bounds(shown),
        "n": kind.n(sample),
    }
    if kind.level == 0.90:
        numbers["interval_90"] = _bounds(interval(sample, kind.level))
    if shown.constant:
        numbers["constant"] = True
    if lost := _diverged(sample):
        numbers["diverged"] = lost
    if parts := kind.parts(sample):
        numbers["parts"] = {
            name: {
                "kind": part.name,
                "verdict": _word(part, outcome(part, of_part), False),
                "delta": getattr(part, "delta", None),
                **_numbers(part, of_part),
            }
            for name, (part, of_part) in parts.items()
        }
    return numbers


def _checked(kind: Kind, sample: Measured, control: Control, measured: Measured) -> dict[str, Any]:
    """A control's entry; `as_wanted` says whether it does what a control of its role must do."""
    test = control.kind or kind
    enough = test.exact or test.n(measured) >= FEW
    passes = enough and test.passes(measured)
    if passes:
        word = "verified" if test.exact else "holds"
    elif enough and test.weaker(measured):
        word = "weaker"
    elif enough and test.fails(measured):
        word = "violated" if test.exact else "contradicted"
    else:
        word = "unclear"
    numbers = _numbers(test, measured)
    entry = {"name": control.name, "role": control.role, "verdict": word}
    entry |= {key: numbers[key] for key in ("estimate", "interval", "n")}
    if control.role == "positive":
        return entry | {"as_wanted": enough and (passes if control.kind else test.detects(measured))}
    if control.role == "null":
        return entry | {"as_wanted": not passes}
    return entry | {"as_wanted": enough and not passes and kind.differs(sample, measured)}


def _allowed(claim: Claim, controls: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What a good outcome becomes when a control does not do what it must; nothing if all do."""
    for name, control in controls.items():
        if control["as_wanted"]:
            continue
        if control["role"] == "positive":
            why = f"positive control {name!r} is not seen at this scale"
            return {"verdict": "out of reach", "why": why, "needs": claim.needs}
        how = "passes" if control["verdict"] in PASSED else "does not differ clearly from the claim"
        return {"verdict": "unclear", "why": f"control {name!r} {how}"}
    return {}


def _placed(controls: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The control that decides under `control` (one that fails its role first, then by role), others beside it."""
    roles = ("mechanism off", "positive", "null")
    order = sorted(controls.values(), key=lambda entry: (entry["as_wanted"], roles.index(entry["role"])))
    if not order:
        return {}
    others = {entry["name"]: entry for entry in order[1:]}
    return {"control": order[0]} | ({"other_controls": others} if others else {})


def _diverged(sample: Measured) -> list[str]:
    parts = [sample] if isinstance(sample, Sample) else sample.values()
    return sorted({unit for part in parts for unit in part.diverged})


def _bounds(found: Interval) -> dict[str, float | None]:
    return {"low": _finite(found.low), "high": _finite(found.high)}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
