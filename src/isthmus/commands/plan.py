"""`isthmus plan <paper>`: what a build takes, and how many units an interval of a wanted width takes."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from isthmus import board, rooms, verdict_file
from isthmus.data import register
from isthmus.engine.recipe import Recipe

_WORKED = re.compile(r"^([\d.]+) s at work$", re.MULTILINE)
_FLOAT = 4  # bytes of a scalar


def run(room: str, scale: str, width: float | None) -> None:
    """Print the plan. width: of the 95 % interval that is wanted, in the unit of each claim."""
    home, console = rooms.load(room, scale), Console()
    for line in build(home):
        console.print(line, highlight=False, markup=False)
    if not home.verdict_path.is_file():
        console.print(f"\nn for a wanted interval: no verdicts at scale {scale} yet, so no spread was seen.")
        return
    console.print(intervals(verdict_file.read(home.verdict_path)["claims"], width))
    console.print(
        "Width: from end to end of the 95 % interval. It is taken to fall as 1 / sqrt(n), with the spread "
        "between units as seen; for a claim of several parts it is that of the part shown. n is changed before a "
        "build, never after a look at its verdicts.",
        highlight=False,
    )
    if width is None:
        console.print("`--width W` tells the n for an interval of width W.", highlight=False)


def build(room: rooms.Room) -> Iterator[str]:
    """What a build from nothing takes, a line each: jobs, networks, time, disk."""
    own = [run.recipe for run in room.runs.values() if run.owner == room.name]
    borrowed = sorted({run.owner for run in room.runs.values()} - {room.name})
    jobs = {
        "train": sum(len(recipe.chunks) for recipe in own),
        "measure": len(room.tables),
        "draw": len(room.figures),
        "judge": 1,
        "record": 1,
    }
    yield f"{room.name} at scale {room.scale}, from nothing:"
    yield f"jobs: {sum(jobs.values())} ({', '.join(f'{count} {verb}' for verb, count in jobs.items())})"
    lent = f", besides those of {', '.join(borrowed)}" if borrowed else ""
    yield f"networks: {sum(len(recipe.networks) for recipe in own)} in {len(own)} runs{lent}"
    yield f"time: {_time(room, sum(jobs.values()))}"
    yield f"disk: {_disk(room, own)}"


def intervals(claims: Mapping[str, Mapping[str, Any]], width: float | None) -> Table:
    """A row per claim: n and width of its interval as judged, and the n for the wanted width."""
    headings = ["Claim", "Unit", "n", "Width seen"]
    table = Table(*headings, *([] if width is None else [f"n for {width:g}"]), box=SIMPLE_HEAD)
    for id_, claim in claims.items():
        seen, units = seen_width(claim), board.units(claim["n"], claim["unit_of_n"])
        shown = f"no interval ({claim['verdict']})" if seen is None else f"{seen:.3g}"
        needed = [] if width is None else ["–" if not seen else str(wanted_n(claim["n"], seen, width))]
        table.add_row(id_, claim["unit"], units if claim["n"] else "–", shown, *needed)
    return table


def seen_width(claim: Mapping[str, Any]) -> float | None:
    """From end to end of a claim's 95 % interval; None where it has none or an end is open."""
    ends = claim["interval"] or {"low": None, "high": None}
    return None if None in ends.values() else ends["high"] - ends["low"]


def wanted_n(n: int, seen: float, width: float) -> int:
    """The n at which an interval that n units made `seen` wide is `width` wide, by 1 / sqrt(n)."""
    return max(2, math.ceil(n * (seen / width) ** 2))


def _time(room: rooms.Room, jobs: int) -> str:
    if room.minutes is not None:
        return f"about {room.minutes:g} minutes on 2 cores (measured; {room.source})"
    logs = Path("logs") / room.scale / room.name
    found = [_WORKED.search(path.read_text(errors="replace")) for path in sorted(logs.glob("*.log"))]
    seconds = [float(match[1]) for match in found if match]
    # The record's job says nothing of its time.
    if len(seconds) < jobs - 1:
        return f"not known: no `minutes` in {room.source}, and no log of each job in {logs}"
    return (
        f"about {sum(seconds) / 60:.1f} minutes of work for one core, by the logs of the last build in {logs} "
        "(starting the jobs not counted)"
    )


def _disk(room: rooms.Room, own: Sequence[Recipe]) -> str:
    files = list(room.outputs())
    if all(path.is_file() for path in files):
        return f"{decimal(sum(path.stat().st_size for path in files))} (as it lies in {room.folder})"
    return (
        f"about {decimal(_FLOAT * sum(map(_scalars, own)))} of weights in {room.folder} "
        "(networks x checkpoints x scalars; probes not counted)"
    )


def _scalars(recipe: Recipe) -> int:
    from isthmus.engine.architecture import Architecture

    data = register.entry(register.parse(recipe.data).set)
    size = Architecture.of(recipe, data.shape, data.classes).layout.size
    return size * len(recipe.networks) * len(recipe.checkpoints)
