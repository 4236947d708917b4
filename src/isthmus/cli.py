"""The command: one subcommand a verb, and what surrounds them. Each job of the workflow is one such call.

Heavy modules (torch, pandas, matplotlib) are imported by the subcommands that need them, never here.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from isthmus import paths
from isthmus.errors import UserError

Call = Callable[[argparse.Namespace], int | None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code: 0, 1 for findings of a check, 2 for a fault in what was given."""
    options = _parser().parse_args(arguments)
    try:
        os.chdir(paths.root())
        return options.call(options) or 0
    except UserError as error:
        print(f"isthmus: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader (head, less) has seen enough; the interpreter must not try to flush to it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="isthmus",
        description="Joins the claims of papers to the networks that show them. Builds are made by snakemake "
        "(`snakemake butterfly --cores 2`); these subcommands list, compare and check results, and are what each "
        "job of a build calls.",
    )
    verbs = parser.add_subparsers(title="subcommands", metavar="")

    def add(name: str, call: Call, about: str, *words: str) -> argparse.ArgumentParser:
        verb = verbs.add_parser(name, help=about, description=about[0].upper() + about[1:] + ".")
        for word in words:
            verb.add_argument(word, help=_WORDS[word])
        verb.set_defaults(call=call)
        return verb

    def at_scale(verb: argparse.ArgumentParser) -> argparse.ArgumentParser:
        verb.add_argument("--scale", default="laptop", help="smoke, laptop, or a paper scale (default: laptop)")
        return verb

    listing = add("list", _list, "list papers, their scales, claims, state of results and time of a build")
    at_scale(listing)
    preparing = add("data", _data, "prepare a data set", "key")
    preparing.add_argument("--places", type=_mapping, default={}, help="JSON: data set -> folder that holds it")
    at_scale(add("train", _train, "train one chunk of a run's fleet", "room", "run")).add_argument(
        "chunk", type=int, help="number of the chunk, from 0"
    )
    at_scale(add("measure", _measure, "measure one table from the fleets of its runs", "room", "table"))
    judging = at_scale(add("judge", _judge, "judge a room's claims by its tables", "room"))
    judging.add_argument("--places", type=_mapping, default={}, help="as for `isthmus data`")
    at_scale(add("draw", _draw, "draw one figure from its table", "room", "figure"))
    checking = at_scale(add("check", _check, "say which verdicts are stale, changed, or have a passing control"))
    checking.add_argument("rooms", nargs="*", metavar="room", help="papers or variants (default: all papers)")
    at_scale(add("compare", _compare, "set the verdicts of two builds side by side", "room", "other"))
    at_scale(add("verdicts", _verdicts, "print the table of verdicts")).add_argument(
        "rooms", nargs="*", metavar="room", help="papers or variants (default: all papers)"
    )
    at_scale(add("record", _record, "record what stands behind a room's results (the last job of a build)", "room"))
    syncing = add("sync", _sync, "write the generated files: DVC stages, schemas, verdict tables of the pages")
    syncing.add_argument("--check", action="store_true", help="write nothing; exit with 1 if one is out of step")
    return parser


_WORDS = {
    "key": "<set>/<split>/<scaling>, as data/register.yaml names them",
    "room": "a paper such as butterfly, or a variant such as butterfly@gentle",
    "other": "another room or variant, or the path of a verdict.json",
    "run": "a run of the room's study.yaml",
    "table": "a table of the room's study.yaml",
    "figure": "a figure of the room's study.yaml",
}


def _mapping(text: str) -> dict[str, str]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"wanted JSON, found {text!r}") from error
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"wanted a JSON mapping, found {text!r}")
    return value


def _named(items: dict, name: str, kind: str, room: str) -> object:
    if name not in items:
        raise UserError(f"{room}: wanted one of its {kind}s ({', '.join(items)}), found {name!r}")
    return items[name]


def _data(options: argparse.Namespace) -> None:
    from isthmus import records
    from isthmus.data.prepare import prepare
    from isthmus.data.register import parse

    out = paths.prepared(options.key)
    prepare(options.key, out, options.places.get(parse(options.key).set))
    records.note(out)


def _train(options: argparse.Namespace) -> None:
    from isthmus import records, rooms, roots
    from isthmus.progress import Progress

    room = rooms.load(options.room, options.scale)
    run = _named(room.runs, options.run, "run", room.name)
    if not 0 <= options.chunk < len(run.recipe.chunks):
        wanted = f"wanted a chunk below {len(run.recipe.chunks)}"
        raise UserError(f"{room.name}: runs.{run.name}: {wanted}, found {options.chunk}")
    out = run.chunk_paths()[options.chunk]
    save = Path("scratch") / out.with_suffix(".state.safetensors")

    from isthmus.verbs.train import train

    with Progress(0, "steps", f"{room.name} {run.name} chunk {options.chunk}") as progress:
        data = paths.prepared(run.recipe.data)
        train(run.recipe, options.chunk, data, out, save, roots.train(run.recipe), progress)
    records.note(out)


def _measure(options: argparse.Namespace) -> None:
    from isthmus import records, rooms
    from isthmus.progress import Progress
    from isthmus.verbs.measure import Source, measure

    room = rooms.load(options.room, options.scale)
    table = _named(room.tables, options.table, "table", room.name)
    runs = {name: room.runs[name] for name in table.runs}
    sources = {
        name: Source(run.recipe, run.chunk_paths(), paths.prepared(run.recipe.data)) for name, run in runs.items()
    }
    out = room.table_path(options.table)
    with Progress(0, "rows", f"{room.name} {options.table}") as progress:
        measure(room.slug, table.function or options.table, sources, table.settings, out, progress)
    records.note(out)


def _judge(options: argparse.Namespace) -> None:
    from isthmus import records, rooms, verdicts
    from isthmus.verbs.judge import judge

    room = rooms.load(options.room, options.scale)
    tables = {name: room.table_path(name) for name in room.tables}
    judge(room.slug, tables, room.paper_setting, verdicts.current(room, options.places), room.verdict_path)
    records.note(room.verdict_path)


def _draw(options: argparse.Namespace) -> None:
    from isthmus import records, rooms, roots
    from isthmus.verbs.draw import draw

    room = rooms.load(options.room, options.scale)
    figure = _named(room.figures, options.figure, "figure", room.name)
    about = {
        "figure": options.figure,
        "paper": room.card.title,
        "room": room.name,
        "scale": room.scale,
        "drawn by": f"isthmus.papers.{room.slug}.figures.{options.figure}",
        "code": roots.draw(room),
    }
    outs = room.figure_paths(options.figure)
    draw(room.slug, options.figure, room.table_path(figure.table), outs, about)
    for out in outs:
        records.note(out)


def _record(options: argparse.Namespace) -> None:
    from isthmus import provenance, rooms

    provenance.write(rooms.load(options.room, options.scale))


def _check(options: argparse.Namespace) -> int:
    from isthmus import rooms, verdicts

    chosen = options.rooms or [slug for slug in rooms.slugs() if options.scale in rooms.scales(slug)]
    found = [line for name in chosen for line in verdicts.check(rooms.load(name, options.scale), _places())]
    for line in found:
        print(line)
    if not found:
        print(f"{', '.join(chosen)}: verdicts at scale {options.scale} are in step with claims, recipes and code")
    return 1 if found else 0


def _compare(options: argparse.Namespace) -> None:
    from rich.console import Console

    from isthmus import compare, rooms, verdict_file

    def read(name: str) -> dict:
        if name.endswith(".json"):
            return verdict_file.read(Path(name))
        return verdict_file.read(rooms.load(name, options.scale).verdict_path)

    rows = compare.compare(read(options.room), read(options.other))
    Console().print(compare.terminal(rows, options.room, options.other))


def _verdicts(options: argparse.Namespace) -> None:
    from rich.console import Console

    from isthmus import board

    Console().print(board.terminal(board.rows(board.read(options.scale, options.rooms or None))))


def _list(options: argparse.Namespace) -> None:
    from rich.console import Console
    from rich.table import Table

    from isthmus import rooms, verdicts

    table = Table("Paper", "Title", "Claims", "Scales", f"State ({options.scale})", "Minutes on 2 cores")
    for name in (*rooms.slugs(), *rooms.variants()):
        scales = rooms.scales(name.partition("@")[0])
        if options.scale not in scales:
            table.add_row(name, "", "", ", ".join(scales), "no such scale", "")
            continue
        room = rooms.load(name, options.scale)
        state = "not built"
        if room.verdict_path.is_file():
            state = "built" if not verdicts.check(room, _places()) else "built, see `isthmus check`"
        minutes = "" if room.minutes is None else f"{room.minutes:g}"
        claims = str(len(verdicts.load_claims(room)))
        table.add_row(name, room.card.title, claims, ", ".join(scales), state, minutes)
    Console().print(table)


def _sync(options: argparse.Namespace) -> int:
    from isthmus import sync

    changed = sync.main(check=options.check)
    for path in changed:
        print(f"{path}: {'out of step: run `make sync`' if options.check else 'written'}")
    return 1 if options.check and changed else 0


def _places() -> dict[str, str]:
    """Where config/config.yaml says that data sets lie."""
    from isthmus import specs

    path = Path("config/config.yaml")
    return specs.checked(specs.Config, specs.read_yaml(path), path).data
