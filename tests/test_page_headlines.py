"""The picture on top of README.md: headline claims alone, with their words, intervals and thresholds."""

import xml.etree.ElementTree as ElementTree
from types import SimpleNamespace

import pytest
from atlases import EVIL, entry

from isthmus import rooms
from isthmus.page import headlines

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(autouse=True)
def paper(monkeypatch):
    """A paper whose title is to be escaped."""
    monkeypatch.setattr(rooms, "load", lambda slug, scale: SimpleNamespace(card=SimpleNamespace(title=f"T {EVIL}")))


def drawn(claims):
    """The picture of one paper with these claims, parsed."""
    return ElementTree.fromstring(headlines.svg([{"paper": "toy", "scale": "laptop", "claims": claims}]))


def texts(picture):
    return [text.text for text in picture.iter(f"{SVG}text")]


def test_headlines_alone_are_shown_and_all_claims_are_counted():
    beyond = entry("out of reach", headline=False, estimate=None, interval=None)
    claims = {
        "C1": entry("holds", parts={}),
        "C2": entry("contradicted", parts={}, headline=False),
        "C3": beyond,
        "C4": entry("unclear", parts={}),
    }
    assert texts(drawn(claims))[:-1] == [
        f"T {EVIL}", "1 of 3 claims pass",
        "C1", "✓ holds", f"It comes to holds: {EVIL}",
        "C4", "? unclear", f"It comes to unclear: {EVIL}",
    ]  # fmt: skip


def test_the_interval_lies_where_the_pages_have_it():
    picture = drawn({"C1": entry("holds", parts={})})  # 1.9 [1.6, 2.2], threshold 0.3
    lines = {line.get("class"): line for line in picture.iter(f"{SVG}line")}
    places = {name: float(line.get("x1")[:-1]) for name, line in lines.items()}
    assert places["zero"] == 4
    assert places["threshold"] == pytest.approx(4 + 92 * 0.3 / 2.2, abs=0.01)
    assert places["interval"] == pytest.approx(4 + 92 * 1.6 / 2.2, abs=0.01)


def test_a_claim_of_parts_shows_the_threshold_of_the_part_whose_numbers_it_has():
    interval = {"low": 1.6, "high": 2.2}
    parts = {
        "other": {"kind": "direction", "delta": 9.0, "estimate": 5.0, "interval": {"low": 4.0, "high": 6.0}},
        "weakest": {"kind": "direction", "delta": 1.1, "estimate": 1.9, "interval": interval},
    }
    (threshold,) = (
        line for line in drawn({"C1": entry("holds", kind="all of", delta=None, parts=parts)}).iter(f"{SVG}line")
        if line.get("class") == "threshold"
    )  # fmt: skip
    assert float(threshold.get("x1")[:-1]) == pytest.approx(50)


def test_a_verdict_without_an_interval_has_no_line():
    picture = drawn({"C1": entry("not run", parts={}, estimate=None, interval=None)})
    assert not list(picture.iter(f"{SVG}line"))
    assert "○ not run" in texts(picture)
