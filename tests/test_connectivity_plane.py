"""Planes through three networks: exact corners, orthonormal coordinates, a quadratic loss in closed form."""

import pytest
import torch
from architectures import architecture as model
from networks import data, mlp, rows

from isthmus.connectivity import combinations
from isthmus.connectivity.plane import on_plane, through
from isthmus.engine.evaluate import evaluate
from isthmus.engine.statistics import refreshed


def triple(architecture, count=2):
    return [rows(architecture, count, seed) for seed in (0, 50, 90)]


def test_corners_are_the_networks_bit_for_bit():
    architecture = mlp((8, 7))
    networks, (x, y) = triple(architecture), data(architecture, 40)
    plane = through(architecture, *networks)
    found = plane.at(plane.corners)
    for corner, network in enumerate(networks):
        assert torch.equal(found[:, corner], network)
    weights = plane.coefficients(plane.corners)
    losses, errors = combinations.on_combinations(architecture, plane.points, weights, x, y)
    for corner, network in enumerate(networks):
        wanted = evaluate(architecture, network, x, y)
        assert torch.equal(losses[:, corner], wanted[0])
        assert torch.equal(errors[:, corner], wanted[1])


def test_distances_on_the_plane_are_distances_between_networks():
    architecture = mlp((8, 7))
    plane = through(architecture, *(network.double() for network in triple(architecture)))
    generator = torch.Generator().manual_seed(0)
    places = 5 * torch.randn((2, 6, 2), generator=generator, dtype=torch.float64)
    found = plane.at(places)
    torch.testing.assert_close(torch.cdist(found, found), torch.cdist(places, places))
    units = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], dtype=torch.float64).expand(2, -1, -1)
    origin, u, v = plane.at(units).unbind(1)
    basis = torch.stack([u - origin, v - origin], 1)
    torch.testing.assert_close(basis @ basis.mT, torch.eye(2, dtype=torch.float64).expand(2, -1, -1))
    # The first axis points from network 1 to network 2, the second to network 3's side.
    first, second, third = plane.points.unbind(1)
    direction = torch.nn.functional.normalize(second - first, dim=1)
    torch.testing.assert_close(u - origin, direction)
    assert ((third - first) * (v - origin)).sum(1).gt(0).all()


def test_a_quadratic_loss_in_closed_form():
    """A linear model's squared loss is quadratic in its row, so on the plane too: by its values and its Hessian."""
    architecture = mlp(())
    networks, (x, y) = triple(architecture), data(architecture, 40)
    plane = through(architecture, *networks)
    surface = on_plane(architecture, plane, x, y, points=5, margin=0.3, loss="squared")
    assert surface.losses.shape == (2, 5, 5)
    inputs = torch.cat([x, torch.ones(40, 1)], 1).double()
    wanted = torch.nn.functional.one_hot(y, 3).double()
    for k in range(2):
        for i in range(5):
            for j in range(5):
                place = torch.stack([surface.u[k, j], surface.v[k, i]]).expand(2, 1, 2)
                parts = architecture.layout.split(plane.at(place)[k, 0].double())
                weight, bias = parts["layers.0.weight"], parts["layers.0.bias"]
                full = torch.cat([weight, bias.unsqueeze(1)], 1)
                expected = 0.5 * (inputs @ full.T - wanted).square().sum(1).mean()
                assert surface.losses[k, i, j].item() == pytest.approx(expected.item(), rel=1e-5)
    # Along u the second differences are the Hessian's one entry, the same everywhere.
    second = torch.diff(surface.losses, 2, dim=2)
    torch.testing.assert_close(second, second[:, :1, :1].expand_as(second), rtol=1e-3, atol=0)


def test_the_grid_surrounds_the_corners():
    architecture = mlp((8,))
    plane = through(architecture, *triple(architecture))
    surface = on_plane(architecture, plane, *data(architecture, 10), points=4, margin=0.25)
    low, high = plane.corners.amin(1), plane.corners.amax(1)
    for axis, places in enumerate((surface.u, surface.v)):
        torch.testing.assert_close(places[:, 0], low[:, axis] - 0.25 * (high - low)[:, axis])
        torch.testing.assert_close(places[:, -1], high[:, axis] + 0.25 * (high - low)[:, axis])


@pytest.mark.parametrize("block", [1, 400])
def test_a_triple_knows_neither_neighbours_nor_blocks(monkeypatch, block):
    architecture = mlp((8,))
    networks, (x, y) = triple(architecture), data(architecture, 30)
    both = on_plane(architecture, through(architecture, *networks), x, y, points=4)
    monkeypatch.setattr(combinations, "_BLOCK", block)
    alone = on_plane(architecture, through(architecture, *(network[1:] for network in networks)), x, y, points=4)
    assert torch.equal(both.losses[1:], alone.losses)
    assert torch.equal(both.errors[1:], alone.errors)


def test_statistics_are_refreshed_and_no_part_of_distances():
    architecture = model("cnn, batch norm")
    networks, (x, y) = triple(architecture), data(architecture, 24)
    plane, columns = through(architecture, *networks), architecture.layout.trained
    torch.testing.assert_close(
        plane.corners[:, 1, 0], (networks[1] - networks[0])[:, :columns].norm(dim=1).double()
    )
    surface = on_plane(architecture, plane, x, y, points=3, refresh=x, batch=8)
    place = torch.stack([surface.u[:, 2], surface.v[:, 1]], 1).unsqueeze(1)
    losses, _ = evaluate(architecture, refreshed(architecture, plane.at(place)[:, 0], x, 8), x, y)
    torch.testing.assert_close(surface.losses[:, 1, 2], losses)


@pytest.mark.parametrize("place", [-1.5, 0.0, 0.3, 1.0])
def test_networks_on_a_line_span_no_plane(place):
    architecture = mlp((8,))
    first, second, third = triple(architecture)
    third[1] = torch.lerp(first[1], second[1], place)
    with pytest.raises(ValueError, match=r"span one, found triples on a line: \[1\]"):
        through(architecture, first, second, third)


def test_twice_the_same_network_spans_no_plane():
    architecture = mlp((8,))
    first, _, third = triple(architecture)
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        through(architecture, first, first, third)
