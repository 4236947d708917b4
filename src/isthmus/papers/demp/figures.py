"""The figures: when units die and of what, and what accuracy their removal leaves beside other ways to choose
units.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from isthmus.figures import PAGE, from_zero, interval95, legend_right

METHODS = {
    "demp": "DemP", "slimming": "slimming", "snap": "SNAP", "cropit": "CroPit-S", "early_cropit": "EarlyCroP-S",
    "random": "random units",
}  # fmt: skip
CHANGED = {
    "demp": "DemP (scale)", "shift": "on the shift", "both": "on scale and shift", "weights": "on all weights",
    "constant": "constant", "slimming": "constant, no noise", "everywhere": "noise on all",
}  # fmt: skip
MARKS = ("o", "s", "^", "v", "D", "P", "X")
DEAD, REMOVED = "dead hidden units (%)", "hidden units removed (%)"
ACCURACY, UPDATES = "test accuracy (%)", "training step (updates)"
STILL = 1e-5  # the control of C1a


def dead_over_time(table: pd.DataFrame, figure: Figure) -> None:
    """Dead units against updates by rate, one panel for each batch of Adam and for each form of SGD."""
    figure.set_size_inches(PAGE, 3.6)
    names = {
        "adam_16": "Adam, batch 16", "adam_64": "Adam, batch 64", "adam_256": "Adam, batch 256",
        "sgd": "SGD, batch 64", "momentum": "SGD with momentum, batch 64",
    }  # fmt: skip
    shown = _plain(table).assign(percent=lambda rows: 100 * rows["dead"])
    panels = figure.subplots(2, 3, sharex=True, sharey=True)
    for axes, (run, title) in zip(panels.flat, names.items(), strict=False):
        rows = shown[shown["run"] == run]
        rows = rows.assign(rate=rows["lr"].map("{:g}".format))
        seaborn.lineplot(
            rows, x="step", y="percent", hue="rate", style="rate", palette="viridis", errorbar=interval95, ax=axes
        )
        axes.set(title=title, xlabel=UPDATES, ylabel=DEAD)
        axes.set_ylim(0, 100)
        axes.legend(title="rate", loc="upper left", ncols=2, columnspacing=1, handlelength=1.4)
    panels[0, 2].tick_params(labelbottom=True)
    panels[0, 2].xaxis.label.set_visible(True)
    panels[1, 2].set_visible(False)


def dead_by_rate_and_batch(table: pd.DataFrame, figure: Figure) -> None:
    """Dead units after the last update as a map, rate by batch."""
    axes = figure.subplots()
    shown = _last(_plain(table[table["run"].str.startswith("adam_")]))
    shown = shown.assign(percent=100 * shown["dead"])
    percent, half = (
        shown.pivot_table(index="batch", columns="lr", values="percent", aggfunc=how)
        for how in ("mean", lambda values: np.ptp(interval95(values)) / 2)
    )
    text = percent.map("{:.1f}".format) + "\n± " + half.map("{:.1f}".format)
    seaborn.heatmap(
        percent, annot=text, fmt="", cmap="viridis", vmin=0, linewidths=0.5, cbar_kws={"label": DEAD}, ax=axes
    )
    axes.set_xticklabels([f"{rate:g}" for rate in percent.columns])
    axes.tick_params(axis="y", rotation=0)
    axes.grid(False)
    axes.set(xlabel="learning rate (Adam)", ylabel="batch size (examples)")


def dead_by_noise(table: pd.DataFrame, figure: Figure) -> None:
    """Dead units before and after training, by where the noise comes from: dots are seeds."""
    axes = figure.subplots()
    shown = table[table["run"].isin(["minibatch", "gauss_live", "gauss_all"]) & (table["order"] == 0)]
    largest = shown["noise"].max()
    shown = shown[shown["noise"].isin([0.0, largest])]
    kinds = {
        ("minibatch", 0.0): "minibatches",
        ("gauss_live", 0.0): "whole set",
        ("gauss_live", largest): "whole set,\nnoise on live\nscalars",
        ("gauss_all", largest): "whole set,\nnoise on all\nscalars",
    }
    shown = shown.assign(
        kind=[kinds[key] for key in zip(shown["run"], shown["noise"], strict=True)], percent=100 * shown["dead"]
    )
    style = {"x": "kind", "y": "percent", "order": [*kinds.values()]}
    last, start = _last(shown), shown[shown["step"] == 0]
    seaborn.stripplot(last, **style, color="0.6", size=2, jitter=0.15, ax=axes)
    seaborn.pointplot(
        last, **style, errorbar=interval95, linestyle="none", markersize=4, capsize=0.15, err_kws={"linewidth": 1},
        ax=axes,
    )  # fmt: skip
    axes.axhline(100 * start["dead"].mean(), color="0.4", linestyle="--", linewidth=0.8, label="before training")
    axes.set(xlabel="gradient of each update", ylabel=DEAD)
    from_zero(axes)
    axes.legend(title=None, loc="lower right", bbox_to_anchor=(1.0, 1.0))


def sparsity_by_noise(table: pd.DataFrame, figure: Figure) -> None:
    """Units removed and accuracy against the peak of the noise, at the penalty at which all peaks were tried."""
    figure.set_size_inches(PAGE, 2.2)
    frame = table[(table["run"] == "demp") & (table["order"] == 0)]
    tried = frame.groupby("penalty")["noise"].nunique().idxmax()
    shown = _percent(frame[frame["penalty"] == tried])
    sizes = sorted(shown["noise"].unique())
    shown = shown.assign(place=shown["noise"].map(sizes.index))
    for axes, column, label in zip(figure.subplots(1, 2), ("removed", "test"), (REMOVED, ACCURACY), strict=True):
        seaborn.lineplot(shown, x="place", y=column, errorbar=interval95, err_style="bars", marker="o", ax=axes)
        axes.set_xticks(range(len(sizes)), [f"{size:g}" for size in sizes])
        axes.set(xlabel="peak of the noise (standard deviation)", ylabel=label)


def accuracy_vs_sparsity(table: pd.DataFrame, figure: Figure) -> None:
    """Accuracy against units removed, parameters removed and operations of the training, one curve a method."""
    figure.set_size_inches(PAGE, 2.5)
    shown = _percent(table[table["order"] == 0])
    panels = figure.subplots(1, 3, sharey=True)
    for axes, column, label in zip(
        panels,
        ("removed", "parameters", "cost"),
        (REMOVED, "parameters removed (%)", "operations of the training\n(% of the dense network's)"),
        strict=True,
    ):
        _curves(axes, shown, METHODS, column)
        axes.set(xlabel=label, ylabel=ACCURACY)
        axes.label_outer(remove_inner_ticks=False)
    legend_right(panels[-1])


def ablation(table: pd.DataFrame, figure: Figure) -> None:
    """Accuracy against units removed, DemP and what one change makes of it."""
    axes = figure.subplots()
    _curves(axes, _percent(table[table["order"] == 0]), CHANGED, "removed")
    axes.set(xlabel=REMOVED, ylabel=ACCURACY)
    legend_right(axes, "penalty and noise")


def live_units(table: pd.DataFrame, figure: Figure) -> None:
    """Live units of each layer at the largest penalty, and operations of a pass by penalty, against updates."""
    figure.set_size_inches(PAGE, 2.3)
    left, right = figure.subplots(1, 2)
    most = table[table["penalty"] == table["penalty"].max()]
    layers = most["layer"].nunique()
    most = most.assign(percent=100 * most["live"] / most["width"], layer=most["layer"].map(str))
    seaborn.lineplot(
        most, x="step", y="percent", hue="layer", style="layer" if layers <= 4 else None, errorbar=interval95,
        palette="viridis", legend="full", ax=left,
    )  # fmt: skip
    left.set(xlabel=UPDATES, ylabel="live units (% of the layer)")
    left.legend(title="layer", loc="lower left", ncols=1 + layers // 5)
    passes = table[table["layer"] == 1]
    passes = passes.assign(percent=100 * passes["operations"], peak=passes["penalty"].map("{:g}".format))
    seaborn.lineplot(
        passes, x="step", y="percent", hue="peak", style="peak", errorbar=interval95, palette="viridis", ax=right
    )
    right.set(xlabel=UPDATES, ylabel="operations of a pass\n(% of the dense network's)")
    legend_right(right, "peak penalty")


def _curves(axes: Axes, shown: pd.DataFrame, names: Mapping[str, str], column: str) -> None:
    """One curve a method over its settings, means with 95 % intervals both ways, and the dense network as a
    line.
    """
    # Without the palest of the ten.
    colours = np.delete(seaborn.color_palette("colorblind"), 6, axis=0)
    for place, (method, name) in enumerate(names.items()):
        rows = shown[(shown["method"] == method) & ~shown["collapsed"]]
        if rows.empty:
            continue
        points = [_point(each, column) for _, each in rows.groupby(["penalty", "noise", "units"])]
        x, y, across, along = (np.array(values) for values in zip(*sorted(points, key=lambda p: p[0]), strict=True))
        axes.errorbar(
            x, y, yerr=across, xerr=along, label=name, color=colours[place], marker=MARKS[place], markersize=3,
            linewidth=0.9, elinewidth=0.6,
        )  # fmt: skip
    dense = shown[shown["method"] == "dense"]
    if len(dense):
        axes.axhline(dense["test"].mean(), color="0.4", linestyle="--", linewidth=0.8, label="dense")
        axes.axhspan(*interval95(dense["test"]), color="0.4", alpha=0.12, linewidth=0)


def _point(rows: pd.DataFrame, column: str) -> tuple[float, float, float, float]:
    """Means of a column and of the test accuracy, and half the widths of their intervals, accuracy's first."""
    halves = [float(np.diff(interval95(rows[name]))[0]) / 2 for name in ("test", column)]
    return float(rows[column].mean()), float(rows["test"].mean()), *halves


def _percent(table: pd.DataFrame) -> pd.DataFrame:
    """With columns in percent: removed, parameters, cost, test."""
    columns = {
        "removed": "neuron_sparsity",
        "parameters": "weight_sparsity",
        "cost": "operations",
        "test": "accuracy",
    }
    return table.assign(**{name: 100 * table[column] for name, column in columns.items()})


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    """Networks without penalty, at rates that move them."""
    return table[(table["penalty"] == 0) & (table["lr"] != STILL)]


def _last(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["step"] == table["step"].max()]
