"""draw: one table -> one figure, as SVG, PDF and PNG, and its caption."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

from isthmus import captions, figures, legibility, store


def draw(
    slug: str, name: str, table: Path, outs: Sequence[Path], about: Mapping[str, str], caption: str, text: Path
) -> list[str]:
    """Write the figure that the function `name` of the room's figures.py draws of the table; returns what of it
    cannot be read in print.

    outs: of each format. about: what to record in the files' own metadata; the table's checksum is added. caption:
    goes into the file `text`, with `{n}` as counted.
    """
    function = getattr(import_module(f"isthmus.papers.{slug}.figures"), name)
    with figures.style(), figures.counted() as counts:
        figure = figures.blank()
        function(store.read_table(table), figure)
        said = captions.with_n(caption, counts)
        figures.save(figure, outs, {**about, "table": str(table), "table sha256": store.file_digest(table)})
        store.write_text(text, said + "\n")
        return legibility.faults(figure)
