"""Kinds of claim on intervals and slopes known beforehand."""

import numpy as np
import pandas as pd
import pytest
from claim_cases import around, spread

from isthmus.claims import (
    AllOf,
    AnyOf,
    Direction,
    Equivalence,
    Exact,
    Exponent,
    Monotone,
    NearZero,
    NonInferior,
    Sample,
)
from isthmus.kinds import outcome


@pytest.mark.parametrize(
    ("kind", "middle", "half", "expected"),
    [
        (Direction(), 2.0, 1.0, "passes"),
        (Direction(), 0.5, 1.0, "unclear"),
        (Direction(), -2.0, 1.0, "contradicted"),
        (Direction(3.0, "paper"), 5.0, 1.0, "passes"),
        (Direction(3.0, "paper"), 1.5, 1.0, "weaker"),
        (Direction(3.0, "paper"), 3.0, 1.0, "unclear"),
        (Direction(3.0, "paper"), 0.0, 1.0, "unclear"),
        (Direction(3.0, "paper"), -3.0, 1.0, "contradicted"),
        (Equivalence(2.0, "derived"), 0.0, 1.0, "passes"),
        (Equivalence(2.0, "derived"), 1.1, 1.0, "passes"),  # the 95 % interval ends at 2.1, the 90 % one at 1.91
        (Equivalence(2.0, "derived"), 1.3, 1.0, "unclear"),
        (Equivalence(2.0, "derived"), 4.0, 1.0, "contradicted"),
        (Equivalence(2.0, "derived"), -4.0, 1.0, "contradicted"),
        (NonInferior(2.0, "derived"), -0.5, 1.0, "passes"),
        (NonInferior(2.0, "derived"), 9.0, 1.0, "passes"),
        (NonInferior(2.0, "derived"), -2.0, 1.0, "unclear"),
        (NonInferior(2.0, "derived"), -4.0, 1.0, "contradicted"),
        (NearZero(2.0, "noise floor"), 0.5, 1.0, "passes"),
        (NearZero(2.0, "noise floor"), 1.1, 1.0, "passes"),  # one-sided
        (NearZero(2.0, "noise floor"), 1.5, 1.0, "unclear"),
        (NearZero(2.0, "noise floor"), 4.0, 1.0, "contradicted"),
    ],
)
def test_simple_kinds_on_known_intervals(kind, middle, half, expected):
    assert outcome(kind, around(middle, half)) == expected


@pytest.mark.parametrize("middle", [5.0, -5.0])
def test_fewer_than_six_units_decide_nothing(middle):
    assert outcome(Direction(), around(middle, n=5)) == "unclear"
    assert outcome(Direction(), around(middle, n=6)) != "unclear"
    assert outcome(Direction(), around(middle, n=9), least=10) == "unclear"


def rising(*middles, half=1.0, n=10):
    """A sample with columns 0, 1, ... whose neighbouring contrasts have these middles and half-widths."""
    steps = np.array([middle + half * spread(n) for middle in middles])
    columns = np.vstack([np.zeros(n), np.cumsum(steps, axis=0)]).T
    return Sample.of(pd.DataFrame(columns))


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ((3.0, 3.0, 3.0), "passes"),
        ((8.0, 0.5, 0.5), "passes"),  # flat within delta on the way
        ((9.0, -1.5, 2.0), "unclear"),  # one neighbour may be reversed beyond delta
        ((20.0, -4.0, 9.0), "contradicted"),
        ((1.2, 0.9, 0.9), "unclear"),  # the ends: 3 with half-width 3
        ((-4.0, -4.0, -4.0), "contradicted"),
    ],
)
def test_monotone(steps, expected):
    assert outcome(Monotone((0, 1, 2, 3), 2.0, "pilot"), rising(*steps)) == expected


def test_monotone_that_rises_too_little_is_weaker():
    sample = rising(0.3, 0.3, 0.3, half=0.1)
    assert outcome(Monotone((0, 1, 2, 3), 2.0, "pilot"), sample) == "weaker"
    assert outcome(Monotone((3, 2, 1, 0), 0.1, "pilot"), sample) == "contradicted"


def test_one_reversed_contrast_must_survive_holm():
    kind = Monotone((0, 1, 2, 3), 2.0, "pilot")
    barely = rising(20.0, -3.1, 20.0)  # reversed beyond delta at 95 %, not at 1 - 0.05 / 3
    assert NonInferior(2.0, "pilot").contradicted(barely.rise(1, 2))
    assert outcome(kind, barely) == "unclear"


def test_exact_looks_at_the_worst_case():
    kind = Exact(1e-6)
    assert outcome(kind, Sample.of(pd.Series([0.0, -9e-7, 1e-8]))) == "passes"
    assert outcome(kind, Sample.of(pd.Series([0.0, -2e-6]))) == "contradicted"
    assert outcome(kind, Sample.of(pd.Series([0.0, float("nan")]))) == "contradicted"
    assert outcome(kind, Sample.of(pd.Series([], dtype=float))) == "contradicted"
    assert kind.shown(Sample.of(pd.Series([0.0, -9e-7]))).estimate == 9e-7


def power(exponent, n=10, noise=0.01, bend=0.0, sizes=(64, 128, 256, 512)):
    rng = np.random.default_rng(0)
    x = np.array(sizes, dtype=float)
    y = x**exponent * (1 + bend / x) * np.exp(rng.normal(0, noise, size=(n, len(x))))
    return Sample.of(pd.DataFrame(y, columns=sizes))


def test_exponent():
    kind = Exponent((64, 128, 256, 512), -0.5, (-0.05, 0.05))
    assert outcome(kind, power(-0.5)) == "passes"
    assert outcome(kind, power(-0.3)) == "contradicted"
    assert outcome(kind, power(-0.8)) == "contradicted"
    assert outcome(kind, power(-0.55)) == "unclear"
    assert kind.shown(power(-0.5)).estimate == pytest.approx(-0.5, abs=0.01)


def test_exponent_spans_the_windows_without_the_smallest_and_the_largest_size():
    kind = Exponent((64, 128, 256, 512), -0.5, (-0.05, 0.05))
    straight, bent = kind.shown(power(-0.5, noise=1e-4)), kind.shown(power(-0.5, noise=1e-4, bend=30.0))
    assert straight.high - straight.low < 0.01
    x = np.log([64, 128, 256, 512])
    y = np.log(np.array([64, 128, 256, 512]) ** -0.5 * (1 + 30.0 / np.array([64, 128, 256, 512])))
    assert bent.low == pytest.approx(np.polyfit(x[:3], y[:3], 1)[0], abs=2e-3)
    assert bent.high == pytest.approx(np.polyfit(x[1:], y[1:], 1)[0], abs=2e-3)


def test_all_of():
    kind = AllOf({"a": Direction(3.0, "paper"), "b": Direction(3.0, "paper")})
    words = {
        (5.0, 5.0): "passes",
        (5.0, 1.5): "weaker",
        (5.0, 3.0): "unclear",
        (5.0, -5.0): "contradicted",
        (1.5, 3.0): "unclear",
    }
    for (a, b), expected in words.items():
        assert outcome(kind, {"a": around(a), "b": around(b)}) == expected
    assert kind.decisive({"a": around(5.0), "b": around(-5.0)}) == "b"
    # One contradiction among several must survive Holm.
    assert outcome(Direction(), around(-1.1)) == "contradicted"
    assert outcome(kind, {"a": around(5.0), "b": around(-1.1)}) == "unclear"
    assert kind.shown({"a": around(5.0), "b": around(1.5)}).estimate == pytest.approx(1.5)
    assert outcome(kind, {"a": around(5.0), "b": around(5.0, n=5)}) == "unclear"


def test_all_of_sees_a_positive_control_only_in_every_part():
    kind = AllOf({"a": NearZero(2.0, "paper"), "b": NearZero(2.0, "paper")})
    assert kind.detects({"a": around(5.0), "b": around(5.0)})
    assert not kind.detects({"a": around(5.0), "b": around(1.0)})


def test_any_of_asks_a_control_to_differ_where_the_claim_passes():
    kind = AnyOf({"a": Direction(), "b": Direction()})
    claim = {"a": around(3.0), "b": around(0.0)}
    assert kind.differs(claim, {"a": around(0.0), "b": around(0.0)})
    assert not kind.differs(claim, {"a": around(2.9, 3.0), "b": around(-9.0)})


def test_any_of_shares_its_level():
    kind = AnyOf({"a": Direction(), "b": Direction(), "c": Direction()})
    only = {"b": around(-5.0), "c": around(-5.0)}
    assert outcome(kind, {"a": around(3.0), **only}) == "passes"
    assert outcome(Direction(), around(1.1)) == "passes"
    assert outcome(kind, {"a": around(1.1), **only}) == "unclear"
    assert outcome(kind, {"a": around(-5.0), **only}) == "contradicted"
    assert kind.decisive({"a": around(3.0), **only}) == "a"


def test_parts_can_be_exact_and_sampled():
    both = AllOf({"formula": Exact(1e-6), "effect": Direction()})
    assert not both.exact
    assert both.n({"formula": around(0.0, 1e-9, n=3), "effect": around(2.0)}) == 10
    assert AllOf({"formula": Exact(1e-6)}).exact


@pytest.mark.parametrize(
    "kind",
    [
        lambda: Direction(0.3),
        lambda: Direction(-0.3, "paper"),
        lambda: Equivalence(0.0, "paper"),
        lambda: NearZero(-1.0, "paper"),
        lambda: Monotone((1, 2), 0.1, "pilot"),
        lambda: Monotone((1, 2, 2), 0.1, "pilot"),
        lambda: Exponent((1, 2, 3), -0.5, (-0.1, 0.1)),
        lambda: Exponent((1, 2, 3, 4), -0.5, (0.1, 0.2)),
    ],
)
def test_kinds_refuse_what_the_rules_do_not_allow(kind):
    with pytest.raises(ValueError, match="wanted"):
        kind()
