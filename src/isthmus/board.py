"""The board of verdicts: `verdict.json` files -> one table, for README and cards, the report and the terminal.

A pure function of the verdicts: what people read is never written by hand.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, get_args

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table

from isthmus import rooms, store
from isthmus.errors import UserError
from isthmus.verdict_file import Verdict

END = "<!-- /verdicts -->"
_NONE = "No claim has a verdict at this scale yet."
_WIDTHS = "8 5 30 9 14 7 14 13 8"
_HEADINGS = ("Paper", "Claim", "It says", "Verdict", "Ours [95 %]", "n", "Control", "The paper's", "Differs in")


@dataclass(frozen=True)
class Row:
    """One claim, each column as text."""

    paper: str
    claim: str
    says: str
    verdict: str
    ours: str
    n: str
    control: str
    theirs: str
    differs: str


def read(scale: str, names: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """The verdicts at a scale of these rooms (default: every paper), leaving out those that have none yet."""
    found = [rooms.load(name, scale).verdict_path for name in names or _published(scale)]
    return [store.read_json(path) for path in found if path.is_file()]


def rows(verdicts: Sequence[Mapping[str, Any]]) -> list[Row]:
    """A row per claim, in the order of the rooms and of their claims' ids."""
    return [
        Row(
            verdict["paper"],
            name,
            claim["says"],
            claim["verdict"],
            estimate(claim),
            units(claim["n"], claim["unit_of_n"]) if claim.get("n") else "–",
            control_text(claim.get("control")),
            _paper_says(claim.get("paper_says")),
            ", ".join(claim.get("differs_from_paper") or ()) or "–",
        )
        for verdict in verdicts
        for name, claim in sorted(verdict["claims"].items(), key=lambda item: _order(item[0]))
    ]


def markdown(board: Sequence[Row]) -> str:
    """The board as a Markdown table; a sentence where there is no verdict."""
    if not board:
        return _NONE
    return _markdown(_HEADINGS, [astuple(row) for row in board])


def overview(board: Sequence[Row], titles: Mapping[str, str], cards: Mapping[str, str]) -> str:
    """For README: how many verdicts of each kind a paper has, and every claim in a part that is folded away.

    titles and cards: what each paper is called, and where its card lies.
    """
    if not board:
        return _NONE
    lines = []
    for paper in dict.fromkeys(row.paper for row in board):
        found = Counter(row.verdict for row in board if row.paper == paper)
        counts = ", ".join(f"{found[word]} {word}" for word in get_args(Verdict) if word in found)
        lines.append((f"[`{paper}`]({cards[paper]})", titles[paper], counts))
    folded = f"<details>\n<summary>Every claim ({len(board)})</summary>\n\n{markdown(board)}\n\n</details>"
    return f"{_markdown(('Target', 'Paper', 'Verdicts'), lines)}\n\n{folded}"


def _markdown(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    lines = [headings, ("---",) * len(headings), *lines]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def rst(board: Sequence[Row]) -> str:
    """The board as a reStructuredText table, for Snakemake's report; a sentence where there is no verdict."""
    if not board:
        return _NONE
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {_WIDTHS}", ""]
    for line in (_HEADINGS, *(astuple(row) for row in board)):
        for number, cell in enumerate(line):
            lines.append(f"   {'*' if number == 0 else ' '} - {_escape_rst(cell)}")
    return "\n".join(lines)


def terminal(board: Sequence[Row]) -> Group:
    """The board for a terminal of 80 columns or more: a table a paper, what came of each claim, our number."""
    if not board:
        return Group(_NONE)
    tables = []
    for paper in dict.fromkeys(row.paper for row in board):
        table = Table(title=paper, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, expand=True)
        table.add_column("Claim", no_wrap=True)
        table.add_column("It says", ratio=5)
        table.add_column("Verdict", no_wrap=True)
        table.add_column("Ours [95 %], n", ratio=4)
        for row in board:
            if row.paper == paper:
                ours = row.ours if row.n == "–" else f"{row.ours}, {row.n}"
                table.add_row(row.claim, row.says, row.verdict, ours)
        tables.append(table)
    return Group(*tables)


def marker(scale: str) -> str:
    """The line of a page after which the verdicts at a scale stand."""
    return "<!-- verdicts -->" if scale == rooms.LAPTOP else f"<!-- verdicts: {scale} -->"


def fill(text: str, board: str, path: Path, scale: str = rooms.LAPTOP) -> str:
    """The text of a page with what stands between the two markers of this scale replaced by the board."""
    head, begin, rest = text.partition(marker(scale))
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise UserError(f"{path}: wanted the lines {marker(scale)} and {END} around the verdicts, found none")
    return f"{head}{begin}\n\n{board}\n\n{END}{tail}"


def _published(scale: str) -> list[str]:
    return [slug for slug in rooms.slugs() if scale in rooms.scales(slug)]


def _order(claim: str) -> tuple[str, int, str]:
    """C2 before C10, C2 before C2b."""
    letters = claim.rstrip("0123456789abcdefghijklmnopqrstuvwxyz")
    digits = claim[len(letters) :].rstrip("abcdefghijklmnopqrstuvwxyz")
    return letters, int(digits) if digits.isdigit() else 0, claim


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value + 0.0:.3g}"  # adding 0 makes -0 a plain 0


def estimate(claim: Mapping[str, Any]) -> str:
    """`1.9 [1.6, 2.2] log10 ratio`; the same of each part, where a claim has parts and no estimate of its own."""
    if claim.get("estimate") is None:
        parts = claim.get("parts") or {}
        return "; ".join(f"{name}: {estimate(part)}" for name, part in parts.items()) or "–"
    shown = f" {interval(claim['interval'])}" if claim.get("interval") else ""
    return f"{_number(claim['estimate'])}{shown} {claim.get('unit') or ''}".strip()


def units(n: int, unit: str) -> str:
    """`12 pairs`, `1 seed`, `8 blocks of runs`."""
    counted, of, rest = unit.partition(" of ")
    return f"{n} {counted}{'' if n == 1 else 's'}{of}{rest}"


def interval(bounds: Mapping[str, float | None]) -> str:
    """`[1.6, 2.2]`."""
    return f"[{_number(bounds['low'])}, {_number(bounds['high'])}]"


def control_text(control: Mapping[str, Any] | None) -> str:
    """What came of a control: its name, verdict and numbers."""
    return f"{control['name']}: {control['verdict']}, {estimate(control)}" if control else "–"


def _paper_says(said: Mapping[str, Any] | None) -> str:
    return f"{said['value']} ({said['source']}; {said['certainty']})" if said else "–"


def _escape_rst(cell: str) -> str:
    return "".join(f"\\{letter}" if letter in r"\`*_|" else letter for letter in cell)
