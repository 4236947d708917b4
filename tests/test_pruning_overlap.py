"""What two masks have in common, what they would have by chance, and what a mask leaves of each unit."""

from itertools import product

import numpy as np
import pytest
import torch
from architectures import MODELS, architecture, named
from networks import build, mlp, rows
from scipy.stats import hypergeom

from isthmus.pruning import masks
from isthmus.pruning.overlap import chance_iou, iou, layer_chance_iou, layer_iou
from isthmus.pruning.units import dead_units, degrees
from isthmus.symmetry import table

SMALL = mlp((7, 5))
SLOTS = masks.prunable(SMALL.layout)


def some(density, seeds, model=SMALL, slots=SLOTS):
    whole = torch.ones(len(seeds), model.layout.size, dtype=torch.bool)
    return masks.random(slots, whole, density, seeds)


def test_overlap_is_intersection_over_union_of_sets():
    a, b = some(0.4, range(5)), some(0.3, range(10, 15))
    for row in range(5):
        common, either = set(), set()
        for name, slot in SLOTS.items():
            kept = [{*mask[row, slot.start : slot.stop].nonzero().flatten().tolist()} for mask in (a, b)]
            wanted = len(kept[0] & kept[1]) / len(kept[0] | kept[1])
            assert layer_iou(SLOTS, a, b)[name][row] == wanted
            common |= {(name, place) for place in kept[0] & kept[1]}
            either |= {(name, place) for place in kept[0] | kept[1]}
        assert iou(SLOTS, a, b)[row] == len(common) / len(either)
    assert iou(SLOTS, a, a).tolist() == [1.0] * 5
    assert torch.equal(iou(SLOTS, a, b), iou(SLOTS, b, a))
    apart = {name: slot for name, slot in SLOTS.items() if name != "layers.0.weight"}
    assert not iou(apart, some({"layers.1.weight": 0.0, "layers.2.weight": 0.0}, [0]), a[:1]).any()


def test_of_nothing_there_is_no_overlap():
    none = some(dict.fromkeys(SLOTS, 0.0), [0])
    assert iou(SLOTS, none, none).isnan().all()
    assert chance_iou(SLOTS, none, none).isnan().all()
    some_left = some({"layers.1.weight": 0.0}, [1])
    assert layer_iou(SLOTS, none, some_left)["layers.1.weight"].isnan().all()
    assert layer_iou(SLOTS, none, some_left)["layers.0.weight"].tolist() == [0.0]


def distribution(n, a, b):
    """Probabilities (min(a, b) + 1,) of how many of n places two sets of a and b have in common."""
    return hypergeom(n, a, b).pmf(np.arange(min(a, b) + 1))


def exact(counts):
    """Expected overlap of layers (n, a, b), by the distribution of what is common to all of them."""
    chances = np.ones(1)
    for layer in counts:
        chances = np.convolve(chances, distribution(*layer))
    kept, common = sum(a + b for _, a, b in counts), np.arange(len(chances))
    return float(sum(p * x / (kept - x) for p, x in zip(chances, common, strict=True) if p > 0))


@pytest.mark.parametrize("size", [1, 2, 3, 8, 15])
def test_chance_in_one_layer_is_right_to_a_part_in_the_square_of_what_is_kept(size):
    """Oracle: the sum over the hypergeometric distribution, of all numbers of weights that masks can keep."""
    slots = masks.prunable(mlp((), features=size, classes=1).layout)
    for a, b in product(range(1, size + 1), repeat=2):
        first, second = (torch.arange(size + 1) < kept for kept in (a, b))
        found = chance_iou(slots, first[None], second[None]).item()
        assert found == pytest.approx(exact([(size, a, b)]), rel=1 / (a + b) ** 2, abs=0)
        assert layer_chance_iou(slots, first[None], second[None])["layers.0.weight"].item() == found


@pytest.mark.parametrize("density", [0.05, 0.2, 0.5, 0.9])
def test_chance_in_several_layers(density):
    a, b = some(density, range(4)), some(0.3, range(10, 14))
    found = chance_iou(SLOTS, a, b)
    by_layer = layer_chance_iou(SLOTS, a, b)
    for row in range(4):
        counts = {
            name: (slot.stop - slot.start, *(int(m[row, slot.start : slot.stop].sum()) for m in (a, b)))
            for name, slot in SLOTS.items()
        }
        kept = sum(a + b for _, a, b in counts.values())
        assert found[row].item() == pytest.approx(exact([*counts.values()]), rel=1 / kept**2)
        for name, layer in counts.items():
            assert by_layer[name][row].item() == pytest.approx(exact([layer]), rel=1 / sum(layer[1:]) ** 2)


def test_chance_is_what_shuffled_masks_have():
    count = 3000
    a, b = (some(0.3, [seed]).expand(count, -1) for seed in (0, 1))
    shuffled = masks.shuffled(SLOTS, a, [*range(count)])
    found = iou(SLOTS, shuffled, b)
    wanted = chance_iou(SLOTS, a, b)[0]
    assert abs(found.mean() - wanted) < 4 * found.std() / count**0.5
    assert chance_iou(SLOTS, shuffled, b).unique().tolist() == [wanted]


@pytest.mark.parametrize("model", [name for name in MODELS if name != "torchvision"])
def test_every_connection_has_two_ends(model):
    """Of a dense network each unit has as many weights as its layers say; pruned ones are missed at either end."""
    model = architecture(model)
    whole = torch.ones(1, model.layout.size, dtype=torch.bool)
    into, out = degrees(model.layout, model.axes, whole)
    sizes = table.group_sizes(model.layout, model.axes)
    assert {*into} == {*sizes}
    # What compares queries with keys is read by no weight.
    assert {*sizes} - {*out} == {group for group in sizes if group.startswith("match")}
    for degree in (into, out):
        for group, found in degree.items():
            assert found.shape == (1, sizes[group])
            assert (found == found[0, 0]).all()
            assert found[0, 0] > 0
    assert not any(dead.any() for dead in dead_units(model.layout, model.axes, whole).values())


# Inputs and outputs of one unit, or one channel, counted by hand: fan-in and who reads it.
BY_HAND = {
    "mlp": {"h0": (6, 5), "h1": (7, 3)},
    "cnn": {"c0": (9, 9 * 6), "c1": (9 * 4, 3)},
    "cnn, flat": {"c1": (9 * 4, 5 * 2), "d0": (6 * 2, 3)},
    "resnet, layer norm": {
        # The stem and conv2 of its block; conv1 of its own block and of the next stage's, and the shortcut.
        "stream0": (9 + 9 * 4, 9 * 4 + 9 * 8 + 8),
        "inner1.0": (9 * 4, 9 * 8),
        "stream2": (9 * 16 + 8, 3),
    },
    # Three heads of two dimensions.
    "vit, mean": {
        "hidden0": (6, 6),
        "value0": (3 * 6, 3 * 6),
        "heads0": (3 * 2 * 6, 2 * 6),
        "match0": (2 * 3 * 6, None),
    },
    "rnn": {"h0": (6 + 5, 5 + 3)},
    "lstm": {"h0": (4 * (4 + 5), 4 * (5 + 4)), "h1": (4 * (5 + 4), 4 * 4 + 3)},
}


@pytest.mark.parametrize("model", BY_HAND)
def test_degrees_counted_by_hand(model):
    wanted, model = BY_HAND[model], architecture(model)
    into, out = degrees(model.layout, model.axes, torch.ones(1, model.layout.size, dtype=torch.bool))
    for group, (entering, leaving) in wanted.items():
        assert into[group][0, 0] == entering
        assert (group not in out) if leaving is None else (out[group][0, 0] == leaving)


@pytest.mark.parametrize(
    ("family", "settings", "shape", "wanted"),
    [
        ("mlp", {"widths": [1, 1]}, (1,), {"h0": (1, 1), "h1": (1, 3)}),
        ("cnn", {"channels": [1, 1], "head": "flat", "dense": [1]}, (1, 4, 4), {"c0": (9, 9), "c1": (9, 1)}),
        ("rnn", {"widths": [1, 1], "cell": "lstm"}, (1, 1, 1), {"h0": (8, 8), "h1": (8, 7)}),
        ("vit", {"patch": 4, "width": 2, "depth": 1, "heads": 2}, (1, 4, 4), {"value0": (4, 4), "heads0": (6, 2)}),
    ],
)
def test_layers_of_one_unit_keep_inputs_and_outputs_apart(family, settings, shape, wanted):
    """An axis of size 1 is in no product: only the table says on which side it stands."""
    model = build(named(family, settings), shape, 3)
    into, out = degrees(model.layout, model.axes, torch.ones(1, model.layout.size, dtype=torch.bool))
    for group, (entering, leaving) in wanted.items():
        assert into[group][0, 0] == entering
        assert out[group][0, 0] == leaving


def test_dead_units_by_a_loop_over_units():
    mask = some(0.12, range(20))
    found = dead_units(SMALL.layout, SMALL.axes, mask)
    for row in range(20):
        parts = SMALL.layout.split(mask[row])
        for group, into, out in (("h0", "layers.0", "layers.1"), ("h1", "layers.1", "layers.2")):
            entering, leaving = parts[f"{into}.weight"], parts[f"{out}.weight"]
            dead = sum(not entering[unit].any() or not leaving[:, unit].any() for unit in range(len(entering)))
            assert found[group][row] == dead
    assert all(dead.any() for dead in found.values())


def test_a_lost_layer_leaves_no_unit_alive():
    theta = rows(SMALL, 2)
    mask = masks.magnitude(SLOTS, theta, torch.ones_like(theta, dtype=torch.bool), {"layers.1.weight": 0.0})
    assert {group: dead.tolist() for group, dead in dead_units(SMALL.layout, SMALL.axes, mask).items()} == {
        "h0": [7, 7],
        "h1": [5, 5],
    }
