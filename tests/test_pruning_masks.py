"""Masks keep exactly so many of the largest weights that are left, row by row; random ones as many, elsewhere."""

from itertools import pairwise

import pytest
import torch
from architectures import MODELS, architecture
from networks import mlp, rows
from torch import nn
from torch.nn.utils import prune

from isthmus.engine.layout import Layout
from isthmus.errors import UserError
from isthmus.models.attention import Attention
from isthmus.models.images import Conv2d, ImageLinear
from isthmus.models.layers import Linear
from isthmus.models.rnn import Recurrent
from isthmus.pruning import masks
from isthmus.pruning.schedule import by_layer, densities

LAYERS = (Linear, Conv2d, ImageLinear, Recurrent, Attention, nn.Linear, nn.Conv2d)
SMALL = mlp((7, 5))
SLOTS = masks.prunable(SMALL.layout)


def everything(theta):
    return torch.ones_like(theta, dtype=torch.bool)


def pruned(theta, density, mask=None, slots=SLOTS):
    return masks.magnitude(slots, theta, everything(theta) if mask is None else mask, density)


def single(values):
    """A layout of one weight (1, n) and its bias, and a row with these values."""
    layout = Layout.of(nn.Linear(len(values), 1))
    return masks.prunable(layout), torch.tensor([[*values, 0.0]])


@pytest.mark.parametrize("model", MODELS)
def test_weights_of_layers_are_prunable_and_nothing_else(model):
    """Biases, norms, positions and statistics never are."""
    layout, parts = architecture(model).layout, architecture(model).module.named_modules()
    weights = {
        f"{name}.{own}"
        for name, part in parts
        if isinstance(part, LAYERS)
        for own, _ in part.named_parameters(recurse=False)
        if own.endswith("weight")
    }
    slots = masks.prunable(layout)
    assert {*slots} == weights
    left_out = {name: slot for name, slot in layout.slots.items() if name not in slots}
    theta = torch.randn(2, layout.size, generator=torch.Generator().manual_seed(0))
    mask = masks.magnitude(slots, theta, everything(theta), 0.1)
    total = sum(slot.stop - slot.start for slot in slots.values())
    assert (~mask).sum(1).tolist() == [total - round(0.1 * total)] * 2
    assert all(mask[:, slot.start : slot.stop].all() for slot in left_out.values())


def test_patterns_spare_parameters():
    layout = architecture("resnet").layout
    slots = masks.prunable(layout, ("head.*", "*.shortcut.*"))
    weights = {name for name in layout.slots if ".conv" in name} | {"stem.weight"}
    assert {*slots} == weights
    theta = rows(architecture("resnet"), 2)
    mask = pruned(theta, 0.0, slots=slots)
    assert masks.layer_density(masks.prunable(layout), mask)["head.weight"].tolist() == [1.0, 1.0]
    assert masks.density(slots, mask).tolist() == [0.0, 0.0]


def test_a_pattern_that_names_no_weight_is_told_in_one_line():
    names = "layers.0.weight, layers.1.weight, layers.2.weight"
    with pytest.raises(UserError) as error:
        masks.prunable(SMALL.layout, ("*.bias",))
    assert str(error.value) == f"spared: wanted names among {names}, found '*.bias'"
    with pytest.raises(UserError) as error:
        masks.prunable(SMALL.layout, ("layers.*",))
    assert str(error.value) == f"spared: wanted a weight left to prune, found all of {names} spared"


def test_a_fifth_of_five_weights_is_one():
    slots, theta = single([0.1, -0.2, 0.3, -0.4, 0.5])
    assert pruned(theta, 0.8, slots=slots).tolist() == [[False, True, True, True, True, True]]


@pytest.mark.parametrize("density", [0.0, 0.013, 0.25, 0.5, 0.977, 1.0])
def test_global_pruning_is_pytorchs(density):
    theta = rows(SMALL, 3)
    mask = pruned(theta, density)
    for row in range(3):
        modules = {name: nn.Linear(*slot.shape[::-1], bias=False) for name, slot in SLOTS.items()}
        parts = SMALL.layout.split(theta[row])
        for name, module in modules.items():
            module.weight.data = parts[name]
        total = sum(module.weight.numel() for module in modules.values())
        found = [(module, "weight") for module in modules.values()]
        gone = total - round(density * total)
        prune.global_unstructured(found, pruning_method=prune.L1Unstructured, amount=gone)
        kept = SMALL.layout.split(mask[row])
        for name, module in modules.items():
            assert torch.equal(kept[name], module.weight_mask.bool())


def test_layerwise_pruning_is_pytorchs():
    theta = rows(SMALL, 3)
    wanted = {"layers.0.weight": 0.3, "layers.2.weight": 0.6}
    mask = pruned(theta, wanted)
    for row in range(3):
        for name, kept in SMALL.layout.split(mask[row]).items():
            module = nn.Module()
            module.weight = nn.Parameter(SMALL.layout.split(theta[row])[name])
            size = module.weight.numel()
            prune.l1_unstructured(module, "weight", size - round(wanted.get(name, 1.0) * size))
            assert torch.equal(kept, module.weight_mask.bool()), name


def test_equal_weights_are_kept_from_the_first():
    slots, theta = single([1.0, 2.0, -1.0, 1.0, 0.0])
    assert pruned(theta, 0.6, slots=slots)[0].nonzero().flatten().tolist() == [0, 1, 2, 5]


def test_zero_weights_that_are_left_go_after_what_is_gone():
    """A weight may be exactly zero and kept: it outranks every weight that the mask has pruned."""
    slots, theta = single([9.0, 0.0, 0.0, 9.0])
    mask = torch.tensor([[False, True, True, False, True]])
    assert pruned(theta, 0.5, mask, slots).equal(mask)
    assert pruned(theta, 0.25, mask, slots).tolist() == [[False, True, False, False, True]]


def test_a_diverged_network_gets_a_mask_of_the_same_density_and_disturbs_nobody():
    theta = rows(SMALL, 3)
    healthy = pruned(theta, 0.3)
    broken = theta.clone()
    broken[1] = torch.nan
    broken[1, 3], broken[1, 9] = 1.0, torch.inf
    first = pruned(broken, 0.3)
    assert torch.equal(first[[0, 2]], healthy[[0, 2]])
    assert masks.density(SLOTS, first)[1] == masks.density(SLOTS, healthy)[1]
    # What is a number outranks what is none, and the rest is kept from the first.
    assert first[1, [3, 9]].all()
    kept = round(0.3 * 92)
    assert first[1, :42].nonzero().flatten().tolist() == [*range(kept)]
    second = pruned(broken, 0.1, first)
    assert not (second & ~first).any()
    assert masks.counts(SLOTS, second)["layers.0.weight"].tolist()[1] == round(0.1 * 92)


def test_masks_are_nested_in_whatever_order_weights_move():
    mask, seen = everything(rows(SMALL, 4)), []
    for turn, density in enumerate(densities(0.2, (0.1,))):
        seen.append(mask := pruned(rows(SMALL, 4, seed=10 * turn), density, mask))
    for before, after in pairwise(seen):
        assert not (after & ~before).any()
        assert (after != before).any(1).all()
    assert masks.density(SLOTS, seen[-1]).tolist() == [round(9.2) / 92] * 4


def test_a_mask_with_too_few_weights_left_is_refused():
    theta = rows(SMALL, 2)
    mask = pruned(theta, 0.5)
    with pytest.raises(ValueError, match=r"^density: wanted 55 of 92 weights kept, found 46 left in the mask$"):
        pruned(theta, 0.6, mask)


@pytest.mark.parametrize("density", [-0.1, 1.1, float("nan"), {"layers.0.weight": 2.0}], ids=str)
def test_a_density_is_a_share(density):
    with pytest.raises(ValueError, match=r"^density: wanted a share in \[0, 1\], found"):
        pruned(rows(SMALL, 1), density)


def test_a_density_of_an_unknown_layer_is_refused():
    with pytest.raises(ValueError, match=r"^density: wanted layers among .*, found layers\.9\.weight$"):
        pruned(rows(SMALL, 1), {"layers.9.weight": 0.5})


@pytest.mark.parametrize("density", [0.3, {"layers.1.weight": 0.3}], ids=["global", "layer"])
def test_a_row_is_pruned_as_if_alone(density, monkeypatch):
    theta, seeds = rows(SMALL, 5), [4, 9, 9, 0, 2]
    mask = masks.random(SLOTS, everything(theta), 0.8, seeds)
    functions = {
        "magnitude": lambda at: masks.magnitude(SLOTS, theta[at], mask[at], density),
        "random": lambda at: masks.random(SLOTS, mask[at], density, [seeds[row] for row in at]),
        "shuffled": lambda at: masks.shuffled(SLOTS, mask[at], [seeds[row] for row in at]),
    }
    together = {name: function([*range(5)]) for name, function in functions.items()}
    assert not (together["random"] & ~mask).any()
    for name, function in functions.items():
        assert torch.equal(torch.cat([function([row]) for row in range(5)]), together[name]), name
    monkeypatch.setattr(masks, "_BLOCK", 200)
    for name, function in functions.items():
        assert torch.equal(function([*range(5)]), together[name]), name


def test_a_random_mask_has_its_density_and_no_preference():
    theta, seeds = rows(SMALL, 1).expand(2000, -1), [*range(2000)]
    mask = masks.random(SLOTS, everything(theta), 0.25, seeds)
    assert set(masks.density(SLOTS, mask).tolist()) == {23 / 92}
    columns = torch.cat([torch.arange(slot.start, slot.stop) for slot in SLOTS.values()])
    shares = mask[:, columns].double().mean(0)
    # Five standard deviations of a share of 2000 draws.
    assert (shares - 0.25).abs().max() < 5 * (0.25 * 0.75 / 2000) ** 0.5
    assert not torch.equal(mask[0], mask[1])
    layerwise = masks.random(SLOTS, everything(theta[:2]), by_layer(SLOTS, 0.25, 0.2), seeds[:2])
    wanted = {name: [round(0.25 * (slot.stop - slot.start))] * 2 for name, slot in SLOTS.items()}
    assert {name: kept.tolist() for name, kept in masks.counts(SLOTS, layerwise).items()} == wanted


def test_a_shuffled_mask_keeps_as_many_weights_of_each_layer():
    theta = rows(SMALL, 600)
    mask = pruned(theta, 0.2)
    other = masks.shuffled(SLOTS, mask, [*range(600)])
    for name, kept in masks.counts(SLOTS, mask).items():
        assert torch.equal(kept, masks.counts(SLOTS, other)[name])
        slot = SLOTS[name]
        share = masks.layer_density(SLOTS, mask)[name].mean()
        shares = other[:, slot.start : slot.stop].double().mean(0)
        assert (shares - share).abs().max() < 5 * (share * (1 - share) / 600) ** 0.5
    assert (other != mask).any(1).all()
    rest = torch.ones(SMALL.layout.size, dtype=torch.bool)
    for slot in SLOTS.values():
        rest[slot.start : slot.stop] = False
    assert other[:, rest].all()


def test_densities_fall_by_the_rate_and_pass_through_each_target():
    assert densities(0.2, (0.512,)) == pytest.approx([1, 0.8, 0.64, 0.512])
    plain = densities(0.2, (0.1,))
    assert len(plain) == 12
    assert plain[10] == pytest.approx(0.107374, abs=5e-7)
    assert 1 - plain[11] / plain[10] == pytest.approx(0.068677, abs=5e-7)
    several = densities(0.2, (0.1, 0.7, 0.7))
    assert several[:4] == pytest.approx([1, 0.8, 0.7, 0.56])
    assert {0.1, 0.7} < {*several}
    assert several[-1] == 0.1
    kept = [after / before for before, after in pairwise(several)]
    assert all(0.8 - 1e-9 <= share < 1 for share in kept)
    assert sum(share > 0.8 + 1e-9 for share in kept) == 2


def test_rounding_makes_no_round_of_its_own():
    for n in range(1, 25):
        assert len(densities(0.2, (0.8**n,))) == n + 1


@pytest.mark.parametrize(
    ("rate", "targets"), [(0.0, (0.1,)), (1.0, (0.1,)), (0.2, ()), (0.2, (0.5, 1.0)), (0.2, (0.0,))]
)
def test_rates_and_targets_lie_between_0_and_1(rate, targets):
    with pytest.raises(ValueError, match=r"^(rate|targets): wanted numbers between 0 and 1, found"):
        densities(rate, targets)


def test_an_output_layer_is_pruned_at_half_the_rate():
    for rounds, density in enumerate(densities(0.2, (0.8**6,))):
        found = by_layer(SLOTS, density, 0.2, {"layers.2.*": 0.5})
        assert found == pytest.approx(
            {"layers.0.weight": 0.8**rounds, "layers.1.weight": 0.8**rounds, "layers.2.weight": 0.9**rounds}
        )
    # Between two rounds the layer has gone as far between its own two.
    found = by_layer(SLOTS, 0.7, 0.2, {"layers.2.*": 0.5})
    assert found["layers.0.weight"] == 0.7
    assert 0.81 < found["layers.2.weight"] < 0.9
    with pytest.raises(ValueError, match=r"^slower: wanted names among .*, found 'head\.\*'$"):
        by_layer(SLOTS, 0.5, 0.2, {"head.*": 0.5})
    with pytest.raises(ValueError, match=r"^slower: wanted factors of at least 0 and below 5, found 5\.0$"):
        by_layer(SLOTS, 0.5, 0.2, {"layers.2.*": 5.0})
    assert by_layer(SLOTS, 0.5, 0.2, {"layers.2.*": 0.0})["layers.2.weight"] == 1.0
