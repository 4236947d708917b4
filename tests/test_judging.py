"""What a claim's verdict comes to, with its controls."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from claim_cases import absent, arm, both_arms, claimed, levels, table

from isthmus.claims import AllOf, Claim, Control, Direction, Exact, Monotone, NearZero, Sample
from isthmus.judging import judged


def verdict(claim, tables, paper_setting=False):
    return judged(claim, tables, paper_setting)


@pytest.mark.parametrize(
    ("effect", "off", "expected", "control", "as_wanted"),
    [
        (6.0, 0.0, "holds", "contradicted", True),  # its interval lies wholly below delta
        (6.0, -4.0, "holds", "contradicted", True),
        (6.0, 1.5, "holds", "unclear", True),  # fails, and the difference is clear
        (6.0, 5.0, "unclear", "holds", False),  # passes: what the paper credits is not what does it
        (3.5, 2.8, "unclear", "unclear", False),  # fails, but does not differ
        (0.0, 0.0, "unclear", "contradicted", False),
        (-5.0, 5.0, "contradicted", "holds", False),  # a control cannot make it better
    ],
)
def test_mechanism_off_must_fail_and_differ(effect, off, expected, control, as_wanted):
    found = verdict(claimed(), table(claim=effect, off=off))
    assert (found["verdict"], found["control"]["verdict"], found["control"]["as_wanted"]) == (
        expected,
        control,
        as_wanted,
    )
    assert ("why" in found) == (effect > 0 and expected == "unclear")


def test_a_weaker_effect_needs_its_control_too():
    claim = claimed(kind=Direction(9.0, "paper"))
    assert verdict(claim, table(claim=5.0, off=0.0))["verdict"] == "weaker"
    assert verdict(claim, table(claim=5.0, off=5.0))["verdict"] == "unclear"


def test_a_control_on_other_units_is_compared_by_welchs_test():
    both = table(claim=6.0) | {"others": table(first=50, n=12, off=0.0)["arms"]}
    assert verdict(claimed(controls=(Control("off", elsewhere),)), both)["verdict"] == "holds"


def elsewhere(tables):
    return Sample.of(tables["others"].set_index("seed")["off"])


def test_a_control_of_few_units_is_inconclusive():
    both = table(claim=6.0) | {"others": table(first=50, n=5, off=0.0)["arms"]}
    found = verdict(claimed(controls=(Control("off", elsewhere),)), both)
    assert (found["verdict"], found["control"]["verdict"]) == ("unclear", "unclear")


def test_few_units_of_a_control_are_inconclusive_in_parts_too():
    off = Control("off", elsewhere_in_parts)
    claim = claimed(kind=AllOf({"only": Direction(2.0, "paper")}), statistic=in_parts, controls=(off,))
    both = table(claim=6.0) | {"others": table(first=50, n=5, off=9.0)["arms"]}
    assert verdict(claim, both)["verdict"] == "unclear"


def in_parts(tables):
    return {"only": arm(tables)}


def elsewhere_in_parts(tables):
    return {"only": elsewhere(tables)}


def test_a_null_control_must_fail_and_does_not_stand_in_front():
    null = Control("copy", partial(arm, name="copy"), "null")
    claim = claimed(controls=(null, Control("off", partial(arm, name="off"))))
    found = verdict(claim, table(claim=6.0, off=0.0, copy=0.0))
    assert (found["verdict"], found["control"]["name"]) == ("holds", "off")
    assert found["other_controls"]["copy"]["as_wanted"]
    found = verdict(claim, table(claim=6.0, off=0.0, copy=6.0))
    assert (found["verdict"], found["control"]["name"]) == ("unclear", "copy")


def test_a_claim_of_no_effect_needs_its_positive_control_seen():
    found = verdict(absent(), table(claim=0.0, seen=9.0))
    assert (found["verdict"], found["control"]["verdict"]) == ("holds", "contradicted")
    assert found["interval_90"]["high"] < found["interval"]["high"]
    found = verdict(absent(), table(claim=0.0, seen=3.0))
    assert (found["verdict"], found["needs"]) == ("out of reach", "mnist")
    assert verdict(absent(), table(claim=9.0, seen=3.0))["verdict"] == "contradicted"
    assert verdict(absent(kind=Direction()), table(claim=0.0, seen=2.0))["verdict"] == "holds"


def test_all_of_asks_a_difference_only_where_the_control_fails():
    claim = claimed(
        kind=AllOf({"first": Direction(2.0, "paper"), "second": NearZero(3.0, "paper")}),
        statistic=partial(both_arms, first="a", second="b"),
        controls=(
            Control("off", partial(both_arms, first="c", second="d")),
            Control("seen", late_only, "positive"),
        ),
        needs="mnist",
    )
    found = verdict(claim, table(a=6.0, b=0.0, c=0.0, d=0.0, seen=9.0))
    assert found["verdict"] == "holds"
    assert {name: part["verdict"] for name, part in found["parts"].items()} == {"first": "holds", "second": "holds"}
    assert verdict(claim, table(a=6.0, b=0.0, c=6.0, d=0.0, seen=9.0))["verdict"] == "unclear"
    assert verdict(claim, table(a=6.0, b=0.0, c=0.0, d=0.0, seen=2.0))["verdict"] == "out of reach"


def late_only(tables):
    return {"second": arm(tables, "seen")}


def test_monotone_shows_its_steps():
    claim = claimed(
        kind=Monotone(("a", "b", "c"), 2.0, "pilot"),
        statistic=partial(levels, names="abc"),
        controls=(Control("off", partial(levels, names="abc")),),
    )
    found = verdict(claim, table(a=0.0, b=5.0, c=12.0))
    assert set(found["parts"]) == {"a to b", "b to c"}
    assert found["estimate"] == pytest.approx(12.0)
    assert (found["verdict"], found["control"]["verdict"]) == ("unclear", "holds")


def test_exact_claims_are_verified_or_violated_and_a_mutation_is_caught():
    def residuals(value):
        return {"arms": pd.DataFrame({"seed": [0, 1], "claim": [0.0, value], "off": [0.0, 0.5]})}

    claim = claimed(kind=Exact(1e-6))
    assert verdict(claim, residuals(1e-7))["verdict"] == "verified"
    assert verdict(claim, residuals(1e-7))["control"]["verdict"] == "violated"
    assert verdict(claim, residuals(1e-5))["verdict"] == "violated"
    blind = claimed(kind=Exact(1.0))
    assert verdict(blind, residuals(1e-7))["verdict"] == "unclear"


def test_words_that_are_no_tests_outcome():
    assert verdict(claimed(), {})["verdict"] == "not run"
    assert verdict(claimed(), table(claim=6.0, off=0.0), paper_setting=True)["verdict"] == "reproduced"
    unlike = claimed(differs_from_paper=("data",), differs_always=("no training",))
    for paper_setting, differs in ((True, ["no training"]), (False, ["no training", "data"])):
        found = verdict(unlike, table(claim=6.0, off=0.0), paper_setting)
        assert (found["verdict"], found["differs_from_paper"]) == ("holds", differs)
    far = Claim(id="C9", says="s", where="w", kind=Direction(), unit="", out_of_reach="no data", needs="imagenet")
    found = verdict(far, {})
    assert (found["verdict"], found["why"], found["needs"]) == ("out of reach", "no data", "imagenet")


def test_headlines_need_ten_units():
    tables = table(n=9, claim=6.0, off=0.0)
    assert verdict(claimed(), tables)["verdict"] == "holds"
    found = verdict(claimed(headline=True), tables)
    assert (found["verdict"], found["why"]) == ("unclear", "n = 9, fewer than 10")


def test_diverged_units_are_listed_and_constant_data_flagged():
    tables = table(n=12, claim=6.0, off=0.0)
    tables["arms"].loc[3, "claim"] = np.nan
    found = verdict(claimed(), tables)
    assert (found["n"], found["diverged"], found["verdict"]) == (11, ["1003"], "holds")
    tables["arms"]["claim"] = 7.0
    assert verdict(claimed(), tables)["constant"] is True


@pytest.mark.parametrize(("planted", "least", "most"), [(2.0, 0.0, 0.05), (6.0, 0.9, 1.0)])
def test_a_planted_null_passes_rarely_and_a_planted_effect_usually(planted, least, most):
    rng, claim = np.random.default_rng(0), claimed(kind=Direction(2.0, "paper"))
    draws = [
        {
            "arms": pd.DataFrame(
                {"seed": range(10), "claim": rng.normal(planted, 2, 10), "off": rng.normal(0, 2, 10)}
            )
        }
        for _ in range(200)
    ]
    assert least <= np.mean([verdict(claim, drawn)["verdict"] == "holds" for drawn in draws]) <= most
