"""Two verdict.json side by side: a rebuild beside the published one, or a variant beside its room."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table


@dataclass(frozen=True)
class Compared:
    """One claim in both; `–` stands for the verdict of a claim that one does not have.

    same: whether the verdict is the same word. inside: whether the second's estimate lies in the first's interval;
    None where one of them has none.
    """

    claim: str
    first: str
    second: str
    first_estimate: float | None
    second_estimate: float | None
    same: bool
    inside: bool | None


def compare(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Compared]:
    """A row per claim that either has, in the first's order."""
    ids = dict.fromkeys([*first["claims"], *second["claims"]])
    return [_row(id_, first["claims"].get(id_, {}), second["claims"].get(id_, {})) for id_ in ids]


def terminal(rows: list[Compared], first: str, second: str) -> Table:
    """The rows for a terminal."""
    table = Table("Claim", first, second, "Same", "Inside", box=SIMPLE_HEAD)
    for row in rows:
        table.add_row(
            row.claim,
            f"{row.first} {_number(row.first_estimate)}",
            f"{row.second} {_number(row.second_estimate)}",
            "yes" if row.same else "no",
            {True: "yes", False: "no", None: "–"}[row.inside],
        )
    return table


def summary(rows: list[Compared]) -> str:
    """What the last two columns come to, in words."""
    tested = [row.inside for row in rows if row.inside is not None]
    return (
        f"Same: the verdict is the same word for {sum(row.same for row in rows)} of {len(rows)} claims. "
        f"Inside: the interval of the first holds the estimate of the second for {sum(tested)} of {len(tested)}."
    )


def _row(id_: str, first: Mapping[str, Any], second: Mapping[str, Any]) -> Compared:
    words = first.get("verdict", "–"), second.get("verdict", "–")
    estimates = first.get("estimate"), second.get("estimate")
    return Compared(id_, *words, *estimates, words[0] == words[1], _inside(first.get("interval"), estimates[1]))


def _inside(interval: Mapping[str, float | None] | None, estimate: float | None) -> bool | None:
    if interval is None or estimate is None:
        return None
    low, high = interval["low"], interval["high"]
    return (low is None or low <= estimate) and (high is None or estimate <= high)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
