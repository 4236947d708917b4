"""Exact transport between samples: brute force, the closed form on a line, the rate's slope."""

from itertools import permutations

import numpy as np
import pytest
import torch

from isthmus.symmetry.transport import matching_cost, midpoint_gaps, sample_costs


def test_the_cost_is_the_least_over_all_permutations():
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(4, 6, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    for k in range(4):
        costs = [(a[k] - b[k][list(p)]).square().sum(1).mean() for p in permutations(range(6))]
        assert matching_cost(a, b)[k].item() == pytest.approx(min(costs).item())


def test_on_a_line_the_best_permutation_sorts():
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.rand(5, 40, 1, generator=generator, dtype=torch.float64) for _ in range(2))
    in_order = (a.sort(1).values - b.sort(1).values).square().mean((1, 2))
    torch.testing.assert_close(matching_cost(a, b), in_order)


@pytest.mark.parametrize(("n", "expected"), [(1, 0.166667), (9, 0.033333), (99, 0.003333)])
def test_uniform_samples_on_a_line(n, expected):
    """E of the cost is 1 / (3 (n + 1)); a mean of many draws within 4 of its standard errors."""
    draws = 40000 // n
    generator = torch.Generator().manual_seed(n)
    a, b = (torch.rand(draws, n, 1, generator=generator, dtype=torch.float64) for _ in range(2))
    costs = matching_cost(a, b)
    assert 1 / (3 * (n + 1)) == pytest.approx(expected, abs=1e-6)
    assert abs(costs.mean() - expected) < 4 * costs.std() / draws**0.5


def slope(values, ns):
    return np.polyfit(np.log(ns), np.log(values), 1)[0]


def test_the_rate_is_the_dimension_of_the_law_not_of_the_space():
    ns = (32, 64, 128, 256)
    for k in (4, 8):
        flat = slope([sample_costs(range(5), n, k, k).mean() for n in ns], ns)
        embedded = slope([sample_costs(range(5), n, k, 32).mean() for n in ns], ns)
        assert flat == pytest.approx(-2 / k, abs=0.08)
        assert embedded == pytest.approx(flat, abs=0.05)


def test_noise_off_the_support_sets_a_floor():
    ns = (32, 64, 128, 256)
    clean, noisy = (slope([sample_costs(range(5), n, 2, 32, noise).mean() for n in ns], ns) for noise in (0.0, 0.1))
    assert noisy > clean + 0.3


def test_samples_belong_to_their_seed():
    assert sample_costs([3, 7], 20, 2, 4)[1] == sample_costs([7], 20, 2, 4)[0]
    torch.testing.assert_close(midpoint_gaps([3, 7], 16, 2, 4)[1], midpoint_gaps([7], 16, 2, 4)[0])


def test_the_midpoint_of_matched_wide_networks_nears_their_mean():
    widths = (32, 64, 128, 256)
    matched = [midpoint_gaps(range(5), n, 2, 8).mean() for n in widths]
    apart = [midpoint_gaps(range(5), n, 2, 8, match=False).mean() for n in widths]
    assert slope(matched, widths) < -0.6
    assert slope(apart, widths) > -0.3
    assert matched[-1] < 0.1 * apart[-1]
