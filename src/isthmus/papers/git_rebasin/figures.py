"""The figures: what matching and REPAIR make of the line between two networks, and when they do."""

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from isthmus.figures import PAGE, from_zero, interval95, legend_right, ticks_at

METHODS = {
    "none": "as trained",
    "random": "random order",
    "weights": "matched by weights",
    "uncentred": "matched by activations",
    "pearson": "matched by correlation",
    "straight_through": "straight-through",
    "copy": "relabelled copy of A",
}
# Greys for orders that look at nothing, colours for those that match.
_MATCHED = [name for method, name in METHODS.items() if method not in ("none", "random")]
COLOURS = dict(zip(_MATCHED, seaborn.color_palette("colorblind"), strict=False)) | {
    METHODS["none"]: "0.1",
    METHODS["random"]: "0.6",
}
PLACE = r"place on the line, $\alpha$"
LOSS, BARRIER = "test loss (nats)", "test loss barrier (nats)"


def before_matched_repaired(table: pd.DataFrame, figure: Figure) -> None:
    """Three panels of one scale: the line before matching, after it, and repaired."""
    figure.set_size_inches(PAGE, 2.3)
    shown = table[(table["depth"] == table["depth"].min()) & (table["split"] == "test")]
    steps = {
        "1  as trained": ("none", "none"),
        "2  units of B matched to A's": ("pearson", "none"),
        "3  matched, then repaired": ("pearson", "own"),
    }
    panels = figure.subplots(1, 3, sharey=True)
    colours = ["0.1", *seaborn.color_palette("colorblind", 2)]
    for axes, (title, (method, repair)), colour in zip(panels, steps.items(), colours, strict=True):
        rows = shown[(shown["method"] == method) & (shown["repair"] == repair)]
        lines = rows.pivot_table(index="alpha", columns="pair", values="loss")
        axes.plot(lines.index, lines, color=colour, linewidth=0.5, alpha=0.35)
        seaborn.lineplot(rows, x="alpha", y="loss", color=colour, errorbar=interval95, linewidth=2, ax=axes)
        height = rows.groupby("pair")["barrier"].first().mean()
        axes.text(0.5, 0.94, f"barrier {height:.2g} nats", transform=axes.transAxes, ha="center")
        axes.set(title=title, xlabel=PLACE, ylabel=LOSS)
        axes.set_xticks([0, 0.5, 1], ["A", "halfway", "B"])
    panels[0].set_ylim(0, 1.12 * panels[0].get_ylim()[1])


def loss_along_line(table: pd.DataFrame, figure: Figure) -> None:
    """Test loss along the line by matching."""
    axes = figure.subplots()
    shown = _labelled(table)
    seaborn.lineplot(
        shown, x="alpha", y="loss", hue="order of B", style="order of B", palette=COLOURS, errorbar=interval95,
        hue_order=_present(shown), style_order=_present(shown), ax=axes,
    )  # fmt: skip
    axes.set(xlabel=PLACE, ylabel=LOSS, ylim=(0, None))
    legend_right(axes, "units of B")


def barrier_vs_epoch(table: pd.DataFrame, figure: Figure) -> None:
    """Barrier against the epoch at which networks are taken."""
    axes = figure.subplots()
    shown = _labelled(table)
    seaborn.lineplot(
        shown, x="epoch", y="barrier", hue="order of B", style="order of B", palette=COLOURS, markers=True,
        dashes=False, errorbar=interval95, hue_order=_present(shown), style_order=_present(shown), ax=axes,
    )  # fmt: skip
    # From initialisation on: linear in the first epoch, logarithmic after it.
    axes.set_xscale("symlog", linthresh=1, linscale=0.5)
    axes.set_xlim(left=-0.2)
    epochs = sorted(table["epoch"].unique())
    ticks_at(axes.xaxis, epochs)
    axes.set(xlabel="epochs of training", ylabel=BARRIER)
    from_zero(axes)
    legend_right(axes, "units of B")


def barrier_vs_width(table: pd.DataFrame, figure: Figure) -> None:
    """Barrier against width, training and test data."""
    figure.set_size_inches(PAGE, 2.5)
    shown = _labelled(table[table["alpha"] == 0.5])
    panels = figure.subplots(1, 2, sharey=True)
    for axes, split, name in zip(panels, ("train", "test"), ("training data", "test data"), strict=True):
        seaborn.lineplot(
            shown[shown["split"] == split], x="width", y="barrier", hue="order of B", style="order of B",
            palette=COLOURS, markers=True, dashes=False, errorbar=interval95, err_style="bars",
            hue_order=_present(shown), style_order=_present(shown), legend=axes is panels[-1], ax=axes,
        )  # fmt: skip
        axes.set_xscale("log", base=2)
        ticks_at(axes.xaxis, sorted(shown["width"].unique()))
        axes.set(title=name, xlabel="width (units)", ylabel="loss barrier (nats)")
    for axes in panels:
        from_zero(axes, 0.01)  # barriers reach down to exactly 0
    legend_right(panels[-1], "units of B")


def variance_by_layer(table: pd.DataFrame, figure: Figure) -> None:
    """Variance ratio halfway by layer: one panel for each depth."""
    depths = sorted(table["depth"].unique())
    figure.set_size_inches(PAGE, 2.3)
    panels = np.atleast_1d(figure.subplots(1, len(depths), sharey=True))
    names = {
        ("none", "none"): "as trained",
        ("pearson", "none"): "matched",
        ("none", "own"): "as trained, repaired",
        ("pearson", "own"): "matched, repaired",
    }
    keys = pd.Series(zip(table["method"], table["repair"], strict=True), index=table.index)
    shown = table.assign(networks=keys.map(names))
    for axes, depth in zip(panels, depths, strict=True):
        seaborn.lineplot(
            shown[shown["depth"] == depth], x="layer", y="ratio", hue="networks", style="networks", markers=True,
            dashes=False, palette=["0.1", *seaborn.color_palette("colorblind", 3)], errorbar=interval95,
            hue_order=list(names.values()), style_order=list(names.values()), legend=axes is panels[-1], ax=axes,
        )  # fmt: skip
        axes.set_xticks(range(1, int(shown[shown["depth"] == depth]["layer"].max()) + 1))
        axes.set(title=f"{depth} hidden layers", xlabel="hidden layer", ylabel="variance halfway / at the ends")
    from_zero(panels[0])
    legend_right(panels[-1])


def accuracy_by_depth(table: pd.DataFrame, figure: Figure) -> None:
    """Table of the accuracy halfway: rows are matchings, repaired or not, and the endpoints; columns depths."""
    halfway = table[(table["alpha"] == 0.5) & (table["repair"] != "others")]
    rows = halfway.assign(
        row=halfway["method"].map(METHODS) + halfway["repair"].map({"none": "", "own": " + REPAIR"})
    )
    ends = table[table["alpha"].isin([0.0, 1.0]) & (table["method"] == "none") & (table["repair"] == "none")]
    ends = ends.groupby(["depth", "pair"], as_index=False)["error"].mean().assign(row="the two networks")
    rows = pd.concat([rows, ends]).assign(accuracy=lambda every: 100 * (1 - every["error"]))
    cells = rows.groupby(["row", "depth"])["accuracy"]
    order = list(dict.fromkeys(rows["row"]))
    mean = cells.mean().unstack().loc[order]
    half = cells.agg(lambda values: np.ptp(interval95(values)) / 2).unstack().loc[order]
    figure.set_size_inches(PAGE, 2.6)
    axes = figure.subplots()
    text = mean.map("{:.1f}".format) + " ± " + half.map("{:.1f}".format)
    seaborn.heatmap(
        mean, annot=text, fmt="", cmap="cividis", vmin=0, vmax=100, annot_kws={"size": 6}, ax=axes,
        cbar_kws={"label": "test accuracy halfway (%)"},
    )  # fmt: skip
    axes.grid(False)
    axes.set(xlabel="hidden layers", ylabel="units of B")


def reliability(table: pd.DataFrame, figure: Figure) -> None:
    """Accuracy against confidence; on the diagonal confidence says how often a network is right."""
    axes = figure.subplots()
    names = {
        "members": "members",
        "merged": "merged (MergeMany)",
        "averaged": "averaged, unmatched",
        "ensemble": "ensemble",
    }
    # Bins that few sets reach say nothing of the arm.
    reached = table.dropna().groupby(["arm", "bin"])["set"].transform("count") >= table["set"].nunique() / 2
    shown = table.dropna()[reached].assign(networks=lambda rows: rows["arm"].map(names))
    shown["middle"] = (shown["bin"] + 0.5) / (table["bin"].max() + 1)
    axes.plot([0, 1], [0, 1], color="0.6", linestyle="--", linewidth=0.8, label="calibrated")
    seaborn.lineplot(
        shown, x="middle", y="accuracy", hue="networks", style="networks", markers=True, dashes=False,
        palette=["0.1", *seaborn.color_palette("colorblind", 3)], hue_order=list(names.values()),
        style_order=list(names.values()), errorbar=interval95, err_style="bars", ax=axes,
    )  # fmt: skip
    axes.set(xlabel="confidence (bin's middle)", ylabel="test accuracy (fraction)", xlim=(0, 1), ylim=(0, 1.02))
    legend_right(axes)


def counterexample(table: pd.DataFrame, figure: Figure) -> None:
    """Accuracy along the lines to each of the four orders; beside it the control."""
    figure.set_size_inches(PAGE, 2.3)
    titles = {"counterexample": "A and B: one function, no order connects", "copy": "control: A and a copy of A"}
    panels = figure.subplots(1, 2, sharey=True)
    moves = {"01 01": "none", "10 01": "first", "01 10": "second", "10 10": "both"}
    shown = table.assign(swapped=table["order"].map(moves))
    for axes, (pair, title) in zip(panels, titles.items(), strict=True):
        seaborn.lineplot(
            shown[shown["pair"] == pair], x="alpha", y="accuracy", hue="swapped", style="swapped",
            palette="colorblind", hue_order=list(moves.values()), style_order=list(moves.values()),
            # Thick below thin, for some lie upon each other.
            size="swapped", sizes=[3.5, 2.5, 1.6, 0.9], size_order=list(moves.values()),
            legend=axes is panels[-1], ax=axes,
        )  # fmt: skip
        axes.set(title=title, xlabel=PLACE, ylabel="accuracy (fraction)", ylim=(0.5, 1.02))
    legend_right(panels[-1], "swapped layers")


def loss_surface(table: pd.DataFrame, figure: Figure) -> None:
    """Filled contours of the logarithm of the loss on the plane through A, B and matched B."""
    axes = figure.subplots()
    grid = table[table["corner"] == "grid"].pivot_table(index="v", columns="u", values="loss")
    levels = np.geomspace(grid.min(axis=None), grid.max(axis=None), 15)
    filled = axes.contourf(grid.columns, grid.index, grid, levels, norm="log", cmap="viridis")
    bar = figure.colorbar(filled, ax=axes, label=LOSS, format="%.2g")
    bar.minorticks_off()
    corners = table[table["corner"] != "grid"].set_index("corner")[["u", "v"]]
    for end, style in (("B", "--"), ("matched", "-")):
        line = corners.loc[["A", end]]
        axes.plot(line["u"], line["v"], style, color="white", linewidth=1)
    for name, (u, v) in corners.iterrows():
        axes.plot(u, v, "o", color="white", markeredgecolor="black", markersize=5)
        _note(axes, {"matched": "B matched"}.get(name, name), u, v)
    axes.set(xlabel="distance (Euclidean, of parameters)", ylabel="distance")
    axes.set_aspect("equal")
    axes.grid(False)


def _note(axes: Axes, text: str, u: float, v: float) -> None:
    box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}
    axes.annotate(text, (u, v), xytext=(0, 7), textcoords="offset points", ha="center", fontsize=6.5, bbox=box)


def _labelled(table: pd.DataFrame) -> pd.DataFrame:
    """Lines that are not repaired, with the name that a reader sees as `order of B`."""
    rows = table[table["repair"] == "none"] if "repair" in table else table
    return rows.assign(**{"order of B": rows["method"].map(METHODS)})


def _present(shown: pd.DataFrame) -> list[str]:
    """The orders of B that a table has, in the order of METHODS."""
    found = set(shown["order of B"])
    return [name for name in METHODS.values() if name in found]
