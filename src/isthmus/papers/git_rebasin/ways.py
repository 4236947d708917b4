"""Other ways to measure the headline claims, on tables that are there: written down before any was judged."""

from functools import partial

import pandas as pd

from isthmus.ways import NotMeasuredError, Tables, Way, in_place

LINE = ["run", "width", "depth", "lr", "method", "repair", "split", "pair"]


def errors(tables: Tables) -> Tables:
    return in_place(tables, ("wide",), "error_barrier", of="barrier")


def on_points(tables: Tables, halfway: bool) -> Tables:
    """Barriers of loss and error at every other point of the line, or halfway alone."""
    frame = tables["wide"].sort_values("alpha", kind="stable")
    alphas = sorted(frame["alpha"].unique())
    kept = frame["alpha"].isin([0.5] if halfway else alphas[::2])
    found = {}
    for barrier, height in {"barrier": "loss", "error_barrier": "error"}.items():
        ends = frame.groupby(LINE, dropna=False)[height]
        straight = (1 - frame["alpha"]) * ends.transform("first") + frame["alpha"] * ends.transform("last")
        excess = (frame[height] - straight).where(kept)
        keys = [frame[key] for key in LINE]
        found[barrier] = excess.groupby(keys, dropna=False).transform("max")
    return {**tables, "wide": frame.assign(**found)}


def second_widest(tables: Tables) -> Tables:
    frame: pd.DataFrame = tables["widths"]
    widths = sorted(frame["width"].unique())
    if len(widths) < 2:
        raise NotMeasuredError("widths")
    return {**tables, "wide": frame[frame["width"] == widths[-2]]}


LINE_WAYS = (
    Way("every other point of the line", partial(on_points, halfway=False)),
    Way("halfway, not where it is worst", partial(on_points, halfway=True)),
    Way("networks half as wide", second_widest),
)
SHARE_WAYS = (*LINE_WAYS, Way("barrier of the error, not of the loss", errors))
