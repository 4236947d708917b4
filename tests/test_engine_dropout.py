"""Dropout: the stated share of features is left out, the mean stays, and which ones depends on (seed, order, step)
alone; in evaluation nothing is."""

from dataclasses import replace

import pytest
import torch
from networks import data, mlp, rows
from torch import nn
from torch.nn import functional
from training import NETWORKS, dataset, recipe, trained
from training import mlp as named

from isthmus.engine.architecture import Architecture
from isthmus.engine.batches import Batches
from isthmus.engine.dropout import keep
from isthmus.engine.recipe import Network

NETWORK = Network(3, 0.1)
P = 0.4


def architecture(p=P):
    return Architecture.of(recipe(model=named(7, 5, dropout=p)), (6,), 3)


def test_the_layers_and_the_shapes_of_what_they_see():
    assert architecture().dropouts == {"dropouts.0.keep": (P, (7,)), "dropouts.1.keep": (P, (5,))}
    assert architecture(0.0).dropouts == {}
    assert keep({}, [NETWORK], 0, 8) == {}


@pytest.mark.parametrize("p", [0.1, 0.4, 0.75])
def test_the_stated_share_is_left_out_and_the_mean_is_kept(p):
    factors = keep({"a": (p, (50,))}, [NETWORK], 0, 400)["a"]
    assert factors.shape == (1, 400, 50)
    assert factors.unique().tolist() == pytest.approx([0.0, 1 / (1 - p)])
    # Four standard errors of 20 000 draws.
    error = 4 * (p * (1 - p) / 20_000) ** 0.5
    assert (factors == 0).double().mean().item() == pytest.approx(p, abs=error)
    assert factors.double().mean().item() == pytest.approx(1.0, abs=error / (1 - p))


def test_features_examples_and_layers_are_left_out_independently():
    factors = keep({"a": (0.5, (40,)), "b": (0.5, (40,))}, [NETWORK], 0, 200)
    a, b = (factors[name][0].double() - 1 for name in "ab")
    # Correlations of 200 and of 8000 coins: five standard errors.
    assert (torch.corrcoef(a.T) - torch.eye(40)).abs().max() < 5 / 200**0.5
    assert abs((a * b).mean()) < 5 / 8000**0.5


def test_what_is_left_out_belongs_to_seed_order_and_step():
    networks = [NETWORK, replace(NETWORK, lr=0.2), Network(3, 0.1, 1), Network(4, 0.1)]
    dropouts = architecture().dropouts
    first, again, later = (keep(dropouts, networks, step, 8) for step in (5, 5, 6))
    for name in dropouts:
        assert torch.equal(first[name], again[name])
        assert torch.equal(first[name][0], first[name][1])
        found = [first[name][0], first[name][2], first[name][3], later[name][0]]
        assert not any(torch.equal(a, b) for i, a in enumerate(found) for b in found[:i])
        assert torch.equal(keep(dropouts, networks[::-1], 5, 8)[name].flip(0), first[name])


def test_factors_are_applied_after_each_hidden_layer():
    built = architecture()
    theta, (x, _) = rows(built, 2), data(built, 9)
    kept = keep(built.dropouts, [NETWORK, Network(4, 0.1)], 0, 9)
    found = built.logits(theta, x, keep=kept, training=True)
    for row in range(2):
        values, hidden = built.layout.split(theta[row]), x
        for level in range(2):
            hidden = functional.linear(
                hidden, values[f"layers.{level}.weight"], values[f"layers.{level}.bias"]
            ).relu()
            hidden = hidden * kept[f"dropouts.{level}.keep"][row]
        wanted = functional.linear(hidden, values["layers.2.weight"], values["layers.2.bias"])
        torch.testing.assert_close(found[row], wanted)


def test_the_mean_over_many_draws_is_the_output_without_dropout():
    """Of a network without nonlinearity after it: one hidden layer."""
    built = Architecture.of(recipe(model=named(7, dropout=P)), (6,), 3)
    theta, (x, _) = rows(built, 1), data(built, 1)
    kept = keep(built.dropouts, [NETWORK], 0, 20_000)
    outputs = built.logits(theta, x.expand(20_000, -1), keep=kept)[0]
    error = outputs.std(0) / 20_000**0.5
    assert ((outputs.mean(0) - built.logits(theta, x)[0, 0]).abs() < 4.5 * error).all()


def test_in_evaluation_nothing_is_left_out():
    built, plain = architecture(), mlp((7, 5))
    theta, (x, _) = rows(built, 3), data(built, 9)
    assert torch.equal(built.logits(theta, x), plain.logits(theta, x))
    assert built.layout == plain.layout
    assert all(
        torch.equal(a, plain.activations(theta, x)[group]) for group, a in built.activations(theta, x).items()
    )


def test_training_without_a_rate_is_training_without_dropout():
    ends = [
        trained(recipe(model=named(7, 5, **more)), dataset()).tensors["theta"] for more in ({}, {"dropout": 0.0})
    ]
    assert torch.equal(*ends)


def test_a_loss_is_of_the_networks_own_draw_at_that_update():
    """Networks of equal (seed, order) share it, wherever they stand."""
    run = recipe(model=named(7, 5, dropout=P), networks=(*NETWORKS[6:], Network(2, 0.3, 3)), checkpoints=(0, 12))
    built, examples = architecture(), dataset()
    tensors = trained(run, examples).tensors
    chosen = Batches(run.networks, 40, run.batch).at(0)
    x, y = examples.inputs["train"][chosen], examples.labels["train"][chosen]
    logits = built.logits(tensors["step/0/theta"], x, keep=keep(built.dropouts, run.networks, 0, run.batch))
    wanted = nn.functional.cross_entropy(logits.mT, y, reduction="none").mean(1)
    torch.testing.assert_close(tensors["probe/loss"][:, 0], wanted)
    assert tensors["probe/loss"][0, 0] == tensors["probe/loss"][2, 0]
