"""Distances of weights, predictions and representations: hand values, dense formulas, invariances."""

from math import pi

import pytest
import torch

from isthmus.similarity.cka import FORMS, angular_cka
from isthmus.similarity.predictions import disagreement, ensemble, margin_difference
from isthmus.similarity.weights import cosine, l2


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_distances_of_rows():
    a, b = torch.tensor([[3.0, 0.0], [1.0, 1.0]]), torch.tensor([[0.0, 4.0], [2.0, 2.0]])
    assert l2(a, b).tolist() == pytest.approx([5, 2**0.5])
    assert cosine(a, b).tolist() == pytest.approx([0, 1])
    assert l2(a, a).tolist() == [0, 0]


def test_predictions_of_pairs():
    a = torch.tensor([[[2.0, 1.0], [0.0, 3.0], [5.0, 4.0]]])
    b = torch.tensor([[[2.0, 1.0], [3.0, 0.0], [4.0, 5.0]]])
    assert disagreement(a, b).tolist() == [2]
    assert margin_difference(a, a).tolist() == [0]
    one, two = a[0].double().softmax(1), b[0].double().softmax(1)
    assert margin_difference(a, b).item() == pytest.approx((one - two).square().sum().sqrt().item())


def test_an_ensemble_averages_logits():
    labels = torch.tensor([0, 1, 1])
    members = torch.tensor([[[9.0, 0.0], [1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 9.0], [0.0, 1.0]]])
    found = ensemble(members, labels)
    # Alone 2/3 and 2/3; each outvotes the other where it is sure.
    assert found.accuracy.item() == 1
    assert found.gain.item() == pytest.approx(1 / 3)
    twins = ensemble(torch.stack([members, members.flip(0)]), labels)
    assert twins.accuracy.shape == (2,)


def gram(x, form):
    """The centred Gram matrix, written out."""
    m = len(x)
    k = x @ x.T
    off = 1 - torch.eye(m, dtype=x.dtype)
    if form == "unbiased":
        k = k * off
        rows = k.sum(1) / (m - 2)
        return (k - rows[:, None] - rows[None] + k.sum() / ((m - 1) * (m - 2))) * off
    h = torch.eye(m, dtype=x.dtype) - 1 / m
    return h @ k @ h * (off if form == "paper" else 1)


@pytest.mark.parametrize("form", FORMS)
def test_cka_equals_the_dense_formula(form):
    x, y = normal(3, 20, 4) + 5, normal(3, 20, 7, seed=1)
    for k in range(3):
        a, b = gram(x[k], form), gram(y[k], form)
        expected = torch.arccos((a * b).sum() / (a.norm() * b.norm()))
        assert angular_cka(x, y, form)[k].item() == pytest.approx(expected.item(), abs=1e-9)


def test_unbiased_cka_is_songs_estimate():
    """HSIC of Song et al. 2012, eq. 5, with its traces and sums."""
    x, y = normal(12, 3), normal(12, 5, seed=1)

    def hsic(x, y):
        m, off = len(x), 1 - torch.eye(len(x), dtype=x.dtype)
        k, other = x @ x.T * off, y @ y.T * off
        cross = (k @ other).sum() * 2 / (m - 2)
        return (k @ other).trace() + k.sum() * other.sum() / ((m - 1) * (m - 2)) - cross

    expected = torch.arccos(hsic(x, y) / (hsic(x, x) * hsic(y, y)).sqrt())
    assert angular_cka(x[None], y[None]).item() == pytest.approx(expected.item(), abs=1e-9)


def test_cka_of_independent_features_is_unbiased_only_when_u_centred():
    """Few examples, wide independent features: the angle should be a right one."""
    x, y = normal(50, 20, 200), normal(50, 20, 200, seed=1)
    assert angular_cka(x, y).mean().item() == pytest.approx(pi / 2, abs=0.04)
    assert angular_cka(x, y, "paper").mean() < 1.3
    assert angular_cka(x, y, "biased").mean() < 0.6


def test_hand_values_of_three_examples():
    x, y = torch.tensor([[[1.0], [0.0], [-1.0]]]), torch.tensor([[[1.0], [-2.0], [1.0]]])
    assert angular_cka(x, y, "biased").item() == pytest.approx(pi / 2, abs=1e-9)
    assert angular_cka(x, y, "paper").item() == pytest.approx(1.910633, abs=1e-6)
    with pytest.raises(ValueError, match="more than 3"):
        angular_cka(x, y, "unbiased")
    with pytest.raises(ValueError, match="paper"):
        angular_cka(x, y, "linear")


@pytest.mark.parametrize("form", FORMS)
def test_cka_is_blind_to_rotation_scale_and_shift(form):
    x = normal(2, 30, 6)
    rotation = torch.linalg.qr(normal(6, 6, seed=3)).Q
    assert (angular_cka(x, x, form) == 0).all()
    assert angular_cka(x, 3.7 * x @ rotation + normal(6, seed=4), form).max() < 1e-6
    torch.testing.assert_close(angular_cka(x, x.flip(0), form), angular_cka(x.flip(0), x, form))


def test_cka_of_a_constant_representation_is_not_a_number():
    assert angular_cka(torch.ones(1, 10, 3), normal(1, 10, 3)).isnan()
