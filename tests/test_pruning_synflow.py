"""What flows into a unit flows out of it, whatever the network; and so no layer is lost before the others."""

import pytest
import torch
from architectures import MODELS, architecture
from networks import data, mlp, rows

from isthmus.pruning.masks import counts, density, magnitude, prunable
from isthmus.pruning.synflow import flow, synflow
from isthmus.pruning.units import dead_units, degrees

LINEAR = [name for name in MODELS if not name.startswith(("vit", "lstm"))]
NORMALISED = [name for name in LINEAR if "batch norm" in name or "layer norm" in name or name in ("vgg", "resnet")]
# One layer behind another, each read by the next alone.
CHAINS = [name for name in LINEAR if name.startswith(("mlp", "cnn", "vgg"))]


def closed_form(model, row):
    """Name -> |W_l| times the product of all layers behind it and of all before it, of a multilayer perceptron."""
    weights = [value.double().abs() for name, value in model.layout.split(row).items() if name.endswith("weight")]
    found = {}
    for level, weight in enumerate(weights):
        before = torch.ones(weights[0].shape[1], dtype=torch.float64)
        for earlier in weights[:level]:
            before = earlier @ before
        behind = torch.ones(len(weights[-1]), dtype=torch.float64)
        for later in reversed(weights[level + 1 :]):
            behind = behind @ later
        found[f"layers.{level}.weight"] = behind[:, None] * weight * before
    return found


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_it_is_the_product_of_the_layers_magnitudes(activation):
    """Of a network with biases, which count for nothing."""
    model = mlp((7, 5, 4), activation=activation)
    theta = rows(model, 3)
    for row, scores in zip(theta, flow(model, theta), strict=True):
        found = model.layout.split(scores)
        for name, wanted in closed_form(model, row).items():
            torch.testing.assert_close(found[name], wanted, rtol=1e-12, atol=0)
            assert not found[name.replace("weight", "bias")].any()


@pytest.mark.parametrize("model", LINEAR)
def test_what_flows_into_a_unit_flows_out_of_it(model):
    """Tanaka et al. (2020), theorem 1, of residual streams and recurrent units as well."""
    model = architecture(model)
    into, out = degrees(model.layout, model.axes, flow(model, rows(model, 2)))
    assert {*into} == {*out}
    for group, entering in into.items():
        assert (entering > 0).all()
        torch.testing.assert_close(entering, out[group], rtol=1e-10, atol=0)


@pytest.mark.parametrize("model", CHAINS)
def test_every_layer_of_a_chain_has_the_same_flow(model):
    """Theorem 2: the sum of the outputs."""
    model = architecture(model)
    parts = model.layout.split(flow(model, rows(model, 2)))
    sums = torch.stack([parts[name].flatten(1).sum(1) for name in prunable(model.layout)])
    torch.testing.assert_close(sums, sums[:1].expand_as(sums), rtol=1e-10, atol=0)


@pytest.mark.parametrize("model", NORMALISED)
def test_normalisations_count_for_nothing(model):
    model = architecture(model)
    theta = rows(model, 2)
    changed = theta.clone()
    for slot in model.layout.slots.values():
        if slot.role.kind in ("scale", "shift", "own"):
            changed[:, slot.start : slot.stop] += 3.0
    scores = flow(model, theta)
    weights = torch.cat([torch.arange(slot.start, slot.stop) for slot in prunable(model.layout).values()])
    assert not torch.equal(changed, theta)
    assert torch.equal(flow(model, changed)[:, weights], scores[:, weights])


@pytest.mark.parametrize("model", [name for name in MODELS if name not in LINEAR])
def test_attention_and_gates_are_refused(model):
    model = architecture(model)
    with pytest.raises(ValueError, match=r"^synflow: wanted layers that are linear in their weights, found '.+'$"):
        flow(model, rows(model, 1))


def test_iterations_are_the_algorithms():
    """One row, by the closed form, and weights sorted one by one."""
    model = mlp((7, 5))
    theta, slots, iterations = rows(model, 2), prunable(model.layout), 7
    found = synflow(model, slots, theta, 0.15, iterations)
    total = sum(slot.stop - slot.start for slot in slots.values())
    for row, mask in zip(theta, found, strict=True):
        kept = torch.ones_like(row, dtype=torch.bool)
        for k in range(1, iterations + 1):
            scores = closed_form(model, row * kept)
            ranked = sorted(
                ((v, name, i) for name, s in scores.items() for i, v in enumerate(s.flatten().tolist()))
            )
            for _, name, i in ranked[: total - round(0.15 ** (k / iterations) * total)]:
                kept[slots[name].start + i] = False
        assert torch.equal(mask, kept)


@pytest.mark.parametrize("model", ["vgg", "narrow"])
def test_no_layer_is_lost_where_magnitudes_lose_one(model):
    """Two weights a layer are left on average: in one shot by |w| wide layers lose them all, and nothing passes."""
    model = architecture("vgg") if model == "vgg" else mlp((64, 8, 64), features=8)
    theta, slots = model.initial([0, 1, 2, 3]), prunable(model.layout)
    share = 2 * len(slots) / sum(slot.stop - slot.start for slot in slots.values())
    one_shot = magnitude(slots, theta, torch.ones_like(theta, dtype=torch.bool), share)
    slow = synflow(model, slots, theta, share)
    assert torch.equal(density(slots, slow), density(slots, one_shot))
    lost = torch.stack([kept == 0 for kept in counts(slots, one_shot).values()])
    assert lost.any(0).all()
    assert not flow(model, theta * one_shot).any()
    assert torch.stack([*counts(slots, slow).values()]).min() >= 1
    assert flow(model, theta * slow).any(1).all()


def test_every_weight_that_is_left_lies_on_a_path():
    """Units are lost whole: none is read without being fed, or fed without being read."""
    model = mlp((16, 16))
    theta, slots = rows(model, 3), prunable(model.layout)
    mask = synflow(model, slots, theta, 0.1)
    assert torch.equal(flow(model, theta * mask) > 0, mask & (flow(model, theta) > 0))
    into, out = degrees(model.layout, model.axes, mask)
    for group, entering in into.items():
        assert torch.equal(entering == 0, out[group] == 0)
    assert all((dead > 0).all() for dead in dead_units(model.layout, model.axes, mask).values())


def test_a_row_is_pruned_as_if_alone_and_the_network_stays_as_it_is():
    model = architecture("cnn, batch norm")
    theta, slots, (x, _) = rows(model, 4), prunable(model.layout), data(model, 5)
    before = model.logits(theta, x)
    together = synflow(model, slots, theta, 0.2, 10)
    assert torch.equal(torch.cat([synflow(model, slots, row[None], 0.2, 10) for row in theta]), together)
    assert torch.equal(model.logits(theta, x), before)
