"""Captions: every figure of every room says its n and its intervals, and n is what was counted."""

import re

import pytest
from studies import Project, changed, forget, toy

from isthmus import captions, figures, jobs, rooms
from isthmus.errors import UserError

FIGURES = [(slug, name) for slug in rooms.slugs() for name in rooms.load(slug, "laptop").figures]


@pytest.mark.parametrize(("slug", "name"), FIGURES)
def test_every_caption_says_how_many_units_stand_behind_it(slug, name):
    room = rooms.load(slug, "laptop")
    caption = captions.with_runs(room.figures[name].caption, dict.fromkeys(room.runs, 7))
    assert re.search(r"\{n\} \w|\b7 runs\b|\bn = 1\b", caption)
    # An interval says of what.
    assert "interval" not in caption or re.search(r"95 %\s+intervals? over\s+\{n\} \w|its 95 % interval", caption)


def test_n_is_counted_where_an_interval_is_drawn():
    with figures.counted() as counts:
        figures.interval95([1.0, 2.0, 3.0])
        figures.interval95([1.0, 2.0])
        figures.count(["a", "b", "a", "b", "c"])
    figures.interval95([1.0])
    assert counts == {2, 3}


@pytest.mark.parametrize(("counts", "wanted"), [({12}, "over 12 seeds"), ({12, 4, 7}, "over 4 to 12 seeds")])
def test_a_caption_has_n_as_counted(counts, wanted):
    assert captions.with_n("over {n} seeds", counts) == wanted


def test_a_caption_may_be_without_n_and_with_other_braces():
    assert captions.with_n("$10^{-4}$ {x}", set()) == "$10^{-4}$ {x}"


def test_n_of_a_run_is_its_seeds():
    assert captions.with_runs("{n of main}, {n of still}, {n}", {"main": 3, "still": 4}) == "3, 4, {n}"
    with pytest.raises(captions.CaptionError, match=r"a run of main, still, found 'other'"):
        captions.with_runs("{n of other}", {"main": 3, "still": 4})


def test_a_run_that_there_is_not_is_told_with_file_and_key(tmp_path, monkeypatch):
    project = Project(tmp_path, monkeypatch)
    project.write(changed(toy(), "figures.norm_by_seed.caption", "{n of adams} seeds"))
    told = r"study\.yaml: figures\.norm_by_seed\.caption: wanted .* a run of adam, sgd, found 'adams'"
    try:
        with pytest.raises(UserError, match=told):
            jobs.draw("toy", "laptop", "norm_by_seed")
    finally:
        forget()


def test_single_values_which_have_no_interval_are_one():
    assert captions.with_n("over {n} seeds", set()) == "over 1 seeds"
