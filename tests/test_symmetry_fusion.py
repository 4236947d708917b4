"""Fusion by optimal transport: exact plans are assignments, entropic ones tend to them, copies fuse into one."""

import pytest
import torch
from architectures import MODELS, architecture
from networks import data, mlp, rows

from isthmus.symmetry import table
from isthmus.symmetry.assignment import assignment
from isthmus.symmetry.fusion import activation_costs, fusion, transport
from isthmus.symmetry.matching import weight_matching
from isthmus.symmetry.sinkhorn import soft_permute

# Families whose groups all have a weight that says what their units are.
WEIGHED = [name for name, (family, settings, _) in MODELS.items() if family in ("mlp", "cnn", "resnet")]


def costs_of(n, m, count=3, seed=0):
    return torch.rand(count, n, m, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_an_exact_plan_between_equal_masses_is_the_assignment():
    cost = costs_of(12, 12)
    plan = transport(cost)
    expected = torch.zeros_like(plan).scatter_(2, assignment(-cost).unsqueeze(2), 1.0)
    torch.testing.assert_close(plan, expected, atol=1e-12, rtol=0)


def test_plans_keep_the_masses():
    for entropy in (0.0, 0.1):
        plan = transport(costs_of(6, 9), entropy)
        torch.testing.assert_close(plan.sum(2), torch.ones(3, 6, dtype=torch.float64))
        torch.testing.assert_close(plan.sum(1), torch.full((3, 9), 6 / 9, dtype=torch.float64))


def test_an_entropic_plan_is_that_of_the_library_and_tends_to_the_exact_one():
    ot = pytest.importorskip("ot")
    cost = costs_of(5, 5)
    masses = torch.full((5,), 0.2, dtype=torch.float64)
    for one, plan in zip(cost, transport(cost, 0.1), strict=True):
        theirs = ot.sinkhorn(masses.numpy(), masses.numpy(), one.numpy(), 0.1, stopThr=1e-12)
        torch.testing.assert_close(plan, torch.from_numpy(theirs) * 5, atol=1e-6, rtol=0)
    # Far from ties: an entry that is not in the exact plan costs half a unit more at least.
    exact = transport(cost)
    torch.testing.assert_close(transport(cost + 2 * (1 - exact), 0.02), exact, atol=1e-6, rtol=0)


def test_fusion_by_weights_is_naive_matching():
    """Squared distances differ from inner products by what no permutation changes."""
    model = mlp((8, 7, 9))
    a, b = rows(model, 3), rows(model, 3, seed=50)
    found = fusion(model.layout, model.axes, a, b)
    perms = weight_matching(model.layout, model.axes, a, b, form="naive").perms
    assert all(torch.equal(found.soft[group].argmax(2), p) for group, p in perms.items())
    aligned = table.permute(model.layout, model.axes, perms, b)
    torch.testing.assert_close(found.aligned, aligned)
    torch.testing.assert_close(found.theta, (a + aligned) / 2)
    torch.testing.assert_close(soft_permute(model.layout, model.axes, found.soft, b), found.aligned)


def planted(model, theta):
    sizes = table.group_sizes(model.layout, model.axes)
    return table.permute(model.layout, model.axes, table.random(sizes, range(len(theta))), theta)


@pytest.mark.parametrize("name", WEIGHED)
def test_a_network_and_its_permuted_copy_fuse_to_the_network(name):
    model = architecture(name)
    theta = rows(model, 2)
    found = fusion(model.layout, model.axes, theta, planted(model, theta))
    torch.testing.assert_close(found.theta, theta)


def test_activations_find_the_copy_too():
    model = architecture("rnn, relu")
    theta, (x, _) = rows(model, 2), data(model, 200)
    shuffled = planted(model, theta)
    found = fusion(model.layout, model.axes, theta, shuffled, costs=activation_costs(model, theta, shuffled, x))
    torch.testing.assert_close(found.theta, theta)


def test_activation_costs_are_mean_squared_differences():
    model = mlp((5,))
    a, b, (x, _) = rows(model, 2), rows(model, 2, seed=50), data(model, 40)
    h_a, h_b = (model.activations(theta, x)["h0"].double() for theta in (a, b))
    expected = (h_a.unsqueeze(3) - h_b.unsqueeze(2)).square().mean(1)
    torch.testing.assert_close(activation_costs(model, a, b, x)["h0"], expected, atol=1e-5, rtol=1e-5)


def test_a_soft_map_mixes():
    model = mlp((6, 5))
    a, b = rows(model, 2), rows(model, 2, seed=50)
    found = fusion(model.layout, model.axes, a, b, entropy=5.0)
    for soft in found.soft.values():
        torch.testing.assert_close(soft.sum(2), torch.ones(soft.shape[:2]))
        assert soft.max() < 0.99
    torch.testing.assert_close(soft_permute(model.layout, model.axes, found.soft, b), found.aligned)


def test_networks_of_other_widths():
    """Units of A that B has twice over: each takes the mean of its two, weight for weight."""
    narrow, wide = mlp((4,)), mlp((8,))
    a = rows(narrow, 2)
    parts = narrow.layout.split(a)
    twice = {name: part.repeat_interleave(2, 1) for name, part in parts.items() if name.startswith("layers.0")}
    b = wide.layout.join(parts | twice | {"layers.1.weight": parts["layers.1.weight"].repeat_interleave(2, 2)})
    found = fusion(narrow.layout, narrow.axes, a, b, layout_b=wide.layout)
    assert found.soft["h0"].shape == (2, 4, 8)
    torch.testing.assert_close(found.aligned, a)
    x, _ = data(narrow, 100)
    costs = activation_costs(narrow, a, b, x, wide)
    found = fusion(narrow.layout, narrow.axes, a, b, costs=costs, layout_b=wide.layout)
    torch.testing.assert_close(found.aligned, a)


def test_a_pair_does_not_know_its_neighbours():
    model = mlp((6, 5))
    a, b = rows(model, 3), rows(model, 3, seed=50)
    for entropy in (0.0, 1.0):
        together = fusion(model.layout, model.axes, a, b, entropy)
        alone = fusion(model.layout, model.axes, a[1:2], b[1:2], entropy)
        torch.testing.assert_close(together.theta[1:2], alone.theta, rtol=1e-6, atol=1e-7)


def test_units_that_no_weight_describes_are_refused():
    model = architecture("vit")
    theta = rows(model, 1)
    with pytest.raises(ValueError, match="incoming weight for the units 'heads0'"):
        fusion(model.layout, model.axes, theta, theta)
