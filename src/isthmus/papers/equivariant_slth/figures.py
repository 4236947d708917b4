"""The figures: subset sums, what pruned random networks reach, equivariance of masks, and edge-popup."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from isthmus.figures import PAGE, interval95, legend_right, ticks_at

NAMES = {
    "c4": "C4, orbits of pixels",
    "dense": "dense, no group",
    "p4": "p4 convolutions",
    "sets": "sets",
    "graphs": "graphs, order 2",
}
COLOURS = dict(zip(NAMES.values(), seaborn.color_palette("colorblind"), strict=False))
SAMPLES = "samples per problem and sign, $m$"


def error_vs_samples(table: pd.DataFrame, figure: Figure) -> None:
    """Error of the best choice against the number of samples, with the slope of log2 per sample from 6 to 18."""
    axes = figure.subplots()
    shown = table.assign(chosen=table["choice"] + ", " + table["law"])
    names = {}
    for (choice, law), rows in table.groupby(["choice", "law"], sort=False):
        fitted = rows[rows["samples"].between(6, 18)]
        slope = np.polyfit(fitted["samples"], np.log2(fitted["error"]), 1)[0]
        kind = {"subset": "best subset", "single": "best single"}[choice]
        names[f"{choice}, {law}"] = f"{kind}, {law}: slope {slope:.2f}"
    seaborn.lineplot(
        shown.assign(chosen=shown["chosen"].map(names)), x="samples", y="error", hue="chosen", style="chosen",
        palette="colorblind", errorbar=interval95, markers=True, dashes=False, ax=axes,
    )  # fmt: skip
    axes.set(xlabel="random samples, $m$", ylabel="error (geometric mean)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_yscale("log", base=2)
    axes.legend(title=None, loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=1)


def accuracy_vs_samples(table: pd.DataFrame, figure: Figure) -> None:
    """Test accuracy against the number of samples, a panel for each architecture."""
    figure.set_size_inches(PAGE, 1.9)
    shown = table.assign(accuracy=100 * table["accuracy"])
    present = [name for name in NAMES if name in set(table["architecture"])]
    panels = np.atleast_1d(figure.subplots(1, len(present), sharex=True, sharey=True))
    for axes, name in zip(panels, present, strict=True):
        rows = shown[shown["architecture"] == name]
        target = rows[rows["pruning"] == "target"]["accuracy"]
        axes.axhline(target.mean(), color="0.2", linestyle="--", label="trained target")
        axes.axhspan(*interval95(target), color="0.2", alpha=0.12, linewidth=0)
        for pruning, colour, label in (
            ("subset", "C0", "subset sums"),
            ("random", "0.6", "random"),
        ):
            seaborn.lineplot(
                rows[rows["pruning"] == pruning], x="samples", y="accuracy", color=colour, errorbar=interval95,
                marker="o", markersize=3.5, label=label, legend=False, ax=axes,
            )  # fmt: skip
        axes.set(title=NAMES[name], xlabel="samples, $m$", ylabel="test accuracy (%)", ylim=(0, 103))
        axes.label_outer(remove_inner_ticks=False)
        axes.set_xticks([2, 6, 10, 14])
    panels[-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=1.4)


def coefficient_error(table: pd.DataFrame, figure: Figure) -> None:
    """Median coefficient error, and the share of coefficients that stay far off, against the number of samples."""
    figure.set_size_inches(PAGE, 2.3)
    shown = _named(table[table["pruning"] == "subset"])
    panels = figure.subplots(1, 2)
    for axes, column, label in (
        (panels[0], "median_error", "median error of a coefficient"),
        (panels[1], "far", "share off by more than 0.01"),
    ):
        seaborn.lineplot(
            shown, x="samples", y=column, hue="network", style="network", palette=COLOURS, markers=True,
            dashes=False, errorbar=interval95, legend=axes is panels[1], ax=axes,
        )  # fmt: skip
        axes.set(xlabel=SAMPLES, ylabel=label, yscale="log")
    legend_right(panels[1])


def equivariance_vs_density(table: pd.DataFrame, figure: Figure) -> None:
    """Relative equivariance error against density: colour is the architecture, marker what is masked."""
    axes = figure.subplots()
    shown = _named(table).assign(
        masks=table["masks"].map({"coefficients": "coefficients", "weights": "raw weights"})
    )
    # Errors of exactly zero, which a logarithm cannot show, are drawn at a rounding.
    shown = shown.assign(error=shown["error"].clip(lower=2.0**-53))
    seaborn.lineplot(
        shown, x="density", y="error", hue="network", style="masks", palette=COLOURS, markers=True, dashes=False,
        errorbar=interval95, err_style="bars", estimator="mean", ax=axes,
    )  # fmt: skip
    axes.set(xlabel="density (share kept)", ylabel="relative equivariance error", yscale="log")
    legend_right(axes)


def samples_needed(table: pd.DataFrame, figure: Figure) -> None:
    """Samples needed for a median error of epsilon, with the counting bound of one coefficient."""
    axes = figure.subplots()
    precisions = 10.0 ** -np.arange(1.0, 5.5, 0.5)
    rows = [
        {"law": law, "epsilon": epsilon, "samples": float(needed)}
        for (law, draw), of_draw in table[table["choice"] == "subset"].groupby(["law", "draw"])
        for epsilon in precisions
        if not np.isnan(needed := _needed(of_draw.set_index("samples")["median"], epsilon))
    ]
    seaborn.lineplot(
        pd.DataFrame(rows), x="epsilon", y="samples", hue="law", style="law", palette="colorblind", markers=True,
        dashes=False, errorbar=interval95, err_style="bars", ax=axes,
    )  # fmt: skip
    axes.plot(precisions, np.log2(1 / (2 * precisions)) - 1, color="0.4", linestyle="--", label="counting bound")
    axes.set(xscale="log", xlabel=r"median error, $\epsilon$", ylabel="samples needed", ylim=(0, None))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.invert_xaxis()
    legend_right(axes)


def popup(table: pd.DataFrame, figure: Figure) -> None:
    """Edge-popup's test accuracy against the share kept at the largest width, and against the width at one half."""
    figure.set_size_inches(PAGE, 2.4)
    shown = table.assign(accuracy=100 * table["accuracy"])
    found = shown[(shown["weights"] != "trained") & (shown["scores"] == "trained")]
    initial = shown[(shown["weights"] == "signed") & (shown["scores"] == "initial")]
    trained = shown[shown["weights"] == "trained"]
    kept, width = figure.subplots(1, 2)
    widest = found["hidden"].max()
    laws = {"signed": "signed, one size", "normal": "normal"}
    by_share = found[(found["weights"] == "signed") & (found["hidden"] == widest)]
    style = {"y": "accuracy", "errorbar": interval95, "err_style": "bars", "marker": "o"}
    palette = dict(zip(laws.values(), seaborn.color_palette("colorblind"), strict=False))
    half = found[np.isclose(found["kept"], 0.5)]
    for axes, x, edge, start in (
        (kept, "kept", by_share, initial[initial["hidden"] == widest]),
        (width, "hidden", half, initial[np.isclose(initial["kept"], 0.5)]),
    ):
        seaborn.lineplot(
            edge.assign(law=edge["weights"].map(laws)), x=x, hue="law", palette=palette, ax=axes,
            legend=axes is width, **style,
        )  # fmt: skip
        seaborn.lineplot(start, x=x, color="0.6", label="signed, untrained scores", legend=False, ax=axes, **style)
        for run, dashes in (("dense", "--"), ("matched", ":")):
            of_run = trained[trained["run"] == run]
            label = f"trained, width {of_run['hidden'].iloc[0]}"
            axes.axhline(of_run["accuracy"].mean(), color="0.2", linestyle=dashes, label=label)
            axes.axhspan(*interval95(of_run["accuracy"]), color="0.2", alpha=0.12, linewidth=0)
        axes.set(ylabel="test accuracy (%)", ylim=(0, 103))
    kept.set(xlabel=f"share of the weights kept (h = {widest})")
    width.set(xlabel="hidden width, h (one half kept)", xscale="log")
    ticks_at(width.xaxis, sorted(half["hidden"].unique()))
    legend_right(width)


def summary(table: pd.DataFrame, figure: Figure) -> None:
    """A table: what the largest number of samples comes to, by architecture."""
    most = table["samples"].max()
    pruned = table[(table["samples"] == most) & (table["pruning"] == "subset")]
    target = table[table["pruning"] == "target"]
    present = [name for name in NAMES if name in set(table["architecture"])]
    columns = ["target\n(%)", "pruned\n(%)", "median\nerror", "largest\nerror", r"$\tilde{n}/n$", "kept\n(%)"]
    cells = []
    for name in present:
        rows = pruned[pruned["architecture"] == name]
        accuracy = target[target["architecture"] == name]["accuracy"]
        shares = [_with_half(100 * values) for values in (accuracy, rows["accuracy"])]
        errors = [f"{rows[column].mean():.1e}" for column in ("median_error", "largest_error")]
        cells.append([*shares, *errors, f"{rows['width_ratio'].mean():.0f}", f"{100 * rows['density'].mean():.1f}"])
    figure.set_size_inches(PAGE, 0.6 + 0.25 * len(present))
    _written(figure.subplots(), cells, [NAMES[name] for name in present], columns)


def _written(axes: Axes, cells: Sequence[Sequence[str]], rows: Sequence[str], columns: Sequence[str]) -> None:
    """A table of texts instead of a plot."""
    axes.set_axis_off()
    made = axes.table(cells, rowLabels=rows, colLabels=columns, loc="center", cellLoc="center", edges="horizontal")
    made.auto_set_font_size(False)
    made.set_fontsize(7)
    for (row, _), cell in made.get_celld().items():
        cell.set_height(0.25 if row == 0 else 0.75 / len(rows))
        cell.set_linewidth(0.5)


def _with_half(values: pd.Series) -> str:
    """Mean and half of its 95 % interval."""
    low, high = interval95(values)
    return f"{values.mean():.1f} ± {(high - low) / 2:.1f}"


def _needed(medians: pd.Series, epsilon: float) -> float:
    """The fewest samples with a median error within epsilon, NaN where none has."""
    enough = medians.index[medians <= epsilon]
    return float(min(enough)) if len(enough) else float("nan")


def _named(table: pd.DataFrame) -> pd.DataFrame:
    """With `network`, the architecture's name that a reader sees, in the order of NAMES."""
    places = table["architecture"].map({name: place for place, name in enumerate(NAMES)})
    return table.assign(network=table["architecture"].map(NAMES), place=places).sort_values("place", kind="stable")
