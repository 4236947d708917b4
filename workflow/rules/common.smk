# What the rules share: the checked config, the rooms, and each job's inputs and parameters as functions of its path.
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


@plainly
def fleets_of(wildcards):
    """The chunks that a table is measured on, wherever they are trained."""
    runs = room_of(wildcards).runs
    return [
        path for name in table_of(wildcards).runs for path in runs[name].chunk_paths()
    ]


@plainly
def data_of(room, names=None):
    """The prepared data of a room's runs of these names (default: all), each once."""
    return sorted(
        {
            str(paths.prepared(room.runs[name].recipe.data))
            for name in names or room.runs
        }
    )


def every_result(wildcards):
    """What the default target asks for."""
    return [path for room in chosen_rooms() for path in results_of(room.name)]


def what_an_atlas_shows(wildcards):
    """The results of the chosen rooms at the scale that the path names."""
    scale = wildcards.scale
    return [
        path for room in chosen_rooms(scale) for path in results_of(room.name, scale)
    ]


@plainly
def what_else_an_atlas_shows(wildcards):
    """A parameter: what is there of the other rooms, which an atlas shows as they are and never builds."""
    # Here, not above: every job's own snakemake would import scipy.
    from isthmus.page import atlas

    chosen = [room.name for room in chosen_rooms(wildcards.scale)]
    return f"shown={atlas.standing(wildcards.scale, chosen)}"


def every_data_set(wildcards):
    """The prepared data of all chosen rooms."""
    return sorted({path for room in chosen_rooms() for path in data_of(room)})


@plainly
def outputs_of(wildcards):
    """All that a room's record vouches for."""
    return provenance.outputs(room_of(wildcards))


@plainly
def checksum_of(wildcards):
    """A parameter: the checksum of a data set's content. What it holds counts, where it lies does not."""
    place = SETTINGS.data.get(wildcards.key.split("/")[0])
    return f"content={register.content_checksum(wildcards.key, place)}"


def tables_of(wildcards):
    """Every table of a room."""
    room = room_of(wildcards)
    return [room.table_path(name) for name in room.tables]


@plainly
def results_of(name, scale=SETTINGS.scale):
    """What a target named by a room asks for: not its fleets, which may be missing once the rest is there."""
    room = rooms.load(name, scale)
    return [*room.shown(), room.provenance_path]


@plainly
def fleets_and_tables(room):
    """A parameter: a checksum of all recipes, settings and code behind a room's tables, which its verdicts name."""
    runs = [
        [name, run.recipe.canonical(), roots.train(run.recipe)]
        for name, run in room.runs.items()
    ]
    tables = [
        [name, table.model_dump(), roots.measure(room, name)]
        for name, table in room.tables.items()
    ]
    return f"fleets and tables={digest(canonical_json([runs, tables]))}"


@plainly
def claims_and_figures(room):
    """A parameter: a checksum of the code and settings behind a room's verdicts and figures, which its record names."""
    figures = [[name, figure.model_dump()] for name, figure in room.figures.items()]
    parts = [figures, roots.draw(room), roots.judge(room), room.paper_setting]
    return f"claims and figures={digest(canonical_json(parts))}"


if workflow.is_main_process:
    for line in plainly(records.start)():
        print(f"isthmus: {line}", file=sys.stderr)


def rooms_at_work():
    """The rooms that this call has, or had, jobs for, sorted by name and scale."""
    found = {
        (job.wildcards.room, job.wildcards.scale)
        for job in workflow.dag.needrun_jobs(exclude_finished=False)
        if job.wildcards.get("room")
    }
    return [rooms.load(name, scale) for name, scale in sorted(found)]


def say_how_long():
    """Print the minutes that a build of each room took, of those with jobs to run, where they were measured."""
    for room in rooms_at_work():
        if room.minutes:
            print(
                f"{room.name}: about {room.minutes:g} minutes for a whole build on 2 cores ({room.scale})",
                file=sys.stderr,
            )


def say_what_is_built():
    """Print where the results of each room lie that this call has built whole, and what shows its verdicts."""
    jobs = workflow.dag.needrun_jobs(exclude_finished=False)
    made = {str(path) for job in jobs for path in job.output}
    for room in rooms_at_work():
        if str(room.provenance_path) in made:
            at = "" if room.scale == rooms.LAPTOP else f" --scale {room.scale}"
            print(
                f"{room.name}: built in {room.folder}; `isthmus verdicts {room.name}{at}` shows its verdicts",
                file=sys.stderr,
            )


onstart:
    say_how_long()


onsuccess:
    say_what_is_built()
