"""torchvision's classifiers on rows: they train as by themselves, and their ResNets have a symmetry table."""

from functools import cache

import pytest
import torch
from architectures import named
from networks import build, data, rows
from torch import nn
from torch.nn import functional
from torchvision import models
from training import recipe, trained

from isthmus.data.prepared import DataSet
from isthmus.engine import perturb
from isthmus.engine.batches import Batches
from isthmus.engine.recipe import Network
from isthmus.errors import UserError
from isthmus.symmetry import table

SHAPE, BATCH = (3, 32, 32), 8


@cache
def resnet(name="resnet18", init="own"):
    return build(named("torchvision", {"name": name, "init": init}), SHAPE, 3)


def theirs(row):
    """torchvision's own resnet18 with the values of a row, its BatchNorm set to average over all it sees."""
    module = models.resnet18(num_classes=3)
    values = {name.removeprefix("network."): value for name, value in resnet().layout.split(row).items()}
    missing = module.load_state_dict(values, strict=False).missing_keys
    assert all(name.endswith("num_batches_tracked") for name in missing)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = None
    return module


def test_a_resnet_trains_as_by_itself_and_its_statistics_are_torchs_averages():
    network, (x, y) = Network(0, 0.01), data(resnet(), 3 * BATCH)
    sample = DataSet("toy/all/raw", {"train": x}, {"train": y}, 3, SHAPE, (0.0,), (1.0,), "checksum")
    run = recipe(model=named("torchvision", {"name": "resnet18"}), networks=(network,), steps=2, batch=BATCH,
                 checkpoints=(0, 2))  # fmt: skip
    kept = trained(run, sample).tensors
    begin, end = kept["step/0/theta"][0], kept["step/2/theta"][0]

    module, batches = theirs(begin).train(), Batches([network], len(x), BATCH)
    optimizer = torch.optim.SGD(module.parameters(), network.lr, momentum=0.9)
    for step in range(2):
        chosen = batches.at(step)[0]
        optimizer.zero_grad()
        functional.cross_entropy(module(x[chosen]), y[chosen]).backward()
        optimizer.step()
    wanted = nn.utils.parameters_to_vector(module.parameters()).detach()
    count = resnet().layout.trained
    assert (end[:count] - wanted).norm() < 1e-3 * (begin[:count] - wanted).norm()

    module = theirs(end).train()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.reset_running_stats()
    with torch.no_grad():
        for start in range(0, len(x), BATCH):
            module(x[start : start + BATCH])
    values = resnet().layout.split(end)
    for name, buffer in module.named_buffers():
        if buffer.is_floating_point():
            torch.testing.assert_close(values[f"network.{name}"], buffer, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(resnet().logits(end[None], x)[0], module.eval()(x).detach(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("name", "streams", "inner"), [("resnet18", 4, 8), ("resnet50", 5, 32)])
def test_a_resnets_permutations_leave_its_function(name, streams, inner):
    built = resnet(name, "he")
    theta, x = built.initial([0]).double(), data(built, 2)[0].double()
    sizes = table.group_sizes(built.layout, built.axes)
    assert sorted(group for group in sizes if group.startswith("stream")) == [f"stream{k}" for k in range(streams)]
    assert len(sizes) == streams + inner
    perms = table.random(sizes, [0])
    moved = table.permute(built.layout, built.axes, perms, theta)
    wanted = built.logits(theta, x)
    assert (built.logits(moved, x) - wanted).abs().max() < 1e-9 * wanted.abs().max()
    before, after = built.activations(theta, x), built.activations(moved, x)
    assert set(before) == set(sizes)
    for group, of_group in before.items():
        index = perms[group].unsqueeze(1).expand_as(of_group)
        torch.testing.assert_close(after[group], of_group.gather(2, index))


def test_other_networks_have_no_groups():
    built = build(named("torchvision", {"name": "squeezenet1_1"}), SHAPE, 3)
    assert table.group_sizes(built.layout, built.axes) == {}
    assert set(built.axes) == set(built.layout.slots)


def test_its_own_start_is_torchvisions():
    values = resnet().layout.split(resnet().initial([0])[0])
    weight = values["network.layer3.0.conv1.weight"]
    # He et al. (2015) by fan-out: 256 channels of 9 weights each.
    assert weight.std().item() == pytest.approx((2 / (256 * 9)) ** 0.5, rel=0.02)
    assert (values["network.bn1.weight"] == 1).all()
    with pytest.raises(UserError, match=r"model\.init: wanted one of he, .*, found 'own'"):
        perturb.scale(resnet())


def test_images_of_one_channel_are_three_equal_ones():
    settings = named("torchvision", {"name": "squeezenet1_1"})
    grey, colour = build(settings, (1, 32, 32), 3), build(settings, SHAPE, 3)
    theta, (x, _) = rows(grey, 2), data(grey, 4)
    assert torch.equal(grey.logits(theta, x), colour.logits(theta, x.expand(-1, 3, -1, -1)))


def test_dropout_and_dropped_branches_are_drawn_by_the_engine():
    built = build(named("torchvision", {"name": "efficientnet_b0"}), SHAPE, 3)
    shapes = {shape for _, shape in built.dropouts.values()}
    assert shapes == {(1, 1, 1), (1280,)}
    theta, (x, _) = built.initial([0]), data(built, 4)
    keep = {name: torch.full((1, 4, *shape), 1 / (1 - p)) for name, (p, shape) in built.dropouts.items()}
    none = {name: torch.ones_like(value) for name, value in keep.items()}
    plain = built.logits(theta, x, training=True)
    assert torch.equal(built.logits(theta, x, training=True), plain)
    torch.testing.assert_close(built.logits(theta, x, keep=none, training=True), plain)
    assert not torch.allclose(built.logits(theta, x, keep=keep, training=True), plain)


@pytest.mark.parametrize(("name", "shape", "words"), [
    ("resnet19", SHAPE, r"torchvision\.name: wanted one of alexnet, .*resnet18, .*, found 'resnet19'"),
    ("resnet18", (2, 32, 32), r"wanted images of 1 or 3 channels, found 2"),
    ("alexnet", (3, 8, 8), r"wanted images that alexnet can take, found \(3, 8, 8\) \(.*\)"),
])  # fmt: skip
def test_what_torchvision_cannot_do_is_refused(name, shape, words):
    with pytest.raises(UserError, match=words):
        build(named("torchvision", {"name": name}), shape, 3)
