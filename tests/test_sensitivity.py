"""A headline claim judged in other ways: what each way changes, and that none changes the verdict."""

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from claim_cases import absent, around, both_arms, claimed, table

from isthmus.claims import RATIO, AllOf, Control, Direction, Exact, Exponent, NearZero, Sample
from isthmus.judging import judged
from isthmus.sensitivity import rows
from isthmus.stats import interval
from isthmus.ways import Way, exchanged, in_place

THIRDS = ["without units 1, 4, 7, ...", "without units 2, 5, 8, ...", "without units 3, 6, 9, ..."]
INTERVAL = "interval by the bootstrap, not Student's"


def by_way(claim, tables, paper_setting=False):
    found = rows(claim, tables, paper_setting)
    assert len({row["way"] for row in found}) == len(found)
    return {row["way"]: row for row in found}


def headline(**changes):
    return claimed(headline=True, **changes)


def test_twice_the_margin_can_take_a_verdict_away_and_half_of_it_give_one():
    found = by_way(headline(), table(claim=3.5, off=0.0))
    assert [*found] == ["half the margin", "twice the margin", INTERVAL, *THIRDS]
    assert [found[way]["verdict"] for way in [*found][:3]] == ["holds", "unclear", "holds"]
    assert [found[way]["delta"] for way in ("half the margin", "twice the margin", INTERVAL)] == [1.0, 4.0, 2.0]
    assert by_way(headline(), table(claim=2.5, off=-1.0))["half the margin"]["verdict"] == "holds"
    assert judged(headline(), table(claim=2.5, off=-1.0), False)["verdict"] == "unclear"


def test_a_row_has_the_verdicts_own_numbers_and_words():
    claim, tables = headline(), table(n=12, claim=6.0, off=0.0)
    entry, row = judged(claim, tables, True), by_way(claim, tables, True)["half the margin"]
    assert {key: row[key] for key in ("verdict", "estimate", "interval", "n")} == {
        key: entry[key] for key in ("verdict", "estimate", "interval", "n")
    }
    assert row["verdict"] == "reproduced"


def test_controls_still_take_away():
    found = by_way(headline(), table(claim=6.0, off=5.0))
    assert {row["verdict"] for row in found.values()} == {"unclear"}
    assert found[INTERVAL]["why"] == "control 'off' passes"
    # Half the margin lets the control pass as well.
    found = by_way(headline(), table(claim=6.0, off=2.5))
    assert (found[INTERVAL]["verdict"], found["half the margin"]["verdict"]) == ("holds", "unclear")


def test_a_third_of_the_units_leaves_claim_and_control_by_label():
    """Every third seed has an effect of its own, in the claim and in the control: their contrast stays."""
    n, odd = 12, np.arange(12) % 3 == 1
    noise = np.random.default_rng(0).normal(0, 0.1, (2, n))
    frame = pd.DataFrame(
        {"seed": range(1000, 1000 + n), "claim": 3 + 30 * odd + noise[0], "off": 30 * odd + noise[1]}
    )
    found = by_way(headline(), {"arms": frame.sample(frac=1, random_state=1)})
    assert [found[way]["n"] for way in THIRDS] == [8, 8, 8]
    assert found[THIRDS[1]]["estimate"] == pytest.approx(3, abs=0.2)
    assert found[THIRDS[1]]["verdict"] == "holds"
    assert found[THIRDS[0]]["estimate"] == pytest.approx(18, abs=0.2)


def test_ten_units_leave_enough_for_a_verdict_and_fewer_do_not():
    assert sorted(by_way(headline(), table(n=10, claim=6.0, off=0.0))[way]["n"] for way in THIRDS) == [6, 7, 7]
    found = by_way(headline(), table(n=8, claim=6.0, off=0.0))
    assert found[THIRDS[0]]["why"] == "n = 5, fewer than 6"
    assert found["half the margin"]["why"] == "n = 8, fewer than 10"


def test_pairs_of_a_network_leave_with_it():
    pairs = pd.MultiIndex.from_tuples([(a, b) for a in range(6) for b in range(a)])
    whole = Sample.of(pd.Series(np.arange(15.0), index=pairs), networks=True)
    few = whole.without(("0", "3"))
    kept = [pair for pair in pairs if not {0, 3} & {*pair}]
    assert (few.units, [tuple(few.units[end] for end in ends) for ends in few.ends]) == (
        ("1", "2", "4", "5"), [(str(a), str(b)) for a, b in kept],
    )  # fmt: skip
    assert few.estimate == pytest.approx(np.mean([list(pairs).index(pair) for pair in kept]))


def test_a_claim_without_a_margin_has_no_row_of_one():
    assert [*by_way(headline(kind=Direction()), table(claim=6.0, off=0.0))] == [INTERVAL, *THIRDS]


def test_a_margin_that_nothing_can_reach_is_shown_all_the_same():
    found = by_way(headline(kind=Direction(0.6, "paper"), unit="share removed"), table(claim=6.0, off=0.0))
    assert found["twice the margin"]["delta"] == pytest.approx(1.2)


def test_what_is_no_headline_is_exact_or_was_not_measured_has_no_rows():
    there = table(claim=6.0, off=0.0)
    assert rows(headline(), there, False) != []
    assert rows(claimed(), there, False) == []
    assert rows(headline(kind=Exact(9.0)), there, False) == []
    assert rows(headline(), {}, False) == []


def test_every_part_has_its_margin_scaled_and_the_deciding_part_is_named():
    claim = headline(
        kind=AllOf({"first": Direction(2.0, "paper"), "second": Direction(1.0, "paper")}),
        statistic=partial(both_arms, first="a", second="b"),
        controls=(Control("off", partial(both_arms, first="c", second="d")),),
    )
    found = by_way(claim, table(a=6.0, b=2.5, c=0.0, d=-1.0))
    assert (found["half the margin"]["part"], found["half the margin"]["delta"]) == ("first", 1.0)
    assert (found["twice the margin"]["part"], found["twice the margin"]["delta"]) == ("second", 2.0)
    assert [found[way]["verdict"] for way in ("half the margin", "twice the margin")] == ["holds", "unclear"]


def test_the_margin_of_an_exponent_is_its_band():
    def power(tables):
        return Sample.of(pd.DataFrame({n: n**-0.45 * tables["noise"][n] for n in (1, 2, 4, 8)}))

    noise = pd.DataFrame(np.exp(np.random.default_rng(0).normal(0, 0.01, (12, 4))), columns=(1, 2, 4, 8))
    kind = Exponent((1, 2, 4, 8), -0.5, (-0.08, 0.08))
    found = by_way(headline(kind=kind, statistic=power, controls=(), no_control="theory"), {"noise": noise})
    assert [found[way]["verdict"] for way in ("half the margin", "twice the margin")] == ["contradicted", "holds"]


def test_a_claim_of_no_effect_still_needs_its_positive_control():
    found = by_way(absent_headline(), table(claim=0.0, seen=5.0))
    assert (found["half the margin"]["verdict"], found["twice the margin"]["verdict"]) == ("holds", "out of reach")


def absent_headline():
    return claimed(kind=NearZero(3.0, "noise floor"), controls=absent().controls, needs="mnist", headline=True)


def test_test_examples_as_they_are():
    def of_examples(tables, half):
        return Sample.of(pd.DataFrame(tables["marks"][:, half]), examples=True)

    rng = np.random.default_rng(0)
    marks = 6 + 30 * rng.normal(size=60) + rng.normal(size=(10, 60))
    claim = headline(
        kind=Direction(),
        statistic=partial(of_examples, half=slice(0, 60)),
        controls=(),
        no_control="planted",
    )
    row = by_way(claim, {"marks": marks})["test examples not redrawn"]
    whole = interval(claim.measure({"marks": marks}))
    assert row["estimate"] == pytest.approx(whole.estimate)
    assert row["interval"]["high"] - row["interval"]["low"] < 0.2 * (whole.high - whole.low)


def test_the_other_interval_is_the_bootstrap_below_twenty_units_and_students_from_there_on():
    values = np.random.default_rng(3).gamma(4, 1, 24)
    few, many = around(0.0, n=12), Sample.of(pd.Series(values))
    bound = scipy.stats.t.interval(0.95, 23, values.mean(), scipy.stats.sem(values))
    assert interval(other(many)) != interval(many)
    assert (interval(other(many)).low, interval(other(many)).high) == pytest.approx(bound)
    assert interval(other(few)) != interval(few)
    assert interval(other(few)).high == pytest.approx(interval(few).high, rel=0.2)


def other(sample):
    return replace(sample, usual=False)


@pytest.mark.parametrize("n", [10, 12])
def test_the_bootstrap_covers_what_it_must_with_as_many_units_as_headlines_have(n):
    rng = np.random.default_rng(n)
    found = [interval(other(Sample.of(pd.Series(rng.normal(size=n))))) for _ in range(300)]
    assert np.mean([one.low <= 0 <= one.high for one in found]) >= 0.92


def test_a_ratio_of_many_units_is_read_by_fieller():
    rng = np.random.default_rng(0)
    rows_ = pd.DataFrame({"a": 2 + rng.normal(0, 0.2, 30), "b": 1 + rng.normal(0, 0.1, 30)})
    found, usual = interval(other(Sample.of(rows_, RATIO))), interval(Sample.of(rows_, RATIO))
    assert found != usual
    assert (found.low, found.high) == pytest.approx((usual.low, usual.high), rel=0.05)


SECOND = partial(exchanged, name="arms", one={"kind": "first", "at": 0.5}, other={"kind": "second", "at": 0.5})


def kinds():
    """The claim's arm measured twice, at 0.5, and its control once."""
    once = table(claim=6.0, again=2.5, off=0.0)["arms"]
    parts = [
        pd.DataFrame({"seed": once["seed"], "kind": kind, "at": 0.5, "value": once[name], "error": once[name] / 9})
        for kind, name in (("first", "claim"), ("second", "again"), ("off", "off"))
    ]
    return {"arms": pd.concat(parts)}


def of_kind(tables, kind="first"):
    frame = tables["arms"]
    return Sample.of(frame[frame["kind"] == kind].set_index("seed")["value"])


def with_ways(*ways):
    return headline(statistic=of_kind, controls=(Control("off", partial(of_kind, kind="off")),), other_ways=ways)


def test_a_declared_way_sees_other_tables_and_leaves_the_verdict_and_its_hash():
    claim = with_ways(
        Way("the second", SECOND),
        Way("errors", partial(in_place, names=("arms",), column="error", of="value"), kind=Direction(0.1, "paper")),
        Way("a larger margin", kind=Direction(5.5, "paper")),
    )
    tables = kinds()
    before = {name: frame.copy() for name, frame in tables.items()}
    found = by_way(claim, tables)
    assert (found["the second"]["verdict"], found["the second"]["estimate"]) == ("unclear", pytest.approx(2.5))
    assert (found["errors"]["verdict"], found["errors"]["delta"]) == ("holds", 0.1)
    assert found["errors"]["estimate"] == pytest.approx(6 / 9)
    assert found["a larger margin"]["verdict"] == "unclear"
    pd.testing.assert_frame_equal(tables["arms"], before["arms"])
    assert claim.frozen() == with_ways().frozen()
    assert judged(claim, tables, False) == judged(with_ways(), tables, False)


@pytest.mark.parametrize(("name", "other"), [("arms", "third"), ("another", "second")])
def test_a_way_that_takes_what_was_not_measured_is_left_out(name, other):
    gone = partial(exchanged, name=name, one={"kind": "first"}, other={"kind": other})
    assert "gone" not in by_way(with_ways(Way("gone", gone)), kinds())


@pytest.mark.parametrize(("controls", "verdict"), [(True, "unclear"), (False, "holds")])
def test_controls_that_were_measured_in_one_way_only_stay_the_claims_own(controls, verdict):
    def spoilt(tables):
        frame = tables["arms"]
        first = frame[frame["kind"] == "first"]
        return {**tables, "arms": pd.concat([frame[frame["kind"] != "off"], first.assign(kind="off")])}

    claim = with_ways(Way("spoilt", spoilt, controls=controls))
    assert by_way(claim, kinds())["spoilt"]["verdict"] == verdict
