"""Permutations as indices: same function, bijections, inverses; any table, not only an MLP's."""

import numpy as np
import pytest
import torch
from networks import data, mlp, rows

from isthmus.engine.layout import Layout
from isthmus.symmetry import table


def random(architecture, count, seed=0):
    sizes = table.group_sizes(architecture.layout, architecture.axes)
    return table.random(sizes, range(seed, seed + count))


def test_a_permuted_network_computes_the_same_function():
    architecture = mlp((7, 5, 9))
    theta, (x, _) = rows(architecture, 4), data(architecture, 50)
    moved = table.permute(architecture.layout, architecture.axes, random(architecture, 4), theta)
    assert not torch.equal(moved, theta)
    difference = architecture.logits(moved, x) - architecture.logits(theta, x)
    assert difference.abs().max() <= 1e-5


def test_new_unit_i_is_old_unit_p_i():
    architecture = mlp((3, 2), features=2, classes=2)
    theta = rows(architecture, 1)
    p, q = [2, 0, 1], [1, 0]
    perms = {"h0": torch.tensor([p]), "h1": torch.tensor([q])}
    old = {name: value[0] for name, value in architecture.layout.split(theta).items()}
    moved = table.permute(architecture.layout, architecture.axes, perms, theta)
    new = {name: value[0] for name, value in architecture.layout.split(moved).items()}
    assert torch.equal(new["layers.0.weight"], old["layers.0.weight"][p])
    assert torch.equal(new["layers.0.bias"], old["layers.0.bias"][p])
    assert torch.equal(new["layers.1.weight"], old["layers.1.weight"][q][:, p])
    assert torch.equal(new["layers.2.weight"], old["layers.2.weight"][:, q])
    assert torch.equal(new["layers.2.bias"], old["layers.2.bias"])


def test_any_table_permutes_any_axis():
    module = torch.nn.Module()
    module.kernel = torch.nn.Parameter(torch.randn(4, 4, 2, 3))
    module.scale = torch.nn.Parameter(torch.randn(4))
    layout = Layout.of(module)
    axes = {"kernel": ("r", "r", None, "s"), "scale": ("r",)}
    assert table.group_sizes(layout, axes) == {"r": 4, "s": 3}
    perms = table.random({"r": 4, "s": 3}, [5])
    r, s = perms["r"][0], perms["s"][0]
    theta = layout.join({"kernel": module.kernel[None], "scale": module.scale[None]})
    moved = layout.split(table.permute(layout, axes, perms, theta))
    assert torch.equal(moved["kernel"][0], module.kernel[r][:, r][:, :, :, s])
    assert torch.equal(moved["scale"][0], module.scale[r])


def test_inverse_and_composition():
    architecture = mlp((7, 5))
    layout, axes = architecture.layout, architecture.axes
    theta, first, second = rows(architecture, 3), random(architecture, 3), random(architecture, 3, seed=9)
    moved = table.permute(layout, axes, first, theta)
    assert torch.equal(table.permute(layout, axes, table.inverse(first), moved), theta)
    twice = table.permute(layout, axes, second, moved)
    assert torch.equal(table.permute(layout, axes, table.compose(first, second), theta), twice)
    still = table.identity(table.group_sizes(layout, axes), 3)
    assert torch.equal(table.permute(layout, axes, still, theta), theta)


def test_random_permutations_belong_to_their_seed():
    many, one = table.random({"h": 30, "g": 4}, [3, 8, 5]), table.random({"g": 4, "h": 30}, [8])
    assert torch.equal(many["h"][1], one["h"][0])
    assert not torch.equal(many["h"][0], many["h"][1])
    assert table.is_bijection(many)


def test_is_bijection_sees_a_unit_used_twice():
    assert not table.is_bijection({"h": torch.tensor([[0, 1, 2], [0, 1, 1]])})


def test_a_group_of_two_sizes_is_refused():
    architecture = mlp((4, 3))
    axes = dict(architecture.axes) | {"layers.1.bias": ("h0",)}
    with pytest.raises(ValueError, match="h0"):
        table.group_sizes(architecture.layout, axes)


def test_row_index_is_a_permutation_of_the_columns():
    architecture = mlp((4, 3))
    index = table.row_index(architecture.layout, architecture.axes, random(architecture, 2))
    everything = np.arange(architecture.layout.size)
    assert all(np.array_equal(np.sort(row), everything) for row in index.numpy())
