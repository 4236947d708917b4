"""Subset sums: a known case, both solvers against each other, and targets that sums were made to hit."""

import pytest
import torch

from isthmus.equivariant.subset_sums import enumerated, nearest

SOLVERS = pytest.mark.parametrize("solve", [nearest, enumerated])


def drawn(problems, m, seed=0):
    generator = torch.Generator().manual_seed(seed)
    samples = 2 * torch.rand((problems, m), generator=generator, dtype=torch.float64) - 1
    return samples, torch.rand(problems, generator=generator, dtype=torch.float64) - 0.5


@SOLVERS
def test_a_known_case(solve):
    samples = torch.tensor([[0.3, -0.7, 0.45, 0.9, -0.2]], dtype=torch.float64)
    chosen, errors = solve(samples, torch.tensor([0.5], dtype=torch.float64))
    assert chosen.tolist() == [[True, True, False, True, False]]
    assert errors.item() <= 1e-15


@pytest.mark.parametrize("m", [1, 2, 3, 7, 12])
def test_both_solvers_find_the_same_subsets(m):
    samples, targets = drawn(1000, m)
    (chosen, errors), (wanted, least) = nearest(samples, targets), enumerated(samples, targets)
    torch.testing.assert_close(errors, least, rtol=0, atol=1e-14)
    assert torch.equal(chosen, wanted)


@SOLVERS
def test_the_error_is_that_of_the_subset(solve):
    samples, targets = drawn(200, 9)
    chosen, errors = solve(samples, targets)
    torch.testing.assert_close(((samples * chosen).sum(1) - targets).abs(), errors, rtol=0, atol=1e-14)


def test_a_target_that_a_subset_hits_is_found_among_many_samples():
    samples, _ = drawn(50, 24)
    planted = torch.rand((50, 24), generator=torch.Generator().manual_seed(1)) < 0.5
    _, errors = nearest(samples, (samples * planted).sum(1))
    assert errors.max() <= 1e-13


def test_leading_axes_are_free_and_blocks_do_not_matter(monkeypatch):
    samples, targets = drawn(60, 8)
    whole = nearest(samples, targets)
    monkeypatch.setattr("isthmus.equivariant.subset_sums._BLOCK", 64)
    chosen, errors = nearest(samples.reshape(3, 4, 5, 8), targets.reshape(3, 4, 5))
    assert torch.equal(chosen.reshape(60, 8), whole[0])
    assert torch.equal(errors.reshape(60), whole[1])
