"""verdict.json: controls, words, shape, and what a check and a comparison find."""

import sys
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from isthmus import store, verdicts
from isthmus.claims import (
    AllOf,
    Claim,
    Control,
    Direction,
    Exact,
    Monotone,
    NearZero,
    PaperSays,
    Sample,
)
from isthmus.compare import compare, terminal
from isthmus.errors import UserError
from isthmus.judging import judged
from isthmus.verdict_file import read


def arm(tables, name="claim"):
    """One number a seed: a column of the table."""
    return Sample.of(tables["arms"].set_index("seed")[name])


def both_arms(tables, first, second):
    return {"first": arm(tables, first), "second": arm(tables, second)}


def levels(tables, names):
    return Sample.of(tables["arms"].set_index("seed")[list(names)])


def table(n=10, first=1000, **middles):
    """Arms whose 95 % intervals are middle - 1 to middle + 1, each with the seeds in another order."""
    raw = np.linspace(-1.0, 1.0, n)
    unit = raw / (raw.std(ddof=1) / np.sqrt(n) * scipy.stats.t.ppf(0.975, n - 1))
    columns = {
        name: middle + np.random.default_rng(k).permutation(unit)
        for k, (name, middle) in enumerate(middles.items())
    }
    return {"arms": pd.DataFrame({"seed": np.arange(first, first + n), **columns})}


def claimed(**changes):
    given = {
        "id": "C1",
        "says": "It rises.",
        "where": "Fig. 1",
        "kind": Direction(2.0, "paper"),
        "unit": "nats",
        "statistic": arm,
        "n": 10,
        "unit_of_n": "seed",
        "controls": (Control("off", partial(arm, name="off")),),
    }
    return Claim(**(given | changes))


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


def test_a_null_control_must_fail_and_does_not_stand_in_front():
    null = Control("copy", partial(arm, name="copy"), "null")
    claim = claimed(controls=(null, Control("off", partial(arm, name="off"))))
    found = verdict(claim, table(claim=6.0, off=0.0, copy=0.0))
    assert (found["verdict"], found["control"]["name"]) == ("holds", "off")
    assert found["other_controls"]["copy"]["as_wanted"]
    found = verdict(claim, table(claim=6.0, off=0.0, copy=6.0))
    assert (found["verdict"], found["control"]["name"]) == ("unclear", "copy")


def absent(**changes):
    seen = Control("seen", partial(arm, name="seen"), "positive", **changes)
    return claimed(kind=NearZero(3.0, "noise floor"), controls=(seen,), needs="mnist")


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


@pytest.fixture
def room(tmp_path, monkeypatch):
    """A room whose code, recipe and data are what the attributes of `.made` say."""
    made = SimpleNamespace(code="code", data="data")
    recipe = SimpleNamespace(data="toy/a/b", canonical=lambda: room.recipe)
    room = SimpleNamespace(
        slug="toy", name="toy", variant=None, scale="laptop", paper_setting=False, tables={"arms": None},
        runs={"main": SimpleNamespace(recipe=recipe)}, verdict_path=tmp_path / "verdict.json", recipe="seeds 1000",
        made=made,
    )  # fmt: skip
    answer = {name: lambda *_: made.code for name in ("judge", "measure", "train")}
    monkeypatch.setattr(verdicts, "roots", SimpleNamespace(**answer))
    parse = lambda key: SimpleNamespace(set=key.split("/")[0])  # noqa: E731
    checksum = lambda key, place: f"{made.data} {place}"  # noqa: E731
    monkeypatch.setattr(verdicts, "register", SimpleNamespace(parse=parse, content_checksum=checksum))
    set_claims(monkeypatch, claimed(paper_says=PaperSays("1.82", "notebook", "read"), differs_from_paper=("data",)))
    return room


def set_claims(monkeypatch, *claims):
    monkeypatch.setitem(sys.modules, "isthmus.papers.toy.claims", SimpleNamespace(CLAIMS=claims))


def build(room, tables):
    store.write_json(room.verdict_path, verdicts.judge(room, verdicts.load_claims(room), tables))
    return read(room.verdict_path)


def test_verdict_json_has_its_shape_and_the_same_bytes_each_time(room):
    tables = table(claim=6.0, off=0.0)
    found = build(room, tables)
    first = room.verdict_path.read_bytes()
    build(room, {"arms": tables["arms"].sample(frac=1, random_state=3)})
    assert room.verdict_path.read_bytes() == first
    assert set(found) == {"paper", "scale", "fingerprint", "recipes", "data", "claims"}
    claim = found["claims"]["C1"]
    stated = {
        "says": "It rises.", "where": "Fig. 1", "kind": "direction", "headline": False, "verdict": "holds",
        "unit": "nats", "n": 10, "unit_of_n": "seed",
    }  # fmt: skip
    assert {key: claim[key] for key in stated} == stated
    assert claim["estimate"] == pytest.approx(6.0)
    assert claim["interval"] == {"low": pytest.approx(5.0), "high": pytest.approx(7.0)}
    assert (claim["delta"], claim["delta_from"], claim["differs_from_paper"]) == (2.0, "paper", ["data"])
    assert claim["paper_says"] == {"value": "1.82", "source": "notebook", "certainty": "read"}
    assert set(claim["control"]) == {"name", "role", "verdict", "estimate", "interval", "n", "as_wanted"}
    assert len(claim["frozen"]) == 64


def test_a_fresh_verdict_passes_the_check(room):
    build(room, table(claim=6.0, off=0.0))
    assert verdicts.check(room) == []


def test_check_finds_a_control_that_passes(room):
    build(room, table(claim=6.0, off=5.0))
    assert verdicts.check(room) == [f"{room.verdict_path}: C1: control 'off' passes"]


def test_check_finds_a_threshold_moved_after_the_fact(room, monkeypatch):
    build(room, table(claim=6.0, off=0.0))
    set_claims(monkeypatch, claimed(kind=Direction(1.0, "paper")), claimed(id="C2"))
    assert verdicts.check(room) == [
        f"{room.verdict_path}: C1: its frozen part has changed since it was judged",
        f"{room.verdict_path}: C2: has not been judged",
    ]
    set_claims(monkeypatch)
    assert verdicts.check(room) == [f"{room.verdict_path}: C1: is no longer a claim"]


def test_check_finds_what_is_stale(room):
    build(room, table(claim=6.0, off=0.0))
    room.made.code, room.made.data, room.recipe = "other", "others", "seeds 0"
    assert verdicts.check(room) == [
        f"{room.verdict_path}: stale: made by other code than this",
        f"{room.verdict_path}: stale: recipes: main has changed since",
        f"{room.verdict_path}: stale: data: toy/a/b has changed since",
    ]


def test_check_finds_units_that_were_not_planned(room):
    build(room, table(n=12, claim=6.0, off=0.0))
    assert verdicts.check(room) == [f"{room.verdict_path}: C1: wanted 10 of seed as planned, found 12"]
    room.scale = "smoke"
    assert verdicts.check(room) == []


def test_the_place_of_data_counts_by_its_content_only(room):
    assert verdicts.current(room, {"toy": "here"})["data"] == {"toy/a/b": "data here"}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda v: v["claims"]["C1"].update(verdict="proved"), "claims.C1.verdict"),
        (lambda v: v["claims"]["C1"].pop("frozen"), "claims.C1.frozen"),
        (lambda v: v.update(time="now"), "time"),
    ],
)
def test_a_verdict_of_another_shape_is_refused_in_one_line(room, change, fault):
    content = build(room, table(claim=6.0, off=0.0))
    change(content)
    store.write_json(room.verdict_path, content)
    with pytest.raises(UserError, match=fault) as caught:
        read(room.verdict_path)
    assert "\n" not in str(caught.value)
    assert verdicts.check(room) == [str(caught.value)]


def test_a_missing_verdict_is_a_finding(room):
    assert verdicts.check(room) == [f"{room.verdict_path}: could not be read (No such file or directory)"]


def test_two_claims_with_one_id_are_refused(room, monkeypatch):
    set_claims(monkeypatch, claimed(), claimed())
    with pytest.raises(ValueError, match="different ids"):
        verdicts.load_claims(room)


def test_false_passes_to_expect():
    far = Claim(id="C9", says="s", where="w", kind=Direction(), unit="", out_of_reach="no data", needs="imagenet")
    assert verdicts.expected_false_passes([claimed(), absent(), claimed(kind=Exact(1e-6)), far]) == pytest.approx(
        0.075
    )


def test_compare_sets_two_builds_side_by_side():
    first = {"claims": {"C1": verdict(claimed(), table(claim=6.0, off=0.0)), "C2": verdict(claimed(), {})}}
    second = {"claims": {"C1": verdict(claimed(), table(claim=8.0, off=0.0)), "C3": verdict(claimed(), {})}}
    rows = {row.claim: row for row in compare(first, second)}
    assert list(rows) == ["C1", "C2", "C3"]
    assert (rows["C1"].same, rows["C1"].inside) == (True, False)
    assert (rows["C2"].first, rows["C2"].second, rows["C2"].same, rows["C2"].inside) == (
        "not run",
        "–",
        False,
        None,
    )
    assert all(row.inside for row in compare(first, first)[:1])
    assert terminal(list(rows.values()), "toy", "toy@big").row_count == 3
