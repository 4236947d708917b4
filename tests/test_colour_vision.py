"""Entries of a legend that a colour-blind reader cannot tell apart are found, and nothing else."""

from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pytest

from isthmus import colour_vision, figures

# Both orange for a reader without the middle cone.
RED, GREEN = "#d04000", "#8a7a00"


def found(draw):
    """What is wrong with the legends of a figure on which `draw` has drawn."""
    with figures.style():
        figure = figures.blank()
        draw(figure.subplots())
        told = colour_vision.faults(figure)
        plt.close(figure)
        return told


@pytest.mark.parametrize(
    ("colour", "lab"),
    [("#ffffff", (100, 0, 0)), ("#ff0000", (53.24, 80.09, 67.20)), ("#0000ff", (32.30, 79.20, -107.86))],
)
def test_distance_from_black_is_that_of_published_values(colour, lab):
    assert colour_vision.distances(colour, "black")["normal vision"] == pytest.approx(np.linalg.norm(lab), abs=0.1)


def test_greys_look_the_same_to_all():
    away = list(colour_vision.distances("0.2", "0.6").values())
    assert np.ptp(away) < 0.1


def test_a_transparent_colour_is_seen_on_white():
    away = colour_vision.distances((0, 0, 0, 0.5), "0.5")
    assert max(away.values()) < 1e-6


def test_red_and_green_are_far_for_some_and_near_for_others():
    away = colour_vision.distances(RED, GREEN)
    assert away["normal vision"] > 40
    assert away["deuteranopia"] < colour_vision.NEAREST < away["tritanopia"]


def test_the_colours_of_our_figures_are_far_from_each_other_for_all():
    colours = figures.STYLE["axes.prop_cycle"].by_key()["color"]
    away = [min(colour_vision.distances(*pair).values()) for pair in combinations(colours, 2)]
    assert min(away) > colour_vision.NEAREST


DRAWN = {
    "lines": lambda axes, colour, label: axes.plot([0, 1], color=colour, label=label),
    "markers": lambda axes, colour, label: axes.plot([0, 1], "o", color=colour, label=label),
    "bars of error": lambda axes, colour, label: axes.errorbar([0], [1], 0.1, color=colour, label=label),
    "points": lambda axes, colour, label: axes.scatter([0], [1], color=colour, label=label),
    "bars": lambda axes, colour, label: axes.bar([0], [1], color=colour, label=label),
    "bands": lambda axes, colour, label: axes.fill_between([0, 1], [1, 2], color=colour, label=label),
}


@pytest.mark.parametrize("kind", DRAWN)
def test_entries_that_some_cannot_tell_apart_are_found(kind):
    def draw(axes, second=GREEN):
        DRAWN[kind](axes, RED, "first")
        DRAWN[kind](axes, second, "second")
        axes.legend()

    (told,) = found(draw)
    assert "'first' and 'second'" in told
    assert "for deuteranopia" in told
    assert found(lambda axes: draw(axes, "black")) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"marker": "o"}, {"marker": "s"}),
        ({"ls": "-"}, {"ls": "--"}),
        ({"marker": "o"}, {"marker": "o", "mfc": "none"}),
    ],
)
def test_another_form_is_enough(first, second):
    def draw(axes):
        axes.plot([0, 1], color=RED, label="first", **first)
        axes.plot([0, 1], color=GREEN, label="second", **second)
        axes.legend()

    assert found(draw) == []


def test_headings_of_a_legend_are_no_entries():
    def draw(axes):
        for label in ("one heading", "another"):
            axes.plot([], [], color="white", linewidth=0, label=label)
        axes.legend()

    assert found(draw) == []
