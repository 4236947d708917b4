"""Initial values: they belong to a seed, and each scheme draws what it says."""

from math import sqrt

import numpy as np
import pytest
import torch
from architectures import MODELS, architecture, named
from networks import build, mlp
from torch import nn

from isthmus.engine import perturb
from isthmus.engine.streams import stream
from isthmus.errors import UserError
from isthmus.models.images import Conv2d
from isthmus.models.initialise import SCHEMES, draw, weight_std
from isthmus.models.layers import Linear
from isthmus.models.rnn import Recurrent
from isthmus.models.roles import Role

SIX_SIGMA = 6.0


@pytest.mark.parametrize("model", MODELS)
def test_initial_rows_depend_on_the_seed_alone(model):
    built = architecture(model)
    theta = built.initial([3, 1, 3, 2])
    assert torch.equal(theta[0], theta[2])
    assert torch.equal(theta[1:2], built.initial([1]))
    assert len(theta.unique(dim=0)) == 3
    torch.manual_seed(5)
    state = torch.get_rng_state()
    assert torch.equal(built.initial([3])[0], theta[0])
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("model", [model for model in MODELS if model != "torchvision"])
def test_each_role_begins_as_its_scheme_says(model, scheme):
    family, settings, shape = MODELS[model]
    built = build(named(family, {**settings, "init": scheme}), shape, 3)
    values = built.layout.split(built.initial(list(range(40))))
    squares = []
    for name, slot in built.layout.slots.items():
        value, role = values[name], slot.role
        match role.kind:
            case "weight":
                squares.append((value / weight_std(scheme, slot.shape, role)).square().flatten(1))
            case "bias" if scheme == "pytorch":
                bound = 1 / sqrt(role.units or role.fan_in)
                assert value.abs().max() <= bound
                squares.append((value / bound * sqrt(3)).square().flatten(1))
            case "bias" | "shift":
                assert not value.any()
            case "scale":
                assert (value == 1).all()
            case "embedding":
                squares.append((value / 0.02).square().flatten(1))
            case "own":
                assert (value == (1.0 if name.endswith("var") else 0.0)).all()
    mean = torch.cat(squares, dim=1).mean(1)
    assert abs(mean.mean() - 1) < SIX_SIGMA * mean.std() / sqrt(len(mean)) + 1e-6


def test_published_mlps_begin_at_the_values_that_they_always_had():
    """One stream, layer by layer: what the committed results rest on."""
    rng = stream(7, "initialise")
    first, second = rng.standard_normal((5, 6)) * sqrt(2 / 6), rng.standard_normal((3, 5)) * sqrt(2 / 5)
    parts = [first.ravel(), np.zeros(5), second.ravel(), np.zeros(3)]
    assert torch.equal(mlp((5,)).initial([7])[0], torch.from_numpy(np.concatenate(parts).astype(np.float32)))


def test_lecun_weights_are_cut_at_two_standard_deviations_of_the_normal_before_rescaling():
    role = Role("weight", 300)
    module = Linear(300, 400)
    largest = {}
    for init in ("he", "lecun"):
        drawn = draw(module, init, stream(0, "initialise"))["weight"]
        largest[init] = drawn.abs().max().item() / weight_std(init, (400, 300), role)
        assert drawn.std().item() == pytest.approx(weight_std(init, (400, 300), role), rel=0.02)
    assert 2.2 < largest["lecun"] < 2 / 0.8796
    assert largest["he"] > 4


@pytest.mark.parametrize(
    ("ours", "torchs"),
    [
        (Linear(40, 300), nn.Linear(40, 300)),
        (Conv2d(8, 90, 3), nn.Conv2d(8, 90, 3)),
        (Recurrent(30, 60, "tanh"), nn.RNN(30, 60)),
        (Recurrent(30, 60, "lstm"), nn.LSTM(30, 60)),
    ],
    ids=["linear", "convolution", "recurrent", "lstm"],
)
def test_pytorchs_scheme_is_pytorchs_own_start(ours, torchs):
    drawn = draw(ours, "pytorch", stream(0, "initialise"))
    # Not strict: torch's recurrent layers have a second bias.
    for value, theirs in zip(drawn.values(), torchs.parameters(), strict=False):
        count = value.numel()
        assert count == theirs.numel()
        # The largest of n uniform draws misses the bound by about 1 / n, their spread by 0.45 / sqrt(n) of itself.
        assert value.abs().max().item() == pytest.approx(theirs.abs().max().item(), rel=12 / count)
        assert value.std().item() == pytest.approx(theirs.std().item(), rel=SIX_SIGMA * 0.64 / sqrt(count))


@pytest.mark.parametrize(
    "module", [Linear(7, 4), Linear(4, 7), Conv2d(2, 30, 3), Conv2d(4, 5, 3), Recurrent(3, 5, "lstm")]
)
def test_orthogonal_weights_have_orthonormal_rows_or_columns(module):
    name, weight = next(iter(draw(module, "orthogonal", stream(1, "initialise")).items()))
    matrix = weight.reshape(-1, module.get_parameter(name).role.fan_in)
    gram = matrix @ matrix.T if len(matrix) <= matrix.shape[1] else matrix.T @ matrix
    torch.testing.assert_close(gram, torch.eye(len(gram)), atol=1e-6, rtol=0)


def test_orthogonal_matrices_are_uniform():
    """The mean of a uniform rotation is 0; without the signs the diagonal's would not be."""
    rng = stream(0, "rotations")
    mean = torch.stack([draw(Linear(3, 3), "orthogonal", rng)["weight"] for _ in range(2000)]).mean(0)
    assert mean.abs().max() < SIX_SIGMA / sqrt(3 * 2000)


@pytest.mark.parametrize("scheme", ["xavier", "own"])
def test_an_unknown_scheme_is_refused(scheme):
    with pytest.raises(UserError, match=rf"model\.init: wanted one of he, .*orthogonal, found '{scheme}'"):
        weight_std(scheme, (3, 3), Role("weight", 3))


def test_the_scale_of_a_kick_counts_weights_alone_by_their_own_fan_in():
    """The sheet's network: 22 of 65 tensors, and the square root of twice the sum of output channels, 1578."""
    built = build(named("resnet", {"width": 32, "norm": "layer"}), (3, 32, 32), 10)
    assert perturb.scale(built) == pytest.approx(56.178288, abs=5e-7)
    std = perturb.initial_std(built)
    reached = [name for name, slot in built.layout.slots.items() if std[slot.start : slot.stop].any()]
    assert (len(reached), len(built.layout.parameters)) == (22, 65)


@pytest.mark.parametrize(("model", "count"), [("vit", 2 + 2 * 5), ("lstm", 2 * 2 + 1), ("torchvision", 26)])
def test_kicks_reach_weights_and_no_embedding_bias_or_norm(model, count):
    built = architecture(model)
    std = perturb.initial_std(built)
    reached = {name for name, slot in built.layout.slots.items() if std[slot.start : slot.stop].any()}
    assert len(reached) == count
    assert all("weight" in name and "norm" not in name for name in reached)
