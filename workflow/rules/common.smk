# What the rules share: the checked config, the rooms, and what a path names: a run, a table, a figure, a setting of its job.
# Only `all`, `data` and the targets named by a room read SETTINGS.scale; every other rule takes its scale from the path.
import dataclasses
import os
import sys
from functools import cache, wraps
from pathlib import Path

from isthmus import board, paths, provenance, records, rooms, roots, specs, typed
from isthmus.data import register
from isthmus.engine.recipe import Recipe
from isthmus.errors import UserError
from isthmus.store import canonical_json, digest


def plainly(function):
    """The function; a fault in what the user gave ends Snakemake with one line and exit code 2, without a traceback."""

    @wraps(function)
    def told(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except UserError as error:
            print(f"isthmus: {error}", file=sys.stderr)
            raise SystemExit(2) from None

    return told


# Another workflow may import this one as a module: the config is then what it gives, and its folder the root.
IMPORTED = not workflow.modifier.is_main_snakefile()
CONFIG = "config of the module" if IMPORTED else "config/config.yaml"


@plainly
def start_imported():
    """Make the working folder the root, also for jobs; UserError where results could not lie in it."""
    if workflow.modifier.modify_path("results") != "results":
        raise UserError(
            "module: wanted no prefix and no replace_prefix, since jobs write to results/, found one"
        )
    if not Path(register.FILE).is_file():
        raise UserError(
            f"{register.FILE}: wanted a copy of isthmus's register of data sets in this folder, found none"
        )
    os.environ.update(ISTHMUS_ROOT=os.getcwd())


if IMPORTED:
    start_imported()
else:
    plainly(typed.read_yaml)(Path(CONFIG))


configfile: "config/config.yaml"


@plainly
def settings():
    """The config as the user gave it, checked."""
    given = typed.checked(specs.Config, config, CONFIG)
    known = (*rooms.slugs(), *rooms.variants())
    if unknown := sorted({*(given.papers or ())} - {*known}):
        raise UserError(
            f"{CONFIG}: papers: wanted some of {', '.join(known)}; found {unknown[0]!r}"
        )
    return given


SETTINGS = settings()

# Jobs run with the Python that runs Snakemake, whether or not its environment is activated.
os.environ.update(
    PATH=os.pathsep.join(
        [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    )
)

# Each rule's shell command begins with this: its log then opens with the command that repeats the job by hand.
LOGGED = "exec > {log:q} 2>&1; PS4=; set -x; "


wildcard_constraints:
    scale=r"[a-z][a-z0-9_]*",
    room=r"[a-z][a-z0-9_]*(@[a-z0-9][a-z0-9_-]*)?",
    run=r"[a-z][a-z0-9_]*",
    table=r"[a-z][a-z0-9_]*",
    figure=r"[a-z][a-z0-9_]*",
    chunk=r"\d\d\d+",
    key=r"[^/]+/[^/]+/[^/]+",


@plainly
def chosen_rooms(scale=SETTINGS.scale):
    """The rooms of the default target: those that the config names, else every paper that has the scale."""
    if SETTINGS.papers is not None:
        return [rooms.load(name, scale) for name in SETTINGS.papers]
    scales = {slug: rooms.scales(slug) for slug in rooms.slugs()}
    if not any(scale in names for names in scales.values()):
        known = sorted({name for names in scales.values() for name in names})
        raise UserError(
            f"{CONFIG}: scale: wanted one of {', '.join(known)}; found {scale!r}"
        )
    return [rooms.load(slug, scale) for slug, names in scales.items() if scale in names]


@plainly
def not_a_target(wildcards):
    """No input, ever: the fault of a target that is neither a path of the workflow nor a name that it knows."""
    known = ", ".join(("all", "data", *rooms.slugs(), *rooms.variants()))
    raise UserError(
        f"target: wanted one of {known}, or a path under results/; found {wildcards.name!r}"
    )


@plainly
def room_of(wildcards):
    """The room that a path names, at the scale that it names."""
    return rooms.load(wildcards.room, wildcards.scale)


@plainly
def item_of(wildcards, kind, items):
    """The run, table or figure that a path names; the fault of a name that there is not lists those that there are."""
    if wildcards[kind] not in items:
        source = room_of(wildcards).source
        raise UserError(
            f"{source}: {kind}s: wanted one of {', '.join(items)}; found {wildcards[kind]!r}"
        )
    return items[wildcards[kind]]


@plainly
def run_of(wildcards):
    """The run that a chunk's path names: a run of this room's own, with so many chunks."""
    room = room_of(wildcards)
    run = item_of(
        wildcards,
        "run",
        {name: run for name, run in room.runs.items() if run.owner == room.name},
    )
    if int(wildcards.chunk) >= len(run.recipe.chunks):
        raise UserError(
            f"{run.folder}: wanted one of {len(run.recipe.chunks)} chunks, found {wildcards.chunk}"
        )
    return run


def parents_of(run):
    """What a run begins at: the chunks of the runs that it branches from or is pruned by, and their data."""
    read = run.reads.values()
    chunks = [path for one in read for path in one.chunk_paths()]
    return sorted({*chunks, *(paths.prepared(one.recipe.data) for one in read)})


def recipe_field(name):
    """A parameter: one field of the run's recipe. Field by field, so that Snakemake's reason names what changed."""

    # Snakemake asks several times for each chunk.
    @cache
    def written(room, scale, run):
        recipe = rooms.load(room, scale).runs[run].recipe
        return f"{name}={in_short(getattr(recipe, name))}"

    def of_path(wildcards):
        run_of(wildcards)
        return written(wildcards.room, wildcards.scale, wildcards.run)

    return of_path


def in_short(value):
    """The value in canonical form; of a long one, as of a thousand networks, its beginning and its checksum."""
    text = canonical_json(value)
    return (
        text
        if len(text) <= 300
        else f"{text[:150]}... ({len(text)} letters, sha256 {digest(text)})"
    )


def code(fingerprint):
    """A parameter: the fingerprint of a job's code, as a function of its path."""
    return plainly(lambda wildcards: f"code={fingerprint(wildcards)}")


def resource(name):
    """A resource: what the room's scale asks for; time and memory grow with each resubmission, GPUs do not."""
    return lambda wildcards, attempt: room_of(wildcards).resources[name] * (
        1 if name == "gpu" else attempt
    )


def table_of(wildcards):
    """The table that a path names."""
    return item_of(wildcards, "table", room_of(wildcards).tables)


def figure_of(wildcards):
    """The figure that a path names."""
    return item_of(wildcards, "figure", room_of(wildcards).figures)


def caption_of(wildcards):
    """What a figure's caption says: with n once it is drawn, as the study has it before."""
    written = room_of(wildcards).caption_path(wildcards.figure)
    return written.read_text() if written.is_file() else figure_of(wildcards).caption
