"""The paper's own networks of DemP, on real photographs where there are some, for a few steps of small batches."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from paper_scales import begun
from training import Steps

from isthmus import rooms
from isthmus.engine.recipe import Removal
from isthmus.papers.demp import arms, measure

# So few images and so small batches that a processor takes seconds at the real width.
SIZES = {"train": 24, "validation": 8, "test": 8}
STEPS, BATCH = 2, 8
PAPER = {"penalty": [1e-4, 5e-4, 1e-3, 5e-3, 1e-2], "noise": 5e-5}


@pytest.fixture(scope="module", params=["cifar_vgg", "cifar_resnet18"])
def fleets(request, tmp_path_factory):
    """Run -> its first network that loses units as they die, or at random, after two steps of its recipe."""
    made = {}
    for run, kind in (("demp", "dead"), ("baselines", "random")):
        recipe = rooms.load("demp", request.param).runs[run].recipe
        network = next(one for one in recipe.networks if one.remove == kind)
        short = replace(recipe, batch=BATCH, removal=Removal(STEPS))
        with pytest.MonkeyPatch.context() as patch:
            made[run] = begun(tmp_path_factory.mktemp("root"), patch, short, [network], STEPS, SIZES)
    return made


def test_the_recipe_is_the_papers():
    room = rooms.load("demp", "cifar_vgg")
    recipe = room.runs["demp"].recipe
    assert room.paper_setting
    assert (recipe.model.name, recipe.model.settings["depth"], recipe.model.settings["width"]) == ("vgg", 16, 64)
    assert recipe.model.settings["norm"] == "batch"
    assert (recipe.batch, recipe.steps) == (256, 80 * (45_000 // 256))
    assert {network.lr for network in recipe.networks} == {0.005}
    assert recipe.optimizer.settings["decoupled"]
    assert recipe.optimizer.settings["weight_decay"] == 5e-4
    assert (recipe.schedule.name, recipe.removal.every) == ("one_cycle", 1000)
    assert (recipe.penalty.of, recipe.penalty.form, recipe.penalty.shape) == ("scale", "lasso", "one_cycle")
    assert sorted({network.penalty for network in recipe.networks}) == PAPER["penalty"]
    assert max(network.noise for network in recipe.networks) == PAPER["noise"]


def test_a_residual_network_of_the_papers_length_and_settings():
    """As for the paper's ResNet-18: rate by a fifth every 77 of 250 epochs, penalty gone at 85,000 of 97,656."""
    room = rooms.load("demp", "cifar_resnet18")
    recipe = room.runs["demp"].recipe
    assert not room.paper_setting
    per_epoch = 45_000 // 128
    assert recipe.steps == 250 * per_epoch
    np.testing.assert_allclose([250 * place for place in recipe.schedule.settings["at"]], [77, 154, 231])
    assert recipe.penalty.span == recipe.noise.span
    assert recipe.penalty.span / recipe.steps == pytest.approx(85_000 / 97_656, abs=0.002)


@pytest.mark.parametrize("scale", ["cifar_vgg", "cifar_resnet18"])
def test_a_verdict_has_its_networks(scale):
    """Ten seeds, as for the headline; every method of the claims, and controls with another data order."""
    room = rooms.load("demp", scale)
    for run in room.runs.values():
        assert len({network.seed for network in run.recipe.networks}) == 10
    demp = room.runs["demp"].recipe.networks
    most = max(network.noise for network in demp)
    assert len({(n.penalty, n.order) for n in demp if n.noise == most}) == 10
    assert {n.remove for n in room.runs["baselines"].recipe.networks} == {
        None, "snap", "cropit", "early_cropit", "random",
    }  # fmt: skip
    assert {n.order for n in room.runs["constant"].recipe.networks} == {0, 1}


def test_it_trains_and_loses_units(fleets):
    for fleet in fleets.values():
        assert fleet.diverged_at.tolist() == [-1]
        assert not torch.equal(fleet.final, fleet.thetas[0])
    share = torch.cat([*arms.live(fleets["baselines"]).values()], dim=1).double().mean()
    assert float(share) == pytest.approx(0.7, abs=0.01)


def test_its_networks_are_measured_like_any_others(fleets):
    table = measure.networks(fleets, {}, Steps())
    assert table["method"].tolist() == ["demp", "random"]
    # Of 70 % of the units, about half of the products are left.
    assert table["operations"].iloc[1] == pytest.approx(0.49, abs=0.05)
    assert table["weight_sparsity"].iloc[1] == pytest.approx(0.51, abs=0.05)
    assert table[["validation", "accuracy"]].apply(lambda column: column.between(0, 1)).all(axis=None)
    shrinking = measure.shrinking({"demp": fleets["demp"]}, {}, Steps())
    assert shrinking["step"].unique().tolist() == [0, STEPS]
    assert (shrinking["live"] <= shrinking["width"]).all()
