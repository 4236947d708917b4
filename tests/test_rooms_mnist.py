"""The paper's own setting of ot_lmc, on real images where there are some, for a few steps at its real width."""

import pytest
import torch
from paper_scales import begun
from training import Steps

from isthmus import rooms
from isthmus.engine import serial
from isthmus.papers.ot_lmc import measure

SIZES = {"train": 1500, "test": 300}
STEPS = 3
METHODS = ["none", "naive", "informed", "activation"]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """Two networks of the recipe at its highest rate, after three of its steps."""
    recipe = rooms.load("ot_lmc", "mnist").runs["main"].recipe
    pair = [network for network in recipe.networks if network.lr == 0.1][:2]
    with pytest.MonkeyPatch.context() as patch:
        yield begun(tmp_path_factory.mktemp("root"), patch, recipe, pair, STEPS, SIZES)


def test_the_recipe_is_the_papers():
    room = rooms.load("ot_lmc", "mnist")
    recipe = room.runs["main"].recipe
    assert room.paper_setting
    assert recipe.data == "mnist/full/unit"
    assert recipe.model.settings["widths"] == (512, 512, 512)
    assert (recipe.batch, recipe.steps) == (500, 50 * 120)
    rates = sorted({network.lr for network in recipe.networks})
    assert rates == [0.0001, 0.000398, 0.00158, 0.00631, 0.0251, 0.1]
    assert len(recipe.networks) == len(rates) * 2 * 4
    assert set(room.tables) == set(rooms.load("ot_lmc", "laptop").tables)


def test_the_networks_are_the_oracles(fleet):
    assert fleet.final.shape == (2, 784 * 512 + 2 * 512 * 512 + 512 * 10 + 3 * 512 + 10)
    for row, network in enumerate(fleet.networks):
        oracle = serial.train(fleet.recipe, network, fleet.data)
        torch.testing.assert_close(fleet.final[row], oracle, rtol=1e-3, atol=1e-5)
    assert (fleet.final - fleet.thetas[0]).norm(dim=1).min() > 0.01
    assert fleet.diverged_at.tolist() == [-1, -1]


def test_it_is_measured_like_any_other_scale(fleet):
    settings = {"points": 3, "methods": METHODS, "train_methods": []}
    progress = Steps()
    table = measure.matching({"main": fleet}, settings, progress)
    assert progress.taken == progress.total == len(METHODS)
    assert table["method"].tolist() == METHODS
    assert (table["barrier"] >= 0).all()
    assert table["endpoints"].std() < 1e-5
    # The informed metric sees few directions of the images, the naive one all of them.
    dimension = table.set_index("method")["dimension"]
    assert 1 <= dimension["informed"] < dimension["naive"]
