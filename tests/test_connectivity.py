"""Barriers: hand values, exact zeros, symmetry, and the batched line against a loop over networks."""

import pytest
import torch
from networks import data, mlp, plain, rows
from torch.nn.functional import cross_entropy

from isthmus.connectivity import barrier as module
from isthmus.connectivity.barrier import barrier, barrier_over_mean, midpoint, on_line
from isthmus.similarity.weights import l2
from isthmus.symmetry import table
from isthmus.symmetry.matching import weight_matching

HALVES = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)


def test_hand_values():
    values = torch.tensor([[0.2, 0.9, 0.4], [0.0, 0.9, 1.0]], dtype=torch.float64)
    torch.testing.assert_close(barrier(values, HALVES), torch.tensor([0.6, 0.4], dtype=torch.float64))
    torch.testing.assert_close(midpoint(values), torch.tensor([0.9, 0.9], dtype=torch.float64))
    # The mean of both ends agrees with the line at the middle, and calls a slope with no barrier half of it.
    slope = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
    assert barrier_over_mean(values)[0].item() == pytest.approx(0.6)
    assert barrier_over_mean(slope).item() == pytest.approx(0.5)


def test_a_linear_or_convex_path_has_no_barrier_at_all():
    alphas = torch.linspace(0, 1, 25, dtype=torch.float64)
    assert barrier((alphas - 0.3).square(), alphas) == 0
    assert barrier(torch.lerp(torch.tensor(0.1), torch.tensor(0.7), alphas.float()).double(), alphas) < 1e-7
    assert barrier(torch.full((25,), 0.1, dtype=torch.float64), alphas) == 0


def test_midpoint_wants_a_middle():
    with pytest.raises(ValueError, match="odd"):
        midpoint(torch.zeros(2, 4))


def test_a_diverged_network_has_no_barrier_to_report():
    assert barrier(torch.tensor([0.1, float("nan"), 0.2], dtype=torch.float64), HALVES).isnan()


@pytest.mark.parametrize("block", [None, 1])
def test_the_line_equals_a_loop_over_networks(monkeypatch, block):
    if block:
        monkeypatch.setattr(module, "_BLOCK", block)
    architecture = mlp((8, 7))
    a, b, (x, y) = rows(architecture, 3), rows(architecture, 3, seed=50), data(architecture, 40)
    line = on_line(architecture, a, b, x, y, points=5)
    assert line.alphas.tolist() == [0, 0.25, 0.5, 0.75, 1]
    for k in range(3):
        for t, alpha in enumerate(line.alphas.tolist()):
            logits = plain(architecture, (1 - alpha) * a[k] + alpha * b[k], x)
            assert line.losses[k, t].item() == pytest.approx(cross_entropy(logits, y).item(), abs=1e-5)
            assert line.errors[k, t].item() == pytest.approx((logits.argmax(1) != y).double().mean().item())


def shuffled_copies(architecture, count):
    """Rows, copies with shuffled units, inputs, and as labels what the first network says."""
    theta, (x, _) = 2 * rows(architecture, count), data(architecture, 40)
    sizes = table.group_sizes(architecture.layout, architecture.axes)
    perms = table.random(sizes, range(1, count + 1))
    shuffled = table.permute(architecture.layout, architecture.axes, perms, theta)
    return theta, shuffled, x, architecture.logits(theta, x)[0].argmax(1)


def test_a_network_and_itself_have_exactly_no_barrier():
    architecture = mlp((8, 7))
    theta, (x, y) = rows(architecture, 7), data(architecture, 40)
    line = on_line(architecture, theta, theta, x, y)
    assert line.losses.shape == (7, 25)
    assert (barrier(line.losses, line.alphas) == 0).all()
    assert (barrier(line.errors, line.alphas) == 0).all()


def test_the_barrier_is_symmetric_in_the_two_networks():
    architecture = mlp((8, 7))
    a, b, x, y = shuffled_copies(architecture, 1)
    there, back = on_line(architecture, a, b, x, y), on_line(architecture, b, a, x, y)
    torch.testing.assert_close(there.losses, back.losses.flip(1))
    there, back = (barrier(line.losses, line.alphas) for line in (there, back))
    assert (there > 0).all()
    torch.testing.assert_close(there, back, rtol=1e-5, atol=1e-7)


def test_a_convex_model_has_no_barrier():
    architecture = mlp(())
    a, b, (x, y) = rows(architecture, 4), rows(architecture, 4, seed=50), data(architecture, 40)
    line = on_line(architecture, a, b, x, y)
    assert (barrier(line.losses, line.alphas) == 0).all()


def test_a_lazy_fleet_is_measured_around_its_own_start():
    """In the kernel regime at alpha = 0 movement, every logit is 0 and the loss is log 3, all along the line."""
    architecture = mlp((8,))
    lazy = type(architecture)(**{**vars(architecture), "lazy": 100.0})
    theta, (x, y) = rows(architecture, 2), data(architecture, 40)
    line = on_line(lazy, theta, theta, x, y, points=3, anchor=theta)
    torch.testing.assert_close(line.losses, torch.full((2, 3), 3.0, dtype=torch.float64).log())


def test_a_shuffled_copy_is_aligned_to_nothing_left():
    architecture = mlp((8,))
    theta, shuffled, x, y = shuffled_copies(architecture, 3)
    layout, axes = architecture.layout, architecture.axes
    found = weight_matching(layout, axes, theta, shuffled)
    aligned = table.permute(layout, axes, found.perms, shuffled)
    before, after = (on_line(architecture, theta, other, x, y) for other in (shuffled, aligned))
    assert (barrier(before.losses, before.alphas) > 0.01)[0]
    assert (barrier(after.losses, after.alphas) == 0).all()
    assert (l2(theta, aligned) == 0).all()
    assert (l2(theta, shuffled) > 0).all()
