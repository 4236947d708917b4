# What each job reads, as functions of its path, and the parameters that say what stands behind it.


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
