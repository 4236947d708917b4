"""draw: one table -> one figure, as SVG, PDF and PNG."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

from isthmus import figures, store


def draw(slug: str, name: str, table: Path, outs: Sequence[Path], about: Mapping[str, str]) -> None:
    """Write the figure that the function `name` of the room's figures.py draws of the table.

    about: what to record in the files' own metadata; the table's checksum is added.
    """
    function = getattr(import_module(f"isthmus.papers.{slug}.figures"), name)
    with figures.style():
        figure = figures.blank()
        function(store.read_table(table), figure)
        figures.save(figure, outs, {**about, "table": str(table), "table sha256": store.file_digest(table)})
