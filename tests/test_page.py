"""The atlas without a browser: what its pages say of planted results, and when they are written again."""

import json
from html import unescape

import pytest
from atlases import CARD, EVIL, planted
from studies import changed, toy

from isthmus import page as package
from isthmus import rooms, roots, verdicts
from isthmus.errors import UserError
from isthmus.page import atlas, card
from isthmus.page.number_line import number_line
from isthmus.page.shown import WORDS
from isthmus.verdict_file import Verdict


@pytest.fixture
def there(tmp_path):
    with planted(tmp_path) as found:
        yield found


def test_every_word_of_a_verdict_has_a_sign_and_a_meaning():
    assert set(WORDS) == set(Verdict.__args__)


def test_what_is_not_built_is_named_with_the_reason(there):
    index = there.write().partition("Not here")[2]
    assert "not built at this scale: results/laptop/second/verdict.json is not there" in index
    assert "has no scale laptop (it has smoke)" in index
    there.build("second")
    assert "results/laptop/second" not in there.write().partition("Not here")[2]
    assert there.page("second").is_file()


def test_a_room_without_its_record_or_with_a_figure_missing_is_not_shown(there):
    room = rooms.load("toy", "laptop")
    for path in (room.provenance_path, room.figure_paths("norm_by_seed")[0]):
        content = path.read_text()
        path.unlink()
        assert f"{path} is not there" in there.write()
        assert not there.page("toy").exists()
        path.write_text(content)


def test_without_any_result_there_is_an_index_that_says_so(there):
    for path in (there.root / "results").rglob("verdict.json"):
        path.unlink()
    assert "No paper has been built at this scale yet." in there.write()


def test_a_scale_that_no_paper_has_is_refused(there):
    with pytest.raises(UserError, match="scale: wanted one of laptop, mnist, redraw, smoke, found 'huge'"):
        atlas.write("huge")


def test_a_variant_says_why_and_what_earlier_code_made_says_so(there):
    there.write()
    gentle, base = (unescape(there.page(name).read_text()) for name in ("toy@gentle", "toy"))
    assert "A variant, not the published study." in gentle
    assert f"smaller steps {EVIL}" in gentle
    assert "Made by earlier code" in gentle
    assert "A variant" not in base
    assert "Made by earlier code" not in base


def test_equal_results_give_equal_bytes_and_what_is_left_over_goes(there):
    there.write()
    before = {path: path.read_bytes() for path in there.page().parent.rglob("*") if path.is_file()}
    there.page("gone").write_text("of a room that is no more")
    there.write()
    assert before == {path: path.read_bytes() for path in there.page().parent.rglob("*") if path.is_file()}


def test_the_command_of_a_figure_is_its_path(there):
    there.write()
    assert "snakemake results/laptop/toy/figures/norm_by_seed.svg --cores 2" in there.page("toy").read_text()


def test_a_claim_has_its_numbers_controls_and_what_is_not_the_papers(there):
    there.write()
    claim = unescape(there.page("toy").read_text().partition('id="C1"')[2].partition("</article>")[0])
    for wanted in (
        "1.9 [1.6, 2.2] nats",
        "(90\xa0%, which decides whether it passes: [1.65, 2.15])",
        "10 seeds",
        f"notebook {EVIL}; certainty: read",
        f"off {EVIL}: contradicted, 0 [-0.1, 0.1]",
        "null: contradicted, –",
        "threshold 0.3 (paper)",
        f"data, model {EVIL}",
        "1 [0.7, 1.3]",
    ):
        assert wanted in claim, wanted
    beyond = unescape(there.page("toy").read_text().partition('id="beyond"')[2].partition("</section>")[0])
    assert f"too large {EVIL}. It needs: ImageNet {EVIL}" in beyond


def of(page, claim):
    """What a room's page says of a claim."""
    return unescape(page.read_text().partition(f'id="{claim}"')[2].partition("</article>")[0])


def test_a_claim_has_its_other_ways_and_the_board_says_how_many_agree(there):
    index = there.write()
    for claim, agree in (("C2", "1 of 2"), ("C5", "2 of 2")):  # holds, unclear
        shown = of(there.page("toy"), claim)
        assert f"Judged in other ways: {agree} agree" in shown
        for wanted in (f"another {EVIL}", "1.5 [1.25, 1.75]", f"control {EVIL} passes", "<td>0.15</td><td>8</td>"):
            assert wanted in shown, wanted
        row = index.partition(f'data-room="toy" data-claim="{claim}"')[2].partition("</tr>")[0]
        assert f"{agree} ways agree" in row
    assert "other ways" not in of(there.page("toy"), "C9")  # out of reach


def test_another_draw_of_the_data_is_one_more_way_of_the_same_claim(there):
    there.judge("toy", scale="redraw", verdict="holds", estimate=0.25, interval={"low": 0.125, "high": 0.375})
    there.write()
    shown = of(there.page("toy"), "C2")
    assert "Judged in other ways: 2 of 3 agree" in shown
    assert "another draw of the data, other networks" in shown
    assert "0.25 [0.125, 0.375]<" in shown
    assert "another draw" not in of(there.page("toy@gentle"), "C2")
    there.judge("toy", scale="redraw", made_by="before")
    there.write()
    assert "other networks, by earlier code or settings" in of(there.page("toy"), "C2")
    there.judge("toy", scale="redraw", frozen="e" * 64)
    there.write()
    assert "another draw" not in of(there.page("toy"), "C2")


def test_the_number_of_passes_to_expect_is_the_sum_over_the_rooms(there):
    expected = sum(verdicts.expected_false_passes(verdicts.load_claims(rooms.load("toy", "laptop"))) for _ in "ab")
    assert f"<strong>{expected:.1f}</strong>" in there.write()
    # Of nine claims a room three pass and two have not been run.
    assert "6 of 14 claims that were run pass" in there.write()


def test_no_text_of_a_study_a_verdict_or_a_card_is_markup(there):
    there.write()
    for path in there.page().parent.glob("*.html"):
        text = path.read_text()
        assert "<script>document" not in text
        assert '<img src="https' not in text
        assert 'onerror="owned' not in text
        assert "&lt;script&gt;document" in text


def test_a_caption_has_n_as_it_was_counted_and_all_figures_are_on_one_page(there):
    there.write()
    assert "n = 12." in there.page("toy").read_text()
    sheet = there.page("figures").read_text()
    for name in ("toy", "toy%40gentle"):
        assert f'<a href="{name}.html#figure-norm_by_seed"' in sheet
        assert f'<img src="files/{name}/norm_by_seed.svg"' in sheet
    assert sheet.count("n = 12.") == 2


def test_the_report_is_linked_where_it_is(there):
    assert "report.html" not in there.write()
    (there.root / "results/laptop/report.html").write_text("graph")
    assert 'href="../report.html"' in there.write()


def test_another_room_its_code_a_card_or_a_report_call_for_another_atlas(there, monkeypatch):
    """A room that the build itself vouches for does not: its results are inputs."""
    seen = {atlas.standing("laptop", ["toy"])}

    def is_new():
        count = len(seen)
        seen.add(atlas.standing("laptop", ["toy"]))
        return len(seen) > count

    rooms.load("toy", "laptop").provenance_path.write_text("{}")
    assert not is_new()
    there.build("second")
    assert is_new()
    there.judge("toy", scale="redraw")
    assert is_new()
    monkeypatch.setattr(verdicts, "fingerprint", lambda room: "later")
    assert is_new()
    (there.project.papers / "toy/README.md").write_text("# Other words")
    assert is_new()
    there.project.write(changed(toy(), "paper.title", "Another title"))
    assert is_new()
    (there.root / "results/laptop/report.html").write_text("graph")
    assert is_new()


def test_the_code_of_the_page_is_that_of_its_templates_too(tmp_path, monkeypatch):
    before = roots.page()
    for path in package.templates():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(package, "TEMPLATES", tmp_path)
    assert roots.page() == before
    (tmp_path / "page.css").write_text("body { color: red }")
    assert roots.page() != before


def test_a_card_is_rendered_below_the_sections_of_its_page():
    shown = str(card.html(CARD, "laptop"))
    assert "A toy" not in shown
    assert "old" not in shown
    assert "<h3>Claims and verdicts (laptop)</h3>\n<p>The verdicts stand above.</p>" in shown
    assert "<h4>Details</h4>" in shown
    assert '<th scope="col">a</th>' in shown
    assert "<img" not in shown
    assert 'href="javascript' not in shown
    assert "<script" not in shown
    assert "<code>snakemake toy --cores 2\n</code>" in shown


def test_a_card_keeps_the_verdicts_at_other_scales():
    assert "<td>old</td>" in str(card.html(CARD, "mnist"))


@pytest.mark.parametrize(
    ("kind", "marks"), [("direction", (96.0,)), ("non-inferior", (4.0,)), ("equivalence", (4.0, 96.0))]
)
def test_a_line_has_zero_the_interval_and_what_the_test_compares_with(kind, marks):
    entry = {"kind": kind, "delta": 2.0, "estimate": 0.0, "interval": {"low": -1.0, "high": 1.0}}
    line = number_line(entry)
    assert line.marks == marks
    assert line.low < line.estimate == line.zero < line.high


@pytest.mark.parametrize(
    "change",
    [{"interval": None}, {"interval": {"low": None, "high": 1.0}}, {"kind": "all of"}, {"estimate": None}],
)
def test_there_is_no_line_without_a_finite_interval(change):
    entry = {"kind": "direction", "delta": 2.0, "estimate": 0.5, "interval": {"low": 0.0, "high": 1.0}}
    assert number_line(entry | change) is None


def test_a_line_that_is_one_point_is_not_drawn():
    assert (
        number_line({"kind": "direction", "delta": 0.0, "estimate": 0.0, "interval": {"low": 0.0, "high": 0.0}})
        is None
    )


def test_a_damaged_verdict_is_told_in_one_line(there):
    path = rooms.load("toy", "laptop").verdict_path
    content = json.loads(path.read_text())
    content["claims"]["C1"]["verdict"] = "proved"
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"claims\.C1\.verdict"):
        there.write()
