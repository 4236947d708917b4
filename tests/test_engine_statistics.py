"""BatchNorm's statistics come from one explicit pass that is PyTorch's own, and stand in every row that is kept;
training itself neither keeps nor needs any."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.func import functional_call
from training import NETWORKS, STEPS, dataset, fleet, images, recipe, trained

from isthmus.engine import architecture
from isthmus.engine.architecture import Architecture
from isthmus.engine.probes import View, take
from isthmus.engine.recipe import Branch, Probe
from isthmus.engine.statistics import refreshed
from isthmus.engine.train import Trainer
from isthmus.parts import Model

CNN = Model(cnn={"channels": (3, 4), "norm": "batch", "pool": "none"}).named()
# By one grouped convolution, or each row by itself, as large batches are.
WAYS = {"together": 1 << 30, "one by one": 0}


@pytest.fixture(params=WAYS)
def way(request, monkeypatch):
    monkeypatch.setattr(architecture, "_FILLS", {"cpu": WAYS[request.param]})


def convnet(**changes):
    return recipe(model=CNN, **changes)


def architecture_of(run, data):
    return Architecture.of(run, data.shape, data.classes)


def rows_of(built, count=3):
    """Initial rows, with scales and shifts of their own."""
    generator = torch.Generator().manual_seed(0)
    theta = built.initial([*range(count)])
    trained = torch.arange(built.layout.size) < built.layout.trained
    return theta + 0.1 * torch.randn(theta.shape, generator=generator) * trained


def twin(built, row, momentum=0.1):
    """The same network of PyTorch's own layers, with the row's values."""
    convolutions = [nn.Conv2d(a, b, 3, padding=1, bias=False) for a, b in ((2, 3), (3, 4))]
    norms = [nn.BatchNorm2d(count, momentum=momentum) for count in (3, 4)]
    module = nn.Sequential()
    for convolution, norm in zip(convolutions, norms, strict=True):
        module.extend([convolution, norm, nn.ReLU()])
    module.extend([nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)])
    values = built.layout.split(row)
    parts = {**{f"convolutions.{k}": part for k, part in enumerate(convolutions)},
             **{f"norms.{k}": part for k, part in enumerate(norms)}, "layers.0": module[-1]}  # fmt: skip
    for name, part in parts.items():
        own = {key.removeprefix(f"{name}."): value for key, value in values.items() if key.startswith(f"{name}.")}
        part.load_state_dict({**part.state_dict(), **own})
    return module, norms


def statistics(built, theta):
    """What lies behind the trained columns, in the layout's order: mean and variance of each norm."""
    return theta[..., built.layout.trained :]


@pytest.mark.parametrize("examples", [40, 45])
def test_the_pass_is_pytorchs_cumulative_average_over_the_full_batches(examples, way):
    """torch.nn.BatchNorm2d with momentum=None, in training mode: unbiased variances, layers behind each other."""
    data = images(examples=examples)
    built, x = architecture_of(convnet(), data), data.inputs["train"]
    theta = rows_of(built)
    found = refreshed(built, theta, x, 8)
    for row in range(len(theta)):
        module, norms = twin(built, theta[row], momentum=None)
        with torch.no_grad():
            for start in range(0, 40, 8):
                module.train()(x[start : start + 8])
        wanted = torch.cat([value for norm in norms for value in (norm.running_mean, norm.running_var)])
        torch.testing.assert_close(statistics(built, found[row]), wanted, rtol=1e-5, atol=1e-6)
        with torch.no_grad():
            torch.testing.assert_close(built.logits(found, x)[row], module.eval()(x), rtol=1e-4, atol=1e-5)
    assert torch.equal(found[:, : built.layout.trained], theta[:, : built.layout.trained])


def test_what_a_row_held_before_and_who_its_neighbours_are_does_not_matter(way):
    data = images()
    built, x = architecture_of(convnet(), data), data.inputs["train"]
    theta = rows_of(built)
    other = theta.clone()
    other[:, built.layout.trained :] = 7.0
    found = refreshed(built, theta, x, 8)
    assert torch.equal(refreshed(built, other, x, 8), found)
    torch.testing.assert_close(refreshed(built, theta[1:2], x, 8), found[1:2])
    torch.testing.assert_close(refreshed(built, theta.flip(0), x, 8).flip(0), found)


def test_rows_without_statistics_come_back_as_they_are():
    built = architecture_of(recipe(), dataset())
    theta = built.initial([0, 1])
    assert refreshed(built, theta, dataset().inputs["train"], 8) is theta


def test_examples_that_make_no_batch_are_refused():
    data = images()
    built = architecture_of(convnet(), data)
    with pytest.raises(ValueError, match=r"^wanted at least one batch of 41 examples, found 40$"):
        refreshed(built, built.initial([0]), data.inputs["train"], 41)


def test_every_row_that_is_kept_has_the_statistics_of_the_training_set(way):
    run, data = convnet(augment={"flip": True}), images()
    tensors, built = trained(run, data).tensors, architecture_of(run, data)
    for step in run.checkpoints:
        kept = tensors[f"step/{step}/theta"]
        wanted = refreshed(built, kept, data.inputs["train"], run.batch)
        torch.testing.assert_close(kept, wanted)
        assert statistics(built, kept).abs().min() > 0


def test_training_takes_each_batch_by_its_own_statistics():
    """Rows that begin with others end at the same parameters, and the first loss is PyTorch's in training mode."""
    run, data = convnet(), images()
    trainer = Trainer(run, NETWORKS, data)
    plain, odd = trainer.start(), trainer.start()
    statistics(trainer.architecture, odd.tensors["theta"])[:] = 7.0
    chosen = trainer.updates.batches.at(0)
    first = plain.tensors["theta"].clone()
    plain, odd = trainer.run(plain), Trainer(run, NETWORKS, data).run(odd)
    trained = slice(trainer.architecture.layout.trained)
    assert torch.equal(plain.tensors["theta"][:, trained], odd.tensors["theta"][:, trained])
    assert torch.equal(plain.tensors[f"step/{STEPS}/theta"], odd.tensors[f"step/{STEPS}/theta"])
    for row in (0, 6, 7):
        module, _ = twin(trainer.architecture, first[row])
        x, y = data.inputs["train"][chosen[row]], data.labels["train"][chosen[row]]
        wanted = nn.functional.cross_entropy(module.train()(x), y).detach()
        torch.testing.assert_close(plain.tensors["probe/loss"][row, 0], wanted)


def test_a_branch_goes_on_whatever_statistics_its_parent_was_kept_with(tmp_path):
    run, data = convnet(memory=(5,), networks=NETWORKS[6:]), images()
    first = fleet(run, data, tmp_path)
    networks = tuple(replace(network, parent=row) for row, network in enumerate(run.networks))
    child = replace(run, networks=networks, branch=Branch(run, 5, True), checkpoints=(5, STEPS), memory=())
    second = fleet(child, data, tmp_path, first)
    for step in (5, STEPS):
        assert torch.equal(second.thetas[step], first.thetas[step])


def test_the_gradient_of_an_example_is_taken_with_the_rows_statistics(way):
    """In evaluation mode, so that no other example comes in, and over parameters alone."""
    run, data = convnet(probes=(Probe("gradient_norm", (STEPS,), 6),)), images()
    tensors, built = trained(run, data).tensors, architecture_of(run, data)
    theta, x, y = tensors[f"step/{STEPS}/theta"], data.inputs["train"], data.labels["train"]
    found = tensors[f"probe/gradient_norm/{STEPS}"]
    alone = take("gradient_norm", View(built, theta, x[3:4], y[3:4], "cross_entropy", None))["gradient_norm"]
    torch.testing.assert_close(alone[:, 0], found[:, 3])
    built.module.eval()
    for row in (0, 5):
        values = built.layout.split(theta[row])
        leaves = {name: values[name].clone().requires_grad_() for name in built.layout.parameters}
        logits = functional_call(built.module, {**values, **leaves}, (x[3:4],))
        loss = nn.functional.cross_entropy(logits, y[3:4])
        parts = torch.autograd.grad(loss, [*leaves.values()])
        wanted = torch.cat([part.flatten() for part in parts]).norm()
        torch.testing.assert_close(found[row, 3], wanted, rtol=1e-4, atol=1e-6)
