"""Permutations found by training: Sinkhorn re-basin and the straight-through estimator."""

import torch
from networks import data, mlp, rows

from isthmus.engine.evaluate import evaluate
from isthmus.symmetry import table
from isthmus.symmetry.assignment import assignment
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
