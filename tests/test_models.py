"""What holds for every model: many networks at once are each alone, and its symmetries change no function."""

from typing import get_args

import pytest
import torch
from architectures import MODELS, architecture, named
from networks import build, data, rows
from torch.func import functional_call
from torch.nn import functional
from training import recipe, trained

from isthmus import parts
from isthmus.data.prepared import DataSet
from isthmus.engine import probes, serial
from isthmus.engine.recipe import Named, Network, Perturbation
from isthmus.engine.train import Trainer
from isthmus.errors import UserError
from isthmus.models import images, initialise
from isthmus.models.layers import ACTIVATIONS
from isthmus.symmetry import table

STEPS = 3
NETWORKS = (
    Network(0, 0.01),
    Network(1, 0.01, 0, Perturbation(1, "gaussian", 0.01)),
    Network(0, 0.005, 1, Perturbation(2, "batch", 0.01)),
    Network(0, 0.01, 1),
)


def own_inputs(built, count, examples=5):
    """Inputs (count, examples, *shape) that differ from network to network."""
    return data(built, count * examples)[0].unflatten(0, (count, examples))


def alone(built, theta, x, training):
    """Logits of each row by itself (R, N, C): a plain module with plain parameters, for rows' own inputs."""
    module, values = built.module.train(training), built.layout.split(theta)
    each = [{name: value[row] for name, value in values.items()} for row in range(len(theta))]
    return torch.stack([functional_call(module, own, (x[row],)) for row, own in enumerate(each)])


def assert_near(found, wanted, tolerance):
    """To a share of the largest value, or of 1."""
    assert found.shape == wanted.shape
    assert (found - wanted).abs().max() <= tolerance * max(1.0, wanted.abs().max().item())


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_networks_at_once_are_each_network_alone(model, training):
    built = architecture(model)
    theta, x = rows(built, 3), own_inputs(built, 3)
    shared = alone(built, theta, x[:1].expand_as(x), training)
    assert_near(built.logits(theta, x[0], training=training), shared, 1e-5)
    assert_near(built.logits(theta, x, training=training), alone(built, theta, x, training), 1e-5)
    assert not torch.equal(shared[0], shared[1])


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("model", [model for model in MODELS if architecture(model).stacks])
def test_layers_take_several_networks_or_a_single_one(model, training):
    """Without the architecture's choice of how many rows to take at once."""
    built = architecture(model)
    theta, x = rows(built, 3), own_inputs(built, 3)
    wanted = alone(built, theta, x, training)
    for count in (1, 3):
        values = built.layout.split(theta[:count])
        found, hidden = functional_call(built.module, values, (x[:count],), {"activations": True})
        assert_near(found, wanted[:count], 1e-5)
        assert all(of_group.shape[:2] == (count, 5) for of_group in hidden.values())


@pytest.mark.parametrize("model", [model for model in MODELS if architecture(model).stacks])
def test_gradients_of_networks_at_once_are_those_of_each_alone(model):
    built = architecture(model)
    theta, x = rows(built, 3).double(), own_inputs(built, 3).double()
    y = data(built, 15)[1].view(3, 5)

    def gradient(of_rows, logits):
        leaf = of_rows.clone().requires_grad_()
        losses = functional.cross_entropy(logits(leaf).flatten(0, 1), y[: len(leaf)].flatten(), reduction="sum")
        return torch.autograd.grad(losses, leaf)[0]

    built.module.train()
    stacked = gradient(theta, lambda leaf: functional_call(built.module, built.layout.split(leaf), (x,)))
    plain = gradient(theta, lambda leaf: alone(built, leaf, x, training=True))
    assert_near(stacked, plain, 1e-10)
    reached = [bool(plain[:, slot.start : slot.stop].any()) for slot in built.layout.parameters.values()]
    assert all(reached)


@pytest.mark.parametrize("model", MODELS)
def test_each_group_of_the_table_permutes_its_units_and_leaves_the_function(model):
    built = architecture(model)
    theta, x = rows(built, 2).double(), data(built, 6)[0].double()
    sizes = table.group_sizes(built.layout, built.axes)
    logits, hidden = built.logits(theta, x), built.activations(theta, x)
    assert set(built.axes) == set(built.layout.slots)
    assert {group: of_group.shape[2] for group, of_group in hidden.items()} == sizes
    perms = {group: torch.stack([torch.arange(n).roll(1), torch.randperm(n)]) for group, n in sizes.items()}
    for group, of_group in perms.items():
        moved = table.permute(built.layout, built.axes, {group: of_group}, theta)
        assert not torch.equal(moved, theta)
        assert_near(built.logits(moved, x), logits, 1e-12)
        found = built.activations(moved, x)[group]
        assert_near(found, hidden[group].gather(2, of_group.unsqueeze(1).expand_as(found)), 1e-12)
    if perms:
        assert_near(built.logits(table.permute(built.layout, built.axes, perms, theta), x), logits, 1e-12)


def examples(built, count=24):
    """A data set for the model's inputs, with labels by chance."""
    x, y = data(built, count)
    parts = {"train": x, "test": x}, {"train": y, "test": y}
    return DataSet("toy/all/raw", *parts, built.classes, built.shape, (0.0,), (1.0,), "checksum")


def run_of(model, **changes):
    family, settings, _ = MODELS[model]
    changes = {"networks": NETWORKS, "steps": STEPS, "checkpoints": (STEPS,), "batch": 6, **changes}
    return recipe(model=named(family, settings), **changes)


@pytest.mark.parametrize("model", MODELS)
def test_training_knows_no_neighbours_and_is_the_serial_oracle(model):
    run, sample = run_of(model), examples(architecture(model))
    theta = trained(run, sample).tensors["theta"]
    moved = (theta - Trainer(run, run.networks, sample).start().tensors["theta"]).norm(dim=1)
    by_one = torch.cat([trained(run, sample, (network,)).tensors["theta"] for network in NETWORKS])
    oracle = torch.stack([serial.train(run, network, sample) for network in NETWORKS])
    assert moved.min() > 1e-3
    assert ((theta - by_one).norm(dim=1) / moved).max() < 1e-4
    assert ((theta - oracle).norm(dim=1) / moved).max() < 1e-4


@pytest.mark.parametrize("model", MODELS)
def test_training_in_bfloat16_begins_at_the_same_loss(model):
    changes = {"networks": NETWORKS[:2], "steps": 1, "checkpoints": (1,)}
    losses = [
        trained(run_of(model, precision=precision, **changes), examples(architecture(model))).tensors["probe/loss"]
        for precision in ("float32", "bfloat16")
    ]
    torch.testing.assert_close(losses[1], losses[0], rtol=0.05, atol=0.05)


@pytest.mark.parametrize("model", MODELS)
def test_the_gradient_of_one_example_is_probed(model):
    built = architecture(model)
    theta, (x, y) = rows(built, 2), data(built, 2)
    found = probes.take("gradient_norm", probes.View(built, theta, x, y, "cross_entropy", None))["gradient_norm"]
    leaf = theta[1].clone().requires_grad_()
    logits = alone(built, leaf[None], x[None, :1], training=False)[0]
    (gradient,) = torch.autograd.grad(functional.cross_entropy(logits, y[:1]), leaf)
    torch.testing.assert_close(found[1, 0], gradient[: built.layout.trained].norm(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("model", ["cnn", "vgg", "resnet", "vit", "torchvision"])
def test_models_of_images_refuse_flat_inputs(model):
    family, settings, _ = MODELS[model]
    with pytest.raises(UserError, match=r"wanted data of images .*, found inputs of shape \(6,\)"):
        build(named(family, settings), (6,), 3)


def test_a_recurrent_network_refuses_inputs_that_are_no_sequence():
    with pytest.raises(UserError, match=r"model\.rnn: wanted .*, found inputs of shape \(2, 3\)"):
        build(named("rnn", {"widths": [3]}), (2, 3), 3)


@pytest.mark.parametrize(("settings", "key"), [({"patch": 3}, "patch"), ({"heads": 3, "width": 8}, "heads")])
def test_a_vit_refuses_patches_and_heads_that_do_not_fit(settings, key):
    with pytest.raises(UserError, match=rf"model\.vit\.{key}: wanted a divisor of .*, found 3"):
        build(named("vit", settings), (1, 8, 8), 3)


def test_specs_name_what_there_is():
    assert get_args(parts.Activation) == tuple(ACTIVATIONS)
    assert get_args(parts.Init) == initialise.SCHEMES
    assert get_args(parts.Norm) == tuple(images.NORMS)


@pytest.mark.parametrize(("family", "settings", "words"), [
    ("resnet", {"depth": 21}, r"resnet\.depth: wanted 6 n \+ 2, such as 8, 14 or 20, found 21"),
    ("vgg", {"depth": 12}, r"vgg\.depth: wanted 11, 13, 16 or 19, found 12"),
    ("cnn", {"channels": []}, r"cnn\.channels: wanted at least 1 item"),
    ("mlp", {"widths": [3], "dropout": 1.0}, r"mlp\.dropout: wanted less than 1, found 1\.0"),
    ("vit", {"norm": "batch"}, r"vit\.norm: wanted one of the keys patch, .*, found 'norm'"),
    ("rnn", {"widths": [3], "cell": "gru"}, r"rnn\.cell: wanted 'tanh', 'relu' or 'lstm', found 'gru'"),
])  # fmt: skip
def test_settings_out_of_range_are_refused_before_anything_is_built(family, settings, words):
    with pytest.raises(UserError, match=words):
        named(family, settings)


def test_an_unknown_model_is_refused():
    with pytest.raises(UserError, match=r"model: wanted a module of isthmus\.models, found 'perceptron'"):
        build(Named("perceptron"), (6,), 3)
