"""Runs as they are written, with probes, augmentation and the rest, become recipes, or one line why not."""

import pytest
import torch
from studies import STUDY, Project, changed, forget, toy

from isthmus import cli, rooms
from isthmus.engine.recipe import Probe
from isthmus.errors import UserError

MNIST1D = "mnist1d/draw-1000/standard"


@pytest.fixture
def project(tmp_path, monkeypatch):
    yield Project(tmp_path, monkeypatch)
    forget()


def load(project, content):
    """The recipe of the run `sgd`."""
    project.write(content)
    return rooms.load("toy", "laptop").runs["sgd"].recipe


def answer(project, content):
    """The one line that refuses a study."""
    project.write(content)
    with pytest.raises(UserError) as error:
        assert rooms.load("toy", "laptop").runs
    (line,) = str(error.value).splitlines()
    return line


def test_what_is_not_said_is_off(project):
    recipe = load(project, toy())
    assert (recipe.branch, recipe.memory, recipe.frozen, recipe.probes) == (None, (), (), ())
    assert (recipe.augment, recipe.precision, recipe.lazy) == ({}, "float32", None)
    assert {(network.order, network.parent) for network in recipe.networks} == {(0, None)}


def test_memory_is_kept_with_the_networks_of_that_time(project):
    recipe = load(project, changed(toy(), "runs.sgd.memory", ["50%", "3it"]))
    assert (recipe.memory, recipe.checkpoints) == ((3, 5), (3, 5, 10))


def test_probes_at_their_times(project):
    probes = [{"probe": "loss", "at": ["end", "0it", "50%"]}, {"probe": "kernel", "at": "2it", "examples": 20}]
    recipe = load(project, changed(toy(), "runs.sgd.probes", probes))
    assert recipe.probes == (Probe("loss", (0, 5, 10)), Probe("kernel", (2,), 20))


def test_what_augmentation_does_not_do_is_left_out(project):
    given = {"flip": True, "crop": 0, "rotate": 15, "translate": 2}
    assert load(project, changed(toy(), "runs.sgd.augment", given)).augment == {
        "flip": True, "rotate": 15.0, "translate": 2,
    }  # fmt: skip
    nothing = {"flip": False, "rotate": 0}
    plain = load(project, toy())
    assert load(project, changed(toy(), "runs.sgd.augment", nothing)) == plain


def test_frozen_names_and_precision_are_passed_on(project):
    content = changed(changed(toy(), "runs.sgd.frozen", ["layers.0.*"]), "runs.sgd.precision", "bfloat16")
    recipe = load(project, content)
    assert (recipe.frozen, recipe.precision) == (("layers.0.*",), "bfloat16")


# Where the run `sgd` is changed and how; the key that the answer names; what it wants and found.
FAULTS = [
    ("branch", {"run": "sgd"}, "runs.sgd.branch.at", "wanted a value, found none"),
    ("branch", {"run": "sgd", "at": "5it", "of": 1}, "runs.sgd.branch.of", "one of the keys run, at, memory"),
    ("branch", {"run": "Sgd", "at": "5it"}, "runs.sgd.branch.run", "found 'Sgd'"),
    ("branch", {"run": "sgd", "at": "5"}, "runs.sgd.branch.at", "found '5'"),
    ("networks", [{"of": 0}], "runs.sgd", "networks: wanted `of` only in a run with a branch, found 0"),
    ("networks", [{"of": -1}], "runs.sgd.networks.0.of", "found -1"),
    ("memory", ["11it"], "runs.sgd", "memory: wanted a time within the run's 10 updates, found '11it' = 11"),
    ("probes", [{"probe": "hessian", "at": "0it"}], "runs.sgd.probes.0.probe", "found 'hessian'"),
    ("probes", [{"probe": "loss"}], "runs.sgd.probes.0.at", "wanted a value, found none"),
    ("probes", [{"probe": "loss", "at": "11it"}], "runs.sgd", "probes: wanted a time within the run's 10"),
    ("probes", [{"probe": "loss", "at": "0it", "examples": 1501}], "runs.sgd",
     "probes: wanted at most the 1500 training examples, found 1501"),
    ("probes", [{"probe": "loss", "at": "0it", "examples": 0}], "runs.sgd.probes.0.examples", "found 0"),
    ("probes", [{"probe": "loss", "at": ["0it", "5it"]}, {"probe": "loss", "at": "50%", "examples": 3}], "runs.sgd",
     "probes: wanted each probe once at a time, found loss at 5 twice"),
    ("augment", {"blur": 1}, "runs.sgd.augment.blur", "wanted one of the keys flip, crop, translate, rotate"),
    ("augment", {"crop": -1}, "runs.sgd.augment.crop", "found -1"),
    ("augment", {"rotate": 181}, "runs.sgd.augment.rotate", "wanted less than or equal to 180, found 181"),
    ("augment", {"flip": 3}, "runs.sgd.augment.flip", "found 3"),
    ("frozen", "layers.0.*", "runs.sgd.frozen", "found 'layers.0.*'"),
    ("precision", "float16", "runs.sgd.precision", "wanted 'float32' or 'bfloat16', found 'float16'"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value", "place", "says"), FAULTS, ids=[f"{f[0]}-{f[1]}" for f in FAULTS])
def test_a_fault_in_a_run(key, value, place, says, project):
    line = answer(project, changed(toy(), f"runs.sgd.{key}", value))
    assert line.startswith(f"{STUDY}: {place}: ")
    assert says in line


def test_augmentation_of_data_that_are_no_images(project):
    content = changed(changed(toy(), "runs.sgd.data", MNIST1D), "runs.sgd.augment", {"flip": True})
    wanted = f"augment: wanted data of images, found inputs of shape (40,) in {MNIST1D}"
    assert answer(project, content) == f"{STUDY}: runs.sgd: {wanted}"


def test_the_kernel_regime_in_bfloat16(project):
    content = changed(changed(toy(), "runs.sgd.lazy", 100.0), "runs.sgd.precision", "bfloat16")
    wanted = "precision: wanted float32 in the kernel regime (lazy), found bfloat16"
    assert answer(project, content) == f"{STUDY}: runs.sgd: {wanted}"


def test_cuda_on_a_machine_without_is_told_in_one_line(project, monkeypatch, capsys):
    project.write(toy())
    monkeypatch.chdir(project.root)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert cli.main(["train", "toy", "sgd", "0", "--device", "cuda"]) == 2
    wanted = "wanted a machine on which PyTorch finds CUDA, or `device: cpu` in config/config.yaml"
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("isthmus: ")]
    assert line == f"isthmus: --device: {wanted}, found cuda on a machine without"
