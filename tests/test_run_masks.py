"""Pruning as it is written: masks of networks, runs that give them, and chains of rounds, which become runs of
their own; or one line that says why not."""

import json

import pytest
from studies import STUDY, Project, changed, forget, toy

from isthmus import rooms
from isthmus.engine.recipe import Mask
from isthmus.errors import UserError

ONE = {"networks": [{}], "checkpoints": ["5it"], "memory": []}


@pytest.fixture
def project(tmp_path, monkeypatch):
    yield Project(tmp_path, monkeypatch)
    forget()


def study(**runs):
    """The toy study: `dense`, six seeds, one network each, and what else is given as changes of it."""
    content = changed(toy(), "runs.adam", ...)
    content["tables"] = {"norms": {"function": "norms", "runs": ["dense", *runs], "settings": {"power": 2}}}
    content["figures"] = {}
    dense = content["runs"]["sgd"] | ONE
    content["runs"] = {"dense": dense} | {name: dense | {"checkpoints": []} | run for name, run in runs.items()}
    content["scales"] = {"laptop": {}}
    return content


def load(project, content):
    project.write(json.dumps(content))
    return rooms.load("toy", "laptop")


def answer(project, content):
    """The one line that refuses a study."""
    with pytest.raises(UserError) as error:
        assert load(project, content).runs
    (line,) = str(error.value).splitlines()
    return line


CHAIN = {"rounds": {"of": "dense", "through": [0.6, 0.5]}, "branch": {"run": "dense", "at": "5it"}}
ARMS = {"branch": {"run": "dense", "at": "5it"}, "prune": {"run": "imp"},
        "networks": [{"mask": ["same", "aligned", "shuffled"]}, {}]}  # fmt: skip


def test_a_chain_is_a_run_for_each_round_through_its_densities(project):
    room = load(project, study(imp=CHAIN))
    assert list(room.runs) == ["dense", "imp_01", "imp_02", "imp_03", "imp_04"]
    rounds = [room.runs[f"imp_0{place}"] for place in (1, 2, 3, 4)]
    assert [run.recipe.networks[0].mask.density for run in rounds] == [0.8, 0.8 * 0.8, 0.6, 0.5]
    for run, before in zip(rounds, [room.runs["dense"], *rounds], strict=False):
        assert run.recipe.pruning.giver == before.recipe
        assert run.recipe.branch.parent == room.runs["dense"].recipe
        assert [network.mask for network in run.recipe.networks] == [
            Mask("magnitude", run.recipe.networks[0].mask.density, row) for row in range(6)
        ]
        assert {role: one.name for role, one in run.reads.items()} == {"parent": "dense", "giver": before.name}
    assert room.tables["norms"].runs == ("dense", "imp_01", "imp_02", "imp_03", "imp_04")
    assert len({run.recipe.digest() for run in rounds}) == 4


def test_a_chain_without_rewinding_goes_on_from_each_round_with_a_fresh_schedule(project):
    content = study(imp={"rounds": {"of": "dense", "through": [0.64], "rewind": False}})
    room = load(project, content)
    last = room.runs["imp_02"].recipe
    assert (last.branch.parent, last.branch.at, last.branch.step) == (room.runs["imp_01"].recipe, 10, 0)
    assert last.pruning.giver == room.runs["imp_01"].recipe
    assert last.memory_begins == 0


def test_masks_are_combined_with_all_else_and_taken_seed_by_seed(project):
    other = ARMS | {"first_seed": 2000, "branch": {"run": "others", "at": "5it"}}
    room = load(project, study(others={"first_seed": 2000, "checkpoints": ["5it"]}, imp=CHAIN, arms=other))
    arms = room.runs["arms"]
    first = arms.recipe.networks[4:8]
    assert [network.mask and network.mask.kind for network in first] == ["same", "aligned", "shuffled", None]
    assert {network.mask.row for network in first[:3]} == {1}
    assert {(network.seed, network.parent) for network in first} == {(2001, 1)}
    # Without a density the last round of the chain is meant.
    assert {role: run.name for role, run in arms.reads.items()} == {
        "parent": "others", "giver": "imp_04", "dense": "dense"}  # fmt: skip
    for density, name in [(0.6, "imp_03"), (0.64, "imp_02")]:
        arms = ARMS | {"prune": {"run": "imp", "density": density}}
        assert load(project, study(imp=CHAIN, arms=arms)).runs["arms"].giver.name == name


def test_masks_of_a_networks_own_beginning_need_no_other_run(project):
    block = {"mask": ["magnitude", "random", "snip", "grasp", "synflow"], "density": [0.5, 0.1]}
    run = load(project, study(early={"prune": {"spared": ["head.*"]}, "networks": [block]})).runs["early"]
    masks = [network.mask for network in run.recipe.networks[:10]]
    assert masks == [Mask(kind, density) for kind in block["mask"] for density in block["density"]]
    assert run.reads == {}
    assert run.recipe.pruning.spared == ("head.*",)


# The runs beside `dense`, and what the answer says.
FAULTS = [
    ({"a": {"networks": [{"mask": "random", "density": 0.5}]}}, "wanted `mask` only in a run with `prune`"),
    ({"a": {"prune": {}, "networks": [{"mask": "same"}]}}, "wanted a run that gives masks, for mask: same"),
    ({"a": {"prune": {}, "networks": [{"mask": "snip"}]}}, "wanted density beside mask: snip, found none"),
    ({"a": {"prune": {}, "networks": [{"density": 0.5}]}}, "found it with no mask"),
    ({"a": {"prune": {"run": "dense"}, "networks": [{"mask": "same", "density": 0.5}]}}, "found it with same"),
    ({"a": {"prune": {}, "networks": [{"mask": "random", "density": 1.5}]}}, "above 0 and at most 1, found 1.5"),
    ({"a": {"prune": {}, "networks": [{"mask": "nosuch", "density": 0.5}]}}, "found 'nosuch'"),
    ({"a": {"prune": {"run": "nosuch"}}}, "prune.run: wanted a run above this one (dense), found 'nosuch'"),
    ({"a": {"prune": {"run": "dense"}, "networks": [{"mask": "aligned"}]}}, "branch: wanted a run whose trained"),
    ({"a": {"prune": {"run": "dense"}, "networks": [{"mask": "same", "mask_of": 1}]}}, "one of the 1 networks"),
    ({"a": {"prune": {"run": "dense"}, "seeds": 7, "networks": [{"mask": "same"}]}}, "a run of at least 7 seeds"),
    ({"a": {"prune": {"run": "dense"}, "model": {"mlp": {"widths": [9]}}}}, "prune.run: wanted a run with"),
    ({"a": {"prune": {"run": "dense", "density": 0.5}}}, "only where run is a chain of rounds"),
    ({"a": {"prune": {"slower": {"head.*": 0.5}}}}, "slower: wanted it only with layerwise"),
    ({"imp": CHAIN, "a": {"prune": {"run": "imp", "density": 0.55}}}, "one of imp's (0.8, 0.64, 0.6, 0.5)"),
    ({"imp": CHAIN | {"prune": {"run": "dense"}}}, "prune.run: wanted none in a chain of rounds"),
    ({"imp": CHAIN | {"networks": [{"mask": "same"}]}}, "networks: wanted no mask in a chain of rounds"),
    ({"imp": CHAIN | {"rounds": {"of": "dense", "through": [1.5]}}}, "rounds.through: targets: wanted numbers"),
    ({"imp": CHAIN | {"rounds": {"of": "dense", "through": [0.5], "rewind": False}}}, "rewind: wanted true"),
    ({"imp": CHAIN | {"rounds": {"of": "nosuch", "through": [0.5]}}}, "wanted a run above this one"),
    ({"a": {"branch": {"run": "dense", "at": "5it", "fresh": True, "memory": True}}}, "fresh or memory"),
]  # fmt: skip


@pytest.mark.parametrize(("runs", "says"), FAULTS, ids=[says for _, says in FAULTS])
def test_a_fault_in_pruning(runs, says, project):
    line = answer(project, study(**runs))
    assert line.startswith(f"{STUDY}: runs.")
    assert says in line
