"""The figures: tickets against sparsity, their instability, masks carried over to other networks, and diversity."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from isthmus.figures import PAGE, count, from_zero, interval95, legend_right, ticks_at

ARMS = {
    "ticket": "ticket",
    "permuted": "mask aligned",
    "naive": "mask as it is",
    "reordered": "units in random order",
    "shuffled": "mask shuffled",
}
# What the same arm is called where it begins at its initialisation: the first paper's word.
FRESH = {**ARMS, "naive": "re-initialised"}
_PALETTE = dict(zip(ARMS, seaborn.color_palette("colorblind"), strict=False))
COLOURS = {names[arm]: colour for names in (ARMS, FRESH) for arm, colour in _PALETTE.items()}
MARKERS = ["o", "s", "D", "v", "^", "P"]
ACCURACY = "test accuracy (%)"
KEPT = "share of weights kept (%)"
STABLE = 2.0  # points of error, by Frankle et al. (2020)


def accuracy_vs_density(table: pd.DataFrame, figure: Figure) -> None:
    """Accuracy at the least validation loss against the share kept; the axis is logarithmic in the error."""
    axes = _against_dense(table.assign(value=100 * (1 - table["accuracy"])), ACCURACY, figure)
    # Tickets differ from dense networks by half a point, shuffled masks by ninety.
    axes.set_yscale("log")
    axes.invert_yaxis()
    low, high = sorted(axes.get_ylim())
    # The finer ones where the coarse ones would be few.
    for shown in ([99, 98, 97, 95, 90, 80, 50, 10], [99.5, 99, 98.5, 98, 97.5, 97, 96.5, 96, 95]):
        places = [100 - value for value in shown if low <= 100 - value <= high]
        if len(places) > 3:
            break
    axes.set_yticks(places, [f"{100 - place:g}" for place in places])
    axes.minorticks_off()


def speed_vs_density(table: pd.DataFrame, figure: Figure) -> None:
    """Updates to the least validation loss against the share of weights kept."""
    axes = _against_dense(table.assign(value=table["stop"]), "updates to the least validation loss", figure)
    from_zero(axes)


def _against_dense(table: pd.DataFrame, label: str, figure: Figure) -> Axes:
    """`value` of the first paper's arms against density; dashed is the dense network."""
    axes = figure.subplots()
    judged = table[(table["lr"] == table["lr"].min()) & (table["order"] == 0)]
    dense = judged[judged["arm"] == "dense"]["value"]
    shown = _named(judged, ["ticket", "naive", "shuffled"], FRESH)
    _lines(shown, "density", "value", axes)
    axes.axhline(dense.mean(), color="0.3", linestyle="--", label="dense")
    axes.axhspan(*interval95(dense), color="0.3", alpha=0.15, linewidth=0)
    _density_axis(axes, shown["density"])
    axes.set(ylabel=label)
    legend_right(axes)
    return axes


def instability_vs_rewind(table: pd.DataFrame, figure: Figure) -> None:
    """Instability against the rewind point: one panel for each peak rate, dense and sparse networks."""
    figure.set_size_inches(PAGE, 2.3)
    chosen = table[table["arm"].isin(["dense", "ticket"])]
    # Sparse networks where there is more than k = 0 of them, and the dense ones.
    several = chosen.groupby("density")["rewind"].nunique()
    chosen = chosen[chosen["density"].isin(several[several > 1].index)]
    shown = chosen.assign(
        k=(100 * chosen["rewind"]).map("{:.0f} %".format),
        percent=100 * chosen["instability"],
        network=chosen["density"].map(lambda share: "dense" if share == 1 else f"ticket, {100 * share:.3g} %"),
    ).sort_values(["rewind", "density"], ascending=[True, False], kind="stable")
    rates, networks = sorted(shown["lr"].unique()), list(dict.fromkeys(shown["network"]))
    panels = np.atleast_1d(figure.subplots(1, len(rates), sharey=True))
    for axes, rate in zip(panels, rates, strict=True):
        seaborn.pointplot(
            shown[shown["lr"] == rate], x="k", y="percent", hue="network", palette="colorblind", dodge=0.2,
            hue_order=networks, markers=MARKERS[: len(networks)], errorbar=interval95, markersize=4, linewidth=1.2,
            err_kws={"linewidth": 1}, ax=axes, legend=axes is panels[-1],
        )  # fmt: skip
        axes.axhline(STABLE, color="0.3", linestyle=":", label="stable below")
        axes.set(title=f"peak rate {rate:g}", xlabel="update k (share of training)", ylabel="instability (points)")
    # Once all panels are drawn: they share the axis, and a limit ends its scaling.
    for axes in panels:
        from_zero(axes)
    legend_right(panels[-1])


def gap_vs_instability(table: pd.DataFrame, figure: Figure) -> None:
    """Accuracy lost against the dense network, against instability: one point for each kind of network."""
    axes = figure.subplots()
    start = table[(table["arm"] == "dense") & (table["rewind"] == 0)].set_index(["pair", "lr"])["accuracy"]
    own = pd.MultiIndex.from_frame(table[["pair", "lr"]])
    shown = table.assign(
        gap=100 * (start.reindex(own).to_numpy() - table["accuracy"]), x=100 * table["instability"]
    )
    kinds = {"dense": "dense", **FRESH}
    colours = seaborn.color_palette("colorblind")
    for (arm, name), colour, marker in zip(kinds.items(), colours, MARKERS, strict=False):
        cells = shown[shown["arm"] == arm].groupby(["density", "lr", "rewind"])
        if not len(cells):
            continue
        middle, reach = (np.array([_middle(rows[column]) for _, rows in cells]).T for column in ("x", "gap"))
        axes.errorbar(
            middle[0], reach[0], xerr=middle[1], yerr=reach[1], fmt=marker, markersize=3.5, color=colour,
            elinewidth=0.6, linestyle="none", label=name,
        )  # fmt: skip
    axes.set(xscale="symlog", yscale="symlog")
    axes.autoscale_view()
    low, high = axes.get_ylim()
    ticks_at(axes.yaxis, [place for place in (-100, -10, 0, 10, 100) if low <= place <= high])
    axes.set(xlabel="instability (points of test error)", ylabel="accuracy below dense (points)")
    legend_right(axes)


def accuracy_vs_rewind(table: pd.DataFrame, figure: Figure) -> None:
    """Accuracy of the arms against the rewind point: a panel for each width and density with several of them."""
    points = table[table["arm"] == "permuted"].groupby(["width", "density"])["rewind"].nunique()
    cases = [case for case in points.index if points[case] > 1]
    widths, densities = (sorted({case[at] for case in cases}) for at in (0, 1))
    figure.set_size_inches(PAGE, 2.3 * len(widths))
    panels = figure.subplots(len(widths), len(densities), sharex=True, sharey="row", squeeze=False)
    for row, width in enumerate(widths):
        for column, density in enumerate(densities[::-1]):
            axes = panels[row, column]
            rows = table[(table["width"] == width) & (table["density"] == density)]
            rows = rows[rows["rewind"].isin(rows[rows["arm"] == "permuted"]["rewind"])]
            shown = _named(rows, ["ticket", "permuted", "naive", "shuffled"], ARMS)
            shown = shown.assign(k=100 * shown["rewind"], value=100 * shown["accuracy"])
            last = (row, column) == (len(widths) - 1, len(densities) - 1)
            _lines(shown, "k", "value", axes, legend=last)
            axes.set(xlabel="rewind point k (% of training)", ylabel=ACCURACY)
            axes.set_title(f"width {width}, {100 * density:.3g} % kept")
    legend_right(panels[-1, -1])


def recovered_vs_width(table: pd.DataFrame, figure: Figure) -> None:
    """Accuracy of the arms by width, and what the aligned mask still loses against the ticket."""
    figure.set_size_inches(PAGE, 2.3)
    left, right = figure.subplots(1, 2, width_ratios=[1.3, 1])
    late = table[table["rewind"] == table[table["arm"] == "permuted"]["rewind"].max()]
    aligned = late[late["arm"] == "permuted"]
    common = set.intersection(*(set(rows["density"]) for _, rows in aligned.groupby("width")))
    rows = late[late["density"] == min(common)]
    shown = _named(rows, list(ARMS), ARMS)
    shown = shown.assign(value=100 * shown["accuracy"])
    seaborn.pointplot(
        shown, x="width", y="value", hue="arm shown", palette=COLOURS, errorbar=interval95, dodge=0.4, markersize=4,
        hue_order=list(ARMS.values()), markers=MARKERS[: len(ARMS)], linestyle="none", capsize=0.08,
        err_kws={"linewidth": 1}, ax=left,
    )  # fmt: skip
    left.set(xlabel="width (units)", ylabel=ACCURACY, title=f"{100 * min(common):.3g} % kept")
    left.legend(title=None, loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=1.4)
    keys = ["width", "density", "pair"]
    accuracy = late.set_index([*keys, "arm"])["accuracy"].unstack("arm")
    lost = (100 * (accuracy["ticket"] - accuracy["permuted"])).dropna().rename("lost").reset_index()
    lost = lost.assign(width=lost["width"].astype(str) + " units", kept=100 * lost["density"])
    seaborn.lineplot(
        lost, x="kept", y="lost", hue="width", style="width", palette="colorblind", errorbar=interval95, ax=right,
        err_style="bars", markers=True, dashes=False,
    )  # fmt: skip
    _density_axis(right, lost["kept"] / 100, False)
    right.set(ylabel="ticket above aligned (points)")
    right.legend(title=None)


def barrier_vs_width(table: pd.DataFrame, figure: Figure) -> None:
    """Loss barrier between two dense networks as they are, aligned, and repaired, by width."""
    axes = figure.subplots()
    names = {"plain": "as they are", "aligned": "aligned", "aligned and repaired": "aligned, REPAIR"}
    shown = table.assign(units=table["line"].map(names))
    seaborn.pointplot(
        shown, x="width", y="barrier", hue="units", hue_order=list(names.values()), palette="colorblind", dodge=0.3,
        errorbar=interval95, markersize=4, linestyle="none", capsize=0.08, err_kws={"linewidth": 1}, ax=axes,
    )  # fmt: skip
    axes.set(xlabel="width (units)", ylabel="test loss barrier (nats)")
    from_zero(axes)
    legend_right(axes)


def path_barrier(table: pd.DataFrame, figure: Figure) -> None:
    """Error barrier between the dense network and its ticket at each round, plain and repaired."""
    axes = figure.subplots()
    shown = table[table["other"].isin(["ticket", "next"])]
    ends = {"ticket": "own ticket", "next": "another's ticket"}
    lines = {"plain": "", "repaired": ", REPAIR"}
    shown = shown.assign(
        line=shown["other"].map(ends) + shown["line"].map(lines),
        value=100 * shown["error_barrier"],
        kept=100 * shown["density"],
    )
    seaborn.lineplot(
        shown, x="kept", y="value", hue="line", style="line", markers=True, dashes=False, palette="colorblind",
        errorbar=interval95, err_style="bars", ax=axes,
    )  # fmt: skip
    axes.axhline(STABLE, color="0.3", linestyle=":", label="connected below")
    from_zero(axes, 1, decades=1)
    axes.set(ylabel="test error barrier (points)")
    _density_axis(axes, shown["density"], False)
    legend_right(axes)


def overlap_by_layer(table: pd.DataFrame, figure: Figure) -> None:
    """Overlap of two networks' masks by layer, before and after alignment, against the share of weights kept."""
    layers = list(dict.fromkeys(table["layer"]))
    count(table["pair"])
    figure.set_size_inches(PAGE, 2.1)
    panels = np.atleast_1d(figure.subplots(1, len(layers), sharey=True))
    names = {"as they are": "as they are", "aligned": "aligned", "random": "random order", "chance": "chance"}
    shown = table.assign(units=table["units"].map(names), kept=100 * table["density"])
    order = list(names.values())
    dashes = dict(zip(order, [(), (), (), (2, 1)], strict=True))
    for place, (axes, layer) in enumerate(zip(panels, layers, strict=True), start=1):
        seaborn.lineplot(
            shown[shown["layer"] == layer], x="kept", y="iou", hue="units", hue_order=order, style="units",
            style_order=order, dashes=dashes, palette="colorblind", errorbar=interval95, ax=axes,
            legend=axes is panels[-1],
        )  # fmt: skip
        axes.set(ylabel="intersection over union", title=f"layer {place} of {len(layers)}")
        _density_axis(axes, shown["density"], False, few=True)
    legend_right(panels[-1], "units")


def diversity(table: pd.DataFrame, figure: Figure) -> None:
    """Members, ensembles and disagreement of five tickets of one mask."""
    figure.set_size_inches(PAGE, 2.1)
    names = {
        "ticket": "one network,\n5 data orders",
        "permuted": "5 networks,\naligned",
        "naive": "5 networks,\nas it is",
    }
    shown = table[table["arm"].isin(names)].assign(tickets=lambda rows: rows["arm"].map(names))
    left, right = figure.subplots(1, 2)
    accuracies = shown.melt(["tickets", "pair"], ["accuracy", "ensemble"], "of", "value")
    accuracies = accuracies.assign(
        of=accuracies["of"].map({"accuracy": "members, mean", "ensemble": "ensemble"}),
        value=100 * accuracies["value"],
    )
    style = {
        "x": "tickets", "order": list(names.values()), "errorbar": interval95, "markersize": 4, "linestyle": "none",
        "capsize": 0.08, "err_kws": {"linewidth": 1},
    }  # fmt: skip
    seaborn.pointplot(accuracies, y="value", hue="of", palette="colorblind", dodge=0.3, ax=left, **style)
    left.set(xlabel="tickets of one mask", ylabel=ACCURACY)
    left.legend(title=None)
    apart = shown.assign(value=100 * shown["disagreement"])
    seaborn.pointplot(apart, y="value", color="0.2", ax=right, **style)
    right.set(xlabel="tickets of one mask", ylabel="disagreement (% of examples)")
    from_zero(right)


def _named(table: pd.DataFrame, arms: Sequence[str], names: dict[str, str]) -> pd.DataFrame:
    """The rows of these arms, in this order, with the name that a reader sees as `arm shown`."""
    rows = pd.concat([table[table["arm"] == arm] for arm in arms])
    return rows.assign(**{"arm shown": rows["arm"].map(names)})


def _lines(shown: pd.DataFrame, x: str, y: str, axes: Axes, legend: bool = True) -> None:
    seaborn.lineplot(
        shown, x=x, y=y, hue="arm shown", style="arm shown", markers=True, dashes=False, palette=COLOURS,
        errorbar=interval95, err_style="bars", ax=axes, legend=legend,
    )  # fmt: skip


def _middle(values: pd.Series) -> tuple[float, float]:
    """Mean, and half the 95 % interval."""
    low, high = interval95(values)
    return (low + high) / 2, (high - low) / 2


def _density_axis(axes: Axes, densities: pd.Series, shares: bool = True, few: bool = False) -> None:
    """Densities on a logarithmic axis in per cent, falling to the right as sparsity grows."""
    factor = 1 if shares else 100
    found = sorted(densities[densities < 1].unique())
    chosen = [found[0], found[-1]] if few else found[::2] if len(found) > 4 else found
    axes.set_xscale("log")
    ticks_at(axes.xaxis, [factor * share for share in chosen])
    axes.set_xticklabels([f"{100 * share:.3g}" for share in chosen])
    axes.invert_xaxis()
    axes.set(xlabel=KEPT)
