"""REPAIR: the sheet's values, and what it promises of every model."""

from dataclasses import replace

import pytest
import torch
from architectures import MODELS, architecture
from networks import data, mlp, plain, rows
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from isthmus.connectivity.barrier import on_line
from isthmus.engine.evaluate import evaluate
from isthmus.engine.layout import Layout
from isthmus.engine.statistics import refreshed
from isthmus.models.images import BatchNorm2d
from isthmus.symmetry import repair as repairing
from isthmus.symmetry.repair import (
    gain,
    goal,
    repair,
    repaired_line,
    unit_statistics,
    variance_ratio,
    with_biases,
)

NORMED = [model for model in MODELS if architecture(model).layout.trained < architecture(model).layout.size]
FOLDED = [model for model in MODELS if model not in NORMED]
BATCH = 20


def test_repair_interpolates_deviations_not_variances():
    """sd 1 and 3, found 1 at the middle: a gain of 2; averaged variances would give 2.236068."""
    wanted = goal(torch.tensor(1.0), torch.tensor(3.0), 0.5)
    assert gain(wanted, torch.tensor(1.0)).item() == pytest.approx(2, abs=1e-4)


def pair(model, count=2):
    """Architecture, rows a and b, inputs: as REPAIR takes them, BatchNorm's statistics by its own pass."""
    built = architecture(model)
    x = data(built, 3 * BATCH)[0]
    ends = [refreshed(built, rows(built, count, seed), x, BATCH) for seed in (0, 50)]
    return *with_biases(built, *ends), x


@pytest.mark.parametrize("model", MODELS)
def test_repair_at_the_ends_is_the_identity(model):
    built, a, b, x = pair(model)
    assert torch.equal(repair(built, a, b, 0.0, x, BATCH), a)
    assert torch.equal(repair(built, a, b, 1.0, x, BATCH), b)
    assert not torch.equal(repair(built, a, b, 0.5, x, BATCH), torch.lerp(a, b, 0.5))


@pytest.mark.parametrize("model", FOLDED)
def test_repaired_layers_have_the_statistics_wanted(model, monkeypatch):
    # BatchNorm's epsilon would show where a deep network's signal has almost died out.
    monkeypatch.setattr(repairing, "_EPSILON", 1e-12)
    built, a, b, x = pair(model)
    middle, mended = torch.lerp(a, b, 0.3), repair(built, a, b, 0.3, x)
    of_a, of_b, found = (unit_statistics(built, theta, x) for theta in (a, b, mended))
    before = unit_statistics(built, middle, x)
    for name, (mean, sd) in found.items():
        wanted_mean, wanted_sd = (goal(one, other, 0.3) for one, other in zip(of_a[name], of_b[name], strict=True))
        assert ((mean - wanted_mean) / wanted_sd).abs().max() < 1e-3
        assert (sd / wanted_sd - 1).abs().max() < 1e-3
        assert (before[name][1] / wanted_sd - 1).abs().max() > 0.1
    # All that is not the weight or bias of such a layer stays: the head, normalisations, embeddings.
    owners = {name.rpartition(".")[0] for name in found}
    kept = [name for name in built.layout.slots if name.rpartition(".")[0] not in owners]
    parts, old = built.layout.split(mended), built.layout.split(middle)
    assert any(name.startswith(("head", "layers", "network.classifier")) for name in kept)
    assert all(torch.equal(parts[name], old[name]) for name in kept)


@pytest.mark.parametrize("model", MODELS)
def test_a_pair_is_repaired_as_if_alone(model):
    built, a, b, x = pair(model)
    together, alone = repair(built, a, b, 0.3, x, BATCH)[1:2], repair(built, a[1:2], b[1:2], 0.3, x, BATCH)
    if "mlp" in model:
        assert torch.equal(together, alone)
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)


def published(built, a, b, alpha, x):
    """Logits of one interpolated network with a BatchNorm after every layer, which is in train mode and has the
    wanted mean and deviation as its shift and scale (Jordan et al. 2022, code): before any fusing."""
    parts = [part for part in built.module.modules() if isinstance(getattr(part, "weight", None), nn.Parameter)]
    layers = [part for part in parts if part.weight.ndim > 1][:-1]

    def run(row, hook):
        hooks = [part.register_forward_hook(hook) for part in layers]
        logits = plain(built, row, x)
        for handle in hooks:
            handle.remove()
        return logits

    ends = []
    for row in (a, b):
        outputs = {}
        run(row, lambda part, given, out, outputs=outputs: outputs.update({part: out.transpose(0, 1).flatten(1)}))
        ends.append({part: (out.mean(1), out.std(1, correction=0)) for part, out in outputs.items()})

    def normalise(part, given, out):
        mean, sd = (torch.lerp(one[part][i], other[part][i], alpha) for one, other in [ends] for i in (0, 1))
        return functional.batch_norm(out, None, None, sd, mean, training=True)

    return run(torch.lerp(a, b, alpha), normalise)


@pytest.mark.parametrize(
    "model", ["mlp", "cnn", "cnn, layer norm", "cnn, flat", "resnet, layer norm", "resnet, no norm"]
)
def test_repair_is_the_published_network_with_batch_norms(model):
    built, a, b, x = pair(model)
    found = built.logits(repair(built, a, b, 0.4, x), x)
    for row in range(len(a)):
        wanted = published(built, a[row], b[row], 0.4, x)
        torch.testing.assert_close(found[row], wanted, rtol=1e-3, atol=1e-3)
    assert (found[0] - plain(built, torch.lerp(a, b, 0.4)[0], x)).abs().max() > 0.1


@pytest.mark.parametrize("model", NORMED)
def test_with_batch_norm_the_statistics_are_measured_anew_and_nothing_else(model):
    built, a, b, x = pair(model)
    mended, cut = repair(built, a, b, 0.4, x, len(x)), built.layout.trained
    assert torch.equal(mended[:, :cut], torch.lerp(a, b, 0.4)[:, :cut])
    parts, taken = built.layout.split(mended), {}
    names = [name for name, part in built.module.named_modules() if isinstance(part, BatchNorm2d)]
    hooks = [
        built.module.get_submodule(name).register_forward_pre_hook(
            lambda part, given, name=name: taken.update({name: given[0]})
        )
        for name in names
    ]
    functional_call(built.module.train(), built.layout.split(mended[1]), (x,))
    for hook in hooks:
        hook.remove()
    for name in names:
        var, mean = torch.var_mean(taken[name], (0, 2, 3))
        torch.testing.assert_close(parts[f"{name}.running_mean"][1], mean, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(parts[f"{name}.running_var"][1], var, rtol=1e-4, atol=1e-5)
    assert (built.logits(torch.lerp(a, b, 0.4), x) - built.logits(mended, x)).abs().max() > 0.1


def test_biases_that_are_added_change_nothing():
    built = architecture("resnet, layer norm")
    theta, (x, _) = rows(built, 2), data(built, 10)
    wider, moved = with_biases(built, theta)
    assert torch.equal(wider.logits(moved, x), built.logits(theta, x))
    convolutions = sum(len(slot.shape) == 4 for slot in built.layout.slots.values())
    assert len(wider.layout.slots) == len(built.layout.slots) + convolutions
    assert wider.axes["stages.1.0.shortcut.bias"] == ("stream1",)
    assert with_biases(wider, moved) == (wider, moved)
    with pytest.raises(ValueError, match=r"bias.*stem\.weight.*with_biases"):
        repair(built, theta, theta, 0.5, x)


def test_layers_out_of_reach_are_named():
    built = mlp((4,))
    wrapped = nn.Module()
    wrapped.inner, wrapped.spare, wrapped.forward = built.module, nn.Linear(2, 2), built.module.forward
    odd = replace(built, module=wrapped, layout=Layout.of(wrapped))
    with pytest.raises(ValueError, match=r"spare\.weight"):
        unit_statistics(odd, torch.zeros(1, odd.layout.size), data(odd, 4)[0])


@pytest.mark.parametrize("model", ["mlp", "cnn, flat", "resnet, layer norm", "vit", "torchvision"])
def test_unit_statistics_are_those_of_what_modules_put_out(model):
    built = architecture(model)
    theta, x, caught = rows(built, 2), data(built, 30)[0], {}

    found = unit_statistics(built, theta, x)
    modules = [name.removesuffix(".weight") for name in found if name.endswith(".weight")]
    hooks = [
        built.module.get_submodule(name).register_forward_hook(
            lambda part, given, out, name=name: caught.update({name: out.detach().double()})
        )
        for name in modules
    ]
    plain(built, theta[1], x)
    for hook in hooks:
        hook.remove()
    assert len(modules) == {"mlp": 2, "cnn, flat": 3, "resnet, layer norm": 9, "vit": 5, "torchvision": 25}[model]
    for name in modules:
        units = 1 if caught[name].ndim == 4 else -1
        out = caught[name].movedim(units, 0).flatten(1)
        mean, sd = found[f"{name}.weight"]
        torch.testing.assert_close(mean[1], out.mean(1), rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(sd[1], out.std(1, correction=0), rtol=1e-4, atol=1e-6)


def test_unit_statistics_of_attention_by_the_formula():
    built = architecture("vit")
    theta, x, seen = rows(built, 2), data(built, 20)[0], []
    block = built.module.blocks[1]
    hook = block.norm1.register_forward_hook(lambda part, given, out: seen.append(out))
    found = unit_statistics(built, theta, x)
    seen.clear()
    built.logits(theta, x)
    hook.remove()
    for kind in ("match", "value"):
        weight, bias = (
            built.layout.split(theta)[f"blocks.1.attention.{kind}_{part}"] for part in ("weight", "bias")
        )
        out = torch.einsum("rntw,r...w->r...nt", seen[0], weight) + bias[..., None, None]
        mean, sd = found[f"blocks.1.attention.{kind}_weight"]
        out = out.flatten(1, -3).flatten(2).double()
        torch.testing.assert_close(mean, out.mean(2), rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(sd, out.std(2, correction=0), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("model", ["rnn", "lstm"])
def test_unit_statistics_of_a_recurrent_layer_are_of_its_inputs_alone(model):
    built = architecture(model)
    theta, x = rows(built, 2), data(built, 20)[0]
    parts = built.layout.split(theta)
    # Rows of an image, one after the other, all channels of each.
    sequence = x.transpose(1, 2).flatten(2).flatten(0, 1)
    weight, bias = (parts[f"layers.0.{name}"].flatten(1, 2 - (model == "rnn")) for name in ("into_weight", "bias"))
    out = (sequence @ weight.mT + bias.unsqueeze(1)).double()
    mean, sd = unit_statistics(built, theta, x)["layers.0.into_weight"]
    torch.testing.assert_close(mean, out.mean(1), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(sd, out.std(1, correction=0), rtol=1e-4, atol=1e-6)


def test_averaging_two_networks_halves_the_variance():
    built = mlp((2000, 30), features=40)
    a, b, (x, _) = built.initial([0, 1]), built.initial([2, 3]), data(built, 400)
    ratio = variance_ratio(built, a, b, torch.lerp(a, b, 0.5), x)
    assert (ratio["layers.0.weight"] - 0.5).abs().max() < 0.02
    assert (ratio["layers.1.weight"] < 0.3).all()
    mended = variance_ratio(built, a, b, repair(built, a, b, 0.5, x), x)
    of_a, of_b = unit_statistics(built, a, x), unit_statistics(built, b, x)
    for name, found in mended.items():
        sd_a, sd_b = of_a[name][1], of_b[name][1]
        wanted = ((sd_a + sd_b) / 2).square().sum(1) / ((sd_a.square() + sd_b.square()) / 2).sum(1)
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=0)


@pytest.mark.parametrize("model", ["mlp", "resnet, layer norm", "cnn, batch norm"])
def test_a_repaired_line_is_the_repaired_networks_and_ends_where_the_plain_one_ends(model):
    built, a, b, seen = pair(model)
    home = architecture(model)
    # The same networks as they were before `pair` gave them biases.
    bare = [
        home.layout.join({name: built.layout.split(theta)[name] for name in home.layout.slots}) for theta in (a, b)
    ]
    x, y = data(home, 30, seed=5)
    line = repaired_line(home, *bare, seen, x, y, points=5, batch=BATCH)
    straight = on_line(home, *bare, x, y, points=5)
    assert torch.equal(line.alphas, straight.alphas)
    torch.testing.assert_close(line.losses[:, [0, -1]], straight.losses[:, [0, -1]])
    assert torch.equal(line.errors[:, [0, -1]], straight.errors[:, [0, -1]])
    for place, alpha in enumerate(line.alphas.tolist()):
        losses, errors = evaluate(built, repair(built, a, b, alpha, seen, BATCH), x, y)
        assert torch.equal(line.losses[:, place], losses)
        assert torch.equal(line.errors[:, place], errors)
