"""Symmetry tables found by tracing whole models are the hand-written ones, but for the names of groups."""

import pytest
import torch
from architectures import architecture as model
from architectures import named
from networks import build, mlp
from torch import nn

from isthmus.models.roles import state
from isthmus.symmetry.trace import traced


def alike(first, second):
    """Whether two tables are the same but for the names of groups."""
    assert len(first) == len(second)
    pairs = {pair for one, two in zip(first, second, strict=True) for pair in zip(one, two, strict=True)}
    return len(pairs) == len({one for one, _ in pairs}) == len({two for _, two in pairs}) and (None, None) in pairs


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_torchvisions_resnets_have_the_hand_written_table(name):
    from torchvision import models

    found = traced(models.get_model(name, num_classes=3), torch.zeros(3, 3, 32, 32))
    wanted = build(named("torchvision", {"name": name}), (3, 32, 32), 3).axes
    assert list(wanted) == [f"network.{name}" for name in found.axes]
    assert alike([*found.axes.values()], [*wanted.values()])
    assert found.fixed == {"fc": "they are the network's output (output)"}


class Block(nn.Module):
    """A block of models/resnet.py in torch's own layers."""

    def __init__(self, channels, out, stride):
        super().__init__()
        changed = channels != out
        self.conv1, self.norm1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out)
        self.conv2, self.norm2 = nn.Conv2d(out, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out)
        self.shortcut = nn.Conv2d(channels, out, 1, stride, bias=False) if changed else nn.Identity()
        self.shortcut_norm = nn.BatchNorm2d(out) if changed else nn.Identity()

    def forward(self, x):
        inner = self.norm1(self.conv1(x)).relu()
        return torch.relu(self.norm2(self.conv2(inner)) + self.shortcut_norm(self.shortcut(x)))


def resnet():
    blocks = [Block(channels, out, 1 if channels == out else 2) for channels, out in
              ((4, 4), (4, 4), (4, 8), (8, 8), (8, 16), (16, 16))]  # fmt: skip
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), *blocks, nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(16, 3))  # fmt: skip


def cnn():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(),
        nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(6, 3))  # fmt: skip


@pytest.mark.parametrize(("family", "plain"), [
    (lambda: mlp((7, 5)), lambda: nn.Sequential(nn.Linear(6, 7), nn.ReLU(), nn.Linear(7, 5), nn.ReLU(),
                                                nn.Linear(5, 3))),
    (lambda: model("cnn"), cnn),
    (lambda: model("resnet"), resnet),
])  # fmt: skip
def test_our_families_in_torchs_own_layers_have_the_hand_written_tables(family, plain):
    ours, module = family(), plain()
    assert [slot.shape for slot in ours.layout.slots.values()] == [tuple(v.shape) for v in state(module).values()]
    found = traced(module, torch.zeros(3, *ours.shape))
    assert alike([*found.axes.values()], [ours.axes[name] for name in ours.layout.slots])
