"""The figures: the speed of all methods on all cases, and how the engine's cost grows."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from isthmus import figures
from isthmus.bench import cases
from isthmus.bench.report import compared, slope

# Of seaborn's colour-blind safe palette: far apart in lightness too.
COLOURS = {"process": "#949494", "serial": "#de8f05", "engine": "#0173b2", "limit": "#029e73"}
KINDS = ("svg", "png")


def write(frame: pd.DataFrame, folder: Path, about: Mapping[str, str]) -> None:
    """Write speed and scaling, as SVG and PNG, as far as there are numbers for them."""
    best = compared(frame)
    drawn = {
        "speed": (speed, best, not best.empty),
        "scaling": (scaling, frame, frame.part.isin(["networks", "steps"]).any()),
    }
    for name, (draw, numbers, there) in drawn.items():
        if there:
            with figures.style():
                figures.save(draw(numbers), [folder / f"{name}.{kind}" for kind in KINDS], about)


def speed(best: pd.DataFrame) -> plt.Figure:
    """A panel for each case: the time of a step and network against R, a line for each method.

    Solid lines are all cores, dashed ones one core.
    """
    names = list(dict.fromkeys(best.case))
    lines = -(-len(names) // 2)
    figure = figures.blank(figures.COLUMN, 0.45 + 1.45 * lines)
    panels = figure.subplots(lines, min(2, len(names)), squeeze=False)
    for axes, name in zip(panels.flat, names, strict=False):
        _panel(axes, best[best.case == name])
    for axes in panels.flat[len(names) :]:
        axes.remove()
    cores = best.cores.max()
    lines = f" (solid: {cores} cores, dashed: 1)" if cores > 1 else ""
    figure.supxlabel(f"networks{lines}", fontsize=7)
    figure.supylabel("µs a step and network", fontsize=7)
    return figure


def _panel(axes: Axes, best: pd.DataFrame) -> None:
    axes.set(xscale="log", yscale="log", title=cases.find(best.case.iloc[0]).title)
    counts = sorted(set(best[best.method != "process"]["rows"])) or sorted(set(best["rows"]))
    ends = {}
    for (cores, method), line in best.groupby(["cores", "method"]):
        line, whole = line.sort_values("rows"), cores == best.cores.max()
        x, y = line["rows"], line.us_per_step_network
        if method == "process":
            # It is linear in the number of networks: one measurement holds for all.
            x, y = counts, np.full(len(counts), y.iloc[0])
        dots = {} if method == "process" else {"marker": "o", "markersize": 2.5}
        axes.plot(
            x,
            y,
            color=COLOURS[method],
            **dots,
            linestyle="-" if whole else (0, (2, 1.5)),
            alpha=1 if whole else 0.7,
        )
        if whole:
            ends[method] = float(np.asarray(y)[-1])
    figures.ticks_at(axes.xaxis, counts)
    axes.set_xlim(counts[0] / 1.3, counts[-1] * 11)
    _plain(axes.yaxis)
    _labels(axes, counts[-1] * 1.25, ends)


def _labels(axes: Axes, x: float, ends: Mapping[str, float]) -> None:
    """Each line's name behind its end, in its colour, pushed up where names would touch."""
    low, high = np.log(axes.get_ylim())
    gap, below = 0.11 * (high - low), -np.inf
    for method, y in sorted(ends.items(), key=lambda end: end[1]):
        below = max(np.log(y), below + gap)
        axes.text(x, np.exp(below), method, color=COLOURS[method], va="center", fontsize=6)


def scaling(frame: pd.DataFrame) -> plt.Figure:
    """How long a step of R networks takes, and how long so many steps of 32 take; with the slope of its end."""
    figure = figures.blank(figures.COLUMN, 1.8)
    left, right = figure.subplots(1, 2)
    found = frame[frame.part == "networks"]
    _growth(
        left, found["rows"], found.us_per_step_network * found["rows"] / 1e3, "networks", "ms a step of all", 64
    )
    found = frame[frame.part == "steps"]
    seconds = found.us_per_step_network * found.steps * found["rows"] / 1e6
    _growth(right, found.steps, seconds, "steps of 32 networks", "seconds", found.steps.min())
    return figure


def _growth(axes: Axes, x: pd.Series, y: pd.Series, xlabel: str, ylabel: str, begin: int) -> None:
    axes.set(xscale="log", yscale="log", xlabel=xlabel, ylabel=ylabel)
    axes.plot(x, y, color=COLOURS["engine"], marker="o", markersize=2.5)
    _plain(axes.xaxis, (1,))
    _plain(axes.yaxis)
    end = x >= begin
    axes.text(0.95, 0.08, f"slope {slope(x[end], y[end]):.2f}\nfrom {begin}", transform=axes.transAxes, ha="right")


def _plain(axis: Axis, within: tuple[int, ...] = (1, 2, 5)) -> None:
    """Ticks of a logarithmic axis as plain numbers; `within` each power of ten, where it covers few of them."""
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=within if high / low < 200 else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
