"""Writing the atlas: `results/<scale>/atlas/`, an index, a page a room, a contact sheet of all figures.

Beside them lie copies of what they show. Figures and tables are copied and not embedded: pages stay small, browsers
load what is looked at, and the folder can be moved or sent as it is. The pages are a function of the results alone,
so equal results give equal bytes.
"""

import base64
import hashlib
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from isthmus import board, paths, rooms, store, verdicts
from isthmus.page import TEMPLATES, card
from isthmus.page.number_line import number_line
from isthmus.page.shown import WORDS, Absent, Shown, at, card_path, redrawn_path
from isthmus.rooms import Room

ATLAS = "atlas"


def write(scale: str) -> Path:
    """Write every page of a scale; returns the path of the index, which is written last.

    What else lies in the folder is removed. UserError for a scale that no paper has, and for a damaged verdict.
    """
    found = list(at(scale))
    shown = [one for one in found if isinstance(one, Shown)]
    folder, index = paths.results(scale, ATLAS), index_path(scale)
    report = folder.parent / "report.html"
    about = {"scale": scale, "shown": shown, "report": f"../{report.name}" if report.is_file() else None}
    written = {index}
    for one in shown:
        path = folder / f"{one.room.name}.html"
        store.write_text(path, _page("paper.html", one=one, **about))
        written |= {path, *_copies(one.room, folder)}
    sheet = folder / "figures.html"
    store.write_text(sheet, _page("figures.html", **about))
    written.add(sheet)
    absent = [one for one in found if isinstance(one, Absent)]
    store.write_text(index, _page("index.html", absent=absent, **about))
    for path in folder.rglob("*"):
        # Snakemake's and the system's own files are theirs.
        if path.is_file() and path not in written and not path.name.startswith("."):
            path.unlink()
    return index


def index_path(scale: str) -> Path:
    """Where the index of a scale's atlas lies, relative to the root."""
    return paths.results(scale, ATLAS) / "index.html"


def standing(scale: str, chosen: Collection[str]) -> str:
    """A checksum of what an atlas shows besides the results of the chosen rooms, for which a build vouches.

    That is every study and card, whether there is a report, verdicts on another draw of the data, and the record of
    every other room that is there.
    """
    rests: list[Any] = [(paths.results(scale, ATLAS).parent / "report.html").is_file()]
    for name in (*rooms.slugs(), *rooms.variants()):
        scales = rooms.scales(name.partition("@")[0])
        room = rooms.load(name, scale if scale in scales else scales[0])
        rests += [name, scales, room.study.model_dump(), _text(card_path(room))]
        if again := redrawn_path(room):
            rests.append(store.file_digest(again))
        if scale in scales and name not in chosen and room.provenance_path.is_file():
            rests += [store.file_digest(room.provenance_path), verdicts.fingerprint(room)]
    return store.digest(store.canonical_json(rests))


def _page(name: str, **about: Any) -> str:
    """One page. A policy in its head lets it run its own script alone, and load nothing from the network."""
    style, script = (Markup((TEMPLATES / file).read_text(encoding="utf-8")) for file in ("page.css", "page.js"))
    return (
        _environment()
        .get_template(name)
        .render(style=style, script=script, style_hash=_hash(style), script_hash=_hash(script), **about)
    )


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"words": WORDS, "number_line": number_line, "control_text": board.control_text}
    environment.globals |= {
        "estimate": board.estimate,
        "interval": board.interval,
        "card_of": _card,
        "recipes_of": _recipes,
        "build_of": _build,
    }
    return environment


def _hash(text: str) -> str:
    """The name of an inline style or script in a content security policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _copies(room: Room, folder: Path) -> list[Path]:
    """Figures, as SVG and PDF, and tables of a room, copied beside its page."""
    copies = []
    for source in room.shown():
        if source.suffix not in (".svg", ".pdf", ".csv"):
            continue
        copy = folder / "files" / room.name / source.name
        with store.atomic(copy) as temporary:
            shutil.copyfile(source, temporary)
        copies.append(copy)
    return copies


def _card(room: Room) -> Markup | None:
    """The text of the paper's card, None if it has none."""
    text = _text(card_path(room))
    return card.html(text, room.scale) if text else None


def _recipes(room: Room) -> dict[str, str]:
    """Name of a run -> its part of the study as YAML, with what the scale and the variant change merged in."""
    return {
        name: yaml.safe_dump(
            run.model_dump(mode="json", exclude_unset=True, by_alias=True),
            sort_keys=False,
            allow_unicode=True,
            default_flow_style=None,
            width=100,
        )
        for name, run in room.study.runs.items()
    }


def _build(room: Room, target: Path | str) -> str:
    """The command that builds a file of a room, or a target named by it."""
    named = "" if isinstance(target, Path) or room.scale == rooms.LAPTOP else f" --config scale={room.scale}"
    return f"snakemake {target} --cores 2{named}"


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
