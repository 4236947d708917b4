"""Weight matching in every form: planted permutations, plain loops per pair, the sheet's worked example."""

import numpy as np
import pytest
import torch
from networks import data, mlp, rows
from scipy.optimize import linear_sum_assignment

from isthmus.engine.layout import Layout
from isthmus.engine.streams import stream
from isthmus.symmetry import assignment as assigning
from isthmus.symmetry import table
from isthmus.symmetry.activations import activation_matching
from isthmus.symmetry.assignment import assignment
from isthmus.symmetry.covariance import covariance_matching
from isthmus.symmetry.matching import weight_matching
from isthmus.symmetry.moments import INPUT, Moments, second_moments

FORMS = ("naive", "git_rebasin", "no_bias")


def plant(architecture, theta, seed=0):
    """Rows with their units shuffled, and the permutations that put them back."""
    perms = table.random(table.group_sizes(architecture.layout, architecture.axes), range(seed, seed + len(theta)))
    return table.permute(architecture.layout, architecture.axes, perms, theta), table.inverse(perms)


def matchers(architecture, x):
    """Every matcher by name, as a function of two sets of rows."""
    layout, axes = architecture.layout, architecture.axes

    def informed(a, b, bias):
        return covariance_matching(layout, axes, a, b, second_moments(architecture, a, x), bias).perms

    found = {form: lambda a, b, f=form: weight_matching(layout, axes, a, b, form=f).perms for form in FORMS}
    found |= {f"covariance, bias {bias}": lambda a, b, s=bias: informed(a, b, s) for bias in (False, True)}
    for kind in ("covariance", "uncentred", "pearson"):
        found[f"activation {kind}"] = lambda a, b, k=kind: activation_matching(architecture, a, b, x, k)
    return found


# Coordinate ascent is sure of a planted permutation only with one hidden layer; the one-pass forms always are.
# Uncentred products of positive activations favour large units, not equal ones: no planted permutation to find.
SURE = {
    (8,): {"naive", "git_rebasin", "no_bias", "covariance, bias False", "covariance, bias True"}
    | {"activation covariance", "activation pearson"},
    (8, 7, 9): {"naive", "covariance, bias False", "covariance, bias True"}
    | {"activation covariance", "activation pearson"},
}


@pytest.mark.parametrize("widths", SURE)
def test_planted_permutations_are_recovered(widths):
    architecture = mlp(widths, features=12)
    theta, (x, _) = rows(architecture, 3), data(architecture, 400)
    shuffled, answer = plant(architecture, theta)
    for name, match in matchers(architecture, x).items():
        if name in SURE[widths]:
            perms = match(theta, shuffled)
            assert all(torch.equal(perms[group], p) for group, p in answer.items()), name
            back = table.permute(architecture.layout, architecture.axes, perms, shuffled)
            assert torch.equal(back, theta), name


def test_every_matcher_returns_bijections():
    architecture = mlp((8, 7, 9))
    a, b, (x, _) = rows(architecture, 3), rows(architecture, 3, seed=50), data(architecture, 60)
    for name, match in matchers(architecture, x).items():
        assert table.is_bijection(match(a, b)), name


def loop(architecture, a, b, form, start, trial, seed=0):
    """One pair, written out for an MLP: Ainsworth et al. 2022, algorithm 1, in numpy."""
    last = len(architecture.module.layers) - 1
    wa, ba, wb, bb = (
        [architecture.layout.split(theta)[f"layers.{level}.{kind}"].numpy() for level in range(last + 1)]
        for theta in (a, b)
        for kind in ("weight", "bias")
    )
    perms = [p.copy() for p in start]
    before = [np.arange(wa[0].shape[1]), *perms]

    def score(level):
        cost = wa[level] @ wb[level][:, before[level]].T
        if form != "naive":
            after = perms[level + 1] if level + 1 < last else np.arange(len(wb[last]))
            cost = cost + wa[level + 1].T @ wb[level + 1][after]
        if form == "git_rebasin":
            cost = cost + np.outer(ba[level], bb[level])
        return cost

    rng, progress = stream(seed, "order", trial), True
    while progress:
        progress = False
        order = range(last) if form == "naive" else rng.permutation(last)
        for level in order:
            cost = score(level)
            new = linear_sum_assignment(cost, maximize=True)[1]
            units = np.arange(len(new))
            if cost[units, new].sum() > cost[units, perms[level]].sum() + 1e-9:
                perms[level][:], progress = new, form != "naive"
    return perms


@pytest.mark.parametrize("form", FORMS)
def test_batched_matching_equals_a_loop_over_pairs(form):
    architecture = mlp((8, 7, 9))
    a, b = rows(architecture, 4).double(), rows(architecture, 4, seed=50).double()
    found = weight_matching(architecture.layout, architecture.axes, a, b, form=form, restarts=2)
    sizes = table.group_sizes(architecture.layout, architecture.axes)
    for k in range(4):
        trial = int(found.chosen[k])
        start = table.identity(sizes, 1) if trial == 0 else table.random(sizes, [0], f"restart/{trial}")
        expected = loop(architecture, a[k], b[k], form, [p[0].numpy() for p in start.values()], trial)
        for level, p in enumerate(expected):
            assert np.array_equal(found.perms[f"h{level}"][k].numpy(), p)


def test_the_objective_is_the_inner_product_and_never_falls():
    architecture = mlp((8, 7, 9))
    a, b = rows(architecture, 4), rows(architecture, 4, seed=50)
    found = weight_matching(architecture.layout, architecture.axes, a, b, restarts=4)
    moved = table.permute(architecture.layout, architecture.axes, found.perms, b)
    head = architecture.layout.slots["layers.3.bias"]
    product = (a.double() * moved.double())[:, : head.start].sum(1)
    torch.testing.assert_close(found.objective, product, rtol=1e-9, atol=1e-9)
    naive = weight_matching(architecture.layout, architecture.axes, a, b, form="naive")
    parts_a = architecture.layout.split(a.double())
    moved = architecture.layout.split(table.permute(architecture.layout, architecture.axes, naive.perms, b))
    names = [f"layers.{level}.weight" for level in range(3)]
    product = sum((parts_a[name] * moved[name]).sum((1, 2)) for name in names)
    torch.testing.assert_close(naive.objective, product, rtol=1e-9, atol=1e-9)
    assert (found.trace.diff(dim=2) >= 0).all()
    assert torch.equal(found.trace[:, :, -1].amax(0), found.objective)
    assert torch.equal(found.trace[found.chosen, range(4), -1], found.objective)


def test_restarts_find_what_the_identity_misses():
    architecture = mlp((12, 12, 12))
    a, b = rows(architecture, 20), rows(architecture, 20, seed=50)
    one = weight_matching(architecture.layout, architecture.axes, a, b, restarts=0)
    many = weight_matching(architecture.layout, architecture.axes, a, b, restarts=4)
    assert torch.equal(many.trace[0, :, -1], one.objective)
    assert (many.objective >= one.objective).all()
    assert (many.objective > one.objective).any()


def test_a_pair_does_not_know_its_neighbours_or_the_threads(monkeypatch):
    architecture = mlp((8, 7, 9))
    a, b = rows(architecture, 5), rows(architecture, 5, seed=50)
    together = weight_matching(architecture.layout, architecture.axes, a, b)
    alone = weight_matching(architecture.layout, architecture.axes, a[3:4], b[3:4])
    monkeypatch.setattr(assigning, "_cores", lambda: 1)
    one = weight_matching(architecture.layout, architecture.axes, a, b)
    for group, p in together.perms.items():
        assert torch.equal(p[3:4], alone.perms[group])
        assert torch.equal(p, one.perms[group])
    length = alone.trace.shape[2]
    assert torch.equal(together.trace[:, 3:4, :length], alone.trace)
    assert torch.equal(together.trace, one.trace)


def test_convolutions_and_normalisation_add_their_terms():
    """Two kernels around a normalised layer of channels: one group, four terms, exact in one step."""
    layout, axes = channels()
    theta = torch.randn(1, layout.size, generator=torch.Generator().manual_seed(0))
    perms = table.random({"c": 6}, [1])
    shuffled = table.permute(layout, axes, perms, theta)
    for form in ("git_rebasin", "no_bias", "naive"):
        found = weight_matching(layout, axes, theta, shuffled, form=form, restarts=0)
        assert torch.equal(found.perms["c"], table.inverse(perms)["c"]), form
    parts = layout.split(theta.double())
    expected = sum(parts[name].square().sum() for name in axes)
    found = weight_matching(layout, axes, theta, shuffled)
    assert found.objective.item() == pytest.approx(expected.item())


def channels():
    module = torch.nn.Module()
    for name, shape in {"first": (6, 4, 3, 3), "scale": (6,), "bias": (6,), "second": (5, 6, 3, 3)}.items():
        setattr(module, name, torch.nn.Parameter(torch.empty(shape)))
    axes = {"first": ("c", None, None, None), "scale": ("c",), "bias": ("c",), "second": (None, "c", None, None)}
    return Layout.of(module), axes


def test_a_group_on_two_axes_of_one_parameter_is_refused():
    module = torch.nn.Module()
    module.mix = torch.nn.Parameter(torch.randn(6, 6))
    theta = torch.zeros(1, 36)
    with pytest.raises(ValueError, match="two axes"):
        weight_matching(Layout.of(module), {"mix": ("r", "r")}, theta, theta)


def worked_example():
    architecture = mlp((2,), features=2, classes=1)
    zeros = torch.zeros(1, architecture.layout.size)
    parts_a, parts_b = architecture.layout.split(zeros.clone()), architecture.layout.split(zeros.clone())
    parts_a["layers.0.weight"] = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    parts_b["layers.0.weight"] = torch.tensor([[[0.9, 1.0], [0.2, 0.1]]])
    return architecture, architecture.layout.join(parts_a), architecture.layout.join(parts_b)


def test_the_worked_example_without_and_with_covariance():
    architecture, a, b = worked_example()
    layout, axes = architecture.layout, architecture.axes
    found = weight_matching(layout, axes, a, b, form="naive")
    assert found.perms["h0"].tolist() == [[1, 0]]
    assert found.objective.item() == pytest.approx(1.2)
    moments = Moments({INPUT: torch.diag(torch.tensor([4.0, 0.01])).double()[None]}, {})
    found = covariance_matching(layout, axes, a, b, moments)
    assert found.perms["h0"].tolist() == [[0, 1]]
    assert found.objective.item() == pytest.approx(3.601)


def test_assignment_maximises_and_survives_what_is_not_finite():
    scores = torch.tensor([[[1.0, 5.0], [2.0, 3.0]], [[1.0, float("nan")], [2.0, 3.0]]])
    assert assignment(scores).tolist() == [[1, 0], [0, 1]]


def test_an_unknown_form_is_refused():
    architecture, a, b = worked_example()
    with pytest.raises(ValueError, match="git_rebasin"):
        weight_matching(architecture.layout, architecture.axes, a, b, form="best")
