"""Branches as they are written: a run that begins at another's networks becomes a recipe that holds that of the
other, or one line that says why not."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from studies import STUDY, Project, changed, forget, toy

from isthmus import rooms
from isthmus.engine.recipe import Branch, Network, Perturbation
from isthmus.errors import UserError

# The parent: 1500 examples in batches of 100 are 15 updates an epoch, 10 updates in all; three networks a seed.
PARENT = {
    "checkpoints": ["5it", "8it"],
    "memory": ["5it"],
    "networks": [{}, {"lr": 0.2, "order": 3}, {"perturb": "weight", "at": "2it", "sigma": 1.0}],
}

MNIST1D = "mnist1d/draw-1000/standard"


@pytest.fixture
def project(tmp_path, monkeypatch):
    yield Project(tmp_path, monkeypatch)
    forget()


def study(branch=None, parent=None, **child):
    """The toy study with a branch of `sgd`, named `child`, in place of `adam`; `...` leaves a key out."""
    content = changed(toy(), "runs.adam", ...)
    content["tables"].pop("adam_norms")
    content["runs"]["sgd"] |= PARENT | (parent or {})
    fresh = {"checkpoints": [], "memory": [], "networks": [{}], "lr": ..., "branch": {"run": "sgd", "at": "5it"}}
    wanted = content["runs"]["sgd"] | fresh | child
    wanted["branch"] |= branch or {}
    content["runs"]["child"] = {key: value for key, value in wanted.items() if value is not ...}
    return content


def write(project, content, slug="toy"):
    """The study as JSON, which is YAML in the order that it is given in."""
    project.write(json.dumps(content), slug)


def load(project, content, name="child", scale="laptop"):
    write(project, content)
    return rooms.load("toy", scale).runs[name]


def answer(project, content, room="toy"):
    """The one line that refuses a study."""
    write(project, content)
    with pytest.raises(UserError) as error:
        assert rooms.load(room, "laptop").runs
    (line,) = str(error.value).splitlines()
    assert len(line) <= 500
    return line


def test_a_child_that_says_nothing_goes_on_as_its_parents_first_networks(project):
    child = load(project, study())
    parent = rooms.load("toy", "laptop").runs["sgd"]
    assert child.parent == parent
    assert child.recipe.branch == Branch(parent.recipe, 5, False)
    assert child.recipe.networks == tuple(Network(1000 + k, 0.1, 0, None, 3 * k) for k in range(6))
    assert (child.recipe.steps, child.recipe.checkpoints) == (10, (10,))
    assert [*child.recipe.lineage] == [child.recipe, parent.recipe]
    assert (parent.parent, parent.recipe.branch) == (None, None)
    assert child.folder == Path("results/laptop/toy/runs/child")


def test_rate_and_order_are_the_parent_networks_unless_they_are_given(project):
    blocks = [{"of": [0, 1]}, {"of": 1, "order": [0, 7]}, {"of": [1, 2], "lr": 0.5}]
    networks = load(project, study(networks=blocks, seeds=1)).recipe.networks
    assert [(n.parent, n.lr, n.order) for n in networks] == [
        (0, 0.1, 0), (1, 0.2, 3), (1, 0.2, 0), (1, 0.2, 7), (1, 0.5, 3), (2, 0.5, 0),
    ]  # fmt: skip
    assert {network.perturbation for network in networks} == {None}
    assert load(project, study(networks=[{"of": 1}], lr=0.3)).recipe.networks[0] == Network(1000, 0.3, 3, None, 1)


def test_a_child_of_some_seeds_finds_its_parents_rows(project):
    networks = load(project, study(first_seed=1003, seeds=2, networks=[{"of": [0, 2]}])).recipe.networks
    assert [(network.seed, network.parent) for network in networks] == [
        (1003, 9), (1003, 11), (1004, 12), (1004, 14),
    ]  # fmt: skip


def test_a_child_may_be_kicked_at_the_branch_and_later(project):
    kicks = {"perturb": "gaussian", "at": ["5it", "end"], "sigma": 0.1}
    networks = load(project, study(networks=[kicks], seeds=1)).recipe.networks
    assert [n.perturbation for n in networks] == [Perturbation(at, "gaussian", 0.1) for at in (5, 10)]


@pytest.mark.parametrize(("at", "updates"), [("5it", 5), ("80%", 8), ("0.5ep", 8), ("end", 10)])
def test_the_branch_is_in_the_parents_time(at, updates, project):
    """The child's own times are in its own: half as many updates an epoch, twice as many in all."""
    child = load(project, study({"at": at}, batch=200, time="20it", checkpoints=["80%", "2ep"])).recipe
    assert child.branch.at == updates
    assert (child.steps, child.checkpoints) == (20, (14, 16, 20))


@pytest.mark.parametrize("memory", [False, True])
def test_the_optimizers_memory_comes_along_where_it_is_wanted(memory, project):
    child = load(project, study({"memory": memory}, optimizer={"sgd": {"momentum": 0.5}})).recipe
    assert (child.branch.memory, child.memory_begins) == (memory, 0 if memory else 5)


def test_a_branch_of_a_branch(project):
    content = study(checkpoints=["8it"])
    content["runs"]["grandchild"] = {**content["runs"]["child"], "branch": {"run": "child", "at": "8it"}}
    last = load(project, content, "grandchild")
    assert [one.branch and one.branch.at for one in last.recipe.lineage] == [8, 5, None]
    assert (last.parent.name, last.parent.parent.name) == ("child", "sgd")


def test_a_changed_number_of_the_parent_is_another_child(project):
    before = load(project, study()).recipe
    after = load(project, study({}, {"lr": 0.3}, lr=0.1)).recipe
    assert after.digest() != before.digest()
    same = replace(after.branch, parent=before.branch.parent)
    assert replace(after, branch=same).digest() == before.digest()


def test_a_scale_and_a_variant_change_parent_and_child(project):
    content = changed(study({"at": "50%"}), "scales.smoke", {"runs": {"sgd": {"time": "6it", "checkpoints": ["3it"],
                      "memory": []}, "child": {"time": "6it"}}})  # fmt: skip
    smoke = load(project, content, scale="smoke")
    assert (smoke.recipe.branch.at, smoke.parent.recipe.steps) == (3, 6)
    assert smoke.parent.folder == Path("results/smoke/toy/runs/sgd")
    project.overlay({"why": "To see.", "runs": {"sgd": {"lr": 0.05}}})
    gentle = rooms.load("toy@gentle", "laptop").runs["child"]
    assert gentle.recipe.networks[0].lr == 0.05
    assert gentle.parent.folder == Path("results/laptop/toy@gentle/runs/sgd")


def test_a_borrowed_run_may_be_a_parent_and_a_branch_may_be_borrowed(project):
    write(project, study(), "lender")
    content = study()
    content["runs"]["sgd"] = {"from": "lender/sgd"}
    child = load(project, content)
    assert (child.owner, child.parent.owner) == ("toy", "lender")
    assert child.parent.folder == Path("results/laptop/lender/runs/sgd")
    assert child.recipe == rooms.load("lender", "laptop").runs["child"].recipe
    content["runs"]["child"] = {"from": "lender/child"}
    assert load(project, content) == rooms.load("lender", "laptop").runs["child"]


def test_papers_that_branch_from_each_other_in_a_circle(project):
    def circle(other):
        content = study({"run": "base"})
        content["runs"] = {"sgd": content["runs"]["sgd"], "base": {"from": f"{other}/child"},
                           "child": content["runs"]["child"]}  # fmt: skip
        return content

    write(project, circle("toy"), "other")
    lineage = "toy/base of other/child of other/base of toy/child of toy/base"
    wanted = f"runs.base: wanted no run as its own ancestor, found {lineage}"
    assert answer(project, circle("other")) == f"{STUDY}: {wanted}"


# What the branch, the parent and the child's own keys are; how the answer goes on after "runs.child: ".
BRANCH_FAULTS = [
    ({"at": "4it"}, {}, {}, "branch.at: wanted one of the checkpoints of sgd (5, 8, 10), found '4it' = 4"),
    ({"at": "0it"}, {"checkpoints": [], "memory": []}, {}, "one of the checkpoints of sgd (10), found '0it' = 0"),
    ({"at": "11it"}, {}, {}, "branch.at: wanted a time within sgd's 10 updates, found '11it' = 11"),
    ({"at": "8it", "memory": True}, {}, {}, "branch.at: wanted one of the memory of sgd (5), found '8it' = 8"),
    ({"memory": True}, {"memory": []}, {}, "branch.at: wanted one of the memory of sgd (none), found '5it' = 5"),
    ({"memory": True}, {}, {"optimizer": {"adam": {}}},
     'branch.run: wanted a run with the optimizer of this one, found "sgd" in sgd'),
    ({}, {}, {"model": {"mlp": {"widths": [9]}}}, 'branch.run: wanted a run with the model of this one, found {'),
    ({}, {}, {"lazy": 10.0}, "branch.run: wanted a run with the lazy of this one, found null in sgd"),
    ({}, {}, {"data": MNIST1D}, "branch.run: wanted a run with the inputs and classes of this one, found "),
    ({"at": "8it"}, {}, {"time": "7it"}, "branch.at: wanted a time within the run's own 7 updates, found '8it'"),
    ({}, {}, {"checkpoints": ["4it"]}, "checkpoints: wanted a time from the branch at 5 on, found '4it' = 4"),
    ({}, {}, {"memory": ["0it"]}, "memory: wanted a time from the branch at 5 on, found '0it' = 0"),
    ({}, {}, {"probes": [{"probe": "loss", "at": "0%"}]},
     "probes: wanted a time from the branch at 5 on, found '0%' = 0"),
    ({}, {}, {"networks": [{"perturb": "weight", "at": "2it", "sigma": 1.0}]},
     "networks.at: wanted a time from the branch at 5 on, found '2it' = 2"),
    ({}, {}, {"networks": [{"of": [0, 3]}]},
     "branch.run: wanted number 3 of its networks of seed 1000, found 3 of them"),
    ({}, {}, {"first_seed": 1004}, "branch.run: wanted number 0 of its networks of seed 1006, found 0 of them"),
]  # fmt: skip


@pytest.mark.parametrize(("branch", "parent", "child", "says"), BRANCH_FAULTS, ids=[f[3] for f in BRANCH_FAULTS])
def test_a_fault_in_a_branch(branch, parent, child, says, project):
    line = answer(project, study(branch, parent, **child))
    assert line.startswith(f"{STUDY}: runs.child: ")
    assert says in line


@pytest.mark.parametrize(
    ("runs", "says"),
    [
        (["child", "sgd"], "wanted a run above this one (there is none), found 'sgd'"),
        (["sgd", "child", "later"], "wanted a run above this one (sgd), found 'later'"),
        (["sgd", "child"], "wanted a run above this one (sgd), found 'nosuch'"),
        (["sgd", "child"], "wanted a run above this one (sgd), found 'child'"),
    ],
)
def test_a_parent_that_does_not_stand_above(runs, says, project):
    content = study({"run": says.split("'")[1]})
    known = content["runs"] | {"later": content["runs"]["sgd"]}
    content["runs"] = {name: known[name] for name in runs}
    assert answer(project, content) == f"{STUDY}: runs.child.branch.run: {says}"
