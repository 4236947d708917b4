"""The papers' own settings of the Git Re-Basin room, on real images where there are some, for a few steps."""

import pytest
import torch
from paper_scales import begun
from training import Steps

from isthmus import rooms
from isthmus.engine import serial
from isthmus.engine.fleet import Fleet
from isthmus.papers.git_rebasin import measure
from isthmus.symmetry import table

SETTINGS = {"points": 3, "pairs": 1, "restarts": 0, "splits": ["test"]}


def pair(root, patch, scale: str, run: str, steps: int, sizes: dict[str, int]) -> Fleet:
    """Two networks of a run at a paper's scale, after a few steps of its recipe."""
    recipe = rooms.load("git_rebasin", scale).runs[run].recipe
    return begun(root, patch, recipe, recipe.networks[:2], steps, sizes)


@pytest.fixture(scope="module")
def mlps(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        yield pair(tmp_path_factory.mktemp("root"), patch, "mnist", "wide", 3, {"train": 1500, "test": 300})


def test_the_recipe_is_the_papers():
    room = rooms.load("git_rebasin", "mnist")
    recipe = room.runs["wide"].recipe
    assert room.paper_setting
    assert recipe.data == "mnist/full/unit"
    assert recipe.model.settings["widths"] == (512, 512, 512)
    assert (recipe.optimizer.name, {network.lr for network in recipe.networks}) == ("adam", {0.001})
    assert (recipe.batch, recipe.steps) == (500, 100 * 120)
    assert {run.recipe.model.settings["widths"][0] for name, run in room.runs.items() if "deep" in name} == {128}


def test_the_networks_are_the_oracles(mlps):
    for row, network in enumerate(mlps.networks):
        oracle = serial.train(mlps.recipe, network, mlps.data)
        torch.testing.assert_close(mlps.final[row], oracle, rtol=1e-3, atol=1e-5)
    assert (mlps.final - mlps.thetas[0]).norm(dim=1).min() > 0.01


def test_they_are_measured_like_any_other_scale(mlps):
    settings = SETTINGS | {
        "methods": ["none", "random", "weights", "straight_through"],
        "repairs": {"none": ["own", "others"]},
        "straight_through": {"steps": 1, "batch": 1000},
    }
    lines = measure.lines({"wide": mlps}, settings, Steps())
    assert lines["repair"].value_counts().to_dict() == {"none": 12, "own": 3, "others": 3}
    assert (lines["barrier"] >= 0).all()
    planted = measure.planted({"wide": mlps}, settings, Steps()).set_index("method")
    assert planted["difference"]["weights"] == 0 < planted["difference"]["random"]


@pytest.mark.parametrize(("scale", "groups"), [("cifar", 3 + 9), ("cifar_vgg", 13 + 2)])
def test_convolutional_networks_are_the_oracles_and_are_permuted_whole(scale, groups, tmp_path, monkeypatch):
    """Groups of units as in the paper: of ResNet20 three streams and nine inner ones, of VGG16 every layer's."""
    fleet = pair(tmp_path, monkeypatch, scale, "width_1", 2, {"train": 200, "test": 40})
    architecture = fleet.architecture
    assert set(fleet.recipe.augment) == {"flip", "translate"}
    oracle = serial.train(fleet.recipe, fleet.networks[0], fleet.data)
    torch.testing.assert_close(fleet.final[0], oracle, rtol=1e-4, atol=1e-6)
    # Two updates at the start of the warm-up: a parameter that goes far has met a normalisation of nothing.
    moved = (fleet.final - fleet.thetas[0]).abs()
    assert 1e-5 < moved.max() < 0.05
    sizes = table.group_sizes(architecture.layout, architecture.axes)
    assert len(sizes) == groups
    perms = table.random(sizes, [0, 1])
    theta = fleet.final.double()
    x = fleet.data.inputs["test"][:4].double()
    before, after = (
        architecture.logits(rows, x)
        for rows in (theta, table.permute(architecture.layout, architecture.axes, perms, theta))
    )
    torch.testing.assert_close(after, before, rtol=0, atol=1e-10)


def test_the_papers_widths():
    def widths(scale: str) -> list[int]:
        return [rooms.load("git_rebasin", scale).runs[run].recipe.model.settings["width"] for run in RUNS]

    RUNS = ("width_1", "width_2", "width_3", "width_4", "wide")
    assert [width / 16 for width in widths("cifar")] == [1, 2, 4, 8, 32]
    assert [width / 64 for width in widths("cifar_vgg")] == [1 / 8, 1 / 4, 1 / 2, 1, 4]
