"""What each claim judges, made of the room's tables: a number, or several, for each pair, set or network.

Barriers are the excess over the line between the endpoints, 25 points; of test data where nothing else is said.
Widths are named by rank, since their values belong to the scale: 1 is the narrowest, 5 the widest.
"""

import pandas as pd

from isthmus.claims import RATIO, Sample, Tables

# Nats, and fractions: rounding of a float32 logit near 10 is 1e-6. It keeps 0 / 0 at "nothing was removed".
FLOOR = 1e-6
# Updates: the first epoch on MNIST in batches of 500, which is about the fifth on digits in batches of 64.
EARLY = 120
DEPTHS = (3, 5, 7)
WIDTHS = (1, 2, 3, 4, 5)


def column(tables: Tables, table: str, name: str = "barrier", **where: object) -> pd.Series:
    """One number for each pair: a column halfway along its line, of the rows of a table of lines that match."""
    frame = tables[table]
    for key, value in ({"repair": "none", "split": "test", "alpha": 0.5} | where).items():
        frame = frame[frame[key] == value]
    return frame.set_index("pair")[name]


def removed(before: pd.Series, after: pd.Series) -> Sample:
    """Share of a barrier that is removed: a ratio of means over pairs, 0 where there is no barrier at all."""
    return Sample.of(pd.DataFrame({"removed": before - after, "before": before + FLOOR}), RATIO)


def removed_by_matching(tables: Tables, method: str) -> dict[str, Sample]:
    """Share of the wide networks' loss barrier that an order of B's units removes."""
    return {
        f"{split} loss": removed(
            column(tables, "wide", method="none", split=split), column(tables, "wide", method=method, split=split)
        )
        for split in ("train", "test")
    }


def barriers_of_wide(tables: Tables, method: str) -> dict[str, Sample]:
    named = {f"{split} loss": column(tables, "wide", method=method, split=split) for split in ("train", "test")}
    named["test error"] = column(tables, "wide", "error_barrier", method=method)
    return {name: Sample.of(values) for name, values in named.items()}


def by_width(tables: Tables, method: str) -> pd.DataFrame:
    """Barriers (pairs by widths, named by rank)."""
    widths = sorted(tables["widths"]["width"].unique())
    levels = [column(tables, "widths", method=method, width=width) for width in widths]
    return pd.concat(levels, axis=1, keys=range(1, len(widths) + 1))


def barrier_by_width(tables: Tables, method: str) -> Sample:
    return Sample.of(by_width(tables, method))


def share_left_by_width(tables: Tables, method: str) -> Sample:
    """Barrier over the same pair's barrier as trained."""
    return Sample.of((by_width(tables, method) + FLOOR) / (by_width(tables, "none") + FLOOR))


def last_step_of_width(tables: Tables, method: str) -> Sample:
    """Barrier at the second widest minus that at the widest."""
    levels = by_width(tables, method)
    return Sample.of(levels[WIDTHS[-2]] - levels[WIDTHS[-1]])


def at_step(tables: Tables, method: str, step: int) -> pd.Series:
    """Barrier of each pair at the checkpoint nearest to so many updates."""
    frame = tables["onset"]
    nearest = min(frame["step"].unique(), key=lambda kept: (abs(kept - step), kept))
    return frame[(frame["method"] == method) & (frame["step"] == nearest)].set_index("pair")["barrier"]


def barrier_at(tables: Tables, method: str, step: int) -> Sample:
    return Sample.of(at_step(tables, method, step))


def fall_in_training(tables: Tables, method: str) -> Sample:
    """Barrier after EARLY updates minus that at the end."""
    last = int(tables["onset"]["step"].max())
    return Sample.of(at_step(tables, method, EARLY) - at_step(tables, method, last))


def weights_minus(tables: Tables, method: str) -> Sample:
    """Barrier after weight matching minus that under another order."""
    return Sample.of(column(tables, "matchers", method="weights") - column(tables, "matchers", method=method))


def recovery(tables: Tables, method: str) -> dict[str, Sample]:
    """Of relabelled copies: largest difference of any parameter once ordered, and passes taken to order them."""
    frame = tables["planted"][tables["planted"]["method"] == method]
    frame = frame.set_index(frame["run"] + " " + frame["network"].astype(str))
    named = {"difference": frame["difference"]}
    if method == "weights":
        named["passes"] = frame["sweeps"]
    return {name: Sample.of(values) for name, values in named.items()}


def gained_by_merging(tables: Tables, arm: str) -> Sample:
    """Mean test loss of the members minus that of the network made of them."""
    frame = tables["merging"][tables["merging"]["split"] == "test"]
    losses = frame.pivot_table(index="set", columns="arm", values="loss")
    return Sample.of(losses["members"] - losses[arm])


def connected_orders(tables: Tables, pair: str) -> dict[str, Sample]:
    """Of the counterexample, for each order of B's units: how far the two functions differ, the share of errors of
    either network, and how far the accuracy halfway is from 3/4."""
    frame = tables["counterexample"]
    frame = frame[frame["pair"] == pair]
    right = frame.pivot_table(index="order", columns="alpha", values="accuracy")
    return {
        "one function": Sample.of(frame.groupby("order")["gap"].max()),
        "errors": Sample.of(1 - right[[0.0, 1.0]].min(axis=1)),
        "halfway": Sample.of((right[0.5] - 0.75).abs()),
    }


def collapse(tables: Tables, repair: str) -> dict[str, Sample]:
    """By depth: 1 minus the variance ratio of the last hidden layer, and its fall from the first layer to that."""
    frame = tables["layers"]
    frame = frame[(frame["method"] == "pearson") & (frame["repair"] == repair)]
    samples = {}
    for depth in DEPTHS:
        ratio = frame[frame["depth"] == depth].pivot_table(index="pair", columns="layer", values="ratio")
        samples[f"lost, depth {depth}"] = Sample.of(1 - ratio[depth])
        samples[f"shrinks, depth {depth}"] = Sample.of(ratio[1] - ratio[depth])
    return samples


def removed_by_repair(tables: Tables, name: str, repair: str) -> dict[str, Sample]:
    """By depth, the share of the matched networks' barrier that a repair removes."""
    samples = {}
    for depth in DEPTHS:
        before, after = (
            column(tables, "repaired", name, method="pearson", depth=depth, repair=kind)
            for kind in ("none", repair)
        )
        samples[f"depth {depth}"] = removed(before, after)
    return samples


def lost_without_matching(tables: Tables, other: str) -> dict[str, Sample]:
    """By depth, points of test accuracy halfway, repaired: of another order of B's units over B as trained."""
    samples = {}
    for depth in DEPTHS:
        alone, both = (
            column(tables, "repaired", "error", method=method, depth=depth, repair="own")
            for method in ("none", other)
        )
        samples[f"depth {depth}"] = Sample.of(100 * (alone - both))
    return samples
