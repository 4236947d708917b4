"""The figures: how barriers depend on the size, time and kind of a kick, and what else parts with them."""

import numpy as np
import pandas as pd
import seaborn
from matplotlib.figure import Figure

from isthmus.figures import PAGE, count, from_zero, interval95, legend_right

# Barriers reach down to exactly 0: the axis is linear below this, in nats, and logarithmic above.
LINEAR_BELOW = 1e-3
BARRIER = "train loss barrier (nats)"
KICKS = ["one weight", "gaussian 1e-4", "gaussian 1e-2", "gaussian 1e-1", "batch 1e-2"]


def barrier_vs_sigma(table: pd.DataFrame, figure: Figure) -> None:
    """Barrier against the size of the kick, colour by its time; one weight stands left of all sizes."""
    axes = figure.subplots()
    kicked = named(table)
    places = {"one weight": 0, "gaussian 1e-4": 1, "gaussian 1e-2": 2, "gaussian 1e-1": 3}
    kicked = kicked[kicked["kick"].isin(places)].assign(place=lambda rows: rows["kick"].map(places))
    seaborn.lineplot(
        kicked, x="place", y="barrier", hue="when", style="when", markers=True, dashes=False, palette="viridis",
        errorbar=interval95, err_style="bars", ax=axes,
    )  # fmt: skip
    axes.set_xticks(list(places.values()), ["one\nweight", "$10^{-4}$", "$10^{-2}$", "$10^{-1}$"])
    axes.set(xlabel="size of the kick, sigma (initial weights' norm)", ylabel=BARRIER)
    from_zero(axes, LINEAR_BELOW)
    legend_right(axes, "kick at")


def barrier_vs_time(table: pd.DataFrame, figure: Figure) -> None:
    """Barrier against the time of the kick, by kind; the dashed line is an independent data order."""
    axes = figure.subplots()
    kicked = named(table)
    seaborn.lineplot(
        kicked, x="place", y="barrier", hue="kick", style="kick", hue_order=KICKS, style_order=KICKS, markers=True,
        dashes=False, palette="colorblind", errorbar=interval95, err_style="bars", ax=axes,
    )  # fmt: skip
    order = table[table["kind"] == "order"]["barrier"]
    axes.axhline(order.mean(), color="0.4", linestyle="--", label="independent\ndata order")
    axes.axhspan(*interval95(order), color="0.4", alpha=0.15, linewidth=0)
    times = kicked.drop_duplicates("place").sort_values("place")
    axes.set_xticks(times["place"], times["when"])
    axes.set(xlabel="time of the kick (share of training)", ylabel=BARRIER)
    from_zero(axes, LINEAR_BELOW)
    legend_right(axes)


def barrier_by_setting(table: pd.DataFrame, figure: Figure) -> None:
    """Barrier by training setting: one weight at step 0, and independent orders."""
    axes = figure.subplots()
    names = {
        "main": "standard", "warmup": "warm-up\nx10", "shallow": "wide,\nshallow", "batch": "batch\nx4",
        "adamw": "AdamW", "decay": "weight\ndecay",
    }  # fmt: skip
    shown = table.assign(setting=table["run"].map(names), pair=table["kind"].map(PAIRS))
    style = {"x": "setting", "y": "barrier", "hue": "pair", "order": list(names.values()), "palette": "colorblind"}
    seaborn.stripplot(shown, **style, dodge=True, size=2, alpha=0.5, legend=False, jitter=False, ax=axes)
    seaborn.pointplot(
        shown, **style, dodge=0.4, errorbar=interval95, linestyle="none", markersize=4, capsize=0.1, ax=axes,
        err_kws={"linewidth": 1},
    )  # fmt: skip
    axes.set(xlabel="", ylabel=BARRIER)
    axes.legend(title=None, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    from_zero(axes, LINEAR_BELOW)


def barrier_vs_distance(table: pd.DataFrame, figure: Figure) -> None:
    """Barrier against L2 distance, one point per copy."""
    axes = figure.subplots()
    kicked = named(table)
    count(kicked["seed"])
    seaborn.scatterplot(
        kicked, x="l2", y="barrier", hue="when", style="when", palette="viridis", s=14, linewidth=0, ax=axes
    )
    axes.set(xscale="log", xlabel="L2 distance at the end of training", ylabel=BARRIER)
    axes.autoscale_view()
    from_zero(axes, LINEAR_BELOW)
    legend_right(axes, "kick at")


def alignment(table: pd.DataFrame, figure: Figure) -> None:
    """Barrier before and after each matching, by kind of pair."""
    axes = figure.subplots()
    names = {
        "identity": "weights, from the identity", "restarts": "weights, random restarts",
        "no_bias": "weights without biases", "activation": "activations", "pearson": "activations, correlation",
    }  # fmt: skip
    before = table[table["method"] == "identity"].assign(shown="none", barrier=lambda rows: rows["unaligned"])
    after = table.assign(shown=table["method"].map(names), barrier=table["aligned"])
    joined = pd.concat([before, after]).assign(pair=lambda rows: rows["kind"].map(PAIRS))
    seaborn.pointplot(
        joined, x="barrier", y="shown", hue="pair", dodge=0.4, errorbar=interval95, linestyle="none", markersize=4,
        palette="colorblind", capsize=0.1, err_kws={"linewidth": 1}, ax=axes,
    )  # fmt: skip
    axes.set(xscale="log", xlabel=BARRIER, ylabel="matching")
    axes.legend(title=None, loc="lower center", bbox_to_anchor=(0.3, 1.0), ncols=1)


def growth(table: pd.DataFrame, figure: Figure) -> None:
    """L2 distance, barrier and angular CKA distance along training."""
    figure.set_size_inches(PAGE, 2.2)
    shown = table.assign(
        copy=table["run"].map({"growth": "kick at ", "growth_kernel": "kernel regime, kick at "})
        + table["at"].map("{:.0%}".format).str.replace("%", " %")
    )
    labels = {"l2": "L2 distance", "barrier": BARRIER, "cka": "angular CKA distance (rad)"}
    panels = figure.subplots(1, 3)
    for axes, (column, label) in zip(panels, labels.items(), strict=True):
        seaborn.lineplot(
            shown, x="step", y=column, hue="copy", style="copy", errorbar=interval95, palette="colorblind", ax=axes,
            legend=axes is panels[-1],
        )  # fmt: skip
        axes.set(xlabel="training step (updates)", ylabel=label)
    from_zero(panels[0], 1e-3, decades=1)
    from_zero(panels[1], LINEAR_BELOW)
    legend_right(panels[-1])


def cka_vs_gain(table: pd.DataFrame, figure: Figure) -> None:
    """Ensemble gain against angular CKA distance, one point per copy."""
    axes = figure.subplots()
    shown = pd.concat([named(table), table[table["kind"] == "order"].assign(when="independent\norder")])
    count(shown["seed"])
    seaborn.scatterplot(
        shown.assign(gain=100 * shown["ensemble_gain"]), x="cka", y="gain", hue="when", style="when",
        palette="viridis", s=14, linewidth=0, ax=axes,
    )  # fmt: skip
    axes.set(xlabel="angular CKA distance (rad)", ylabel="ensemble gain (points of test accuracy)")
    legend_right(axes, "kick at")


PAIRS = {"weight": "one weight at step 0", "order": "independent data order", "seeds": "different seeds"}


def named(table: pd.DataFrame) -> pd.DataFrame:
    """First draws of real kicks, with `kick` (kind and size), `when` (a label) and `place` (rank of the time)."""
    kicked = table[table["kind"].isin(["weight", "gaussian", "batch"]) & (table["draw"] == 0)]
    sizes = kicked["sigma"].map(lambda sigma: np.format_float_scientific(sigma, trim="-", exp_digits=1))
    kick = (kicked["kind"] + " " + sizes).where(kicked["kind"] != "weight", "one weight")
    when = kicked["at"].map("{:.3g}".format).map(lambda share: f"{100 * float(share):g} %")
    place = kicked["at"].rank(method="dense").astype(int)
    return kicked.assign(kick=kick, when=when, place=place).sort_values("at", kind="stable")
