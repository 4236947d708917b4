"""A claim's interval on a line with 0 and the claimed size: where its places are, for a small drawing."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Line:
    """Places from 0 to 100, left to right."""

    low: float
    high: float
    estimate: float
    zero: float
    marks: tuple[float, ...]


def number_line(entry: Mapping[str, Any]) -> Line | None:
    """The line of a claim or of a part of one; None where there is no finite interval.

    The marks are what its test compares with: delta, -delta, or both, by the kind of claim.
    """
    interval, delta = entry.get("interval") or {}, entry.get("delta")
    values = [interval.get("low"), interval.get("high"), entry.get("estimate")]
    if any(value is None for value in values) or entry["kind"] in ("all of", "any of"):
        return None
    signs = {"equivalence": (-1, 1), "non-inferior": (-1,)}.get(entry["kind"], (1,))
    marks = [sign * delta for sign in signs] if delta else []
    least, most = min(0.0, *values, *marks), max(0.0, *values, *marks)
    if not most > least or not math.isfinite(most - least):
        return None

    def place(value: float) -> float:
        return round(4 + 92 * (value - least) / (most - least), 2)

    low, high, estimate = map(place, values)
    return Line(low, high, estimate, place(0.0), tuple(map(place, marks)))
