"""The kicks of the butterfly paper: what they move, how far, and that they depend on the network alone."""

from dataclasses import replace
from itertools import pairwise
from math import sqrt

import pytest
import torch
from networks import mlp, plain
from torch import nn
from training import NETWORKS, STEPS, dataset, recipe, row_of, trained

from isthmus.engine import perturb
from isthmus.engine.architecture import Architecture
from isthmus.engine.layout import Layout
from isthmus.engine.recipe import Network, Perturbation
from isthmus.engine.train import Trainer

PARENT = Network(4, 0.1)


def kicked(kind, at, sigma=0.3, draw=0, network=PARENT):
    return replace(network, perturbation=Perturbation(at, kind, sigma, draw))


def unkicked_gradient(rng):
    raise AssertionError("wanted no gradient for this kind of kick")


def vector(architecture, network, gradient=unkicked_gradient):
    return perturb.kick(architecture, network, gradient)


@pytest.mark.parametrize("kind", perturb.KINDS)
@pytest.mark.parametrize("at", [0, 5, STEPS])
def test_a_kick_of_size_zero_ends_with_the_parents_bits_in_whatever_row(kind, at):
    run, data, child = recipe(), dataset(), kicked(kind, at, 0.0)
    parent = row_of(run, data, PARENT)
    for networks in ((PARENT, child), (child, *NETWORKS), (*NETWORKS, child), (child,)):
        theta = trained(run, data, networks).tensors["theta"]
        assert torch.equal(theta[networks.index(child)], parent)


@pytest.mark.parametrize("kind", perturb.KINDS)
def test_a_kick_that_is_not_zero_ends_elsewhere(kind):
    run, data = recipe(), dataset()
    assert not torch.equal(row_of(run, data, kicked(kind, 5)), row_of(run, data, PARENT))


@pytest.mark.parametrize("kind", ["gaussian", "batch"])
@pytest.mark.parametrize("steps", [0, STEPS])
def test_a_kick_at_the_end_leaves_a_distance_of_sigma_times_the_scale(kind, steps):
    data, sigma = dataset(), 0.3
    run = recipe(steps=steps, checkpoints=(steps,))
    scale = perturb.scale(Architecture.of(run, data.shape, data.classes))
    distance = (row_of(run, data, kicked(kind, steps, sigma)) - row_of(run, data, PARENT)).double().norm()
    assert distance.item() == pytest.approx(sigma * scale, rel=1e-6)


def test_a_kick_at_the_end_without_training_is_the_kick_itself():
    run, data, child = recipe(steps=0, checkpoints=(0,)), dataset(), kicked("gaussian", 0)
    architecture = Architecture.of(run, data.shape, data.classes)
    moved = row_of(run, data, child) - architecture.initial([PARENT.seed])[0]
    torch.testing.assert_close(moved, vector(architecture, child).float(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", perturb.KINDS)
def test_biases_are_never_kicked(kind):
    run, data = recipe(), dataset()
    trainer = Trainer(run, (PARENT, kicked(kind, 0)), data)
    state = trainer.start()
    before = state.tensors["theta"].clone()
    trainer._arrive(state)
    moved = (state.tensors["theta"] - before)[1]
    parameters = trainer.architecture.layout.split(moved)
    assert not any(values.any() for name, values in parameters.items() if name.endswith("bias"))
    weights = sum(values.numel() for name, values in parameters.items() if name.endswith("weight"))
    # A unit that is off on the whole batch has no gradient.
    least, most = {"weight": (1, 1), "gaussian": (weights, weights), "batch": (weights // 3, weights)}[kind]
    assert least <= moved.count_nonzero() <= most
    assert state.tensors["probe/changed"].tolist() == [0, moved.count_nonzero()]


def test_one_weight_moves_by_so_many_of_its_initial_standard_deviations():
    architecture = mlp((20, 20), features=10)
    draws = torch.stack([vector(architecture, kicked("weight", 0, 1.0, draw)) for draw in range(400)])
    assert ((draws != 0).sum(1) == 1).all()
    std = perturb.initial_std(architecture)
    places = (draws != 0).int().argmax(1)
    sizes = draws.sum(1) / std[places]
    # 400 draws of a standard normal: four standard errors.
    assert abs(sizes.mean()) < 0.2
    assert sizes.std().item() == pytest.approx(1.0, abs=0.15)
    # 660 weights: 200 + 400 + 60, chosen with equal chance.
    share = ((places >= 220) & (places < 620)).double().mean().item()
    assert share == pytest.approx(400 / 660, abs=0.1)


def test_the_gaussian_direction_has_each_layers_initial_spread():
    architecture = mlp((50, 50), features=40)
    kick = architecture.layout.split(vector(architecture, kicked("gaussian", 0, 1.0)))
    for name, fan_in in (("layers.0.weight", 40), ("layers.1.weight", 50), ("layers.2.weight", 50)):
        assert kick[name].std().item() == pytest.approx(sqrt(2 / fan_in), rel=0.25 if "2" in name else 0.1)


def test_the_direction_depends_on_seed_kind_time_and_draw_and_not_on_sigma():
    architecture = mlp((5,))
    base = vector(architecture, kicked("gaussian", 3, 1.0))
    torch.testing.assert_close(vector(architecture, kicked("gaussian", 3, 0.01)), 0.01 * base)
    torch.testing.assert_close(vector(architecture, kicked("gaussian", 3, 1.0, 0, Network(4, 0.7, 2))), base)
    others = [kicked("gaussian", 3, 1.0, draw=1), kicked("gaussian", 4, 1.0)]
    others.append(kicked("gaussian", 3, 1.0, 0, Network(5, 0.1)))
    vectors = [base, *(vector(architecture, other) for other in others)]
    for a, b in pairwise(vectors):
        assert abs(torch.cosine_similarity(a, b, dim=0)) < 0.9


def test_the_batch_direction_is_uphill_on_one_fresh_batch():
    run, data = recipe(steps=0, checkpoints=(0,)), dataset()
    x, y = data.inputs["train"], data.labels["train"]
    architecture = Architecture.of(run, data.shape, data.classes)
    start = architecture.initial([PARENT.seed])[0]
    seen = []

    def gradient(rng):
        seen.append(torch.from_numpy(rng.permutation(len(x))[: run.batch]))
        row = start.clone().requires_grad_()
        loss = nn.functional.cross_entropy(plain(architecture, row, x[seen[0]]), y[seen[0]])
        return torch.autograd.grad(loss, row)[0]

    child = kicked("batch", 0, 0.01)
    moved = vector(architecture, child, gradient).float()
    torch.testing.assert_close(row_of(run, data, child) - start, moved, rtol=1e-3, atol=1e-6)
    before, after = architecture.logits(torch.stack([start, start + moved]), x[seen[0]])
    assert nn.functional.cross_entropy(after, y[seen[0]]) > nn.functional.cross_entropy(before, y[seen[0]])


def test_the_scale_of_the_laptop_network():
    # sqrt(2 * (100 + 100 + 100 + 10))
    assert perturb.scale(mlp((100, 100, 100), features=40, classes=10)) == pytest.approx(24.899799, abs=5e-7)


def resnet20_width_32():
    """The parameters of the paper's network: convolutions without bias, norms, a linear head with bias."""
    with torch.device("meta"):
        stages = [(3, 32, 1), (32, 32, 6), (32, 64, 1), (64, 64, 5), (64, 128, 1), (128, 128, 5)]
        shapes = [(a, b, 3) for a, b, count in stages for _ in range(count)] + [(32, 64, 1), (64, 128, 1)]
        convolutions = [nn.Conv2d(a, b, kernel, bias=False) for a, b, kernel in shapes]
        norms = [nn.BatchNorm2d(convolution.out_channels) for convolution in convolutions]
        return nn.ModuleList([*convolutions, *norms, nn.Linear(128, 10)])


def test_the_scale_of_the_papers_network():
    layout = Layout.of(resnet20_width_32())
    architecture = Architecture(None, None, {"init": "he"}, layout, {}, (3, 32, 32), 10)
    # sqrt(2 * 1578): twice the sum of output channels
    assert perturb.scale(architecture) == pytest.approx(56.178288, abs=5e-7)
    std = perturb.initial_std(architecture)
    reached = [name for name, slot in layout.slots.items() if std[slot.start : slot.stop].any()]
    assert (len(reached), len(layout.parameters)) == (22, 65)


def test_the_normalisation_example_of_the_sheet_without_its_bias():
    """Ten weights of unit standard deviation along (-5, ..., 4): sqrt(10 / 85); the bias 2 does not count."""
    architecture = mlp((), features=1, classes=10)
    architecture = replace(architecture, settings={**architecture.settings, "init": "lecun"})
    direction = torch.cat([torch.arange(-5.0, 5.0), torch.full((10,), 2.0)])
    kick = vector(architecture, kicked("batch", 0, 1.0), lambda rng: direction)
    assert kick[0] / -5 == pytest.approx(0.342997, abs=5e-7)
    torch.testing.assert_close(kick, torch.cat([0.342997 * torch.arange(-5.0, 5.0), torch.zeros(10)]).double(),
                               rtol=1e-5, atol=0)  # fmt: skip
