"""Assignments: the sheet's numbers, likely partners against all, what is not finite, threads."""

import threading

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from isthmus.symmetry import assignment as assigning
from isthmus.symmetry.assignment import assignment, at_once, best, likely


def tables(n, count=6, seed=0):
    return np.random.default_rng(seed).standard_normal((count, n, n))


def total(scores, p):
    return scores[np.arange(len(p)), p].sum()


def test_an_assignment_maximises_each_table():
    scores = tables(40)
    found = assignment(torch.from_numpy(scores)).numpy()
    for table, p in zip(scores, found, strict=True):
        assert np.array_equal(p, linear_sum_assignment(-table)[1])


def test_likely_partners_give_a_permutation_no_worse_than_staying_and_nearly_always_the_best():
    equal = 0
    for table in tables(200, count=12):
        p = likely(table)
        assert np.array_equal(np.sort(p), np.arange(200))
        assert np.trace(table) <= total(table, p) <= total(table, best(table)) + 1e-9
        equal += np.array_equal(p, best(table))
    assert equal >= 10


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_likely_partners_do_not_depend_on_the_scores_scale_and_offset(scale):
    table = tables(64, count=1)[0]
    assert np.array_equal(likely(table * scale), likely(table))
    assert np.array_equal(likely(table.astype(np.float32)), likely(table - 100))


def test_likely_partners_of_equal_units():
    assert np.array_equal(np.sort(likely(np.zeros((40, 40)))), np.arange(40))
    # All like the same few partners: the rest stay where they are or change places among themselves.
    table = np.tile(np.arange(40.0), (40, 1))
    assert np.array_equal(np.sort(likely(table)), np.arange(40))


@pytest.mark.parametrize("solve", [best, likely])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_stays(solve, value):
    table = tables(40, count=1)[0]
    table[3, 5] = value
    assert np.array_equal(solve(table), np.arange(40))


def test_jobs_keep_their_order_on_any_number_of_threads(monkeypatch):
    for cores in (1, 2, 7):
        monkeypatch.setattr(assigning, "_cores", lambda cores=cores: cores)
        assert at_once(lambda job: job * job, range(20)) == [job * job for job in range(20)]


def test_jobs_are_shared_by_as_many_threads_as_there_are_cores(monkeypatch):
    monkeypatch.setattr(assigning, "_cores", lambda: 3)
    together = threading.Barrier(3, timeout=20)
    # Each of three jobs waits for the other two: none would end if they came one after another.
    at_once(lambda job: together.wait(), range(3))


def test_an_error_in_a_thread_is_raised():
    with pytest.raises(ZeroDivisionError):
        at_once(lambda job: 1 // job, [1, 0])
