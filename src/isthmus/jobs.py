"""What each job of the workflow does: names become recipes and paths, a verb makes the file, its checksum is noted.

The verbs themselves know nothing of rooms, so that a change of specs or paths retrains nothing. Torch and
matplotlib are imported by the functions that need them.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from isthmus import captions, paths, records, rooms, roots
from isthmus.data import register
from isthmus.errors import UserError
from isthmus.progress import Progress
from isthmus.stopping import Requests

if TYPE_CHECKING:
    from isthmus.engine.fleet import Source

Item = TypeVar("Item")


def data(key: str, places: Mapping[str, str]) -> None:
    """Prepare a data set. places: data set -> folder that holds it already."""
    from isthmus.data.prepare import prepare

    out = paths.prepared(key)
    with _clocked():
        prepare(key, out, places.get(register.parse(key).set))
    records.note(out)


def train(room: str, scale: str, run: str, chunk: int, device: str, save_every: float) -> None:
    """Train one chunk of a run's fleet. device: where, cpu or cuda. save_every: seconds between saves of the state.

    A request to stop (StoppedError) leaves a save, and so does what cannot be written at the end (UserError).
    """
    home = rooms.load(room, scale)
    chosen = _named(home.runs, run, "run", home)
    recipe = chosen.recipe
    if not 0 <= chunk < len(recipe.chunks):
        raise UserError(f"{home.source}: runs.{run}: wanted a chunk below {len(recipe.chunks)}, found {chunk}")
    out = chosen.chunk_paths()[chunk]
    save = Path("scratch") / out.with_suffix(".state.safetensors")

    from isthmus.verbs import train as verb

    label = f"{home.name} {run} chunk {chunk}"
    with Requests() as requests, _clocked(), Progress(recipe.steps, "steps", label) as progress:
        reads = {role: _source(run) for role, run in chosen.reads.items()}
        data, code = paths.prepared(recipe.data), roots.train(recipe)
        try:
            verb.train(recipe, chunk, data, out, save, code, progress, reads, device, requests, save_every)
        except MemoryError as error:
            lower = f"lower it from {recipe.chunk}"
            more = f"raise scales.{scale}.resources.mem_mb from {home.resources['mem_mb']} where that is the limit"
            raise UserError(
                f"{home.source}: runs.{run}.chunk: wanted {error}, found too little; {lower}, or {more}"
            ) from error
    records.note(out)
    # Not before: a job that fails after its chunk is written has it deleted by Snakemake.
    save.unlink(missing_ok=True)


def measure(room: str, scale: str, table: str) -> None:
    """Measure one table from the fleets of its runs."""
    home = rooms.load(room, scale)
    spec = _named(home.tables, table, "table", home)

    from isthmus.verbs import measure as verb

    sources = {name: _source(home.runs[name]) for name in spec.runs}
    out = home.table_path(table)
    with _clocked(), Progress(0, "steps", f"{home.name} {table}") as progress:
        verb.measure(home.slug, spec.function or table, sources, spec.settings, out, progress)
    records.note(out)


def judge(room: str, scale: str, places: Mapping[str, str]) -> None:
    """Judge a room's claims by its tables. places: as for `data`."""
    from isthmus import verdicts
    from isthmus.verbs import judge as verb

    home = rooms.load(room, scale)
    tables = {name: home.table_path(name) for name in home.tables}
    with _clocked():
        verb.judge(home.slug, tables, home.paper_setting, verdicts.current(home, places), home.verdict_path)
    records.note(home.verdict_path)


def draw(room: str, scale: str, figure: str) -> None:
    """Draw one figure from its table, and write its caption. What of it cannot be read in print is told."""
    home = rooms.load(room, scale)
    spec = _named(home.figures, figure, "figure", home)

    from isthmus.verbs import draw as verb

    about = {
        "figure": figure,
        "paper": home.card.title,
        "room": home.name,
        "scale": home.scale,
        "drawn by": f"isthmus.papers.{home.slug}.figures.{figure}",
    }
    outs, text = home.figure_paths(figure), home.caption_path(figure)
    with _clocked():
        try:
            seeds = {name: len({one.seed for one in run.recipe.networks}) for name, run in home.runs.items()}
            caption = captions.with_runs(spec.caption, seeds)
            faults = verb.draw(home.slug, figure, home.table_path(spec.table), outs, about, caption, text)
        except captions.CaptionError as error:
            raise UserError(f"{home.source}: figures.{figure}.caption: {error}") from error
    for fault in faults:
        print(f"{outs[0]}: {fault}")
    for out in (*outs, text):
        records.note(out)


def record(room: str, scale: str) -> None:
    """Record what stands behind a room's results."""
    from isthmus import provenance

    provenance.write(rooms.load(room, scale))


def page(scale: str) -> None:
    """Write the atlas of all results that are there at a scale."""
    from isthmus.page import atlas

    with _clocked():
        print(f"{atlas.write(scale)}: written")


def _source(run: rooms.Run) -> "Source":
    from isthmus.engine.fleet import Source

    return Source(run.recipe, run.chunk_paths(), paths.prepared(run.recipe.data))


def _named(items: Mapping[str, Item], name: str, kind: str, room: rooms.Room) -> Item:
    if name not in items:
        raise UserError(f"{room.source}: {kind}s: wanted one of {', '.join(items)}, found {name!r}")
    return items[name]


@contextmanager
def _clocked() -> Iterator[None]:
    """Says at the end how long the work took: imports and the reading of specs are over when it starts."""
    start = time.monotonic()
    yield
    print(f"{time.monotonic() - start:.1f} s at work", flush=True)
