"""verdict.json: its shape and bytes, and what a check and a comparison find."""

import sys
from types import SimpleNamespace

import pytest
from claim_cases import absent, claimed, table

from isthmus import store, verdicts
from isthmus.claims import Claim, Direction, Exact, PaperSays
from isthmus.compare import compare, terminal
from isthmus.errors import UserError
from isthmus.judging import judged
from isthmus.verbs.judge import judge
from isthmus.verdict_file import read


@pytest.fixture
def room(tmp_path, monkeypatch):
    """A room whose code, recipe and data are what the attributes of `.made` say."""
    made = SimpleNamespace(code="code", data="data", settings={"points": 25})
    arms = SimpleNamespace(model_dump=lambda: made.settings)
    recipe = SimpleNamespace(data="toy/a/b", canonical=lambda: room.recipe)
    room = SimpleNamespace(
        slug="toy", name="toy", variant=None, scale="laptop", paper_setting=False, tables={"arms": arms},
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
    path = room.verdict_path.with_name("arms.csv")
    store.write_table(path, tables["arms"])
    judge(room.slug, {"arms": path}, room.paper_setting, verdicts.current(room), room.verdict_path)
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


def test_check_wants_a_positive_control_to_pass_its_own_test(room, monkeypatch):
    set_claims(monkeypatch, absent(kind=Direction(2.0, "paper")))
    build(room, table(claim=0.0, seen=6.0))
    assert verdicts.check(room) == []


def test_check_counts_units_that_diverged(room):
    tables = table(claim=6.0, off=0.0)
    tables["arms"].loc[3, "claim"] = float("nan")
    build(room, tables)
    assert verdicts.check(room) == []


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
        f"{room.verdict_path}: stale: made by other code or settings",
        f"{room.verdict_path}: stale: recipes: main has changed since",
        f"{room.verdict_path}: stale: data: toy/a/b has changed since",
    ]


@pytest.mark.parametrize(
    "change", [lambda r: r.made.settings.update(points=11), lambda r: setattr(r, "paper_setting", True)]
)
def test_a_setting_of_a_table_and_another_setting_of_the_paper_make_verdicts_stale(room, change):
    build(room, table(claim=6.0, off=0.0))
    change(room)
    assert verdicts.check(room) == [f"{room.verdict_path}: stale: made by other code or settings"]


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
    small, large = (judged(claimed(), table(claim=middle, off=0.0), False) for middle in (6.0, 8.0))
    not_run = judged(claimed(), {}, False)
    first, second = {"claims": {"C1": small, "C2": not_run}}, {"claims": {"C1": large, "C3": not_run}}
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
