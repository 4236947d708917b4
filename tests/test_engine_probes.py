"""Probes against formulas of their own: plain autograd one example at a time, a Jacobian in float64, units that are
dead by hand."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from networks import mlp, rows
from torch import nn
from torch.func import functional_call
from training import dataset, images

from isthmus.engine import evaluate, probes
from isthmus.engine.architecture import Architecture
from isthmus.engine.layout import Layout
from isthmus.engine.losses import per_example

COUNT = 9
PLAIN = [None, 100.0]


class Convolution(nn.Module):
    """A plain module of two layers, one at every pixel, that takes one network at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.head = nn.Conv2d(2, 3, 3), nn.Linear(3, 3)

    def forward(self, x, activations=False):
        hidden = self.convolution(x).relu()
        logits = self.head(hidden.mean((2, 3)))
        return (logits, {"c0": hidden.movedim(1, -1)}) if activations else logits


def convolution():
    """The architecture of the module above, for images (2, 5, 7)."""
    module = Convolution()
    family = SimpleNamespace(build=lambda *_: Convolution(), symmetry=lambda _: {})
    return Architecture(module, family, {}, Layout.of(module), {}, (2, 5, 7), 3)


def view_of(architecture, theta, data, loss="cross_entropy", anchor=None):
    x, y = data.inputs["train"][:COUNT], data.labels["train"][:COUNT]
    return probes.View(architecture, theta, x, y, loss, anchor)


def regime(lazy):
    """Rows of an MLP, and theta_0 in the kernel regime."""
    architecture = replace(mlp((7, 5)), lazy=lazy)
    theta = rows(architecture, 3)
    return architecture, theta, None if lazy is None else architecture.initial([0, 1, 2])


def output(architecture, row, x, first):
    """Logits (C,) of one example in plain PyTorch, differentiable by the row."""

    def of(values):
        return functional_call(architecture.module, architecture.layout.split(values), (x.unsqueeze(0),))[0]

    return of(row) if first is None else architecture.lazy * (of(row) - of(first))


def norms(view):
    """Each example's gradient norm (R, N) in float64, one example at a time."""
    found = torch.zeros(len(view.theta), len(view.x), dtype=torch.float64)
    for row in range(len(view.theta)):
        first = None if view.anchor is None else view.anchor[row].double()
        for i, (x, y) in enumerate(zip(view.x.double(), view.y, strict=True)):
            theta = view.theta[row].double().requires_grad_()
            logits = output(view.architecture, theta, x, first)
            loss = -torch.log_softmax(logits, 0)[y]
            if view.loss == "squared":
                loss = 0.5 * ((logits - nn.functional.one_hot(y, len(logits))) ** 2).sum()
            found[row, i] = torch.autograd.grad(loss, theta)[0].norm()
    return found


@pytest.mark.parametrize("lazy", PLAIN)
@pytest.mark.parametrize("loss", ["cross_entropy", "squared"])
def test_loss_of_each_example(loss, lazy):
    architecture, theta, first = regime(lazy)
    view = view_of(architecture, theta, dataset(), loss, first)
    found = probes.take("loss", view)["loss"]
    wanted = per_example(loss, architecture.logits(theta, view.x, first), view.y)
    torch.testing.assert_close(found, wanted)
    mean, _ = evaluate.evaluate(architecture, theta, view.x, view.y, first, loss)
    torch.testing.assert_close(found.mean(1).double(), mean, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("lazy", PLAIN)
def test_logits_of_each_example_are_the_modules_own(lazy):
    architecture, theta, first = regime(lazy)
    view = view_of(architecture, theta, dataset(), anchor=first)
    found = probes.take("logits", view)["logits"]
    assert found.shape == (3, COUNT, 3)
    for row in range(3):
        start = None if first is None else first[row]
        wanted = torch.stack([output(architecture, theta[row], x, start) for x in view.x])
        torch.testing.assert_close(found[row], wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("lazy", PLAIN)
@pytest.mark.parametrize("loss", ["cross_entropy", "squared"])
def test_gradient_norm_of_each_example(loss, lazy):
    architecture, theta, first = regime(lazy)
    view = view_of(architecture, theta, dataset(), loss, first)
    found, wanted = probes.take("gradient_norm", view)["gradient_norm"], norms(view)
    # Near a loss of zero what is left of the softmax is rounding.
    torch.testing.assert_close(found.double(), wanted, rtol=1e-4, atol=1e-5 * wanted.max().item())


def test_gradient_norm_of_a_plain_module():
    architecture = convolution()
    theta = 0.3 * torch.randn((2, architecture.layout.size), generator=torch.Generator().manual_seed(0))
    view = view_of(architecture, theta, images())
    found = probes.take("gradient_norm", view)["gradient_norm"]
    torch.testing.assert_close(found.double(), norms(view), rtol=1e-4, atol=1e-6)


def test_gradient_norm_of_the_sheets_example():
    """Softmax regression with p = (0.7, 0.2, 0.1), x = (3, 4), label 0: 0.374166 sqrt(25 + 1)."""
    architecture = mlp((), features=2)
    p = torch.tensor([0.7, 0.2, 0.1])
    theta = torch.cat([torch.zeros(6), p.log()]).unsqueeze(0)
    view = probes.View(architecture, theta, torch.tensor([[3.0, 4.0]]), torch.tensor([0]), "cross_entropy", None)
    assert probes.take("gradient_norm", view)["gradient_norm"].item() == pytest.approx(1.907878, abs=5e-7)


@pytest.mark.parametrize("lazy", PLAIN)
def test_tangent_kernel(lazy):
    architecture, theta, first = regime(lazy)
    view = view_of(architecture, theta, dataset(), anchor=first)
    found = probes.take("kernel", view)["kernel"]
    assert found.shape == (3, COUNT, 3, COUNT, 3)
    for row in range(3):
        start = None if first is None else first[row].double()

        def outputs(values, start=start):
            return torch.stack([output(architecture, values, x, start) for x in view.x.double()]).flatten()

        jacobian = torch.autograd.functional.jacobian(outputs, theta[row].double())
        wanted = (jacobian @ jacobian.T).view(COUNT, 3, COUNT, 3)
        torch.testing.assert_close(found[row].double(), wanted, rtol=1e-4, atol=1e-5 * wanted.abs().max().item())


def test_activations_are_the_modules_own():
    architecture = mlp((7, 5))
    theta = rows(architecture, 3)
    view = view_of(architecture, theta, dataset())
    found = probes.take("activations", view)
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        "activations/h0": (3, COUNT, 7), "activations/h1": (3, COUNT, 5),
    }  # fmt: skip
    for row in range(3):
        values = architecture.layout.split(theta[row])
        hidden = view.x
        for level in range(2):
            hidden = (hidden @ values[f"layers.{level}.weight"].T + values[f"layers.{level}.bias"]).relu()
            torch.testing.assert_close(found[f"activations/h{level}"][row], hidden)


def test_activations_at_every_place_of_an_image():
    architecture = convolution()
    theta = torch.randn((2, architecture.layout.size), generator=torch.Generator().manual_seed(0))
    view = view_of(architecture, theta, images())
    found = probes.take("activations", view)["activations/c0"]
    assert found.shape == (2, COUNT * 3 * 5, 3)
    for row in range(2):
        values = architecture.layout.split(theta[row])
        hidden = nn.functional.conv2d(view.x, values["convolution.weight"], values["convolution.bias"]).relu()
        torch.testing.assert_close(found[row], hidden.permute(0, 2, 3, 1).flatten(0, 2))


def dead_by_hand(architecture, theta, name, units):
    """Rows whose listed units (row, unit) can never be positive: no weights, a negative bias."""
    values = {key: value.clone() for key, value in architecture.layout.split(theta).items()}
    for row, unit in units:
        values[f"{name}.weight"][row, unit] = 0.0
        values[f"{name}.bias"][row, unit] = -1.0
    return architecture.layout.join(values)


def test_dead_units_are_those_that_were_made_dead():
    architecture, x = mlp((7, 5)), dataset(200).inputs["train"]
    units = [(0, 2), (0, 6), (2, 0)]
    theta = dead_by_hand(architecture, rows(architecture, 3), "layers.0", units)
    view = probes.View(architecture, theta, x, torch.zeros(200, dtype=torch.int64), "cross_entropy", None)
    found = probes.take("dead_units", view)
    assert [tuple(place) for place in found["dead_units/h0"].nonzero().tolist()] == units
    assert found["dead_units/h1"].shape == (3, 5)
    assert not found["dead_units/h1"].any()


def test_a_unit_that_one_example_wakes_is_alive():
    """Unit 1 is positive, by very little, on the last of 50 examples alone, unit 0 on none."""
    architecture = mlp((2,), features=1)
    theta = architecture.layout.join({
        "layers.0.weight": torch.tensor([[[1.0], [1.0]]]), "layers.0.bias": torch.tensor([[-49.0, -49.0 + 2**-13]]),
        "layers.1.weight": torch.ones(1, 3, 2), "layers.1.bias": torch.zeros(1, 3),
    })  # fmt: skip
    x = torch.arange(50.0).unsqueeze(1)
    view = probes.View(architecture, theta, x, torch.zeros(50, dtype=torch.int64), "cross_entropy", None)
    assert probes.take("dead_units", view)["dead_units/h0"].tolist() == [[True, False]]


def test_a_channel_is_dead_only_if_it_is_at_every_place():
    architecture = convolution()
    theta = torch.randn((2, architecture.layout.size), generator=torch.Generator().manual_seed(0))
    theta = dead_by_hand(architecture, theta, "convolution", [(1, 2)])
    found = probes.take("dead_units", view_of(architecture, theta, images()))["dead_units/c0"]
    assert found.tolist() == [[False] * 3, [False, False, True]]


@pytest.mark.parametrize("name", probes.PROBES)
def test_pieces_of_rows_and_examples_do_not_show(name, monkeypatch):
    """Where an image's activations are few, and where they are too many to hold at once."""
    architecture, theta, _ = regime(None)
    view = view_of(architecture, theta, dataset())
    whole = probes.take(name, view)
    monkeypatch.setattr(probes, "_GRADIENTS", 2 * theta.shape[1])
    monkeypatch.setattr(evaluate, "_BLOCK", {"cpu": 4 * architecture.widest})
    assert evaluate.blocks(architecture, 3, COUNT)[1] == 4
    pieces = probes.take(name, view)
    assert pieces.keys() == whole.keys()
    for part, values in whole.items():
        torch.testing.assert_close(pieces[part], values)
