"""Whatever is wrong in a study or an overlay is one line: file, key, what was wanted, what was found."""

import pytest
from studies import STUDY, Project, changed, forget, toy

from isthmus import rooms
from isthmus.errors import UserError

KICK = {"perturb": "gaussian", "at": "2it", "sigma": 0.1}

# Where the study is changed (`...`: removed) and how; the key that the answer names; what it wants and found.
FAULTS = [
    ("extra", 1, "extra", "wanted one of the keys paper, runs, tables, figures, plot, scales, found 'extra'"),
    ("paper", ..., "paper", "wanted a value, found none"),
    ("runs", None, "runs", "wanted a mapping of keys, found None"),
    ("runs.sgd", 5, "runs.sgd", "wanted a mapping of keys, found 5"),
    ("runs.sgd.bach", 3, "runs.sgd.bach", "wanted one of the keys data, model, optimizer"),
    ("runs.sgd.data", ..., "runs.sgd.data", "wanted a value, found none"),
    ("runs.sgd.data", "digit/pilot/unit", "runs.sgd", "sets: wanted one of cifar10, "),
    ("runs.sgd.data", "digits/pilot", "runs.sgd", "data key 'digits/pilot': wanted <set>/<split>/<scaling>"),
    ("runs.sgd.data", "../../x", "runs.sgd", "data key '../../x': wanted <set>/<split>/<scaling>"),
    ("runs.sgd.model.mlp.widths", [8, -8], "runs.sgd.model.mlp.widths.1", "wanted greater than 0, found -8"),
    ("runs.sgd.model.mlp.widths", [0], "runs.sgd.model.mlp.widths.0", "wanted greater than 0, found 0"),
    ("runs.sgd.model.mlp.depth", 3, "runs.sgd.model.mlp.depth", "wanted one of the keys widths, activation, "),
    ("runs.sgd.model.mlp.init", "xavier", "runs.sgd.model.mlp.init", "'pytorch' or 'orthogonal', found 'xavier'"),
    ("runs.sgd.model", {"lenet": {}}, "runs.sgd.model.lenet", "wanted one of the keys mlp, cnn, "),
    ("runs.sgd.model", None, "runs.sgd.model", "wanted a mapping of keys, found None"),
    ("runs.sgd.optimizer", {"sgd": {}, "adam": {}}, "runs.sgd.optimizer", "wanted exactly one of sgd, adam"),
    ("runs.sgd.optimizer", {"sgd": None}, "runs.sgd.optimizer", "with its settings or {}, found {'sgd': None}"),
    ("runs.sgd.optimizer", {}, "runs.sgd.optimizer", "wanted exactly one of sgd, adam"),
    ("runs.sgd.optimizer.sgd.momentum", 1, "runs.sgd.optimizer.sgd.momentum", "wanted less than 1, found 1"),
    ("runs.sgd.schedule", {"triangle": {}}, "runs.sgd.schedule.triangle.warmup", "wanted a value, found none"),
    ("runs.sgd.seeds", 0, "runs.sgd.seeds", "wanted greater than 0, found 0"),
    ("runs.sgd.first_seed", ..., "runs.sgd.first_seed", "wanted a value, found none"),
    ("runs.sgd.chunk", 0, "runs.sgd.chunk", "wanted greater than 0, found 0"),
    ("runs.sgd.lr", ..., "runs.sgd", "lr: wanted a learning rate here or in each block of networks, found none"),
    ("runs.sgd.lr", -0.1, "runs.sgd.lr", "wanted greater than 0, found -0.1"),
    ("runs.sgd.lr", float("inf"), "runs.sgd.lr", "wanted a finite number, found inf"),
    ("runs.sgd.batch", 5000, "runs.sgd", "batch: wanted at most the 1500 training examples, found 5000"),
    ("runs.sgd.time", "10", "runs.sgd.time", "found '10'"),
    ("runs.sgd.time", "ten epochs", "runs.sgd.time", "found 'ten epochs'"),
    ("runs.sgd.time", 10, "runs.sgd.time", "wanted a valid string, found 10"),
    ("runs.sgd.time", "10%", "runs.sgd", "time: wanted epochs or updates such as 25ep or 1000it, found '10%'"),
    ("runs.sgd.time", "end", "runs.sgd", "time: wanted epochs or updates such as 25ep or 1000it, found 'end'"),
    ("runs.sgd.checkpoints", ["11it"], "runs.sgd", "wanted a time within the run's 10 updates, found '11it' = 11"),
    ("runs.sgd.networks", [], "runs.sgd", "networks: wanted at least one network, found an empty list"),
    ("runs.sgd.networks", [{"lr": []}], "runs.sgd", "networks: wanted at least one network, found an empty list"),
    ("runs.sgd.networks", [{"lr": [1, -1]}], "runs.sgd.networks.0.lr.1", "wanted greater than 0, found -1"),
    ("runs.sgd.networks", [{"lr": "a"}], "runs.sgd.networks.0.lr", "found 'a'"),
    ("runs.sgd.networks", [{}, {"perturb": "weight"}], "runs.sgd.networks.1",
     "wanted perturb, at and sigma together, found only perturb"),
    ("runs.sgd.networks", [{"sigma": 1.0}], "runs.sgd.networks.0", "together, found only sigma"),
    ("runs.sgd.networks", [{**KICK, "perturb": "all"}], "runs.sgd.networks.0.perturb", "found 'all'"),
    ("runs.sgd.networks", [{**KICK, "at": "99it"}], "runs.sgd", "wanted a time within the run's 10 updates"),
    ("runs.sgd.networks", [{**KICK, "when": 1}], "runs.sgd.networks.0.when", "wanted one of the keys lr, order"),
    ("scales.my scale", {}, "scales.my scale", "found 'my scale'"),
    ("runs.sgd", {"from": "toy"}, "runs.sgd.from", "found 'toy'"),
    ("runs.sgd", {"from": "toy/adam", "lr": 1}, "runs.sgd.lr", "wanted one of the keys from, found 'lr'"),
    ("runs.sgd", {"from": "toy/sgd"}, "runs.sgd.from", "wanted a run that toy trains itself (adam), found 'sgd'"),
    ("runs.sgd", {"from": "toy/none"}, "runs.sgd.from", "wanted a run that toy trains itself (adam), found 'none'"),
    ("tables.norms.runs", ["main"], "tables.norms.runs", "wanted runs of this study, found 'main'"),
    ("figures.norm_by_seed.table", "x", "figures.norm_by_seed.table", "wanted a table of this study, found 'x'"),
    ("figures.norm_by_seed.caption", ..., "figures.norm_by_seed.caption", "wanted a value, found none"),
    ("scales.laptop", None, "scales.laptop", "wanted a mapping of keys, found None"),
    ("scales.laptop.minute", 3, "scales.laptop.minute", "wanted one of the keys minutes, paper_setting"),
    ("scales.laptop.runs", {"sgd": {"tim": "3it"}}, "runs.sgd.tim", "wanted one of the keys data"),
    ("scales.laptop.runs", {"sgd": {"optimizer": None}}, "runs.sgd.optimizer", "wanted a value, found none"),
    ("scales.laptop.runs", {"sgd": {"optimizer": "sgd"}}, "runs.sgd.optimizer", "wanted a mapping of keys"),
    ("scales.laptop.runs", {"sgd": None}, "tables.norms.runs", "wanted runs of this study, found 'sgd'"),
]  # fmt: skip


@pytest.fixture
def project(tmp_path, monkeypatch):
    yield Project(tmp_path, monkeypatch)
    forget()


def answer(room="toy", scale="laptop"):
    """The one line that loading the room, with its recipes, is refused by."""
    with pytest.raises(UserError) as error:
        assert rooms.load(room, scale).runs
    line = str(error.value)
    assert len(line.splitlines()) == 1
    assert len(line) <= 500
    return line


def test_the_study_that_is_changed_below_is_good(project):
    project.write(toy())
    assert rooms.load("toy", "laptop").runs


@pytest.mark.parametrize(("place", "value", "key", "says"), FAULTS, ids=[f"{f[0]}-{f[1]}" for f in FAULTS])
def test_a_fault_in_a_study(place, value, key, says, project):
    project.write(changed(toy(), place, value))
    line = answer()
    assert line.startswith(f"{STUDY}: {key}: ")
    assert says in line


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("runs: {sgd: [", "wanted YAML, found something else"),
        ("- a list\n", "wanted a mapping of keys, found list"),
        ("", "wanted a mapping of keys, found nothing"),
        ("a: 1\n\tb: 2\n", "wanted YAML, found something else"),
        ("runs: !!python/object:os.system {}\n", "wanted YAML, found something else"),
    ],
)
def test_a_file_that_is_no_study(text, says, project):
    project.write(text)
    assert answer().startswith(f"{STUDY}: {says}")


def test_a_study_that_is_not_text(project):
    project.write(toy())
    (project.root / STUDY).write_bytes(b"\xff\xfe\x00")
    forget()
    assert answer().startswith(f"{STUDY}: wanted YAML, found something else")


@pytest.mark.parametrize(
    "name", ["buterfly", "", "..", "../toy", "to y", "to'y", 'to"y', "toy;ls", "toy\n", "@x", "Toy"]
)
def test_an_unknown_paper(name, project):
    project.write(toy())
    assert answer(name) == f"wanted a paper of toy, found {name.partition('@')[0]!r}"


def test_an_unknown_scale(project):
    project.write(toy())
    assert answer(scale="huge") == f"{STUDY}: scales: wanted one of laptop, mnist, smoke, redraw, found 'huge'"


@pytest.mark.parametrize("name", ["toy@", "toy@nosuch", "toy@../gentle", "toy@a b", "toy@gentle@gentle"])
def test_an_unknown_variant(name, project):
    project.write(toy())
    project.overlay({"why": "To see."})
    assert answer(name).startswith(
        f"config/variants/{name}.yaml: wanted a variant's overlay (there are: toy@gentle)"
    )


@pytest.mark.parametrize("name", ["toy@my variant", "toy@it's", 'toy@"x"', "toy@a;b", "toy@Big", "toy", "other@x"])
def test_an_overlay_with_a_name_that_cannot_be(name, project):
    project.write(toy())
    project.overlay({"why": "To see."}, name)
    assert answer("toy@gentle").startswith(f"config/variants/{name}.yaml: wanted a name like <paper>@<name>.yaml")


@pytest.mark.parametrize(
    ("overlay", "key", "says"),
    [
        ({"runs": {}}, "why", "wanted a value, found none"),
        ({"why": "x", "figures": {}}, "figures", "wanted one of the keys why, runs, tables, found 'figures'"),
        ({"why": "x", "runs": {"sgd": {"seed": 3}}}, "runs.sgd.seed", "wanted one of the keys data"),
        ({"why": "x", "runs": {"none": {"lr": 3}}}, "runs.none.data", "wanted a value, found none"),
        ({"why": "x", "runs": {"sgd": {"batch": 9999}}}, "runs.sgd", "batch: wanted at most the 1500"),
        ({"why": "x", "runs": {"sgd": 3}}, "runs.sgd", "found 3"),
    ],
)
def test_a_fault_in_an_overlay(overlay, key, says, project):
    project.write(toy())
    project.overlay(overlay)
    line = answer("toy@gentle")
    assert line.startswith(f"config/variants/toy@gentle.yaml: {key}: ")
    assert says in line


def test_borrowing_from_a_paper_that_is_not_there_or_lacks_the_scale(project):
    project.write(changed(toy(), "runs.sgd", {"from": "nosuch/main"}))
    assert "wanted a paper of toy, found 'nosuch'" in answer()
    project.write(changed(toy(), "scales", {"laptop": {}, "smoke": {}}), "lender")
    project.write(changed(toy(), "runs.sgd", {"from": "lender/sgd"}))
    assert "lender/study.yaml: scales: wanted one of laptop, smoke, redraw, found 'mnist'" in answer(scale="mnist")


def test_two_papers_that_borrow_each_others_borrowed_run(project):
    project.write(changed(toy(), "runs.sgd", {"from": "other/sgd"}))
    project.write(changed(toy(), "runs.sgd", {"from": "toy/sgd"}), "other")
    assert answer() == f"{STUDY}: runs.sgd.from: wanted a run that other trains itself (adam), found 'sgd'"


def test_two_papers_may_lend_each_other_runs(project):
    project.write(changed(toy(), "runs.sgd", {"from": "other/sgd"}))
    project.write(changed(toy(), "runs.adam", {"from": "toy/adam"}), "other")
    assert rooms.load("toy", "laptop").runs["sgd"].owner == "other"
    assert rooms.load("other", "laptop").runs["adam"].owner == "toy"
