"""How rankings agree over runs, scores and architectures: known cases, and what chance would give."""

import numpy as np
import pytest
import scipy.stats

from isthmus.difficulty.components import principal
from isthmus.difficulty.consistency import groups, runs_needed, spearman_brown
from isthmus.difficulty.fingerprint import by_sensitivity, told_first
from isthmus.difficulty.ranks import correlation, overlap, ranks, spearman
from isthmus.difficulty.sensitivity import significant, welch


def rng(seed=0):
    return np.random.default_rng(seed)


def test_ranks_are_the_sheets():
    assert ranks([3, 1, 3, 2]).tolist() == [2.5, 0, 2.5, 1]
    assert ranks([np.inf, 0, np.inf]).tolist() == [1.5, 0, 1.5]


def test_spearman_is_scipys_and_blind_to_increasing_transforms():
    a, b = rng().integers(0, 9, (2, 5, 60)).astype(float)
    for x, y, found in zip(a, b, spearman(a, b), strict=True):
        assert found == pytest.approx(scipy.stats.spearmanr(x, y).statistic)
    np.testing.assert_allclose(spearman(np.exp(a), b**3), spearman(a, b))
    assert np.isnan(spearman(np.ones(5), np.arange(5)))


def test_overlap_is_of_the_hardest_and_ties_are_broken_at_random():
    scores = np.arange(100.0)
    assert overlap(scores, scores, 0.1, rng()) == 1
    assert overlap(scores, -scores, 0.1, rng()) == 0
    shifted = np.where(scores >= 95, -1, scores)
    assert overlap(scores, shifted, 0.1, rng()) == 0.5
    # Where a score says nothing, the hardest tenth is a tenth by chance; breaking ties by place would give 1 or 0.
    assert overlap(np.zeros(1000), np.arange(1000.0), 0.1, rng(), draws=200) == pytest.approx(0.1, abs=0.02)


def test_groups_are_disjoint_neighbours():
    ranked = np.arange(10.0)[:, None] * np.ones(3)
    first, second = groups(ranked, 2)
    assert first[:, 0].tolist() == [0.5, 4.5]
    assert second[:, 0].tolist() == [2.5, 6.5]
    assert [len(side) for side in groups(ranked, 8)] == [0, 0]


def test_spearman_brown_is_what_averaging_parallel_measurements_gives():
    """Normal scores with independent errors: the correlation of means of r is the formula's."""
    truth, errors = rng().standard_normal(20_000), rng(1).standard_normal((16, 20_000))
    runs = truth + 1.5 * errors
    one = correlation(*groups(runs, 1)).mean()
    for size in (2, 4, 8):
        assert correlation(*groups(runs, size)).mean() == pytest.approx(spearman_brown(one, size), abs=0.01)
    assert spearman_brown(0.5, runs_needed(0.5, 0.95)) == pytest.approx(0.95)


def test_components_of_copies_and_of_independent_scores():
    copies = np.ones((5, 5))
    shares, loadings = principal(copies)
    assert shares == pytest.approx([1, 0, 0, 0, 0], abs=1e-12)
    assert loadings[0] == pytest.approx([1] * 5)
    independent = np.corrcoef(ranks(rng().standard_normal((5, 20_000))))
    assert principal(independent)[0] == pytest.approx([0.2] * 5, abs=0.01)


def test_components_are_those_of_the_singular_values():
    scores = ranks(rng().standard_normal((4, 4)) @ rng(1).standard_normal((4, 300)))
    standard = (scores - scores.mean(axis=1, keepdims=True)) / scores.std(axis=1, keepdims=True)
    values = np.linalg.svd(standard, compute_uv=False) ** 2
    shares, loadings = principal(np.stack([np.corrcoef(scores)] * 2))
    np.testing.assert_allclose(shares[1], values / values.sum())
    np.testing.assert_allclose((loadings[0] ** 2).sum(axis=1), values / 300)
    assert (loadings.sum(axis=-1) >= 0).all()


def test_welch_is_the_sheets_and_scipys():
    t, _ = welch(np.array([[1.0], [2], [3]]), np.array([[2.0], [4], [6]]))
    assert t.item() == pytest.approx(-1.549193, abs=5e-7)
    a, b = rng().standard_normal((5, 40)), 2 * rng(1).standard_normal((8, 40))
    wanted = scipy.stats.ttest_ind(a, b, equal_var=False)
    t, p = welch(a, b)
    np.testing.assert_allclose(t, wanted.statistic)
    np.testing.assert_allclose(p, wanted.pvalue)


def test_runs_that_do_not_vary_are_equal_or_not():
    t, p = welch(np.zeros((3, 2)), np.array([[0.0, 1.0]] * 3))
    assert p.tolist() == [1, 0]
    assert (t[0], abs(t[1])) == (0, np.inf)


def test_p_values_of_one_architecture_are_uniform_and_bonferroni_lets_few_through():
    """0.05 hits in expectation among the examples of one comparison; 200 comparisons."""
    ps = np.concatenate([welch(*rng(seed).standard_normal((2, 16, 100)))[1] for seed in range(200)])
    assert scipy.stats.kstest(ps, "uniform").pvalue > 0.01
    hits = sum(significant(of_one).any() for of_one in ps.reshape(200, 100))
    # Binomial(200, 0.05): 0.1 % to 99.9 %.
    assert scipy.stats.binom.ppf(0.001, 200, 0.05) <= hits <= scipy.stats.binom.ppf(0.999, 200, 0.05)


def planted(shift, runs=20, examples=200, seed=0):
    """Ranks of runs of two architectures, of which the second moves the first ten examples by so many."""
    hardness = np.linspace(0, examples, examples)
    a, b = hardness + 10 * rng(seed).standard_normal((2, runs, examples))
    b[:, :10] += shift
    return a, b


def test_sensitive_examples_are_found_and_tell_unseen_runs_apart():
    a, b = planted(40.0)
    order = by_sensitivity(a[:10], b[:10])
    assert set(order[:10].tolist()) == set(range(10))
    told = np.concatenate([told_first(a[:10], b[:10], a[10:], order, [1, 4]),
                           1 - told_first(a[:10], b[:10], b[10:], order, [1, 4])], axis=1)  # fmt: skip
    assert told.shape == (2, 20)
    assert told[1].mean() == 1
    unmoved = order[::-1]
    assert told_first(a[:10], b[:10], a[10:], unmoved, [4]).mean() < 0.95


def test_two_groups_of_one_architecture_are_told_by_chance():
    right = []
    for seed in range(60):
        a, b = planted(0.0, seed=seed)
        order = by_sensitivity(a[:10], b[:10])
        right += [
            told_first(a[:10], b[:10], a[10:], order, [4]),
            1 - told_first(a[:10], b[:10], b[10:], order, [4]),
        ]
    # Runs of one seed are told by one pair of means: the seeds are what is independent.
    by_seed = np.concatenate(right, axis=1).reshape(60, -1).mean(axis=1)
    assert abs(by_seed.mean() - 0.5) < 3.3 * by_seed.std(ddof=1) / np.sqrt(60)


def test_a_run_as_near_to_both_is_told_to_be_neither():
    a, b = np.zeros((2, 3)), np.full((2, 3), 2.0)
    found = told_first(a, b, np.array([[1.0, 1, 1], [0, 0, 0], [2, 2, 2]]), np.arange(3), [1, 3])
    assert found.tolist() == [[0.5, 1, 0]] * 2
