"""The paper's own setting of example_difficulty, on real photographs where there are some, for a few steps."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from data_files import first_images, write_register
from training import Steps

from isthmus import paths, rooms
from isthmus.data import prepared
from isthmus.data.prepare import prepare
from isthmus.engine import serial
from isthmus.engine.checkpoints import train_chunk
from isthmus.engine.fleet import Fleet
from isthmus.engine.recipe import Probe
from isthmus.papers.example_difficulty import measure
from isthmus.papers.example_difficulty.scores import from_networks, recorded

SIZES = {"train": 190, "test": 20}
STEPS, EXAMPLES = 2, 40


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """The first photographs of CIFAR-10 (as JPEG where ISTHMUS_TEST_DATA names a folder, else random ones)."""
    root = tmp_path_factory.mktemp("root")
    folder = root / "cifar10"
    first_images(folder, "cifar10-jpeg", (3, 32, 32), SIZES)
    write_register(root, lambda sets: sets["cifar10"]["splits"]["full"].update(sizes=SIZES))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISTHMUS_ROOT", str(root))
        path = root / paths.prepared("cifar10/full/standard")
        prepare("cifar10/full/standard", path, str(folder))
        yield root, prepared.load(path)


def short(name, networks=1):
    """A run's recipe with a few of its networks, for two of its steps, the first of which is recorded too."""
    recipe = rooms.load("example_difficulty", "cifar").runs[name].recipe
    probes = (Probe("logits", (1, STEPS), EXAMPLES),)
    return replace(
        recipe,
        networks=recipe.networks[:networks],
        chunk=networks,
        steps=STEPS,
        checkpoints=(1, STEPS),
        probes=probes,
    )


def trained(photographs, name, networks=1):
    root, data = photographs
    run, chunk = short(name, networks), root / f"{name}-{networks}.safetensors"
    train_chunk(run, 0, data, chunk, root / "save", "code", Steps())
    return Fleet.load([chunk], run, data)


def test_the_recipe_is_the_papers():
    room = rooms.load("example_difficulty", "cifar")
    assert room.paper_setting
    runs = {name: run.recipe for name, run in room.runs.items()}
    for name, recipe in runs.items():
        held_out = 15_000 if name == "without" else 0
        assert (recipe.data, recipe.batch) == ("cifar10/full/standard", 128)
        assert recipe.steps == 160 * ((50_000 - held_out) // 128)
        assert dict(recipe.optimizer.settings) == {"momentum": 0.9, "weight_decay": 1e-4, "nesterov": False}
        assert dict(recipe.schedule.settings) == {"at": (0.5, 0.75), "factor": 0.1}
        assert {network.lr for network in recipe.networks} == {0.1}
        assert dict(recipe.augment) == {"flip": True, "crop": 4}
    assert {(n, r.model.name, r.model.settings.get("depth"), r.model.settings.get("width")) for n, r in
    runs.items()} == {
        ("reference", "resnet", 20, 16), ("narrow", "resnet", 20, 8), ("deep", "resnet", 32, 16),
        ("tanh", "resnet", 20, 16), ("family", "vgg", 16, 64), ("linear", "mlp", None, None),
        ("without", "resnet", 20, 16),
    }  # fmt: skip
    assert set(room.tables) == set(rooms.load("example_difficulty", "laptop").tables)


def test_every_table_finds_the_moments_it_asks_for():
    """At every scale: what is early is recorded, kept of the reference, and there are runs enough for the
    blocks."""
    for scale in ("smoke", "laptop", "cifar"):
        room = rooms.load("example_difficulty", scale)
        runs = {name: run.recipe for name, run in room.runs.items()}
        count = len(runs["narrow"].networks)
        assert len(runs["reference"].networks) == 3 * count
        assert {len(runs[n].networks) for n in ("narrow", "deep", "tanh", "family", "linear")} == {count}
        early = {t.settings["early"] for t in room.tables.values() if "early" in t.settings}
        assert len(early) == 1
        assert early <= set(runs["reference"].checkpoints)
        for name in ("reference", "narrow", "linear"):
            assert early <= set(runs[name].probes[0].at)
        # The control of C1a averages over as many moments as the claim.
        assert runs["reference"].probes[0].at == runs["linear"].probes[0].at
        settings = room.tables["covariance"].settings
        assert settings["runs"] <= 3 * count
        assert settings["runs"] % settings["block"] == settings["block"] % 4 == 0
        assert 2 * room.tables["consistency"].settings["largest"] <= 3 * count


@pytest.mark.parametrize("name", ["reference", "without"])
def test_a_residual_network_is_the_oracles(name, photographs):
    fleet = trained(photographs, name)
    oracle = serial.train(fleet.recipe, fleet.networks[0], fleet.data)
    learned = fleet.architecture.layout.trained
    torch.testing.assert_close(fleet.final[0, :learned], oracle[:learned], rtol=1e-3, atol=1e-4)
    assert fleet.diverged_at.tolist() == [-1]
    assert recorded(fleet) == (1, STEPS)


def test_its_runs_are_scored_like_any_others(photographs):
    fleet = trained(photographs, "reference", 2)
    settings = {"early": 1, "largest": 1, "hardest": 0.1, "scores": ["mean_loss", "early_el2n", "learned"]}
    table = measure.consistency({"reference": fleet}, settings, Steps())
    assert len(table) == 3
    assert table["overlap"].between(0, 1).all()
    (found,) = from_networks(fleet, 1, neighbours=5, clusters=3, rows=1)
    assert {*found} == {"grand", "class_vog", "loss_vog", "depth", "prototype", "cluster"}
    assert all(values.shape == (EXAMPLES,) and np.isfinite(values).all() for values in found.values())
    assert (found["grand"] > 0).all()
    # Input, nineteen hidden layers, probabilities.
    assert found["depth"].max() <= 21


@pytest.mark.parametrize("name", ["family", "linear"])
def test_other_architectures_train_too(name, photographs):
    fleet = trained(photographs, name)
    assert fleet.diverged_at.tolist() == [-1]
    assert fleet.probe("logits", STEPS).shape == (1, EXAMPLES, 10)
    assert not torch.equal(fleet.probe("logits", STEPS), fleet.probe("logits", 1))
