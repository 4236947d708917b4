"""Figures: equal drawings give equal bytes in every format, and the files say what they are and not when."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from PIL import Image

from isthmus import figures
from isthmus.errors import UserError
from isthmus.verbs.draw import draw

ABOUT = {"paper": "Gül & <Co> — “a”", "room": "toy", "table sha256": "0" * 64}
KINDS = ("svg", "pdf", "png")


def drawn(folder, about=ABOUT, slope=1.0):
    """A figure with all that has identifiers of its own: clipped lines, markers, a legend, a hatched area."""
    paths = [folder / f"figure.{kind}" for kind in KINDS]
    with figures.style():
        figure = figures.blank()
        axes = figure.subplots()
        axes.plot([0, 1, 2], [0, slope, 2 * slope], marker="o", label="line")
        axes.fill_between([0, 1], [0, 1], hatch="//", alpha=0.3)
        axes.set(xlabel=r"$\alpha$", ylabel="loss (nats)", xlim=(0.5, 1.5))
        figures.legend_right(axes, "title")
        figures.save(figure, paths, about)
    return [path.read_bytes() for path in paths]


def test_equal_drawings_give_equal_bytes(tmp_path):
    assert drawn(tmp_path / "a") == drawn(tmp_path / "b")


def test_other_drawings_and_other_provenance_give_other_bytes(tmp_path):
    first = drawn(tmp_path / "a")
    others = drawn(tmp_path / "b", slope=1.1), drawn(tmp_path / "c", about={**ABOUT, "room": "other"})
    for kind, before, drawing, provenance in zip(KINDS, first, *others, strict=True):
        assert drawing != before, kind
        assert provenance != before, kind


def test_each_file_carries_its_provenance_and_no_date(tmp_path):
    svg, pdf, _ = drawn(tmp_path)
    image = Image.open(tmp_path / "figure.png")
    assert json.loads(image.info["Description"]) == ABOUT
    assert image.info["Software"] == "isthmus"
    text = svg.decode()
    described = re.search(r"<dc:description>(.*?)</dc:description>", text, re.DOTALL)[1]
    unescaped = described.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").replace("&quot;", '"')
    assert json.loads(unescaped) == ABOUT
    assert b"/Subject" in pdf
    assert "dc:date" not in text
    assert b"Date" not in pdf
    assert not {"Creation Time", "date:create"} & image.info.keys()


def test_text_in_a_figure_stays_text(tmp_path):
    svg, pdf, _ = drawn(tmp_path)
    assert "loss (nats)</text>" in svg.decode()
    assert b"/FontFile2" in pdf or b"/CIDFontType2" in pdf


@pytest.mark.parametrize("count", [2, 3, 12])
def test_error_bars_are_students_interval_of_the_mean(count):
    values = np.random.default_rng(count).normal(3, 2, count)
    wanted = scipy.stats.t.interval(0.95, count - 1, values.mean(), scipy.stats.sem(values))
    assert figures.interval95(values) == pytest.approx(wanted)


def test_one_value_has_no_error_bar():
    assert figures.interval95([3.0]) == (3.0, 3.0)


@pytest.mark.parametrize("linear_below", [None, 0.01])
def test_an_axis_from_zero_has_a_margin_above_and_shows_markers_at_zero_whole(linear_below):
    with figures.style():
        figure = figures.blank()
        axes = figure.subplots()
        (line,) = axes.plot([0, 1, 2], [0.0, 0.1, 1.0], marker="o")
        (bare,) = axes.plot([0, 2], [1.0, 1.0])
        figures.from_zero(axes, linear_below)
        figure.canvas.draw()
    (_, top) = axes.transAxes.inverted().transform(axes.transData.transform((0, 1.0)))
    assert 0.9 < top < 0.97
    assert axes.get_ylim()[0] == 0
    assert (line.get_clip_on(), bare.get_clip_on()) == (False, True)


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(UserError, match=r"file/figure\.svg: could not be written"):
        drawn(tmp_path / "file")


def test_the_verb_writes_the_same_files_twice_from_a_table_on_disk(tmp_path):
    """By a real room's own function; the table's checksum goes into the files."""
    rows = [(1.0, method, alpha, 1 + alpha) for method in ("none", "naive") for alpha in (0.0, 0.5, 1.0)]
    table = tmp_path / "lines.csv"
    pd.DataFrame(rows, columns=["lr", "method", "alpha", "loss"]).to_csv(table, index=False)
    made = []
    for name in ("a", "b"):
        outs, text = [tmp_path / name / f"line.{kind}" for kind in KINDS], tmp_path / name / "caption.txt"
        assert draw("ot_lmc", "loss_along_line", table, outs, {"room": "ot_lmc"}, "One pair (n = 1).", text) == []
        made.append([path.read_bytes() for path in (*outs, text)])
    assert made[0] == made[1]
    assert made[0][-1] == b"One pair (n = 1).\n"
    about = json.loads(Image.open(tmp_path / "a/line.png").info["Description"])
    assert about["table"] == str(table)
    assert len(about["table sha256"]) == 64
