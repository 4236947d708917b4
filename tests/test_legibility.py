"""What cannot be read in a printed figure is found, and nothing else."""

import matplotlib.pyplot as plt
import pytest

from isthmus import figures, legibility


def found(draw, width=figures.COLUMN, height=2.5):
    """What is wrong with a figure of this size on which `draw` has drawn."""
    with figures.style():
        figure = figures.blank(width, height)
        draw(figure)
        told = legibility.faults(figure)
        plt.close(figure)
        return told


def plain(figure):
    axes = figure.subplots()
    axes.plot([0, 1, 2], [0, 1, 4], label="squares")
    axes.set(xlabel=r"$\alpha$", ylabel="loss (nats)", title="two words")
    figures.legend_right(axes, "legend")


@pytest.mark.parametrize("width", [figures.COLUMN, figures.PAGE])
def test_a_plain_figure_of_either_width_can_be_read(width):
    assert found(plain, width) == []


def test_a_figure_of_another_width_is_printed_in_a_column():
    small = found(plain, 2 * figures.COLUMN)
    assert "'two words' is 3.5 pt in print, wanted 6 or more" in small
    assert found(plain, 0.9 * figures.COLUMN) == []


def test_small_text_is_found_wherever_it_stands():
    def draw(figure):
        axes = figure.subplots()
        axes.set_xticks([0.2], ["tick"], fontsize=5.9)
        axes.text(0.5, 0.5, "note", fontsize=5)
        axes.text(0.5, 0.8, "fine", fontsize=6)
        axes.table([["cell"]], loc="bottom", bbox=(0.3, 0.2, 0.3, 0.1)).set_fontsize(4)

    told = "\n".join(line for line in found(draw) if "in print" in line)
    assert "'tick' is 5.9 pt" in told
    assert "'note' is 5 pt" in told
    assert "'cell'" in told
    assert "fine" not in told


@pytest.mark.parametrize("angle", [0, 45, 90])
def test_text_upon_text_is_found(angle):
    def draw(figure):
        axes = figure.subplots()
        axes.text(0.5, 0.5, "lower", rotation=angle)
        axes.text(0.51, 0.51, "upper", rotation=angle)
        axes.text(0.1, 0.9, "apart")

    assert found(draw) == ["'lower' overlaps 'upper'"]


def test_text_that_passes_beside_slanted_text_does_not_overlap_it():
    """Their upright boxes do."""

    def draw(figure):
        axes = figure.subplots()
        axes.text(0.3, 0.3, "a long slanted text", rotation=45)
        axes.text(0.45, 0.32, "beside")

    assert found(draw) == []


def test_crowded_ticks_are_found_and_those_that_are_not_drawn_are_not():
    def draw(figure):
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1])
        axes.set_xticks([0.5, 0.51, 20.0], ["first", "second", "third"])
        axes.set_xlim(0, 1)
        hidden = axes.text(0.5, 0.5, "hidden")
        hidden.set_visible(False)
        axes.text(0.5, 0.5, "shown")

    assert found(draw) == ["'first' overlaps 'second'"]


def test_lines_of_one_text_do_not_overlap():
    assert found(lambda figure: figure.subplots().text(0.5, 0.5, "gray\nqualify\ngray", linespacing=1.2)) == []


def test_text_that_leaves_the_figure_is_found():
    def draw(figure):
        figure.set_layout_engine("none")
        axes = figure.add_axes((0.2, 0.2, 0.7, 0.7))
        axes.annotate("beyond", (1, 0.5), xytext=(1.05, 0.5))
        axes.annotate("below", (0.5, 0), xytext=(0.5, -0.5))

    assert found(draw) == ["'beyond' leaves the figure", "'below' leaves the figure"]
