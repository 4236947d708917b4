"""Rescaling and flipping units: the same function, one canonical row for all of an orbit, and no group too many."""

import pytest
import torch
from architectures import MODELS, architecture, named
from networks import build, data, mlp, rows

from isthmus.similarity.weights import l2
from isthmus.symmetry import table
from isthmus.symmetry.matching import weight_matching
from isthmus.symmetry.rescaling import canonical, rescalable, rescale
from isthmus.symmetry.signs import canonical_signs, flippable

# What `architectures` has no line for.
MORE = {
    "cnn, leaky": (
        "cnn",
        {"channels": [4, 6], "activation": "leaky_relu", "head": "flat", "dense": [5]},
        (1, 6, 6),
    ),
    "cnn, tanh": ("cnn", {"channels": [4, 6], "activation": "tanh", "dense": [5]}, (1, 6, 6)),
    "cnn, tanh, mean": (
        "cnn",
        {"channels": [4, 6], "activation": "tanh", "pool": "mean", "head": "flat"},
        (1, 6, 6),
    ),
    "mlp, tanh": ("mlp", {"widths": [7, 5], "activation": "tanh"}, (6,)),
    "mlp, identity": ("mlp", {"widths": [7, 5], "activation": "identity"}, (6,)),
    "resnet, no norm, relu": ("resnet", {"depth": 8, "width": 4, "norm": "none"}, (2, 5, 7)),
    "resnet, no norm, tanh": ("resnet", {"depth": 8, "width": 4, "norm": "none", "activation": "tanh"}, (2, 5, 7)),
    "vgg, dense": ("vgg", {"depth": 11, "width": 2, "dense": [5, 4]}, (3, 8, 8)),
    "vgg, tanh": ("vgg", {"depth": 11, "width": 2, "activation": "tanh", "norm": "none", "dense": [5]}, (3, 8, 8)),
    "vit, relu": ("vit", {"patch": 4, "width": 8, "depth": 2, "heads": 2, "activation": "relu"}, (3, 8, 8)),
}
CONVOLUTIONS = [f"c{level}" for level in range(10)]
INNER = ["inner0.0", "inner1.0", "inner2.0"]
RESCALABLE = {
    "mlp": ["h0", "h1"],
    "cnn": ["c0", "c1"],
    "cnn, flat": ["c0", "c1", "d0"],
    "cnn, leaky": ["c0", "c1", "d0"],
    "vgg, layer norm": ["d0", "d1"],
    "vgg, no norm": CONVOLUTIONS,
    "vgg, dense": ["d0", "d1"],
    "resnet, no norm, relu": ["stream0", "inner0.0", "inner1.0", "stream1", "inner2.0", "stream2"],
    "vit, relu": ["hidden0", "hidden1"],
}
FLIPPABLE = {
    "rnn": ["h0"],
    "cnn, tanh": ["d0"],
    "cnn, tanh, mean": ["c0", "c1"],
    "mlp, tanh": ["h0", "h1"],
    "mlp, identity": ["h0", "h1"],
    "resnet, no norm, tanh": INNER,
    "vgg, tanh": ["d0"],
}
# Each group's action, canonical form and list of groups, and one line for each model that has any.
KINDS = {"scales": (rescalable, canonical, torch.exp), "signs": (flippable, canonical_signs, torch.sign)}
CASES = [("scales", model) for model in RESCALABLE] + [("signs", model) for model in FLIPPABLE]


def model_of(model):
    if model in MODELS:
        return architecture(model)
    family, settings, shape = MORE[model]
    return build(named(family, settings), shape, 3)


def moved_at_random(built, groups, theta, kind, seed=0):
    """Rows rescaled or flipped by random factors."""
    generator, sizes = torch.Generator().manual_seed(seed), table.group_sizes(built.layout, built.axes)
    drawn = {group: torch.randn(len(theta), sizes[group], generator=generator).double() for group in groups}
    return rescale(built.layout, built.axes, {group: KINDS[kind][2](z) for group, z in drawn.items()}, theta)


@pytest.mark.parametrize("model", [*MODELS, *MORE])
def test_groups_are_those_that_have_the_symmetry(model):
    built = model_of(model)
    assert rescalable(built) == RESCALABLE.get(model, [])
    assert flippable(built) == FLIPPABLE.get(model, [])
    theta = torch.ones(2, built.layout.size)
    for kind, known in (("scales", RESCALABLE), ("signs", FLIPPABLE)):
        if model not in known:
            assert torch.equal(KINDS[kind][1](built, theta), theta)


@pytest.mark.parametrize(("kind", "model"), CASES)
def test_the_function_stays_and_an_orbit_has_one_canonical_row(kind, model):
    built, (groups, form, _) = model_of(model), KINDS[kind]
    theta, x = rows(built, 3).double(), data(built, 5)[0].double()
    moved = moved_at_random(built, groups(built), theta, kind)
    chosen = form(built, theta)
    logits = built.logits(theta, x)
    for same in (moved, chosen):
        torch.testing.assert_close(built.logits(same, x), logits, rtol=1e-10, atol=1e-10)
        assert (same - theta).abs().amax(1).min() > 0.01
    torch.testing.assert_close(form(built, moved), chosen, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(form(built, chosen), chosen, rtol=1e-8, atol=1e-8)
    # A row alone is the row among others.
    assert torch.equal(form(built, moved[1:2]), form(built, moved)[1:2])


def test_new_unit_is_the_old_one_times_its_scale():
    built = mlp((3, 2), features=2, classes=2)
    theta, c = rows(built, 1).double(), torch.tensor([[2.0, 0.5, 4.0]])
    old, new = (built.layout.split(t) for t in (theta, rescale(built.layout, built.axes, {"h0": c}, theta)))
    assert torch.equal(new["layers.0.weight"], old["layers.0.weight"] * c[:, :, None])
    assert torch.equal(new["layers.0.bias"], old["layers.0.bias"] * c)
    assert torch.equal(new["layers.1.weight"], old["layers.1.weight"] / c[:, None, :])
    assert all(torch.equal(new[name], old[name]) for name in ("layers.1.bias", "layers.2.weight", "layers.2.bias"))


@pytest.mark.parametrize("model", ["mlp", "cnn, flat", "resnet, no norm, relu"])
def test_the_canonical_row_is_balanced_and_the_shortest(model):
    built = model_of(model)
    theta = rows(built, 2).double()
    chosen = canonical(built, theta)
    parts = built.layout.split(chosen)
    for group in rescalable(built):
        lengths = [0.0, 0.0]
        for name, groups in built.axes.items():
            if group in groups:
                axis = groups.index(group)
                entries = parts[name].unsqueeze(-1).movedim(axis + 1, 1).flatten(2)
                lengths[axis] = lengths[axis] + entries.square().sum(2)
        torch.testing.assert_close(lengths[0], lengths[1], rtol=1e-8, atol=0)
    for seed in range(20):
        assert (
            moved_at_random(built, rescalable(built), theta, "scales", seed).norm(dim=1) > chosen.norm(dim=1)
        ).all()


def test_one_hidden_layer_is_balanced_in_closed_form():
    built = mlp((5,))
    theta = rows(built, 2).double()
    parts = built.layout.split(theta)
    into = parts["layers.0.weight"].square().sum(2) + parts["layers.0.bias"].square()
    scale = (parts["layers.1.weight"].square().sum(1) / into) ** 0.25
    wanted = rescale(built.layout, built.axes, {"h0": scale}, theta)
    torch.testing.assert_close(canonical(built, theta), wanted, rtol=1e-12, atol=1e-12)


def test_dead_units_keep_their_scale():
    built = mlp((5, 4))
    parts = {name: part.clone() for name, part in built.layout.split(rows(built, 2).double()).items()}
    parts["layers.0.weight"][:, 1] = parts["layers.0.bias"][:, 1] = 0
    parts["layers.2.weight"][:, :, 2] = 0
    theta = built.layout.join(parts)
    chosen = canonical(built, theta)
    (x, _), found = data(built, 20), built.layout.split(chosen)
    torch.testing.assert_close(built.logits(chosen, x.double()), built.logits(theta, x.double()))
    assert torch.equal(found["layers.1.bias"][:, 2], parts["layers.1.bias"][:, 2])
    assert (found["layers.1.bias"][:, :2] != parts["layers.1.bias"][:, :2]).all()
    assert chosen.isfinite().all()


@pytest.mark.parametrize(("kind", "model"), [("scales", "mlp"), ("scales", "cnn, flat"), ("signs", "mlp, tanh")])
def test_distances_and_matchings_of_canonical_rows_see_no_rescaling(kind, model):
    built, (groups, form, _) = model_of(model), KINDS[kind]
    layout, axes = built.layout, built.axes
    a, near = (
        rows(built, 3).double(),
        0.01 * torch.randn(3, layout.size, generator=torch.Generator().manual_seed(1)),
    )
    perms = table.random(table.group_sizes(layout, axes), [1, 2, 3])
    # B is A, its units shuffled and moved along the symmetry, and some noise.
    b = table.permute(layout, axes, perms, a + near)
    other_a, other_b = (
        moved_at_random(built, groups(built), theta, kind, seed) for theta, seed in ((a, 5), (b, 6))
    )
    first, second = (
        weight_matching(layout, axes, form(built, one), form(built, two))
        for one, two in ((a, b), (other_a, other_b))
    )
    assert all(torch.equal(second.perms[group], table.inverse(perms)[group]) for group in perms)
    assert all(torch.equal(first.perms[group], second.perms[group]) for group in perms)
    torch.testing.assert_close(l2(form(built, other_a), form(built, other_b)), l2(form(built, a), form(built, b)))
    assert (l2(other_a, other_b) / l2(a, b) - 1).abs().min() > 0.02


@pytest.mark.parametrize(("model", "group", "factor"), [
    ("mlp, gelu", "h0", 2.0), ("mlp, gelu", "h0", -1.0), ("mlp, tanh", "h0", 2.0), ("mlp", "h0", -1.0),
    ("cnn, layer norm", "c0", 2.0), ("vit, relu", "stream", 2.0), ("cnn, tanh", "c0", -1.0),
])  # fmt: skip
def test_without_the_symmetry_the_function_changes(model, group, factor):
    built = model_of(model)
    theta, x = rows(built, 2).double(), data(built, 5)[0].double()
    size = table.group_sizes(built.layout, built.axes)[group]
    scales = torch.ones(2, size, dtype=torch.float64)
    scales[:, 0] = factor
    moved = rescale(built.layout, built.axes, {group: scales}, theta)
    assert (built.logits(moved, x) - built.logits(theta, x)).abs().amax((1, 2)).min() > 1e-3
