"""Moments, covariance-informed and activation scores, dimensions: against plain loops and the sheet's values."""

import numpy as np
import pytest
import torch
from networks import data, mlp, rows
from scipy.optimize import linear_sum_assignment

from isthmus.engine import evaluate
from isthmus.symmetry.activations import KINDS, activation_scores
from isthmus.symmetry.covariance import covariance_matching
from isthmus.symmetry.dimension import approximate_dimension, dimensions
from isthmus.symmetry.matching import weight_matching
from isthmus.symmetry.moments import INPUT, Moments, second_moments


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of one network and 16 examples, so that every sum is taken in parts."""
    monkeypatch.setattr(evaluate, "_BLOCK", {"cpu": 16 * 12})


def hidden(architecture, row, x):
    """Activations of one network by numpy, layer by layer."""
    parts = {name: value.numpy().astype(float) for name, value in architecture.layout.split(row).items()}
    h, found = x.numpy().astype(float), {}
    for level in range(len(architecture.module.layers) - 1):
        h = np.maximum(h @ parts[f"layers.{level}.weight"].T + parts[f"layers.{level}.bias"], 0)
        found[f"h{level}"] = h
    return found


@pytest.mark.usefixtures("small_blocks")
def test_second_moments_and_covariances():
    architecture = mlp((12, 7))
    theta, (x, _) = rows(architecture, 3), data(architecture, 100)
    moments = second_moments(architecture, theta, x)
    for k in range(3):
        for group, h in {INPUT: x.numpy().astype(float), **hidden(architecture, theta[k], x)}.items():
            np.testing.assert_allclose(moments.second[group][k], h.T @ h / 100, rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(moments.mean[group][k], h.mean(0), rtol=1e-5, atol=1e-6)
            centred = moments.centred()
            np.testing.assert_allclose(centred.second[group][k], np.cov(h.T, bias=True), rtol=1e-4, atol=1e-6)
            assert not centred.mean[group].any()


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("kind", KINDS)
def test_activation_scores(kind):
    architecture = mlp((12, 7))
    a, b, (x, _) = rows(architecture, 3), rows(architecture, 3, seed=50), data(architecture, 100)
    scores = activation_scores(architecture, a, b, x, kind)
    for k in range(3):
        ours, theirs = hidden(architecture, a[k], x), hidden(architecture, b[k], x)
        for group, h in ours.items():
            g, n = theirs[group], h.shape[1]
            covariance = np.cov(h.T, g.T)[:n, n:]
            expected = {
                "uncentred": h.T @ g / 100,
                "covariance": covariance,
                "pearson": covariance * 99 / 100 / (np.outer(h.std(0), g.std(0)) + 1e-4),
            }[kind]
            np.testing.assert_allclose(scores[group][k], expected, rtol=1e-4, atol=1e-5)


def test_dead_units_correlate_zero():
    architecture = mlp((4,))
    theta, (x, _) = rows(architecture, 1), data(architecture, 50)
    parts = architecture.layout.split(theta)
    parts["layers.0.weight"][0, 1], parts["layers.0.bias"][0, 1] = 0, -1
    score = activation_scores(architecture, theta, theta, x, "pearson")["h0"][0]
    assert (score[1] == 0).all()
    assert (score[:, 1] == 0).all()
    assert score[0, 0] == pytest.approx(1, abs=1e-2)


def test_examples_in_another_order_carry_no_match():
    architecture = mlp((8,), features=12)
    theta, (x, _) = rows(architecture, 1), data(architecture, 400)
    order = torch.randperm(400, generator=torch.Generator().manual_seed(1))
    same, mixed = (
        activation_scores(architecture, theta, theta, x, "pearson", other)["h0"][0] for other in (None, x[order])
    )
    assert same.diagonal().min() > 0.9
    assert mixed.abs().max() < 0.3


def test_an_unknown_kind_is_refused():
    architecture = mlp((4,))
    theta, (x, _) = rows(architecture, 1), data(architecture, 5)
    with pytest.raises(ValueError, match="pearson"):
        activation_scores(architecture, theta, theta, x, "spearman")


def white(architecture, scale=1.0):
    """Moments that say nothing: scale times the identity everywhere."""
    widths = {INPUT: architecture.shape[0]} | {
        f"h{level}": len(layer.weight) for level, layer in enumerate(architecture.module.layers[:-1])
    }
    second = {group: scale * torch.eye(n, dtype=torch.float64).expand(3, n, n) for group, n in widths.items()}
    return Moments(second, {group: torch.zeros(3, n, dtype=torch.float64) for group, n in widths.items()})


def test_a_white_second_moment_is_naive_matching():
    architecture = mlp((8, 7))
    a, b = rows(architecture, 3), rows(architecture, 3, seed=50)
    layout, axes = architecture.layout, architecture.axes
    naive = weight_matching(layout, axes, a.double(), b.double(), form="naive")
    informed = covariance_matching(layout, axes, a, b, white(architecture, 3.7))
    assert all(torch.equal(informed.perms[group], p) for group, p in naive.perms.items())


def test_scaling_the_second_moment_changes_nothing():
    architecture = mlp((8, 7))
    a, b, (x, _) = rows(architecture, 3), rows(architecture, 3, seed=50), data(architecture, 80)
    moments = second_moments(architecture, a, x)
    # N - 1 in place of N, as the paper's notebook divides, is such a scaling.
    scaled = Moments({group: m * 80 / 79 for group, m in moments.second.items()}, moments.mean)
    one, two = (
        covariance_matching(architecture.layout, architecture.axes, a, b, m).perms for m in (moments, scaled)
    )
    assert all(torch.equal(one[group], two[group]) for group in one)


def test_a_bias_is_a_weight_on_a_constant_input():
    """One hidden layer: matching with the bias equals matching the widened network on inputs with a 1."""
    narrow, wide = mlp((8,), features=5), mlp((8,), features=6)
    a, b, (x, _) = rows(narrow, 3), rows(narrow, 3, seed=50), data(narrow, 80)

    def widen(theta):
        parts = narrow.layout.split(theta)
        weight = torch.cat([parts["layers.0.weight"], parts["layers.0.bias"].unsqueeze(2)], dim=2)
        bias = torch.zeros_like(parts["layers.0.bias"])
        return wide.layout.join(parts | {"layers.0.weight": weight, "layers.0.bias": bias})

    with_one = torch.cat([x, torch.ones(80, 1)], dim=1)
    moments, widened = second_moments(narrow, a, x), second_moments(wide, widen(a), with_one)
    one = covariance_matching(narrow.layout, narrow.axes, a, b, moments, bias=True)
    two = covariance_matching(wide.layout, wide.axes, widen(a), widen(b), widened)
    assert torch.equal(one.perms["h0"], two.perms["h0"])
    torch.testing.assert_close(one.objective, two.objective, rtol=1e-6, atol=0)


def test_covariance_matching_by_a_plain_loop():
    architecture = mlp((8, 7, 9))
    a, b, (x, _) = rows(architecture, 3), rows(architecture, 3, seed=50), data(architecture, 80)
    moments = second_moments(architecture, a, x)
    found = covariance_matching(architecture.layout, architecture.axes, a, b, moments)
    for k in range(3):
        parts_a, parts_b = (
            {n: v.numpy().astype(float) for n, v in architecture.layout.split(t[k]).items()} for t in (a, b)
        )
        h, before = x.numpy().astype(float), np.arange(6)
        activations = hidden(architecture, a[k], x)
        for level in range(3):
            w_a, w_b = (parts[f"layers.{level}.weight"] for parts in (parts_a, parts_b))
            before = linear_sum_assignment(w_a @ (h.T @ h) @ w_b[:, before].T, maximize=True)[1]
            assert np.array_equal(found.perms[f"h{level}"][k].numpy(), before)
            h = activations[f"h{level}"]


def test_approximate_dimension():
    assert approximate_dimension(torch.diag(torch.tensor([3.0, 1.0]))).item() == pytest.approx(1.6)
    assert approximate_dimension(torch.eye(7)).item() == pytest.approx(7)
    v = torch.randn(5, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert approximate_dimension(v @ v.mT).item() == pytest.approx(1)
    spread = torch.randn(4, 5, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    symmetric = spread @ spread.mT
    rotation = torch.linalg.qr(spread[0]).Q
    turned = rotation @ symmetric @ rotation.mT
    expected = approximate_dimension(symmetric)
    for other in (-symmetric, 3.7 * symmetric, turned):
        torch.testing.assert_close(approximate_dimension(other), expected)
    eigenvalues = torch.linalg.eigvalsh(symmetric)
    torch.testing.assert_close(expected, eigenvalues.sum(1).square() / eigenvalues.square().sum(1))


def test_dimensions_of_each_layer():
    architecture = mlp((12, 7))
    theta, (x, _) = rows(architecture, 2), data(architecture, 50)
    moments = second_moments(architecture, theta, x)
    found = dimensions(architecture.layout, architecture.axes, theta, moments)
    for k in range(2):
        before = x.numpy().astype(float)
        for level, (group, h) in enumerate(hidden(architecture, theta[k], x).items()):
            w = architecture.layout.split(theta[k])[f"layers.{level}.weight"].numpy().astype(float)
            matrices = {
                "naive": w.T @ w,
                "informed": w @ (before.T @ before) @ w.T,
                "activation": h.T @ h,
            }
            for method, matrix in matrices.items():
                expected = np.trace(matrix) ** 2 / np.trace(matrix @ matrix)
                assert found[method][group][k].item() == pytest.approx(expected, rel=1e-4)
            before = h
