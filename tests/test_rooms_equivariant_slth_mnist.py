"""The room's paper scale, mnist_p4, on real images where there are some: a few steps at its real widths."""

from dataclasses import replace

import pytest
from paper_scales import begun
from training import Steps

from isthmus import rooms
from isthmus.papers.equivariant_slth import measure
from isthmus.papers.equivariant_slth.targets import case_of

SIZES, STEPS = {"train": 1500, "test": 300}, 3
# Examples that targets are trained and tested on.
FEW = {"train": 96, "test": 40}
ROOM = rooms.load("equivariant_slth", "mnist_p4")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """One network of the recipe after three of its steps, with the first few examples."""
    recipe = ROOM.runs["dense"].recipe
    with pytest.MonkeyPatch.context() as patch:
        made = begun(tmp_path_factory.mktemp("root"), patch, recipe, recipe.networks[:1], STEPS, SIZES)
        inputs = {part: made.data.inputs[part][:count] for part, count in FEW.items()}
        labels = {part: made.data.labels[part][:count] for part, count in FEW.items()}
        yield replace(made, data=replace(made.data, inputs=inputs, labels=labels))


def test_the_recipe_is_the_sheets():
    plans = ROOM.tables["pruned"].settings["architectures"]
    assert plans["p4"]["channels"] == [8, 16]
    assert ROOM.runs["dense"].recipe.data == "mnist/full/unit"
    assert {"pruned", "equivariance", "bound"} == set(ROOM.tables)
    # Quarter turns of 3x3 kernels, not the paper's E(2): an analogue.
    assert not ROOM.paper_setting


def test_targets_train_and_are_pruned_like_at_any_other_scale(fleet):
    settings = ROOM.tables["pruned"].settings
    plans = {name: {**settings["architectures"][name], "epochs": 1, "batch": 32} for name in ("c4", "p4")}
    settings = {**settings, "samples": [2, 6], "answers": [6], "architectures": {**plans, "dense": {}}}
    table = measure.pruned({"dense": fleet}, settings, Steps())
    assert len(table) == 3 * (1 + 2 * 2)
    pruned = table[table["pruning"] == "subset"].set_index(["architecture", "samples"])
    assert (pruned["invariance_error"] <= 1e-11).all()
    assert (pruned["folded_error"] <= 1e-9).all()
    for name in ("c4", "p4", "dense"):
        errors = pruned.loc[name]["median_error"]
        assert errors[6] < errors[2] / 3
    assert table["answers"].dropna().str.len().eq(FEW["test"]).all()


def test_the_network_has_the_sheets_coefficients(fleet):
    plan = ROOM.tables["pruned"].settings["architectures"]["p4"]
    # Lifting 1 to 8 of 9 each, p4 convolution 8 to 16 of 36, linear to 10 classes.
    assert case_of("p4", plan, fleet.data.shape, 10).network.sizes == [8 * 9, 8 * 16 * 36, 16 * 10]
