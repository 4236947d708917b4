"""`make sync`: writes the files that follow from others, since DVC cannot list folders and pages cannot count.

DVC's stages follow from the rooms, schemas from the typed specs, boards and README.md's picture from the committed
verdicts. What is written is a pure function of the checkout, so a test can say whether all is in step.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from isthmus import board, paths, rooms, specs, store, typed, verdicts
from isthmus.errors import UserError
from isthmus.page import headlines
from isthmus.redraw import REDRAW

_NOTE = "# Written by `make sync` from the rooms: change those.\n"
_PACKAGE = Path("src/isthmus")


def main(check: bool = False) -> list[str]:
    """Bring every generated file in step; returns those that were not. With `check`, writes nothing."""
    wanted = dict(generated())
    changed = [str(path) for path, text in wanted.items() if not path.is_file() or path.read_text() != text]
    unwanted = [str(path) for path in Path("scales").glob("*/dvc.yaml") if path not in wanted]
    if not check:
        for path in changed:
            store.write_text(path, wanted[Path(path)])
        for path in unwanted:
            Path(path).unlink()
    return sorted(changed + unwanted)


def generated() -> Iterator[tuple[Path, str]]:
    """Every generated file, relative to the root, with the text that it should hold."""
    yield Path("params.yaml"), _yaml(_params())
    stages = {"data": _data_stage(), "paper": _paper_stage(rooms.LAPTOP)}
    yield Path("dvc.yaml"), _yaml({"stages": stages, "plots": _plots()})
    for scale in _paper_scales():
        yield Path("scales") / scale / "dvc.yaml", _yaml({"stages": {"paper": _paper_stage(scale)}})
    yield Path("workflow/schemas/config.schema.json"), _schema(specs.Config)
    yield Path("workflow/schemas/study.schema.json"), _schema(specs.Study)
    yield Path("workflow/schemas/variant.schema.json"), _schema(specs.Overlay)
    published = board.read(rooms.LAPTOP)
    if published:
        yield paths.results(rooms.LAPTOP, "headlines.svg"), headlines.svg(published)
    rows = board.rows(published)
    for slug in rooms.slugs():
        if (path := _card(slug)).is_file():
            shown = board.markdown([row for row in rows if row.paper == slug])
            yield path, _with_scales(board.fill(path.read_text(encoding="utf-8"), shown, path), path, slug)
    if (path := Path("README.md")).is_file():
        cards = {slug: str(_card(slug)) for slug in rooms.slugs()}
        titles = {slug: rooms.load(slug, rooms.LAPTOP).card.title for slug in _with(rooms.LAPTOP)}
        shown = board.overview(rows, titles, cards)
        yield path, board.fill(path.read_text(encoding="utf-8"), shown, path)


def _card(slug: str) -> Path:
    """The page of a paper."""
    return _PACKAGE / "papers" / slug / "README.md"


def _with_scales(card: str, path: Path, slug: str) -> str:
    """A card with the verdicts at each paper scale that has some; a line says where the code has changed since."""
    for scale in sorted({*rooms.scales(slug)} - {"smoke", rooms.LAPTOP, REDRAW}):
        room = rooms.load(slug, scale)
        for verdict in board.read(scale, [slug]):
            since = verdict["fingerprint"] != verdicts.fingerprint(room)
            note = "\n\nMade by earlier code or settings than these." if since else ""
            card = board.fill(card, board.markdown(board.rows([verdict])) + note, path, scale)
    return card


def _with(scale: str) -> list[str]:
    """The papers that have this scale."""
    return [slug for slug in rooms.slugs() if scale in rooms.scales(slug)]


def _paper_scales() -> list[str]:
    """The scales that are neither smoke, which DVC does not track, nor laptop, which the root's file holds."""
    return sorted({scale for slug in rooms.slugs() for scale in rooms.scales(slug)} - {"smoke", rooms.LAPTOP})


def _params() -> dict[str, Any]:
    """What the root's stages are made for: papers by slug, prepared data by a name that DVC accepts."""
    laptop = [rooms.load(slug, rooms.LAPTOP) for slug in _with(rooms.LAPTOP)]
    keys = sorted({run.recipe.data for room in laptop for run in room.runs.values()})
    return {"papers": [room.slug for room in laptop], "data": {key.replace("/", "-"): key for key in keys}}


def _plots() -> list[dict[str, Any]]:
    """What `dvc plots show` draws: of each paper its main table."""
    laptop = [rooms.load(slug, rooms.LAPTOP) for slug in _with(rooms.LAPTOP)]
    return [_plot(room, room.study.plot) for room in laptop if room.study.plot is not None]


def _plot(room: rooms.Room, plot: specs.Plot) -> dict[str, Any]:
    if plot.table not in room.tables:
        raise UserError(f"{room.source}: plot.table: wanted one of {', '.join(room.tables)}, found {plot.table!r}")
    shown = {"x": plot.x, "y": plot.y, "template": "scatter", "title": f"{room.slug}, {plot.table}"}
    return {str(room.table_path(plot.table)): shown}


def _data_stage() -> dict[str, Any]:
    prepared = str(paths.prepared("${item}"))
    return {
        "foreach": "${data}",
        "do": {
            "cmd": f"snakemake {prepared} --cores all",
            "deps": ["data/register.yaml", "src/isthmus/data"],
            "outs": [{prepared: {"persist": True}}],
        },
    }


def _paper_stage(scale: str) -> dict[str, Any]:
    """One stage a paper. Snakemake decides what of it has to run: dependencies may be too many, never too few.

    persist: without it DVC deletes outputs before the stage runs, and Snakemake trains everything anew.
    """
    results = f"results/{scale}/${{item}}"
    papers = _PACKAGE / "papers"
    written = rooms.LAPTOP if scale == REDRAW else scale
    code = sorted(str(path) for path in _PACKAGE.iterdir() if path != papers and _is_code(path))
    stage = {
        "cmd": f"snakemake ${{item}} --cores all --config scale={scale}",
        "deps": ["data/register.yaml", *code, str(papers / "${item}")],
        "params": [{str(papers / "${item}" / "study.yaml"): ["runs", "tables", "figures", f"scales.{written}"]}],
        "outs": [
            {f"{results}/{out}": {"persist": True}} for out in ("runs", "tables", "figures", "provenance.json")
        ],
        "metrics": [{f"{results}/verdict.json": {"cache": False, "persist": True}}],
    }
    if scale == rooms.LAPTOP:
        return {"foreach": "${papers}", "do": stage}
    return {"foreach": _built(scale), "do": {"wdir": "../..", **stage}}


def _built(scale: str) -> list[str]:
    """The papers that DVC has recorded at a paper scale, or that are built here.

    The others have no stage yet: a bare `dvc pull` fails where a stage has never been run.
    """
    lock = Path("scales") / scale / "dvc.lock"
    recorded = typed.read_yaml(lock).get("stages", {}) if lock.is_file() else {}
    return [
        slug
        for slug in _with(scale)
        if f"paper@{slug}" in recorded or rooms.load(slug, scale).provenance_path.is_file()
    ]


def _is_code(path: Path) -> bool:
    return path.suffix == ".py" or (path / "__init__.py").is_file()


def _schema(spec: type[typed.Spec]) -> str:
    return json.dumps(spec.model_json_schema(), indent=2, sort_keys=True) + "\n"


def _yaml(content: dict[str, Any]) -> str:
    return _NOTE + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=200)
