"""The figures: scores and their consistency over runs, how they go together, and what architectures do to ranks."""

import numpy as np
import pandas as pd
import seaborn
from matplotlib.figure import Figure

from isthmus.difficulty.components import principal
from isthmus.difficulty.consistency import spearman_brown
from isthmus.figures import PAGE, count, interval95, legend_right, ticks_at

ARCHITECTURES = {
    "reference": "reference", "narrow": "narrow", "deep": "deep", "tanh": "tanh", "family": "convolutional",
    "linear": "linear", "same": "same architecture",
}  # fmt: skip
SCORES = {
    "mean_loss": "loss, mean", "mean_confidence": "confidence, mean", "mean_margin": "margin, mean",
    "early_el2n": "EL2N, early", "mean_entropy": "entropy, mean", "mean_max_confidence": "max. confidence, mean",
    "aum": "AUM", "final_loss": "loss, final", "final_confidence": "confidence, final",
    "loss_variance": "loss, variance", "mean_accuracy": "accuracy, mean", "forgetting": "forgetting events",
    "first_learn": "first learned", "learned": "learned for good", "grand": "GraNd, early",
    "class_vog": "VoG, class", "loss_vog": "VoG, loss", "depth": "prediction depth", "prototype": "class prototype",
    "cluster": "nearest cluster", "agreement": "disagreement", "c_score": "C-score", "memorisation": "memorisation",
}  # fmt: skip
LINES = ("mean_entropy", "mean_loss", "early_el2n", "final_loss", "mean_accuracy", "first_learn", "forgetting")
COMPONENTS = 2


def score_vs_rank(table: pd.DataFrame, figure: Figure) -> None:
    """Score against rank by architecture, one panel a score; easy scores with their own sign."""
    figure.set_size_inches(PAGE, 2.1)
    shown = table[table["run"] != "same"]
    names = [*dict.fromkeys(shown["score"])]
    colours = dict(zip(ARCHITECTURES, seaborn.color_palette("colorblind"), strict=False))
    dashes = dict(zip(ARCHITECTURES, ("-", "--", ":", "-.", (0, (5, 1)), (0, (1, 1)), "-"), strict=True))
    panels = figure.subplots(1, len(names))
    for axes, score in zip(panels, names, strict=True):
        sign = -1 if score in ("mean_confidence", "mean_accuracy") else 1
        for run, rows in shown[shown["score"] == score].groupby("run", sort=False):
            ranks = 100 * rows["rank"]
            axes.plot(
                ranks, sign * rows["value"], color=colours[run], linestyle=dashes[run], label=ARCHITECTURES[run]
            )
            axes.fill_between(ranks, sign * rows["low"], sign * rows["high"], color=colours[run], alpha=0.2, lw=0)
        axes.set(xlabel="rank (% of examples)", ylabel=SCORES[score] + (" (nats)" if "entropy" in score else ""))
    legend_right(panels[-1])


def consistency_vs_runs(table: pd.DataFrame, figure: Figure) -> None:
    """Spearman correlation and overlap of the hardest against the number of runs averaged, by score."""
    figure.set_size_inches(PAGE, 2.6)
    shown = table[(table["run"] == "reference") & table["score"].isin(LINES)]
    shown = shown.assign(named=shown["score"].map(SCORES))
    order = [SCORES[score] for score in LINES]
    left, right = figure.subplots(1, 2)
    for axes, column, label in (
        (left, "spearman", "Spearman correlation"),
        (right, "overlap", "overlap of the hardest 10 %"),
    ):
        axes.set_xscale("log")
        seaborn.lineplot(
            shown, x="runs", y=column, hue="named", style="named", hue_order=order, style_order=order, markers=True,
            dashes=False, palette="colorblind", errorbar=interval95, err_style="bars", legend=axes is right,
            ax=axes,
        )  # fmt: skip
        axes.set(xlabel="runs averaged in each group", ylabel=label)
        ticks_at(axes.xaxis, sorted(shown["runs"].unique()))
    sizes = np.geomspace(1, shown["runs"].max(), 50)
    for score, colour in zip(LINES, seaborn.color_palette("colorblind"), strict=False):
        one = shown[(shown["score"] == score) & (shown["runs"] == 1)]["spearman"].mean()
        left.plot(sizes, spearman_brown(one, sizes), "--", color=colour, linewidth=0.6)
    left.plot([], [], "--", color="0.4", linewidth=0.6, label="Spearman-Brown")
    left.legend(loc="lower right")
    legend_right(right)


def covariance(table: pd.DataFrame, figure: Figure) -> None:
    """Heatmaps: correlations between scores of single runs, and what averaging over runs adds."""
    figure.set_size_inches(PAGE, 4.7)
    count(table["block"])
    single, averaged = (_matrix(table, column) for column in ("single", "averaged"))
    change = averaged - single
    limit = float(np.nanmax(np.abs(change.to_numpy())))
    left, right = figure.subplots(1, 2, sharey=True)
    style = {"square": True, "linewidths": 0.2, "xticklabels": True, "yticklabels": True}
    bar = {"shrink": 0.6, "location": "bottom", "pad": 0.01}
    seaborn.heatmap(
        single, vmin=-1, vmax=1, cmap="vlag", ax=left,
        cbar_kws={**bar, "label": "Spearman correlation, single runs"}, **style,
    )  # fmt: skip
    seaborn.heatmap(
        change, vmin=-limit, vmax=limit, cmap="PuOr", ax=right,
        cbar_kws={**bar, "label": "change when runs are averaged"}, **style,
    )  # fmt: skip
    for axes in (left, right):
        axes.grid(visible=False)
        axes.set_facecolor("0.85")  # no value
        axes.tick_params(labelsize=6, length=0)
        axes.set(xlabel="score of one group of runs", ylabel="score of another" if axes is left else "")


def components(table: pd.DataFrame, figure: Figure) -> None:
    """Loadings of the first principal components by score, and the share that each component explains."""
    figure.set_size_inches(PAGE, 3.2)
    names = [name for name in SCORES if name in set(table["a"])]
    typical = principal(_matrix(table, "together").to_numpy())[1][:COMPONENTS]
    loadings, shares = [], []
    for block, rows in table.groupby("block"):
        for column, ranked in (("together", "measured"), ("permuted", "examples shuffled")):
            square = rows.set_index(["a", "b"])[column].unstack().loc[names, names]
            explained, loading = principal(square.to_numpy())
            place = range(1, len(names) + 1)
            shares.append(pd.DataFrame({"component": place, "share": 100 * explained, "ranks": ranked}))
            if column == "together":
                # A component's sign is arbitrary: every block takes that of the mean over blocks.
                signs = np.sign((loading[:COMPONENTS] * typical).sum(axis=1, keepdims=True))
                of_block = pd.DataFrame((signs * loading[:COMPONENTS]).T, columns=range(1, COMPONENTS + 1))
                loadings.append(of_block.assign(block=block, score=[SCORES[name] for name in names]))
    left, right = figure.subplots(1, 2, width_ratios=[2, 1])
    tidy = pd.concat(loadings).melt(["block", "score"], var_name="component", value_name="loading")
    seaborn.pointplot(
        tidy, x="loading", y="score", hue="component", palette="colorblind", linestyle="none", markersize=3,
        markers=["o", "s"], errorbar=interval95, err_kws={"linewidth": 1}, ax=left,
    )  # fmt: skip
    left.axvline(0, color="0.4", linewidth=0.6)
    left.set(xlabel="loading (correlation with the component)", ylabel="score")
    left.legend(title="component", loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=COMPONENTS)
    first = pd.concat(shares).query("component <= 8")
    seaborn.pointplot(
        first, x="component", y="share", hue="ranks", palette="colorblind", markersize=3, errorbar=interval95,
        linewidth=1, ax=right,
    )  # fmt: skip
    right.set(xlabel="component", ylabel="variance explained (%)")
    right.set_ylim(bottom=0)
    right.legend(title=None, loc="upper right")


def manhattan(table: pd.DataFrame, figure: Figure) -> None:
    """-log10 p of every example by architecture, colour by class, with Bonferroni's line."""
    figure.set_size_inches(PAGE, 3.4)
    others = [*dict.fromkeys(table["other"])]
    shown = table.sort_values(["label", "example"], kind="stable")
    panels = figure.subplots(2, -(-len(others) // 2), sharex=True, sharey=True, squeeze=False)
    tallest = -np.log10(max(table["p"][table["p"] > 0].min(), 1e-300))
    for axes, other in zip(panels.flat, others, strict=False):
        rows = shown[shown["other"] == other]
        heights = -np.log10(rows["p"].clip(lower=10.0**-tallest))
        axes.scatter(
            range(len(rows)),
            heights,
            s=2,
            c=[f"C{label % 2}" for label in rows["label"]],
            linewidth=0,
            rasterized=True,
        )
        axes.set_axisbelow(True)
        axes.axhline(-np.log10(0.05 / len(rows)), color="0.3", linestyle="--", linewidth=0.8)
        passed = (rows["p"] < 0.05 / len(rows)).mean()
        axes.set_title(f"{ARCHITECTURES[other]}: {100 * passed:.3g} % pass")
    _edges(panels, "example, by class", r"$-\log_{10} p$")
    for axes in panels.flat[len(others) :]:
        axes.set_visible(False)


def fingerprint_vs_size(table: pd.DataFrame, figure: Figure) -> None:
    """Accuracy of the fingerprint against the number of examples, by how they were selected, early EL2N."""
    figure.set_size_inches(PAGE, 3.4)
    names = {
        "sensitive": "most sensitive", "random": "random", "insensitive": "least sensitive",
        "shuffled": "most sensitive,\nlabels shuffled",
    }  # fmt: skip
    shown = table[(table["score"] == "early_el2n") & table["selection"].isin(names)]
    shown = shown.assign(examples=shown["selection"].map(names), percent=100 * shown["accuracy"])
    others = [*dict.fromkeys(shown["other"])]
    panels = figure.subplots(2, -(-len(others) // 2), sharex=True, sharey=True, squeeze=False)
    for axes, other in zip(panels.flat, others, strict=False):
        axes.set_xscale("log", base=2)
        seaborn.lineplot(
            shown[shown["other"] == other], x="k", y="percent", hue="examples", style="examples", markers=True,
            dashes=False, hue_order=[*names.values()], style_order=[*names.values()], palette="colorblind",
            errorbar=interval95, err_style="bars", legend=axes is panels[0, -1], ax=axes,
        )  # fmt: skip
        axes.axhline(50, color="0.4", linestyle=":", linewidth=0.8)
        axes.set_title(ARCHITECTURES[other])
        ticks_at(axes.xaxis, sorted(shown["k"].unique()))
    _edges(panels, "examples k", "runs told right (%)")
    legend_right(panels[0, -1])


def _matrix(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Mean over blocks of one column, score by score, with readers' names."""
    names = [name for name in SCORES if name in set(table["a"])]
    found = table.pivot_table(index="a", columns="b", values=column, aggfunc="mean", dropna=False)
    return found.loc[names, names].rename(index=SCORES, columns=SCORES)


def _edges(panels: np.ndarray, x: str, y: str) -> None:
    """Label the outer axes of a grid."""
    for row, line in enumerate(panels):
        for place, axes in enumerate(line):
            axes.set(xlabel=x if row == len(panels) - 1 else "", ylabel=y if place == 0 else "")
