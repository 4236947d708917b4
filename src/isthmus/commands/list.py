"""`isthmus list`: the papers, with claims, scales, state of results and minutes of a build, at 80 columns."""

from collections.abc import Mapping

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from isthmus import rooms, specs, verdicts
from isthmus.redraw import REDRAW

_WORDS = {
    "verdicts only": "git has the verdicts, the results are elsewhere (`dvc pull`) or to be built",
    "stale": "other code, recipes or claims than these made the verdicts (`isthmus check`)",
}


def run(scale: str) -> None:
    """Print a row a paper and variant; UserError if no paper has the scale."""
    rooms.at(scale)
    places, states = specs.places(), set()
    look = {"box": SIMPLE_HEAD, "show_edge": False, "pad_edge": False, "padding": (0, 1, 0, 0)}
    table = Table("Paper", "Claims", "Scales", "State", "Minutes", **look)
    for name in (*rooms.slugs(), *rooms.variants()):
        scales = rooms.scales(name.partition("@")[0])
        written = ", ".join(one for one in scales if one != REDRAW)
        if scale not in scales:
            table.add_row(name, "–", written, "no such scale", "–")
            continue
        room = rooms.load(name, scale)
        states.add(found := state(room, places))
        minutes = "–" if room.minutes is None else f"{room.minutes:g}"
        table.add_row(name, str(len(verdicts.load_claims(room))), written, found, minutes)
    console = Console()
    console.print(table)
    for word in sorted(states & {*_WORDS}):
        console.print(f"{word}: {_WORDS[word]}", highlight=False)
    console.print(
        f"All with {rooms.LAPTOP} have the scale {REDRAW} too: another draw of the data, other seeds.",
        highlight=False,
    )
    console.print(
        f"State and minutes (of a whole build on 2 cores, as measured) are those of scale {scale}.", highlight=False
    )


def state(room: rooms.Room, places: Mapping[str, str]) -> str:
    """`missing`, `stale`, `verdicts only` or `built`."""
    if not room.verdict_path.is_file():
        return "missing"
    if verdicts.out_of_step(room, places):
        return "stale"
    return "built" if room.provenance_path.is_file() else "verdicts only"
