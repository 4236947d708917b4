"""Kinds of claim on hand-made intervals, what a claim must state, and its frozen part."""

import importlib.util
from functools import partial

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from isthmus import store
from isthmus.claims import (
    AllOf,
    AnyOf,
    Claim,
    Control,
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


def spread(n=10):
    """n numbers with mean 0 whose 95 % Student interval is [-1, 1]."""
    raw = np.linspace(-1.0, 1.0, n)
    return raw / (raw.std(ddof=1) / np.sqrt(n) * scipy.stats.t.ppf(0.975, n - 1))


def around(middle, half=1.0, n=10):
    """A sample with the 95 % interval [middle - half, middle + half]."""
    return Sample.of(pd.Series(middle + half * spread(n)))


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
    assert kind.shown({"a": around(5.0), "b": around(1.5)}).estimate == pytest.approx(1.5)
    assert outcome(kind, {"a": around(5.0), "b": around(5.0, n=5)}) == "unclear"


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


def effect(tables):
    return Sample.of(tables["t"].set_index("seed")["x"])


def made(**changes):
    given = {
        "id": "C1",
        "says": "It rises.",
        "where": "Fig. 1",
        "kind": Direction(),
        "unit": "nats",
        "statistic": effect,
        "n": 12,
        "unit_of_n": "seed",
        "controls": (Control("off", partial(effect)),),
    }
    return Claim(**(given | changes))


def test_claims_refuse_what_the_rules_do_not_allow():
    seen = Control("seen", effect, "positive")
    assert made().n == 12
    for changes, wanted in [
        ({"headline": True, "n": 8}, "n >= 10 for a headline"),
        ({"controls": ()}, "mechanism off"),
        ({"controls": (Control("same", effect, "null"),)}, "mechanism off"),
        ({"controls": (Control("off", effect), Control("off", effect))}, "different names"),
        ({"controls": (Control("off", effect), seen)}, "kind of positive control"),
        ({"kind": NearZero(0.1, "paper")}, "positive control"),
        ({"kind": NearZero(0.1, "paper"), "controls": (seen,)}, "needs"),
        ({"statistic": None}, "statistic"),
        ({"out_of_reach": "no checkpoints"}, "needs"),
    ]:
        with pytest.raises(ValueError, match=wanted):
            made(**changes)
    assert made(controls=(), no_control="a description, which credits nothing").no_control
    assert made(kind=NearZero(0.1, "paper"), controls=(seen,), needs="mnist")


def test_a_statistic_must_name_every_part():
    claim = made(kind=AllOf({"a": Direction(), "b": Direction()}), statistic=lambda tables: {"a": around(1.0)})
    with pytest.raises(ValueError, match="wanted samples named"):
        claim.measure({})


SOURCE = """
from functools import partial
import numpy as np
from isthmus.claims import Claim, Control, Direction, Sample
FLOOR = 1e-6
UNUSED = 1
def _logs(values):
    return np.log10(values + FLOOR)
def effect(tables, t=0):
    table = tables["t"]
    return Sample.of(_logs(table[table.t == t].set_index("seed")["x"]))
CLAIM = Claim(
    id="C1", says="It rises.", where="Fig. 1", kind=Direction(0.3, "paper"), unit="decades", statistic=effect,
    n=12, unit_of_n="seed", controls=(Control("late", partial(effect, t=50)),),
)
"""


def frozen(tmp_path, *change):
    """The frozen hash of the claim in SOURCE with some text replaced."""
    source = SOURCE.replace(*change) if change else SOURCE
    assert not change or source != SOURCE
    path = tmp_path / f"room_{store.digest(source)[:8]}.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.CLAIM.frozen()


@pytest.mark.parametrize(
    "change",
    [
        ("It rises", "It falls"),
        ("0.3", "0.2"),
        ('"paper"', '"pilot"'),
        ("n=12", "n=13"),
        ("t=50", "t=10"),
        ('"late"', '"later"'),
        ("log10", "log2"),  # in a helper
        ("FLOOR = 1e-6", "FLOOR = 1e-7"),  # a constant of a helper
        ("import numpy as np", "import math as np; np.log10 = abs"),
        ("decades", "nats"),
        ("Fig. 1", "Fig. 2"),
    ],
)
def test_the_frozen_part_sees_what_decides(tmp_path, change):
    assert frozen(tmp_path, *change) != frozen(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        ("UNUSED = 1", "UNUSED = 2"),
        ("    return np", "    '''Logs.'''\n    return np"),
        ('table = tables["t"]', 'table = (tables["t"])  # the table'),
        ("Claim, Control, Direction, Sample", "Claim, Control, Direction, NearZero, Sample"),
    ],
)
def test_the_frozen_part_does_not_see_what_does_not(tmp_path, change):
    assert frozen(tmp_path, *change) == frozen(tmp_path)


def test_the_frozen_part_does_not_see_the_last_bits_of_a_computed_delta():
    third = 1 / 3
    assert (
        made(kind=Direction(third, "derived")).frozen() == made(kind=Direction(third + 1e-16, "derived")).frozen()
    )
    assert made(kind=Direction(third, "derived")).frozen() != made(kind=Direction(0.3333333, "derived")).frozen()


def test_the_frozen_part_tells_kinds_apart_that_state_the_same_numbers():
    kinds = [Direction(0.3, "paper"), NonInferior(0.3, "paper"), AllOf({"a": Direction(0.3, "paper")})]
    assert len({made(kind=kind).frozen() for kind in kinds}) == 3


def test_a_statistic_that_cannot_be_read_by_name_is_refused():
    with pytest.raises(ValueError, match="top level"):
        made(statistic=lambda tables: None).frozen()
