"""MergeMany: copies of one network, a spread that never grows, two networks, sets that do not know each other."""

import pytest
import torch
from architectures import architecture
from networks import mlp, rows

from isthmus.symmetry import table
from isthmus.symmetry.matching import weight_matching
from isthmus.symmetry.merge_many import merge_many


def sets(model, count, many, seed=0):
    return rows(model, count * many, seed).unflatten(0, (count, many))


def copies(model, theta, many):
    """Sets (K, M, P) of networks (K, P) in random orders of units."""
    sizes = table.group_sizes(model.layout, model.axes)
    return torch.stack(
        [
            table.permute(model.layout, model.axes, table.random(sizes, range(9 * m, 9 * m + len(theta))), theta)
            for m in range(many)
        ],
        dim=1,
    )


def members(model, theta, perms):
    """The networks (K, M, P) in the orders that were found."""
    return torch.stack(
        [
            table.permute(model.layout, model.axes, {group: p[:, m] for group, p in perms.items()}, theta[:, m])
            for m in range(theta.shape[1])
        ],
        dim=1,
    )


def test_copies_of_one_network_merge_to_that_network():
    model = mlp((8,))
    theta = copies(model, rows(model, 3), 4)
    found = merge_many(model.layout, model.axes, theta)
    moved = members(model, theta, found.perms)
    assert table.is_bijection({(group, m): p[:, m] for group, p in found.perms.items() for m in range(4)})
    # All four are one network, bit for bit, and it is one of the copies: the mean rounds once.
    assert torch.equal(moved, moved[:, :1].expand_as(moved))
    torch.testing.assert_close(found.theta, moved[:, 0], rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(found.spread[:, -1], torch.zeros(3, dtype=torch.float64), atol=1e-12, rtol=0)
    assert (found.spread[:, 0] > 0.1).all()


@pytest.mark.parametrize("name", ["mlp", "cnn", "resnet, layer norm"])
def test_the_spread_is_that_of_the_members_and_never_grows(name):
    model = architecture(name)
    theta = sets(model, 2, 4)
    found = merge_many(model.layout, model.axes, theta)
    moved = members(model, theta, found.perms).double()
    torch.testing.assert_close(found.theta.double(), moved.mean(1), rtol=1e-5, atol=1e-6)
    pairs = sum((moved[:, i] - moved[:, j]).square().sum(1) for i in range(4) for j in range(i)) / 16
    torch.testing.assert_close(found.spread[:, -1], pairs, rtol=1e-6, atol=0)
    assert (found.spread.diff(dim=1) <= 1e-9).all()
    assert (found.spread[:, -1] < found.spread[:, 0]).all()


def test_two_networks_are_matched_to_each_other():
    model = mlp((9,))
    theta = sets(model, 3, 2)
    found = merge_many(model.layout, model.axes, theta)
    # With one hidden layer a single assignment settles it: only the order that both stand in is free.
    perms = weight_matching(model.layout, model.axes, theta[:, 0], theta[:, 1], restarts=0).perms
    one, two = ({group: p[:, m] for group, p in found.perms.items()} for m in range(2))
    relative = table.compose(two, table.inverse(one))
    assert torch.equal(relative["h0"], perms["h0"])


def test_a_set_does_not_know_its_neighbours():
    model = mlp((8, 7))
    theta = sets(model, 3, 3)
    together = merge_many(model.layout, model.axes, theta)
    alone = merge_many(model.layout, model.axes, theta[1:2])
    assert torch.equal(together.theta[1:2], alone.theta)
    assert all(torch.equal(together.perms[group][1:2], p) for group, p in alone.perms.items())
    assert torch.equal(together.spread[1:2, : alone.spread.shape[1]], alone.spread)
    assert (together.spread[1:2, alone.spread.shape[1] :] == alone.spread[:, -1:]).all()


def test_one_network_is_no_set():
    model = mlp((4,))
    with pytest.raises(ValueError, match="two networks or more, found 1"):
        merge_many(model.layout, model.axes, rows(model, 2).unsqueeze(1))
