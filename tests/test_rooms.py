"""Rooms: a study becomes recipes at each scale, overlays change what they name, borrowed runs are their owner's."""

from dataclasses import replace
from pathlib import Path

import pytest
from studies import Project, changed, forget, toy

from isthmus import paths, rooms
from isthmus.data import register
from isthmus.engine.recipe import Named, Perturbation
from isthmus.errors import UserError
from isthmus.redraw import SHIFT
from isthmus.specs import merge


@pytest.fixture
def project(tmp_path, monkeypatch):
    made = Project(tmp_path, monkeypatch)
    made.write(toy())
    yield made
    forget()


def every_room():
    return [(slug, scale) for slug in rooms.slugs() for scale in rooms.scales(slug)]


@pytest.mark.parametrize(("slug", "scale"), every_room())
def test_every_study_loads_at_every_scale(slug, scale):
    room = rooms.load(slug, scale)
    assert room.runs
    assert room.tables
    for run in room.runs.values():
        assert run.recipe.networks
        assert run.recipe.steps in run.recipe.checkpoints
        assert len(run.chunk_paths()) == len(run.recipe.chunks)
    outputs = [*room.outputs()]
    assert len(set(outputs)) == len(outputs)
    assert all(not path.is_absolute() and path.is_relative_to(room.folder) for path in outputs)


def test_laptop_seeds_are_the_planned_ones_and_smoke_shares_none_with_them():
    for slug in rooms.slugs():
        seeds = {
            scale: {n.seed for run in rooms.load(slug, scale).runs.values() for n in run.recipe.networks}
            for scale in ("laptop", "smoke")
        }
        assert min(seeds["laptop"]) == 1000
        assert not seeds["laptop"] & seeds["smoke"]


def first_seeds(settings):
    """Every first seed in the settings of a table, however deep."""
    if not isinstance(settings, dict):
        return set()
    own = {settings["first_seed"]} if "first_seed" in settings else set()
    return own.union(*map(first_seeds, settings.values()))


@pytest.mark.parametrize("slug", [slug for slug in rooms.slugs() if "laptop" in rooms.scales(slug)])
def test_redraw_is_the_laptops_study_with_no_seed_and_no_draw_of_the_data_in_common(slug):
    laptop, redraw = (rooms.load(slug, scale) for scale in ("laptop", "redraw"))
    assert redraw.folder != laptop.folder
    assert [*redraw.outputs()] == [redraw.folder / path.relative_to(laptop.folder) for path in laptop.outputs()]
    seeds = [{n.seed for run in room.runs.values() for n in run.recipe.networks} for room in (laptop, redraw)]
    assert not seeds[0] & seeds[1]
    assert {seed + SHIFT for seed in seeds[0]} == seeds[1]
    drawn = [{run.recipe.data for run in room.runs.values()} for room in (laptop, redraw)]
    assert not drawn[0] & drawn[1]
    for name, table in laptop.tables.items():
        other = redraw.tables[name]
        assert first_seeds(other.settings) == {seed + SHIFT for seed in first_seeds(table.settings)}
        assert (other.runs, other.function) == (table.runs, table.function)
        assert {**other.settings, "first_seed": 0} == {**table.settings, "first_seed": 0}
    for name, run in laptop.runs.items():
        mine, other = run.recipe, redraw.runs[name].recipe
        assert (other.steps, other.chunk, other.model, other.optimizer) == (
            mine.steps, mine.chunk, mine.model, mine.optimizer,
        )  # fmt: skip
        moved = [replace(n, seed=n.seed + SHIFT) for n in mine.networks]
        assert [replace(n, mask=None) for n in other.networks] == [replace(n, mask=None) for n in moved]
        whole, again = (register.split(one.data) for one in (mine, other))
        assert whole.sizes == again.sizes
        assert (whole.seed, whole.generator) != (again.seed, again.generator)


def test_data_without_another_draw_stay_and_a_variant_is_redrawn_too(project):
    study = changed(toy(), "runs.sgd.data", "mnist/full/unit")
    project.write(changed(study, "tables.norms.settings", {"power": 2, "deep": {"first_seed": 7}}))
    project.overlay({"why": "a smaller rate", "runs": {"sgd": {"lr": 0.05}}})
    room = rooms.load("toy@gentle", "redraw")
    assert room.runs["sgd"].recipe.data == "mnist/full/unit"
    assert room.runs["adam"].recipe.data == "digits/draw-2000/unit"
    assert {network.lr for network in room.runs["sgd"].recipe.networks} == {0.05}
    assert {network.seed for network in room.runs["sgd"].recipe.networks} == set(range(2000, 2006))
    assert room.tables["norms"].settings == {"power": 2, "deep": {"first_seed": 7 + SHIFT}}


def test_a_study_has_no_redraw_of_its_own_and_none_without_the_laptop_scale(project):
    project.write(changed(toy(), "scales.redraw", {}))
    with pytest.raises(UserError, match="scales: wanted no redraw, which follows from laptop, found one"):
        rooms.scales("toy")
    project.write(changed(toy(), "scales", {"smoke": {}}))
    assert rooms.scales("toy") == ("smoke",)


@pytest.mark.parametrize(
    ("time", "steps"),
    [("2ep", 30), ("0.5ep", 8), ("10it", 10), ("1000it", 1000), ("0it", 0)],
)
def test_the_time_of_a_run_in_updates(time, steps, project):
    """1500 examples in batches of 100: 15 updates an epoch."""
    project.write(changed(toy(), "runs.sgd.time", time))
    assert rooms.load("toy", "laptop").runs["sgd"].recipe.steps == steps


@pytest.mark.parametrize(
    ("time", "at"),
    [("0%", 0), ("2%", 4), ("0.5%", 1), ("50%", 100), ("100%", 200), ("end", 200), ("7it", 7), ("2ep", 30)],
)
def test_the_time_of_a_kick_and_of_a_checkpoint_in_updates(time, at, project):
    study = changed(toy(), "runs.sgd.time", "200it")
    study = changed(study, "runs.sgd.checkpoints", [time])
    study = changed(study, "runs.sgd.networks", [{"perturb": "weight", "at": time, "sigma": 1.0}])
    project.write(study)
    recipe = rooms.load("toy", "laptop").runs["sgd"].recipe
    assert recipe.networks[0].perturbation == Perturbation(at, "weight", 1.0)
    assert recipe.checkpoints == tuple(sorted({at, 200}))


def test_examples_left_over_make_no_update(project):
    project.write(changed(changed(toy(), "runs.sgd.time", "1ep"), "runs.sgd.batch", 400))
    assert rooms.load("toy", "laptop").runs["sgd"].recipe.steps == 3


def test_networks_are_blocks_for_each_seed_in_the_order_written(project):
    kicks = {"perturb": "batch", "at": "5it", "sigma": [0, 1], "draw": [0, 1]}
    blocks = [{}, {"lr": [0.1, 0.2], "order": [0, 1]}, kicks]
    project.write(changed(changed(toy(), "runs.sgd.networks", blocks), "runs.sgd.seeds", 2))
    networks = rooms.load("toy", "laptop").runs["sgd"].recipe.networks
    assert [network.seed for network in networks] == [1000] * 9 + [1001] * 9
    one = networks[:9]
    assert [(n.lr, n.order) for n in one[:5]] == [(0.1, 0), (0.1, 0), (0.1, 1), (0.2, 0), (0.2, 1)]
    assert [(n.perturbation.sigma, n.perturbation.draw) for n in one[5:]] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert {n.perturbation.at for n in one[5:]} == {5}


def test_a_variant_changes_what_it_names_beside_the_published_results(project):
    project.overlay(
        {"why": "To see.", "runs": {"adam": {"lr": 0.5}}, "tables": {"norms": {"settings": {"power": 3}}}}
    )
    room, base = rooms.load("toy@gentle", "laptop"), rooms.load("toy", "laptop")
    assert rooms.variants() == ("toy@gentle",)
    assert {n.lr for n in room.runs["adam"].recipe.networks} == {0.5}
    assert room.runs["sgd"].recipe == base.runs["sgd"].recipe
    assert room.tables["norms"].settings == {"power": 3}
    assert room.folder == Path("results/laptop/toy@gentle")
    assert all(path.is_relative_to(room.folder) for run in room.runs.values() for path in run.chunk_paths())
    assert not {*room.outputs()} & {*base.outputs()}
    assert (base.minutes, room.minutes, room.paper_setting) == (0.2, None, False)


@pytest.mark.parametrize("name", ["guest", "guest@other"])
def test_a_borrowed_run_is_its_owners_at_this_scale(name, project):
    guest = toy() | {"runs": {"main": {"from": "toy/sgd"}}, "figures": {}, "scales": {"laptop": {}, "smoke": {}}}
    project.write(guest | {"tables": {"norms": {"runs": ["main"]}}}, "guest")
    project.overlay({"why": "To see."}, "guest@other")
    room, owner = rooms.load(name, "smoke"), rooms.load("toy", "smoke")
    assert room.runs["main"] == owner.runs["sgd"]
    assert room.runs["main"].recipe.steps == 5
    assert [*room.outputs()] == [room.table_path("norms"), room.verdict_path]


MERGES = {
    "a value": ({"a": 1, "b": 2}, {"b": 3}, {"a": 1, "b": 3}),
    "a new key": ({"a": 1}, {"b": 3}, {"a": 1, "b": 3}),
    "null removes": ({"a": 1, "b": {"c": 2}}, {"b": None}, {"a": 1}),
    "null removes within": ({"b": {"c": 2, "d": 1}}, {"b": {"c": None}}, {"b": {"d": 1}}),
    "null of nothing": ({"a": 1}, {"b": None}, {"a": 1}),
    "key by key": ({"a": {"b": {"c": 1, "d": 2}}}, {"a": {"b": {"c": 3}}}, {"a": {"b": {"c": 3, "d": 2}}}),
    "lists are replaced": ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
    "settings of the part": (
        {"optimizer": {"sgd": {"momentum": 0.9, "nesterov": True}}},
        {"optimizer": {"sgd": {"momentum": 0.5}}},
        {"optimizer": {"sgd": {"momentum": 0.5, "nesterov": True}}},
    ),
    "another part": (
        {"optimizer": {"sgd": {"momentum": 0.9}}},
        {"optimizer": {"adam": {"eps": 1.0}}},
        {"optimizer": {"adam": {"eps": 1.0}}},
    ),
}


@pytest.mark.parametrize("name", MERGES)
def test_an_overlay_changes_what_it_names(name):
    base, overlay, wanted = MERGES[name]
    assert merge(base, overlay) == wanted


def test_merging_leaves_its_arguments_alone():
    base, overlay = {"a": {"b": 1}}, {"a": {"c": 2}}
    merge(base, overlay)
    assert (base, overlay) == ({"a": {"b": 1}}, {"a": {"c": 2}})


def test_a_scale_may_replace_the_optimizer_and_remove_a_run_with_its_table(project):
    study = changed(toy(), "scales.smoke", {"runs": {"sgd": {"optimizer": {"adam": {"eps": 1e-4}}}, "adam": None}})
    project.write(changed(study, "scales.smoke.tables", {"adam_norms": None}))
    room = rooms.load("toy", "smoke")
    assert list(room.runs) == ["sgd"]
    assert list(room.tables) == ["norms"]
    wanted = {"betas": (0.9, 0.999), "eps": 1e-4, "weight_decay": 0.0, "decoupled": False}
    assert room.runs["sgd"].recipe.optimizer == Named("adam", wanted)


def test_the_root_is_named_or_the_nearest_upwards(project, monkeypatch):
    inside = project.root / "a/b"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    assert paths.root() == project.root.resolve()
    monkeypatch.delenv("ISTHMUS_ROOT")
    assert paths.root() == project.root.resolve()
    monkeypatch.setenv("ISTHMUS_ROOT", str(inside))
    with pytest.raises(UserError, match=r"a/b: wanted a folder with data/register\.yaml"):
        paths.root()
