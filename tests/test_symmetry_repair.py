"""Sinkhorn, the straight-through estimator and REPAIR: the sheet's values, and what each promises."""

import pytest
import torch
from networks import data, mlp, rows

from isthmus.engine.evaluate import evaluate
from isthmus.symmetry import table
from isthmus.symmetry.ascent import assignment
from isthmus.symmetry.repair import gain, goal, preactivation_statistics, repair
from isthmus.symmetry.sinkhorn import sinkhorn, sinkhorn_matching, soft_permute
from isthmus.symmetry.straight_through import midpoint_gradient, straight_through

SWAP = torch.tensor([[0.0, 1.0], [1.0, 0.0]])


def test_sinkhorn_of_a_swap():
    expected = torch.tensor([[0.731059, 0.268941], [0.268941, 0.731059]])
    torch.testing.assert_close(sinkhorn(-SWAP), expected, atol=1e-6, rtol=0)


def test_sinkhorn_is_doubly_stochastic_and_ends_as_the_assignment():
    scores = torch.randn(5, 6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    soft = sinkhorn(scores, iterations=200)
    torch.testing.assert_close(soft.sum(1), torch.ones(5, 6, dtype=torch.float64))
    torch.testing.assert_close(soft.sum(2), torch.ones(5, 6, dtype=torch.float64))
    hard = sinkhorn(scores, temperature=1e-3, iterations=5000)
    assert torch.equal(hard.argmax(2), assignment(scores))
    assert hard.amax(2).min() > 0.99


def test_sinkhorn_has_the_gradient_of_its_limit():
    scores = torch.randn(4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda s: sinkhorn(s, 0.7, 5), scores.requires_grad_())


def test_a_hard_soft_permutation_permutes():
    architecture = mlp((8, 7))
    theta = rows(architecture, 3)
    perms = table.random({"h0": 8, "h1": 7}, [1, 2, 3])
    hard = {group: torch.eye(p.shape[1])[p] for group, p in perms.items()}
    expected = table.permute(architecture.layout, architecture.axes, perms, theta)
    assert torch.equal(soft_permute(architecture.layout, architecture.axes, hard, theta), expected)


def test_sinkhorn_matching_recovers_a_planted_permutation():
    architecture = mlp((8,), features=12)
    theta = rows(architecture, 3)
    perms = table.random({"h0": 8}, [1, 2, 3])
    shuffled = table.permute(architecture.layout, architecture.axes, perms, theta)
    found = sinkhorn_matching(architecture.layout, architecture.axes, theta, shuffled)
    assert torch.equal(found["h0"], table.inverse(perms)["h0"])
    alone = sinkhorn_matching(architecture.layout, architecture.axes, theta[1:2], shuffled[1:2])
    assert torch.equal(found["h0"][1:2], alone["h0"])


def test_repair_interpolates_deviations_not_variances():
    """sd 1 and 3, found 1 at the middle: a gain of 2; averaged variances would give 2.236068."""
    wanted = goal(torch.tensor(1.0), torch.tensor(3.0), 0.5)
    assert gain(wanted, torch.tensor(1.0)).item() == pytest.approx(2, abs=1e-4)


def test_repair_at_the_ends_is_the_identity():
    architecture = mlp((8, 7, 9))
    a, b, (x, _) = rows(architecture, 3), rows(architecture, 3, seed=50), data(architecture, 60)
    assert torch.equal(repair(architecture, a, b, 0.0, x), a)
    assert torch.equal(repair(architecture, a, b, 1.0, x), b)


def test_repaired_layers_have_the_statistics_wanted():
    architecture = mlp((8, 7, 9))
    a, b, (x, _) = rows(architecture, 3), rows(architecture, 3, seed=50), data(architecture, 200)
    mended = repair(architecture, a, b, 0.3, x)
    for level in range(3):
        names = (f"layers.{level}.weight", f"layers.{level}.bias")
        (mean_a, sd_a), (mean_b, sd_b), (mean, sd) = (
            preactivation_statistics(architecture, theta, x, *names) for theta in (a, b, mended)
        )
        torch.testing.assert_close(mean, 0.7 * mean_a + 0.3 * mean_b, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(sd, 0.7 * sd_a + 0.3 * sd_b, rtol=1e-3, atol=1e-4)
    middle = architecture.layout.split(torch.lerp(a, b, 0.3))
    assert torch.equal(architecture.layout.split(mended)["layers.3.weight"], middle["layers.3.weight"])


def test_preactivation_statistics_by_hooks():
    architecture = mlp((8, 7))
    theta, (x, _) = rows(architecture, 1), data(architecture, 100)
    caught = {}
    for level in range(2):
        architecture.module.layers[level].register_forward_hook(
            lambda module, inputs, out, level=level: caught.update({level: out.detach().double()})
        )
    torch.func.functional_call(architecture.module, architecture.layout.split(theta[0]), (x,))
    seen = dict(caught)
    for level in range(2):
        names = (f"layers.{level}.weight", f"layers.{level}.bias")
        mean, sd = preactivation_statistics(architecture, theta, x, *names)
        torch.testing.assert_close(mean[0], seen[level].mean(0), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(sd[0], seen[level].std(0, correction=0), rtol=1e-5, atol=1e-6)


def test_the_straight_through_gradient_is_half_the_midpoints():
    architecture = mlp((8, 7))
    a, b, (x, y) = rows(architecture, 3), rows(architecture, 3, seed=50), data(architecture, 40)
    free = rows(architecture, 3, seed=90)
    losses, gradient = midpoint_gradient(architecture, a, b, free, x, y)
    middle = ((a + b) / 2).requires_grad_()
    expected = torch.nn.functional.cross_entropy(
        architecture.logits(middle, x).transpose(1, 2), y.expand(3, -1), reduction="none"
    )
    (whole,) = torch.autograd.grad(expected.mean(1).sum(), middle)
    torch.testing.assert_close(losses, expected.mean(1).detach())
    torch.testing.assert_close(gradient, whole / 2, rtol=1e-5, atol=1e-7)


def test_straight_through_training_finds_a_better_midpoint():
    architecture = mlp((6,), features=4, classes=3)
    a, (x, _) = rows(architecture, 2), data(architecture, 200)
    # B is A with its units shuffled and some noise: its labels are A's own, so a good midpoint exists.
    perms = table.random({"h0": 6}, [1, 2])
    noise = 0.3 * torch.randn(a.shape, generator=torch.Generator().manual_seed(5))
    b = table.permute(architecture.layout, architecture.axes, perms, a + noise)
    y = architecture.logits(a, x)[0].argmax(1)
    trained = straight_through(architecture, a, b, x, y, steps=20, batch=100)
    assert table.is_bijection(trained.perms)
    assert trained.losses.shape == (20, 2)
    matched = table.permute(architecture.layout, architecture.axes, trained.perms, b)
    apart, together = (evaluate(architecture, (a + other) / 2, x, y)[0][0] for other in (b, matched))
    assert together < apart
    again = straight_through(architecture, a[1:], b[1:], x, y, steps=20, batch=100)
    assert torch.equal(again.perms["h0"], trained.perms["h0"][1:])
