"""The search of one pair: the sheet's tiny examples, scores kept in step, and what a search promises at its end."""

from itertools import permutations

import numpy as np
import pytest
import torch
from networks import mlp, rows
from scipy.optimize import linear_sum_assignment

from isthmus.symmetry import ascent, table
from isthmus.symmetry.ascent import Ascent
from isthmus.symmetry.matching import weight_matching

PLANTED = [2, 0, 1]


def started(architecture, a, b, start=None):
    """A search that counts every parameter, and the order of its groups."""
    terms = {}
    for name, groups in architecture.axes.items():
        for axis, group in enumerate(groups):
            if group is not None:
                terms.setdefault(group, []).append((name, axis))
    start = start or {
        g: p[0] for g, p in table.identity(table.group_sizes(architecture.layout, architecture.axes), 1).items()
    }
    return Ascent(
        architecture.axes, terms, architecture.layout.split(a), architecture.layout.split(b), start
    ), list(terms)


def row(architecture, **parts):
    """A row (1, P) with these values, zero elsewhere; `layers_0_weight` for `layers.0.weight`."""
    values = architecture.layout.split(torch.zeros(1, architecture.layout.size))
    values |= {name.replace("_", "."): torch.tensor(value)[None] for name, value in parts.items()}
    return architecture.layout.join(values)


def test_the_scores_of_the_tiny_assignment():
    """Ainsworth et al. 2022 by hand: a 3-cycle tells p from its inverse."""
    architecture = mlp((3,), features=2, classes=2)
    w, b, v = (
        torch.tensor([[1.0, 2], [3, -1], [0, 1]]),
        torch.tensor([0.1, 0.2, 0.3]),
        torch.tensor([[1.0, 0, -1], [2, 1, 0]]),
    )
    a = row(architecture, layers_0_weight=w.tolist(), layers_0_bias=b.tolist(), layers_1_weight=v.tolist())
    other = row(
        architecture,
        layers_0_weight=(w[PLANTED] + 0.01).tolist(),
        layers_0_bias=b[PLANTED].tolist(),
        layers_1_weight=v[:, PLANTED].tolist(),
    )
    search, _ = started(architecture, a[0], other[0])
    expected = torch.tensor([[1.06, 10.04, 3.05], [-0.92, 3.04, 11.06], [2.10, 1.04, -0.93]])
    torch.testing.assert_close(search._scores["h0"], expected, atol=1e-5, rtol=0)
    assert weight_matching(architecture.layout, architecture.axes, a, other).perms["h0"].tolist() == [[1, 2, 0]]


def linear_example():
    """Two hidden layers that greedy forward matching leaves as they are (Ainsworth et al. 2022), e = 0.1."""
    architecture = mlp((2, 2), features=1, classes=1, activation="identity")
    first = [[1.0], [1.1]]
    a = row(architecture, layers_0_weight=first, layers_1_weight=[[1.0, 0], [0, 0.1]], layers_2_weight=[[1.0, 0]])
    b = row(architecture, layers_0_weight=first, layers_1_weight=[[0.0, 0], [0, 1]], layers_2_weight=[[0.0, 1]])
    return architecture, a, b


def test_two_hidden_layers_swap_in_any_order():
    architecture, a, b = linear_example()
    for order in permutations(["h0", "h1"]):
        search, _ = started(architecture, a[0], b[0])
        assert search.objective == pytest.approx(2.31)
        while search.sweep(order):
            pass
        assert {group: p.tolist() for group, p in search.perms.items()} == {"h0": [1, 0], "h1": [1, 0]}
        assert search.objective == pytest.approx(4.20)
    x = torch.tensor([[-2.0], [1.0], [3.0]])
    for form, slope in (("git_rebasin", 1.05), ("naive", 0.5525)):
        perms = weight_matching(architecture.layout, architecture.axes, a, b, form=form).perms
        merged = (a + table.permute(architecture.layout, architecture.axes, perms, b)) / 2
        torch.testing.assert_close(architecture.logits(merged, x)[0], slope * x)


def test_one_hidden_layer_takes_one_assignment():
    architecture = mlp((9,))
    a, b = rows(architecture, 1).double(), rows(architecture, 1, seed=50).double()
    parts_a, parts_b = ({name: part[0] for name, part in architecture.layout.split(t).items()} for t in (a, b))
    scores = (
        parts_a["layers.0.weight"] @ parts_b["layers.0.weight"].T
        + torch.outer(parts_a["layers.0.bias"], parts_b["layers.0.bias"])
        + parts_a["layers.1.weight"].T @ parts_b["layers.1.weight"]
    )
    for seed in range(3):
        found = weight_matching(architecture.layout, architecture.axes, a, b, seed=seed)
        assert np.array_equal(found.perms["h0"][0], linear_sum_assignment(-scores)[1])
        torch.testing.assert_close(found.trace[:, 0, 1], found.objective.expand(4))


@pytest.mark.parametrize("many", [4, 10**6])
def test_scores_stay_those_of_the_permuted_network(many, monkeypatch):
    monkeypatch.setattr(ascent, "MANY", many)
    architecture = mlp((16, 17, 18))
    a, b = rows(architecture, 1)[0], rows(architecture, 1, seed=50)[0]
    start = {group: p[0] for group, p in table.random({"h0": 16, "h1": 17, "h2": 18}, [3]).items()}
    search, order = started(architecture, a, b, start)
    sweeps = 0
    while search.sweep(order[:: (-1) ** sweeps]):
        sweeps += 1
        perms = {group: p[None] for group, p in search.perms.items()}
        fresh, _ = started(
            architecture, a, table.permute(architecture.layout, architecture.axes, perms, b[None])[0]
        )
        assert search.objective == pytest.approx(fresh.objective, rel=1e-12)
        for group, scores in search._scores.items():
            torch.testing.assert_close(scores, fresh._scores[group], atol=1e-5, rtol=1e-5)
    assert sweeps > 1
    assert all(later >= earlier for earlier, later in zip(search.trace, search.trace[1:], strict=False))
    # At the end no group has a better order, among all partners.
    for scores in search._scores.values():
        table_of = scores.double().numpy()
        assert np.trace(table_of) == pytest.approx(table_of[linear_sum_assignment(-table_of)].sum(), rel=1e-6)


def test_going_on_from_the_result_changes_nothing():
    architecture = mlp((8, 7, 9))
    a, b = rows(architecture, 4), rows(architecture, 4, seed=50)
    found = weight_matching(architecture.layout, architecture.axes, a, b)
    again = weight_matching(architecture.layout, architecture.axes, a, b, restarts=0, start=found.perms)
    assert all(torch.equal(again.perms[group], p) for group, p in found.perms.items())
    torch.testing.assert_close(again.objective, found.objective, rtol=1e-12, atol=0)


def test_likely_partners_lead_where_all_partners_lead(monkeypatch):
    architecture = mlp((64, 64))
    a, b = rows(architecture, 2), rows(architecture, 2, seed=50)
    results = []
    for many in (8, 10**6):
        monkeypatch.setattr(ascent, "MANY", many)
        results.append(weight_matching(architecture.layout, architecture.axes, a, b).objective)
    torch.testing.assert_close(*results, rtol=0.02, atol=0)
