"""Whether a figure can be read in print: text that is too small, overlaps or leaves the paper, and entries of a
legend that only some readers can tell apart (`colour_vision`).

What counts is what is drawn: the figure is drawn on a canvas that notes each line of text and where it lands.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.path import Path

from isthmus import colour_vision
from isthmus.figures import COLUMN, PAGE

SMALLEST = 6.0  # points in print


@dataclass(frozen=True)
class Line:
    """One line of text as drawn. size: points. corners: (4, 2), pixels from the lower left, around its ink."""

    text: str
    size: float
    corners: np.ndarray

    def overlaps(self, other: "Line") -> bool:
        """Whether the boxes around both share an area."""
        return _closed(self.corners).intersects_path(_closed(other.corners), filled=True)


class _Canvas(RendererAgg):
    """Draws as any other, and notes the text."""

    def __init__(self, figure: Figure) -> None:
        super().__init__(*figure.bbox.size, figure.dpi)
        self.lines: list[Line] = []

    def draw_text(
        self, gc: Any, x: float, y: float, s: str, prop: Any, angle: float, *args: Any, **more: Any
    ) -> None:
        ismath = more.get("ismath", args[0] if args else False)
        width, height, below = self.get_text_width_height_descent(s, prop, ismath)
        turned = np.deg2rad(angle)
        axes = np.array([[np.cos(turned), np.sin(turned)], [-np.sin(turned), np.cos(turned)]])
        corners = np.array([[0, -below], [width, -below], [width, height - below], [0, height - below]])
        if s.strip():
            self.lines.append(Line(s, prop.get_size_in_points(), corners @ axes + (x, self.height - y)))
        super().draw_text(gc, x, y, s, prop, angle, *args, **more)


def drawn(figure: Figure) -> list[Line]:
    """Every line of text that the figure shows, in the order in which it is drawn."""
    canvas = _Canvas(figure)
    figure.draw(canvas)
    return canvas.lines


def faults(figure: Figure) -> list[str]:
    """What cannot be read, one sentence each; empty if all can.

    A figure is printed across both columns of a page if it is as wide, and in one column if it is of another width.
    Sizes are those of the text itself: its superscripts are smaller.
    """
    width = figure.get_size_inches()[0]
    scale = 1.0 if np.isclose(width, PAGE) else COLUMN / width
    lines, edge = drawn(figure), figure.bbox.size
    small = [
        f"{line.text!r} is {scale * line.size:.3g} pt in print, wanted {SMALLEST:g} or more"
        for line in lines
        if round(scale * line.size, 6) < SMALLEST
    ]
    outside = [
        f"{line.text!r} leaves the figure"
        for line in lines
        # Half a pixel: glyphs are rounded to whole ones.
        if (line.corners < -0.5).any() or (line.corners > edge + 0.5).any()
    ]
    overlapping = [f"{a.text!r} overlaps {b.text!r}" for a, b in combinations(lines, 2) if a.overlaps(b)]
    return [*small, *outside, *overlapping, *colour_vision.faults(figure)]


def _closed(corners: np.ndarray) -> Path:
    return Path([*corners, corners[0]], closed=True)
