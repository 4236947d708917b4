"""Where parameters and statistics lie in a row, and what each of them is to its layer."""

import pytest
import torch
from torch import nn

from isthmus.engine.layout import Layout
from isthmus.models.roles import Role, parameter


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


def test_what_nobody_has_named_is_a_weight_where_it_has_two_axes():
    module = nn.Sequential(nn.Conv2d(16, 64, 3), nn.BatchNorm2d(64))
    module.register_buffer("matrix", torch.zeros(3, 3))
    roles = {name: slot.role for name, slot in Layout.of(module).slots.items()}
    assert roles.pop("0.weight") == Role("weight", 144)
    assert set(roles.values()) == {Role("own")}


def test_a_parameter_says_itself_what_it_is():
    module = nn.Module()
    module.gates = parameter(Role("weight", 7, 5), 4, 5, 7)
    assert Layout.of(module).slots["gates"].role == Role("weight", 7, 5)
