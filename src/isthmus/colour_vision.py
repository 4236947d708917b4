"""Whether entries of a legend can be told apart, by readers of any colour vision.

Colours as seen without one kind of cone: Machado, Oliveira and Fernandes, "A Physiologically-based Model for
Simulation of Color Vision Deficiency" (2009), table of matrices at severity 1. Their distance is that of CIELAB
(1976), in which 2.3 can just be noticed side by side; lines that are thin and apart want more.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.collections import Collection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.offsetbox import DrawingArea
from matplotlib.patches import Patch

NEAREST = 10.0  # in CIELAB

# From linear red, green and blue to the same as seen.
_VISION = {
    "normal vision": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
# From linear red, green and blue of sRGB to X, Y, Z (IEC 61966-2-1).
_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def distances(one: Any, other: Any) -> dict[str, float]:
    """Distance of two colours (any that matplotlib takes, drawn on white) in CIELAB, by kind of vision."""
    a, b = _linear(one), _linear(other)
    return {
        vision: float(np.linalg.norm(_lab(matrix @ a) - _lab(matrix @ b))) for vision, matrix in _VISION.items()
    }


def faults(figure: Figure) -> list[str]:
    """Entries of one legend that differ in colour alone, too little for some reader; a sentence for each pair."""
    told = []
    for legend in figure.findobj(Legend):
        looks = [_look(area) for area in legend.findobj(DrawingArea)]
        entries = [(text.get_text(), look) for text, look in zip(legend.get_texts(), looks, strict=True) if look]
        for (one, look), (other, beside) in combinations(entries, 2):
            vision, distance = min(distances(look.colour, beside.colour).items(), key=lambda item: item[1])
            if look.form == beside.form and distance < NEAREST:
                told.append(
                    f"{one!r} and {other!r} in the legend differ in colour alone, by {distance:.3g} in CIELAB for "
                    f"{vision}, wanted {NEAREST:g} or more (or another marker, dash or hatch)"
                )
    return told


@dataclass(frozen=True)
class _Look:
    """An entry as drawn: its first colour, and all that tells it apart without colours."""

    colour: Any
    form: tuple[Any, ...]


def _look(area: DrawingArea) -> _Look | None:
    """How an entry looks; None where nothing is drawn beside its text, as for a heading."""
    parts = [_part(artist) for artist in area.get_children()]
    drawn = [part for part in parts if part is not None and to_rgba(part.colour)[3] > 0]
    return _Look(drawn[0].colour, tuple(part.form for part in drawn)) if drawn else None


def _part(artist: Artist) -> _Look | None:
    """How a line, patch, or points or bars of one colour look; None if nothing is seen of it."""
    if isinstance(artist, Line2D):
        dash, marker = artist.get_linestyle(), artist.get_marker()
        is_lined = dash != "None" and artist.get_linewidth() > 0
        is_marked = str(marker) not in ("", "None", " ") and artist.get_markersize() > 0
        if not (is_lined or is_marked) or artist.get_alpha() == 0:
            return None
        filled = to_rgba(artist.get_markerfacecolor())[3] > 0
        colour = artist.get_color() if is_lined or not filled else artist.get_markerfacecolor()
        return _Look(colour, (dash if is_lined else "", marker if is_marked else "", filled))
    if isinstance(artist, Patch):
        return _Look(artist.get_facecolor(), (artist.get_hatch(), artist.get_linestyle()))
    if isinstance(artist, Collection):
        faces, edges = artist.get_facecolor(), artist.get_edgecolor()
        colours = [*(faces[:1] if len(faces) else edges[:1])]
        return _Look(colours[0], tuple(len(path) for path in artist.get_paths())) if colours else None
    return None


def _linear(colour: Any) -> np.ndarray:
    """Linear red, green and blue of a colour on white, (3,)."""
    *rgb, alpha = to_rgba(colour)
    mixed = alpha * np.array(rgb) + 1 - alpha
    return np.where(mixed <= 0.04045, mixed / 12.92, ((mixed + 0.055) / 1.055) ** 2.4)


def _lab(linear: np.ndarray) -> np.ndarray:
    """CIELAB of linear red, green and blue, (3,), beside the white of sRGB."""
    ratio = _XYZ @ np.clip(linear, 0, 1) / _XYZ.sum(axis=1)
    root = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])
