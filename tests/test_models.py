"""Models: what a module computes, what its initial values are drawn from, and where they lie in a row."""

import numpy as np
import pytest
import torch
from networks import data, mlp, rows
from torch import nn

from isthmus.engine.architecture import Architecture
from isthmus.engine.layout import Layout
from isthmus.engine.recipe import Named, Recipe
from isthmus.errors import UserError
from isthmus.models.initialise import weight_std


def architecture(init, features=300, widths=(400,)):
    model = Named("mlp", {"widths": list(widths), "activation": "relu", "init": init})
    return Architecture.of(Recipe("", model, Named("sgd"), Named("constant"), 1, 1, (), 1, ()), (features,), 10)


@pytest.mark.parametrize(("init", "gain"), [("he", 2.0), ("lecun", 1.0)])
def test_weights_have_the_schemes_spread_and_biases_are_zero(init, gain):
    built = architecture(init)
    parameters = built.layout.split(built.initial([0])[0])
    for level, fan_in in enumerate((300, 400)):
        weight = parameters[f"layers.{level}.weight"]
        wanted = (gain / fan_in) ** 0.5
        # A standard deviation of n draws has a relative error of 1 / sqrt(2 n); five of these.
        assert weight.std().item() == pytest.approx(wanted, rel=5 / (2 * weight.numel()) ** 0.5)
        assert abs(weight.mean().item()) < 5 * wanted / weight.numel() ** 0.5
        assert weight_std(init, weight.shape) == pytest.approx(wanted)
        assert not parameters[f"layers.{level}.bias"].any()


def test_lecun_weights_are_cut_at_two_standard_deviations_of_the_normal_before_rescaling():
    drawn = {init: architecture(init).initial([0])[0][: 300 * 400] for init in ("he", "lecun")}
    largest = {init: (values.abs().max() / weight_std(init, (400, 300))).item() for init, values in drawn.items()}
    assert 2.2 < largest["lecun"] < 2 / 0.8796
    assert largest["he"] > 4


def test_fan_in_is_all_axes_but_the_first():
    assert weight_std("he", (64, 16, 3, 3)) == pytest.approx((2 / 144) ** 0.5)


def test_an_unknown_scheme_is_refused():
    with pytest.raises(UserError, match=r"model\.init: wanted one of he, lecun, found 'xavier'"):
        weight_std("xavier", (3, 3))


@pytest.mark.parametrize("init", ["he", "lecun"])
def test_initial_rows_depend_on_the_seed_alone(init):
    built = architecture(init, 8, (5,))
    theta = built.initial([3, 1, 3, 2])
    assert torch.equal(theta[0], theta[2])
    assert torch.equal(theta[1:2], built.initial([1]))
    assert len(theta.unique(dim=0)) == 3


@pytest.mark.parametrize(("activation", "function"), [("relu", nn.ReLU()), ("tanh", nn.Tanh()),
                                                     ("identity", nn.Identity())])  # fmt: skip
def test_an_mlp_is_torchs_own_stack_of_layers(activation, function):
    built = mlp((5, 4), activation=activation)
    theta, (x, _) = rows(built, 1), data(built, 7)
    stack = nn.Sequential(nn.Linear(6, 5), function, nn.Linear(5, 4), function, nn.Linear(4, 3))
    nn.utils.vector_to_parameters(theta[0].clone(), stack.parameters())
    torch.testing.assert_close(built.logits(theta, x)[0], stack(x).detach())
    hidden = built.activations(theta, x)
    torch.testing.assert_close(hidden["h0"][0], stack[:2](x).detach())
    torch.testing.assert_close(hidden["h1"][0], stack[:4](x).detach())


def test_images_are_flattened_in_their_own_order():
    recipe = Recipe("", Named("mlp", {"widths": [5], "activation": "relu", "init": "he"}), Named("sgd"),
                    Named("constant"), 1, 1, (), 1, ())  # fmt: skip
    built = Architecture.of(recipe, (1, 2, 3), 4)
    theta, x = rows(built, 2), torch.randn(7, 1, 2, 3)
    flat = Architecture.of(recipe, (6,), 4)
    assert torch.equal(built.logits(theta, x), flat.logits(theta, x.flatten(1)))


def test_an_unknown_model_is_refused():
    recipe = Recipe("", Named("cnn"), Named("sgd"), Named("constant"), 1, 1, (), 1, ())
    with pytest.raises(UserError, match=r"model: wanted a module of isthmus\.models, found 'cnn'"):
        Architecture.of(recipe, (6,), 3)


@pytest.mark.parametrize("lead", [(), (3,), (2, 3)])
def test_split_and_join_are_inverses_in_the_order_of_the_module(lead):
    module = nn.Sequential(nn.Conv2d(2, 3, 2), nn.BatchNorm2d(3), nn.Linear(4, 2))
    layout = Layout.of(module)
    statistics = {"1.running_mean": module[1].running_mean, "1.running_var": module[1].running_var}
    values = dict(module.named_parameters()) | statistics
    assert list(layout.slots) == list(values)
    assert list(layout.parameters) == [name for name, _ in module.named_parameters()]
    assert layout.size == sum(value.numel() for value in values.values())
    assert layout.trained == layout.size - 6
    theta = torch.randn(*lead, layout.size)
    parts = layout.split(theta)
    assert {name: tuple(part.shape) for name, part in parts.items()} == {
        name: (*lead, *value.shape) for name, value in values.items()
    }
    assert torch.equal(layout.join(parts), theta)
    assert torch.equal(layout.join(dict(reversed(parts.items()))), theta)


def test_a_row_is_what_torch_makes_of_the_modules_parameters():
    module = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    layout = Layout.of(module)
    row = nn.utils.parameters_to_vector(module.parameters())
    assert torch.equal(layout.join(dict(module.named_parameters())), row)
    assert layout.describe()["1.weight"] == [15, 21, 2, 3]
    assert np.prod(layout.slots["1.weight"].shape) == 6


@pytest.mark.parametrize("widths", [(), (7,), (16, 8, 16)])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_formula_on_rows_is_the_module_under_vmap(widths, activation):
    architecture = mlp(widths, activation=activation)
    theta, (x, _) = rows(architecture, 3), data(architecture, 20)
    own = torch.stack([x, x.flip(0), 2 * x])
    assert torch.allclose(architecture.logits(theta, own), architecture.mapped(theta, own), atol=1e-6)
    assert torch.allclose(
        architecture.logits(theta, x), architecture.mapped(theta, x.expand(3, *x.shape)), atol=1e-6
    )
