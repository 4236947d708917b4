"""The atlas: pages that show all results at a scale, made of verdicts, tables and figures that are there."""

from pathlib import Path

TEMPLATES = Path(__file__).parent / "templates"


def templates() -> list[Path]:
    """The files that pages are made from besides code, sorted: templates, style, script."""
    return sorted(path for path in TEMPLATES.iterdir() if not path.name.startswith("."))
