"""Penalty, noise and removal as they are written: each combination of a block's values is a network; or a line that
says why not."""

import pytest
from studies import STUDY, Project, changed, forget, toy

from isthmus import fingerprint, rooms, roots
from isthmus.engine.recipe import Noise, Penalty, Removal
from isthmus.errors import UserError

KEYS = {
    "model": {"mlp": {"widths": [7], "norm": "batch"}},
    "penalty": {"of": "scale", "span": "50%"},
    "noise": {"where": "all", "shape": "constant"},
    "removal": {"every": "2it"},
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    yield Project(tmp_path, monkeypatch)
    forget()


def study(networks=None, **keys):
    """The toy study, whose run `sgd` has these keys and blocks of networks."""
    content = toy()
    for key, value in ({**KEYS, **keys} | {"networks": networks or [{}]}).items():
        content = changed(content, f"runs.sgd.{key}", value)
    return content


def load(project, content):
    project.write(content)
    return rooms.load("toy", "laptop").runs["sgd"].recipe


def test_times_become_updates_and_what_is_left_out_its_default(project):
    recipe = load(project, study())
    assert recipe.penalty == Penalty("scale", "lasso", "one_cycle", 5)
    assert recipe.noise == Noise("all", "constant", 10)
    assert recipe.removal == Removal(2, None)
    assert recipe.looks == (0, 2, 4, 6, 8, 10)
    assert {(one.penalty, one.noise, one.remove, one.units) for one in recipe.networks} == {(0.0, 0.0, None, None)}


def test_every_combination_is_a_network(project):
    blocks = [
        {"penalty": [0.1, 0.2], "noise": [0.0, 0.01], "remove": "dead"},
        {"remove": ["random", "snap"], "units": [0.5, 0.2]},
        {},
    ]
    recipe = load(project, study(blocks))
    first = recipe.networks[: 4 + 4 + 1]
    assert [(one.penalty, one.noise, one.remove, one.units) for one in first] == [
        *[(penalty, noise, "dead", None) for penalty in (0.1, 0.2) for noise in (0.0, 0.01)],
        *[(0.0, 0.0, kind, share) for kind in ("random", "snap") for share in (0.5, 0.2)],
        (0.0, 0.0, None, None),
    ]
    assert len({one.seed for one in first}) == 1


def test_a_normalisation_that_is_none_leaves_the_models_settings_as_they_were(project):
    plain = load(project, study(model={"mlp": {"widths": [7]}}, penalty={"of": "weights"}))
    assert "norm" not in plain.model.settings
    assert load(project, study(model={"mlp": {"widths": [7], "norm": "none"}})).model == plain.model
    assert load(project, study()).model.settings["norm"] == "batch"


def test_the_code_that_removes_is_a_root_only_of_runs_that_remove(project, monkeypatch):
    asked = []
    monkeypatch.setattr(fingerprint, "of", lambda *modules: asked.append({*modules}) or "fingerprint")
    for content in (study([{"remove": "dead"}, {"remove": "cropit", "units": 0.5}, {}]), toy()):
        roots.train(load(project, content))
    assert asked[0] - asked[1] == {f"isthmus.removal.{name}" for name in ("remover", "dead", "by_score")}
    reached = fingerprint.reachable("isthmus.verbs.train")
    assert not any(name.startswith("isthmus.removal") for name in reached)


# Keys of the run, its networks, and what the answer says.
FAULTS = [
    ({"penalty": None}, [{"penalty": 0.1}], "networks: wanted `penalty` only in a run with `penalty`"),
    ({"noise": None}, [{"noise": 0.1}], "networks: wanted `noise` only in a run with `noise`"),
    ({"removal": None}, [{"remove": "dead"}], "networks: wanted `remove` only in a run with `removal`"),
    ({}, [{"remove": "random"}], "wanted units beside remove: random, found none"),
    (
        {},
        [{"remove": "dead", "units": 0.5}],
        "wanted units only beside removals that choose what to keep, found it",
    ),
    ({}, [{"units": 0.5}], "found it with no removal"),
    (
        {},
        [{"remove": "snap", "units": 0.0}],
        "units: wanted a share of the units, above 0 and at most 1, found 0.0",
    ),
    ({}, [{"remove": "nosuch"}], "found 'nosuch'"),
    ({}, [{"penalty": -0.1}], "found -0.1"),
    ({"prune": {}}, None, "removal: wanted a run without prune, rounds, lazy, found prune"),
    ({"lazy": 10.0}, None, "removal: wanted a run without prune, rounds, lazy, found lazy"),
    (
        {"precision": "bfloat16"},
        None,
        "precision: wanted float32 where units are removed (removal), found bfloat16",
    ),
    ({"removal": {"every": "0it"}}, None, "removal.every: wanted at least one update, found '0it'"),
    ({"removal": {"every": "11it"}}, None, "removal.every: wanted a time within the run's 10 updates"),
    ({"penalty": {"of": "scale", "span": "0it"}}, None, "penalty.span: wanted at least one update, found '0it'"),
    ({"noise": {"span": "11it"}}, None, "noise.span: wanted a time within the run's 10 updates"),
    ({"penalty": {"of": "biases"}}, None, "found 'biases'"),
]


@pytest.mark.parametrize(("keys", "networks", "says"), FAULTS, ids=[says for *_, says in FAULTS])
def test_a_fault_is_one_line(keys, networks, says, project):
    project.write(study(networks, **keys))
    with pytest.raises(UserError) as error:
        assert rooms.load("toy", "laptop").runs
    (line,) = str(error.value).splitlines()
    assert line.startswith(f"{STUDY}: runs.sgd")
    assert says in line
