"""One look for all figures, and files whose bytes depend on what is drawn alone. Imports no torch."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import seaborn
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from isthmus.store import atomic, canonical_json

# Inches: one column of a two-column page, and both.
COLUMN, PAGE = 3.3, 6.9

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 7,
    "axes.labelsize": 7,
    "axes.titlesize": 7,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "legend.title_fontsize": 6.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.grid": True,
    "grid.color": "0.92",
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.2,
    "lines.markersize": 4.5,
    "lines.markeredgewidth": 0.4,
    "savefig.dpi": 300,
    "svg.hashsalt": "isthmus",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "axes.prop_cycle": plt.cycler(color=seaborn.color_palette("colorblind").as_hex()),
}


@contextmanager
def style() -> Iterator[None]:
    """The project's look, within the block."""
    with plt.rc_context(STYLE):
        yield


def blank(width: float = COLUMN, height: float = 2.5) -> Figure:
    """An empty figure of one column's width, in inches; a drawing function may resize it."""
    return plt.figure(figsize=(width, height), layout="constrained")


def save(figure: Figure, paths: Sequence[Path], about: Mapping[str, str]) -> None:
    """Write the figure to each path, in the format of its suffix, with `about` in the file's own metadata.

    No date and no random identifiers: equal drawings give equal bytes.
    """
    text = canonical_json(about)
    metadata = {
        ".svg": {"Date": None, "Creator": "isthmus", "Description": text},
        ".pdf": {"CreationDate": None, "ModDate": None, "Creator": "isthmus", "Subject": text},
        ".png": {"Software": "isthmus", "Description": text},
    }
    for path in paths:
        # Drawn in memory first: on a full disk matplotlib's PDF writer fails with an error of its own.
        drawn = BytesIO()
        figure.savefig(drawn, format=path.suffix[1:], metadata=metadata[path.suffix])
        with atomic(path) as temporary:
            temporary.write_bytes(drawn.getvalue())
    plt.close(figure)


# How many units stand behind what is being drawn.
_UNITS: ContextVar[set[int] | None] = ContextVar("units", default=None)


@contextmanager
def counted() -> Iterator[set[int]]:
    """The n of everything that is drawn within the block: of each interval, and of what `count` is given."""
    token = _UNITS.set(set())
    try:
        yield _UNITS.get()
    finally:
        _UNITS.reset(token)


def count(units: Iterable[Hashable]) -> None:
    """Count the different units behind what is drawn without an interval, so that the caption can say n."""
    if (found := _UNITS.get()) is not None:
        found.add(len(set(units)))


def interval95(values: Iterable[float]) -> tuple[float, float]:
    """95 % interval of the mean by Student's t, for error bars of few units; (mean, mean) of a single value.

    The values are counted as units: one value a seed, a pair, a data draw.
    """
    from scipy.special import stdtrit  # a tenth of scipy.stats' import time

    values = np.asarray(list(values), dtype=float)
    count(range(len(values)))
    if len(values) < 2:
        return float(values.mean()), float(values.mean())
    half = stdtrit(len(values) - 1, 0.975) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


def ticks_at(axis: Axis, values: Sequence[float]) -> None:
    """Ticks of a logarithmic axis at these values, written out."""
    axis.set_ticks(values, labels=[f"{value:g}" for value in values])
    axis.set_minor_locator(NullLocator())


def from_zero(axes: Axes, linear_below: float | None = None, decades: float = 0.4) -> None:
    """The y axis from 0 on, with markers that lie there drawn whole; call it when all is drawn.

    linear_below: the axis is logarithmic above this, and what is below takes the room of so many `decades`; None:
    linear throughout.
    """
    if linear_below is not None:
        axes.set_yscale("symlog", linthresh=linear_below, linscale=decades)
        axes.autoscale_view(scalex=False)  # matplotlib keeps the margins of the scale before
    axes.set_ylim(bottom=0)
    marked = [line for line in axes.lines if line.get_marker() not in ("", "None", None)]
    points = [drawn for drawn in axes.collections if isinstance(drawn, PathCollection)]
    for artist in (*marked, *points):
        artist.set(clip_on=False, in_layout=False)  # seaborn's empty ones for the legend would take room


def legend_right(axes: Axes, title: str | None = None) -> None:
    """The legend beside the axes, where it hides no data."""
    axes.legend(title=title, loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=1.4, alignment="left")
