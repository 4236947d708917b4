"""Samples: what is a unit, what is left out, what is refused."""

import math

import pandas as pd
import pytest

from isthmus.samples import PROPORTION, Sample
from isthmus.stats import interval


def test_diverged_units_are_left_out_and_listed():
    found = Sample.of(pd.Series({1000: 1.0, 1001: float("nan"), 1002: 3.0}))
    assert (found.units, found.diverged, found.estimate) == (("1000", "1002"), ("1001",), 2.0)
    pairs = pd.MultiIndex.from_tuples([(1, 2), (1, 3), (2, 3)])
    shared = Sample.of(pd.Series([1.0, float("nan"), 2.0], pairs), networks=True)
    assert (shared.units, shared.diverged) == (("1", "2", "3"), ("1 and 3",))


def test_what_a_sample_refuses():
    with pytest.raises(ValueError, match="infinite one for unit 'b'"):
        Sample.of(pd.Series({"a": 1.0, "b": math.inf}))
    with pytest.raises(ValueError, match="one row a unit"):
        Sample.of(pd.Series([1.0, 2.0], index=["a", "a"]))
    with pytest.raises(ValueError, match="unit as the index"):
        Sample.of(pd.Series([1.0], pd.MultiIndex.from_tuples([(1, 2)])))
    with pytest.raises(ValueError, match="1 columns for a mean"):
        interval(Sample.of(pd.DataFrame([[1.0, 2.0]] * 6)))
    with pytest.raises(ValueError, match="wanted a column"):
        Sample.of(pd.Series([1.0])).pick("none")
    with pytest.raises(ValueError, match="0 or 1"):
        Sample.of(pd.Series([0.5, 1.0]), PROPORTION)
