"""Matching of every family of models: all groups are found, and planted permutations with them."""

import numpy as np
import pytest
import torch
from architectures import MODELS, architecture
from networks import data, rows
from scipy.optimize import linear_sum_assignment

from isthmus.symmetry import table
from isthmus.symmetry.activations import activation_matching
from isthmus.symmetry.covariance import covariance_matching, makers
from isthmus.symmetry.dimension import approximate_dimension, dimensions
from isthmus.symmetry.matching import weight_matching
from isthmus.symmetry.moments import CHANNELS, INPUT, second_moments

GROUPED = [name for name in MODELS if table.group_sizes(architecture(name).layout, architecture(name).axes)]
LAYERED = [name for name in GROUPED if MODELS[name][0] in ("mlp", "cnn", "vgg", "resnet")]
# Attention's heads and the dimensions in them are each other's places: only one of them can be out of order.
TOGETHER = {"heads": ("match", "value"), "match": ("heads",), "value": ("heads",)}


def plant(model, theta, skipped=()):
    """Rows with their units shuffled, except in groups whose names begin with these; what puts them back."""
    sizes = table.group_sizes(model.layout, model.axes)
    drawn, still = table.random(sizes, range(len(theta))), table.identity(sizes, len(theta))
    perms = {group: still[group] if group.startswith(skipped) else p for group, p in drawn.items()}
    return table.permute(model.layout, model.axes, perms, theta), table.inverse(perms)


def alive(h):
    """Units (K, n) that answer to an input (K, N, n) at all, as floats can tell."""
    spread = h.double().std(1)
    return spread > 1e-4 * spread.amax(1, keepdim=True)


@pytest.mark.parametrize("name", GROUPED)
def test_every_group_is_reported_and_found_by_activations(name):
    model = architecture(name)
    theta, (x, _) = rows(model, 2), data(model, 200)
    answers = model.activations(theta, x)
    assert set(answers) == set(table.group_sizes(model.layout, model.axes))
    for skipped in (("heads",), ("match", "value")) if MODELS[name][0] == "vit" else ((),):
        shuffled, expected = plant(model, theta, skipped)
        found = activation_matching(model, theta, shuffled, x)
        assert table.is_bijection(found)
        for group, p in expected.items():
            kind = group.rstrip("0123456789")
            if not any(other not in skipped for other in TOGETHER.get(kind, ())):
                live = alive(answers[group])
                assert live.any()
                assert torch.equal(found[group][live], p[live]), group


@pytest.mark.parametrize("name", LAYERED)
def test_planted_permutations_are_found_by_informed_weights(name):
    model = architecture(name)
    theta, (x, _) = rows(model, 2), data(model, 200)
    shuffled, expected = plant(model, theta)
    moments = second_moments(model, theta, x)
    found = covariance_matching(model.layout, model.axes, theta, shuffled, moments)
    assert all(torch.equal(found.perms[group], p) for group, p in expected.items())
    if not name.startswith("vgg"):  # A deep layer whose inputs are dead knows its units by biases alone: all alike.
        found = covariance_matching(model.layout, model.axes, theta, shuffled, moments, bias=True)
        assert all(torch.equal(found.perms[group], p) for group, p in expected.items())


def informed_loop(model, a, b, moments):
    """Orders of one pair and the sum of all costs, in a plain loop: layers that read ordered groups, then all."""
    parts_a, parts_b = (
        {name: part.numpy() for name, part in model.layout.split(t.double()).items()} for t in (a, b)
    )
    made = makers(model.layout, model.axes)
    groups = list(dict.fromkeys(group for group, _ in made.values()))
    orders = {group: np.arange(size) for group, size in table.group_sizes(model.layout, model.axes).items()}
    for whole in (False, True):
        for group in groups:
            scores = 0
            for weight, (unit, before) in made.items():
                later = before != INPUT and groups.index(before) >= groups.index(group)
                if unit != group or (later and not whole):
                    continue
                w_a, w_b = (parts[weight].reshape(*parts[weight].shape[:2], -1) for parts in (parts_a, parts_b))
                w_b = w_b if before == INPUT else w_b[:, orders[before]]
                second = moments.second[CHANNELS if before == INPUT and parts_a[weight].ndim == 4 else before][0]
                scores = scores + sum(w_a[..., k] @ second.numpy() @ w_b[..., k].T for k in range(w_a.shape[2]))
            orders[group] = linear_sum_assignment(-scores)[1]
    total = 0.0
    for weight, (unit, before) in made.items():
        w_a, w_b = (parts[weight].reshape(*parts[weight].shape[:2], -1) for parts in (parts_a, parts_b))
        w_b = w_b[orders[unit]] if before == INPUT else w_b[orders[unit]][:, orders[before]]
        second = moments.second[CHANNELS if before == INPUT and parts_a[weight].ndim == 4 else before][0]
        total += np.einsum("iak,ab,ibk->", w_a, second.numpy(), w_b)
    return orders, total


@pytest.mark.parametrize("name", LAYERED)
def test_informed_matching_by_a_plain_loop(name):
    model = architecture(name)
    a, b, (x, _) = rows(model, 1), rows(model, 1, seed=50), data(model, 50)
    moments = second_moments(model, a, x)
    found = covariance_matching(model.layout, model.axes, a, b, moments)
    orders, total = informed_loop(model, a[0], b[0], moments)
    assert found.objective.item() == pytest.approx(total, rel=1e-9)
    # Where units are dead, orders behind them are equally good.
    if all(alive(h).all() for h in model.activations(a, x).values()):
        assert all(np.array_equal(found.perms[group][0], p) for group, p in orders.items())


@pytest.mark.parametrize("name", [name for name in GROUPED if MODELS[name][0] in ("vit", "rnn")])
def test_informed_matching_refuses_attention_and_recurrence(name):
    model = architecture(name)
    theta, (x, _) = rows(model, 1), data(model, 20)
    with pytest.raises(ValueError, match="read one group or the input and make another"):
        covariance_matching(model.layout, model.axes, theta, theta, second_moments(model, theta, x))


def test_moments_of_other_inputs_are_refused():
    model, other = architecture("cnn"), architecture("cnn, batch norm")
    theta, (x, _) = rows(model, 1), data(other, 20)
    moments = second_moments(other, rows(other, 1), x)
    with pytest.raises(ValueError, match="wanted moments 'channels' of 1 units, found of 2"):
        covariance_matching(model.layout, model.axes, theta, theta, moments)


def test_moments_count_every_place():
    model = architecture("cnn, batch norm")
    theta, (x, _) = rows(model, 2), data(model, 60)
    moments = second_moments(model, theta, x)
    pixels = x.permute(0, 2, 3, 1).flatten(0, 2).double()
    torch.testing.assert_close(moments.second[CHANNELS][1], pixels.T @ pixels / len(pixels))
    torch.testing.assert_close(moments.mean[CHANNELS][0], pixels.mean(0))
    for group, h in model.activations(theta, x).items():
        h = h.double()
        torch.testing.assert_close(moments.second[group], h.mT @ h / h.shape[1], rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(moments.mean[group], h.mean(1), rtol=1e-5, atol=1e-6)


def test_dimensions_of_a_stream_are_of_all_layers_that_make_it():
    model = architecture("resnet, layer norm")
    theta, (x, _) = rows(model, 1), data(model, 30)
    moments = second_moments(model, theta, x)
    found = dimensions(model.layout, model.axes, theta, moments)
    parts = {name: part[0].double().flatten(1) for name, part in model.layout.split(theta).items() if part.ndim > 2}
    made = [name for name, (group, _) in makers(model.layout, model.axes).items() if group == "stream1"]
    assert len(made) == 2
    expected = approximate_dimension(sum(parts[name] @ parts[name].T for name in made))
    torch.testing.assert_close(found["naive"]["stream1"][0], expected)
    assert set(found["informed"]) == set(table.group_sizes(model.layout, model.axes))


def test_statistics_of_batch_norm_move_but_do_not_count():
    model = architecture("resnet")
    a, b = rows(model, 2), rows(model, 2, seed=50)
    found = weight_matching(model.layout, model.axes, a, b, restarts=0)
    a[:, model.layout.trained :] *= 100
    again = weight_matching(model.layout, model.axes, a, b, restarts=0)
    assert torch.equal(found.objective, again.objective)
    assert all(torch.equal(found.perms[group], p) for group, p in again.perms.items())
