"""The figures: loss and barrier by matching, approximate dimensions, and the rates behind the theory."""

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from isthmus.figures import count, from_zero, interval95, legend_right, ticks_at

METHODS = {
    "none": "none",
    "random": "random order",
    "naive": "naive weights",
    "git_rebasin": "weights (Git Re-Basin)",
    "informed": "covariance-informed",
    "activation": "activations",
    "straight_through_estimator": "straight-through",
    "sinkhorn": "Sinkhorn",
    "git_rebasin_repaired": "Git Re-Basin + REPAIR",
    "informed_rotated": "control: random basis",
    "activation_shuffled": "control: shuffled",
}
# Colours for matchings that look at the networks, greys for those that do not or must not.
_GREYS = {"none": "0.1", "random": "0.55", "informed_rotated": "0.35", "activation_shuffled": "0.7"}
_COLOURED = [method for method in METHODS if method not in _GREYS]
_PALETTE = dict(zip(_COLOURED, seaborn.color_palette("colorblind"), strict=False)) | _GREYS
COLOURS = {METHODS[method]: colour for method, colour in _PALETTE.items()}
RATE = "peak learning rate"


def loss_vs_rate(table: pd.DataFrame, figure: Figure) -> None:
    """Midpoint test loss against the peak rate for the paper's three matchings, and the endpoints' mean."""
    shown = _labelled(table[table["split"] == "test"], ["naive", "git_rebasin", "informed", "activation"])
    axes = figure.subplots()
    _by_rate(shown, "midpoint", axes)
    ends = table[(table["method"] == "none") & (table["split"] == "test")]
    seaborn.lineplot(
        ends, x="lr", y="endpoints", color="0.3", linestyle="--", errorbar=interval95, ax=axes, label="endpoints"
    )
    axes.set(xscale="log", yscale="log", xlabel=RATE, ylabel="test loss at the midpoint (nats)")
    legend_right(axes, "matching")


def barrier_vs_rate(table: pd.DataFrame, figure: Figure) -> None:
    """Test barrier against the peak rate, controls included."""
    names = [
        "none",
        "random",
        "naive",
        "git_rebasin",
        "informed",
        "activation",
        "informed_rotated",
        "activation_shuffled",
    ]
    axes = figure.subplots()
    _by_rate(_labelled(table[table["split"] == "test"], names), "barrier", axes)
    axes.set(xscale="log", xlabel=RATE, ylabel="test loss barrier (nats)")
    from_zero(axes, 0.01)
    legend_right(axes, "matching")


def dimension_vs_rate(table: pd.DataFrame, figure: Figure) -> None:
    """Approximate dimension against the peak rate: colour is the method, marker the layer."""
    axes = figure.subplots()
    shown = _labelled(table[table["state"] == "trained"], ["naive", "informed", "activation"])
    seaborn.lineplot(
        shown.rename(columns={"layer": "hidden layer"}), x="lr", y="dimension", hue="matching", palette=COLOURS,
        style="hidden layer", markers=True, dashes=False, hue_order=list(dict.fromkeys(shown["matching"])),
        errorbar=interval95, ax=axes,
    )  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel=RATE, ylabel="approximate dimension")
    ticks_at(axes.yaxis, [2, 5, 10, 20, 50])
    legend_right(axes)


def dimension_vs_loss(table: pd.DataFrame, figure: Figure) -> None:
    """Excess loss at the midpoint against the dimension in the method's own metric, one point per pair and rate."""
    axes = figure.subplots()
    shown = _labelled(table[table["split"] == "test"], ["naive", "informed", "activation"])
    shown = shown.assign(excess=shown["midpoint"] - shown["endpoints"])
    count(shown["pair"])
    seaborn.scatterplot(
        shown, x="dimension", y="excess", hue="matching", style="matching", palette=COLOURS, s=14, linewidth=0,
        hue_order=list(dict.fromkeys(shown["matching"])), ax=axes,
    )  # fmt: skip
    axes.set(
        xscale="log", xlabel="approximate dimension (worst layer)", ylabel="excess test loss at midpoint (nats)"
    )
    axes.set_yscale("symlog", linthresh=0.01)
    axes.autoscale_view()
    ticks_at(axes.xaxis, [2, 5, 10, 20, 50])
    legend_right(axes, "matching")


def cost_vs_samples(table: pd.DataFrame, figure: Figure) -> None:
    """Matching cost against sample size by law; thin dashed lines have the slope -2/k."""
    axes = figure.subplots()
    noisy = table["noise"].map(lambda sd: f", noise {sd:g}" if sd else "")
    where = table["ambient"].map(lambda d: f" in {d}").where(table["ambient"] != table["k"], "")
    shown = table.assign(law="k = " + table["k"].astype(str) + where + noisy)
    colours = seaborn.color_palette("colorblind", shown["law"].nunique())
    axes.set_xscale("log")
    seaborn.lineplot(
        shown, x="n", y="cost", hue="law", style="law", markers=True, dashes=False, palette=colours,
        errorbar=interval95, ax=axes,
    )  # fmt: skip
    for (_, rows), colour in zip(shown.groupby("law", sort=False), colours, strict=True):
        sizes = np.sort(rows["n"].unique())
        start = rows[rows["n"] == sizes[0]]["cost"].mean()
        axes.plot(sizes, start * (sizes / sizes[0]) ** (-2 / rows["k"].iloc[0]), "--", color=colour, linewidth=0.6)
    axes.set(yscale="log", xlabel="sample size n", ylabel="matching cost (squared distance)")
    ticks_at(axes.xaxis, [64, 128, 256, 512])
    legend_right(axes, "law (dashed: slope $-2/k$)")


def gap_vs_width(table: pd.DataFrame, figure: Figure) -> None:
    """Gap at the midpoint of two random two-layer networks against width."""
    axes = figure.subplots()
    shown = table.assign(neurons=table["matched"].map({True: "matched", False: "as they come"}))
    axes.set_xscale("log")
    seaborn.lineplot(
        shown, x="width", y="gap", hue="k", style="neurons", palette="colorblind", errorbar=interval95,
        markers=True, ax=axes,
    )  # fmt: skip
    axes.set(yscale="log", xlabel="width (neurons)", ylabel="r.m.s. gap at the midpoint")
    ticks_at(axes.xaxis, sorted(table["width"].unique()))
    legend_right(axes)


def loss_along_line(table: pd.DataFrame, figure: Figure) -> None:
    """Test loss along the line for one pair, by matching."""
    axes = figure.subplots()
    shown = _labelled(table, list(dict.fromkeys(table["method"])))
    seaborn.lineplot(shown, x="alpha", y="loss", hue="matching", style="matching", palette=COLOURS, ax=axes)
    axes.set(xlabel=r"position on the line, $\alpha$", ylabel="test loss (nats)", yscale="log")
    legend_right(axes, "matching")


def _labelled(table: pd.DataFrame, methods: list[str]) -> pd.DataFrame:
    """The rows of these methods, in this order, with the name that a reader sees as `matching`."""
    rows = pd.concat([table[table["method"] == method] for method in methods])
    return rows.assign(matching=rows["method"].map(METHODS))


def _by_rate(shown: pd.DataFrame, column: str, axes: Axes) -> None:
    seaborn.lineplot(
        shown, x="lr", y=column, hue="matching", style="matching", markers=True, dashes=False, palette=COLOURS,
        hue_order=list(dict.fromkeys(shown["matching"])), errorbar=interval95, ax=axes,
    )  # fmt: skip
