"""The door from Python: two modules of anybody's aligned, their barrier before and after, and what is refused."""

import re
from copy import deepcopy
from functools import cache
from pathlib import Path

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import parameters_to_vector
from torchvision import models

from isthmus.align import Pair
from isthmus.engine.layout import Layout
from isthmus.symmetry.matching import weight_matching

README = Path(__file__).parents[1] / "README.md"


class Small(nn.Module):
    """A residual convolutional network with BatchNorm and dropout."""

    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(1, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.inner, self.inner_norm = nn.Conv2d(6, 5, 3, padding=1), nn.BatchNorm2d(5)
        self.outer, self.drop, self.head = nn.Conv2d(5, 6, 3, padding=1), nn.Dropout(0.5), nn.Linear(6, 10)

    def forward(self, x):
        x = self.norm(self.stem(x)).relu()
        x = x + self.outer(self.inner_norm(self.inner(x)).relu())
        return self.head(self.drop(x.mean((2, 3))))


def mlp():
    hidden = nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU()
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(32, 10))


@cache
def digits():
    pixels, labels = load_digits(return_X_y=True)
    return torch.from_numpy(pixels[:600]).float().view(-1, 1, 8, 8) / 16, torch.from_numpy(labels[:600])


@cache
def trained(kind, seed, steps=150):
    """A module of this kind, trained on digits."""
    torch.manual_seed(seed)
    module, (x, y) = kind(), digits()
    optimizer = torch.optim.SGD(module.parameters(), 0.1, momentum=0.9)
    for _ in range(steps):
        chosen = torch.randint(len(x), (50,))
        optimizer.zero_grad()
        cross_entropy(module(x[chosen]), y[chosen]).backward()
        optimizer.step()
    return module


def pair(kind, **settings):
    return Pair(trained(kind, 0), trained(kind, 1), *digits(), **settings)


def test_weights_are_matched_from_the_inputs_on():
    """Better than from the identity, by the objective of both: the inner product of A and the permuted B."""
    torch.manual_seed(0)
    wide = nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU()
    a = nn.Sequential(nn.Flatten(), *wide, nn.Linear(128, 10))
    b = deepcopy(a)
    for layer in b[1::2]:
        layer.reset_parameters()
    given = Pair(a, b, *digits(), points=2)
    row = parameters_to_vector(a.parameters())
    ours = row @ parameters_to_vector(given.match(restarts=0).model_b.parameters())
    layout = Layout.of(a)
    rows = (parameters_to_vector(module.parameters()).detach().unsqueeze(0) for module in (a, b))
    plain = weight_matching(layout, given.axes, *rows, restarts=0).objective
    assert ours > 1.03 * plain


@pytest.mark.parametrize("by", ["weights", "activations"])
@pytest.mark.parametrize("kind", [mlp, Small])
def test_matching_lowers_the_barrier_and_keeps_the_function(kind, by):
    given = pair(kind, points=9)
    before = [{name: value.clone() for name, value in trained(kind, s).state_dict().items()} for s in (0, 1)]
    matched = given.match(by)
    x, _ = digits()
    theirs = deepcopy(trained(kind, 1)).eval()
    assert matched.model_b.training
    torch.testing.assert_close(matched.model_b.eval()(x), theirs(x), rtol=1e-4, atol=1e-4)
    assert any(not torch.equal(p, torch.arange(len(p))) for p in matched.perms.values())
    assert matched.barrier_before > 0.2
    assert matched.barrier_after < 0.8 * matched.barrier_before
    # The first point is A and the last is B, whatever the order of its units.
    torch.testing.assert_close(matched.after.losses[[0, -1]], matched.before.losses[[0, -1]], rtol=1e-4, atol=1e-5)
    for seed, values in enumerate(before):
        assert trained(kind, seed).training
        assert all(torch.equal(value, values[name]) for name, value in trained(kind, seed).state_dict().items())
    again = pair(kind, points=9).match(by)
    assert torch.equal(again.after.losses, matched.after.losses)


def test_units_of_the_matched_module_are_bs_in_the_order_given():
    matched, b = pair(Small, points=2).match(), trained(Small, 1)
    stream, inner = matched.perms["stem"], matched.perms["inner"]
    assert torch.equal(matched.model_b.inner.weight, b.inner.weight[inner][:, stream])
    for name in ("weight", "bias", "running_mean", "running_var"):
        assert torch.equal(getattr(matched.model_b.norm, name), getattr(b.norm, name)[stream])
        assert torch.equal(getattr(matched.model_b.inner_norm, name), getattr(b.inner_norm, name)[inner])
    assert matched.model_b.norm.num_batches_tracked == b.norm.num_batches_tracked
    assert torch.equal(matched.model_b.head.weight, b.head.weight[:, stream])


def test_the_line_is_that_of_a_loop_with_statistics_of_its_own():
    """Against BatchNorm in train mode on all inputs at once, whose biased variances the statistics unbias."""
    given, (x, y) = pair(Small, points=3, batch=600), digits()
    middle = deepcopy(trained(Small, 0))
    with torch.no_grad():
        for value, a, b in zip(middle.parameters(), trained(Small, 0).parameters(), trained(Small, 1).parameters(),
                               strict=True):  # fmt: skip
            value.copy_((a + b) / 2)
        middle.train().drop.eval()
        logits = middle(x)
    assert given.before.losses[1].item() == pytest.approx(cross_entropy(logits, y).item(), rel=1e-3)
    assert given.before.errors[1].item() == pytest.approx((logits.argmax(1) != y).double().mean().item(), abs=2e-3)
    assert given.before.alphas.tolist() == [0, 0.5, 1]


def test_the_ends_of_a_network_without_batch_norm_are_its_own_losses():
    given, (x, y) = pair(mlp, points=2, batch=70), digits()
    for end in (0, 1):
        wanted = cross_entropy(trained(mlp, end)(x), y).item()
        assert given.before.losses[end].item() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("kind", [mlp, Small])
def test_a_shuffled_copy_is_found_again(kind):
    x, y = digits()
    network = trained(kind, 0)
    shuffled = Pair(trained(kind, 1), network, x, y, points=2).match().model_b
    assert any(not torch.equal(value, shuffled.state_dict()[name]) for name, value in network.state_dict().items())
    matched = Pair(network, shuffled, x, y, points=5).match()
    assert all(torch.equal(v, matched.model_b.state_dict()[name]) for name, v in network.state_dict().items())
    assert matched.barrier_before > 0.05
    assert matched.barrier_after == 0


def test_state_dicts_will_do_for_one_of_the_two():
    x, y = digits()
    a, b = trained(mlp, 0), trained(mlp, 1)
    wanted = Pair(a, b, x, y, points=3).match()
    for given in (Pair(a, b.state_dict(), x, y, points=3), Pair(a.state_dict(), b, x, y, points=3)):
        found = given.match()
        assert torch.equal(found.after.losses, wanted.after.losses)
        assert all(torch.equal(v, found.model_b.state_dict()[n]) for n, v in wanted.model_b.state_dict().items())
    with pytest.raises(ValueError, match="found two state dicts"):
        Pair(a.state_dict(), b.state_dict(), x, y)


def test_torchvisions_resnet18():
    torch.manual_seed(0)
    a, b = models.resnet18(num_classes=5), models.resnet18(num_classes=5)
    x, y = torch.randn(6, 3, 32, 32), torch.tensor([0, 1, 2, 3, 4, 0])
    matched = Pair(a, b, x, y, points=2).match(restarts=0)
    assert len(matched.perms) == 12
    torch.testing.assert_close(matched.model_b.eval()(x), b.eval()(x), rtol=1e-3, atol=1e-4)

    def product(one, other):
        return sum((p * q).sum().item() for p, q in zip(one.parameters(), other.parameters(), strict=True))

    assert product(a, matched.model_b) > product(a, b) + 100


class Deciding(nn.Module):
    """A network whose code looks at values, which tracing cannot follow."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(64, 9), nn.Linear(9, 10)

    def forward(self, x):
        x = self.one(x.flatten(1))
        return self.two(x.relu() if x.isfinite().all() else x)


TABLE = {"one.weight": ("h", None), "one.bias": ("h",), "two.weight": (None, "h")}


def test_a_table_of_ones_own_where_the_code_cannot_be_traced():
    a, b = trained(Deciding, 0), trained(Deciding, 1)
    with pytest.raises(ValueError, match=r"torch\.fx cannot trace Deciding: .*; a symmetry table .* axes="):
        Pair(a, b, *digits())
    given = Pair(a, b, *digits(), axes=TABLE, points=5)
    assert given.axes == TABLE | {"two.bias": (None,)}
    matched = given.match()
    assert matched.barrier_after < matched.barrier_before
    with pytest.raises(ValueError, match="a module that can be traced"):
        given.match("activations")


@pytest.mark.parametrize(("axes", "words"), [
    ({"one.bias": ("h",)}, "moving units by this table changes outputs"),
    (TABLE | {"one": ("h",)}, "wanted names of parameters, one.weight, .*, found 'one'"),
    (TABLE | {"one.bias": ("h", None)}, r"wanted 1 groups or None for 'one.bias', found \('h', None\)"),
    (TABLE | {"two.bias": ("h",)}, "acts on 9 units and on 10"),
])  # fmt: skip
def test_wrong_tables_are_refused(axes, words):
    with pytest.raises(ValueError, match=words):
        Pair(trained(Deciding, 0), trained(Deciding, 1), *digits(), axes=axes)


def test_other_architectures_are_refused():
    x, y = digits()
    wider = mlp()
    wider[1], wider[3] = nn.Linear(64, 33), nn.Linear(33, 32)
    with pytest.raises(ValueError, match=r"one architecture, found: .*size mismatch for 1\.weight"):
        Pair(trained(mlp, 0), wider, x, y)
    with pytest.raises(ValueError, match="one architecture, found two whose layers differ"):
        Pair(trained(mlp, 0), trained(Small, 0), x, y)
    with pytest.raises(ValueError, match=r"one architecture, found: .*Missing key"):
        Pair(trained(mlp, 0), trained(Small, 0).state_dict(), x, y)


@pytest.mark.parametrize(("change", "words"), [
    (lambda y: y + 1, "wanted labels from 0 to 9, found 1 to 10"),
    (lambda y: y - 1, "wanted labels from 0 to 9, found -1 to 8"),
    (lambda y: y[:-1], r"for each of 600 inputs, at least one, found torch.int64 of shape \(599,\)"),
    (lambda y: y.float(), "an integer label .*, found torch.float32"),
])  # fmt: skip
def test_labels_that_are_no_classes_are_refused(change, words):
    x, y = digits()
    with pytest.raises(ValueError, match=words):
        Pair(trained(mlp, 0), trained(mlp, 1), x, change(y))


def test_no_classifier_is_refused():
    network = nn.Conv2d(1, 2, 3)
    with pytest.raises(ValueError, match=r"wanted a classifier, .*, found \(3, 2, 6, 6\)"):
        Pair(network, network, *digits())


def test_where_no_unit_can_move_the_reasons_are_given():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 10))
    with pytest.raises(ValueError, match=r"found none:\n  0: their axis is not kept whole \(2\)\n  3: .* output"):
        Pair(network, network, *digits())


def test_a_group_on_two_axes_is_left_to_activations():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.step, self.head = nn.Linear(64, 8), nn.Linear(8, 8), nn.Linear(8, 10)

        def forward(self, x):
            x = self.stem(x.flatten(1)).relu()
            return self.head(x + self.step(x).relu())

    torch.manual_seed(0)
    given = Pair(Twice(), Twice(), *digits(), points=2)
    with pytest.raises(ValueError, match=r"\(match by activations instead\), found step.weight"):
        given.match()
    assert list(given.match("activations").perms) == ["stem"]
    with pytest.raises(ValueError, match="by weights or by activations, found 'names'"):
        given.match("names")


def test_parameters_that_two_layers_share_stay_shared():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.one, self.two = nn.Linear(64, 8), nn.Linear(8, 5), nn.Linear(8, 5)
            self.head, self.two.weight = nn.Linear(5, 10), self.one.weight

        def forward(self, x):
            x = self.stem(x.flatten(1)).relu()
            return self.head(self.one(x).relu() + self.two(x).tanh())

    torch.manual_seed(0)
    a, b = Shared(), Shared()
    for by in ("weights", "activations"):
        matched = Pair(a, b, *digits(), points=2).match(by)
        assert {group: len(p) for group, p in matched.perms.items()} == {"stem": 8, "one": 5}
        assert matched.model_b.two.weight is matched.model_b.one.weight
        assert not torch.equal(matched.model_b.one.weight, b.one.weight)
        torch.testing.assert_close(matched.model_b(digits()[0]), b(digits()[0]))


def test_the_readmes_example():
    """The python block under the README's heading runs as it stands on two modules, inputs and labels."""
    section = README.read_text(encoding="utf-8").split("Align two of your own networks", 1)[1]
    example = re.search(r"```python\n(.*?)```", section, re.DOTALL).group(1)
    inputs, labels = digits()
    names = {"model_a": trained(mlp, 0), "model_b": trained(mlp, 1), "inputs": inputs, "labels": labels}
    exec(example, names)
    assert names["matched"].barrier_after < names["matched"].barrier_before
