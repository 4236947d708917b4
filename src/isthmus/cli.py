"""The command: one subcommand a verb, and what surrounds them. Each job of the workflow is one such call.

Heavy modules (torch, pandas, matplotlib) are imported by the subcommands that need them, never here.
"""

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from isthmus import paths
from isthmus.errors import UserError
from isthmus.stopping import StoppedError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code.

    0; 1 for findings of a check; 2 for a fault in what was given; 75 (EX_TEMPFAIL) for training that a SIGTERM
    stopped, and that goes on when called again; 130 for Ctrl-C.
    """
    try:
        options = vars(_parser().parse_args(arguments))
        command = options.pop("command")
        os.chdir(paths.root())
        code = _function(command)(**options) or 0
        sys.stdout.flush()  # here, where a reader that has gone is caught, not at the interpreter's end
        return code
    except UserError as error:
        print(f"isthmus: {error}", file=sys.stderr)
        return 2
    except StoppedError as stopped:
        print(f"isthmus: {stopped}", file=sys.stderr)
        return stopped.code
    except KeyboardInterrupt:
        print("isthmus: stopped by Ctrl-C", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader (head, less) has seen enough; the interpreter must not try to flush to it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


class _Parser(argparse.ArgumentParser):
    """Tells a fault in one line, as every other fault is told."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message} (see `{self.prog} --help`)")


def _mapping(text: str) -> dict[str, str]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"wanted JSON, found {text!r}") from error
    if not isinstance(value, dict) or not all(isinstance(place, str) for place in value.values()):
        raise argparse.ArgumentTypeError(f"wanted a JSON mapping of names to folders, found {text!r}")
    return value


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _seconds(text: str) -> float:
    if not (value := _float(text)) >= 0:
        raise argparse.ArgumentTypeError(f"wanted seconds, 0 or more, found {text!r}")
    return value


def _width(text: str) -> float:
    if not 0 < (value := _float(text)) < math.inf:
        raise argparse.ArgumentTypeError(f"wanted a width above 0, found {text!r}")
    return value


# What may stand behind a subcommand.
_WORDS: dict[str, dict[str, Any]] = {
    "key": {"help": "<set>/<split>/<scaling>, as data/register.yaml names them"},
    "slug": {"help": "name of the new paper's room: a-z, 0-9 and _"},
    "room": {"help": "a paper such as butterfly, or a variant such as butterfly@gentle"},
    "other": {
        "nargs": "?",
        "help": "another paper or variant, or the path of a verdict.json (default: the room's published verdicts, "
        "those that git has, set beside this build's)",
    },
    "names": {"nargs": "*", "metavar": "room", "help": "papers or variants (default: all papers)"},
    "run": {"help": "a run of the room's study.yaml"},
    "chunk": {"type": int, "help": "number of the chunk, from 0"},
    "table": {"help": "a table of the room's study.yaml"},
    "figure": {"help": "a figure of the room's study.yaml"},
    "--scale": {"default": "laptop", "help": "smoke, laptop, redraw, or a paper scale (default: laptop)"},
    "--places": {"type": _mapping, "default": {}, "metavar": "JSON", "help": "data set -> folder that holds it"},
    "--device": {
        "choices": ("cpu", "cuda"),
        "default": "cpu",
        "help": "where networks are computed (default: cpu)",
    },
    "--save-every": {
        "type": _seconds,
        "default": 20.0,
        "metavar": "SECONDS",
        "help": "time between two saves of the state, from which a killed job goes on (default: 20)",
    },
    "--width": {
        "type": _width,
        "metavar": "W",
        "help": "wanted width of the 95 %% interval, from end to end, in the unit of each claim",
    },
    "--yes": {"action": "store_true", "help": "remove it without a question"},
    "--stale": {"action": "store_true", "help": "only what is out of step with the checkout, not passing controls"},
    "--check": {"action": "store_true", "help": "write nothing; exit with 1 if a file is out of step"},
}

# Subcommand -> what it is for, and its words. The jobs of a build come first.
_COMMANDS: dict[str, tuple[str, str]] = {
    "data": ("prepare a data set", "key --places"),
    "train": ("train one chunk of a run's fleet", "room run chunk --scale --device --save-every"),
    "measure": ("measure one table from the fleets of its runs", "room table --scale"),
    "judge": ("judge a room's claims by its tables", "room --scale --places"),
    "draw": ("draw one figure from its table", "room figure --scale"),
    "record": ("record what stands behind a room's results", "room --scale"),
    "page": ("write the atlas: a page of all verdicts and one a room, from the results that are there", "--scale"),
    "list": ("list papers, their scales, claims, state of results and minutes of a build", "--scale"),
    "verdicts": ("print the table of verdicts", "names --scale"),
    "check": ("name verdicts that are stale, claims that changed, controls that pass", "names --scale --stale"),
    "compare": ("set the verdicts of two builds side by side", "room other --scale"),
    "plan": ("say what a build takes, and the n for an interval of a wanted width", "room --scale --width"),
    "cite": ("print BibTeX of a paper and of isthmus", "room"),
    "new": ("make a room for a paper of your own, from a template that runs at once", "slug"),
    "clean": ("show what can be rebuilt (fleets, logs) and remove it if told so", "names --scale --yes"),
    "sync": ("write the generated files: DVC stages, schemas, verdict tables of the pages", "--check"),
}
_JOBS = ("data", "train", "measure", "judge", "draw", "record", "page")
# Those with a file of their own in `commands`.
_OWN = ("list", "plan", "cite", "new", "clean")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="isthmus",
        description="Joins the claims of papers to the networks that show them. Builds are made by snakemake "
        "(`snakemake butterfly --cores 2`); the first seven subcommands are what its jobs call, the others list, "
        "check, compare, plan, cite, add and clean.",
    )
    commands = parser.add_subparsers(title="subcommands", metavar="subcommand", dest="command", required=True)
    for name, (about, words) in _COMMANDS.items():
        command = commands.add_parser(name, help=about, description=about[0].upper() + about[1:] + ".")
        for word in words.split():
            command.add_argument(word, **_WORDS[word])
    return parser


def _function(command: str) -> Callable[..., int | None]:
    """What a subcommand calls, with its words as arguments."""
    if command in _JOBS:
        return getattr(import_module("isthmus.jobs"), command)
    if command in _OWN:
        return import_module(f"isthmus.commands.{command}").run
    return globals()[f"_{command}"]


def _check(names: Sequence[str], scale: str, stale: bool) -> int:
    from isthmus import rooms, specs, verdicts

    chosen, look = names or rooms.at(scale), verdicts.out_of_step if stale else verdicts.check
    found = [line for name in chosen for line in look(rooms.load(name, scale), specs.places())]
    for line in found:
        print(line)
    if not found:
        print(f"{', '.join(chosen)}: verdicts at scale {scale} are in step with claims, recipes and code")
    return 1 if found else 0


def _compare(room: str, other: str | None, scale: str) -> None:
    from rich.console import Console

    from isthmus import compare, rooms, verdict_file

    def path(name: str) -> Path:
        return Path(name) if name.endswith(".json") else rooms.load(name, scale).verdict_path

    if other is None:
        first, second = verdict_file.published(path(room)), verdict_file.read(path(room))
        names = "published", "this build"
    else:
        first, second = verdict_file.read(path(room)), verdict_file.read(path(other))
        names = room, other
    rows = compare.compare(first, second)
    console = Console()
    console.print(compare.terminal(rows, *names))
    console.print(compare.summary(rows), highlight=False)


def _verdicts(names: Sequence[str], scale: str) -> None:
    from rich.console import Console

    from isthmus import board, rooms

    Console().print(board.terminal(board.rows(board.read(scale, names or rooms.at(scale)))))


def _sync(check: bool) -> int:
    from isthmus import sync

    changed = sync.main(check=check)
    for path in changed:
        print(f"{path}: {'out of step: run `make sync`' if check else 'written'}")
    return 1 if check and changed else 0
