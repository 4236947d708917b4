"""Samples and tables whose 95 % intervals are known, and claims about them."""

from functools import partial

import numpy as np
import pandas as pd
import scipy.stats

from isthmus.claims import Claim, Control, Direction, NearZero, Sample


def spread(n=10):
    """n numbers with mean 0 whose 95 % Student interval is [-1, 1]."""
    raw = np.linspace(-1.0, 1.0, n)
    return raw / (raw.std(ddof=1) / np.sqrt(n) * scipy.stats.t.ppf(0.975, n - 1))


def around(middle, half=1.0, n=10):
    """A sample with the 95 % interval [middle - half, middle + half]."""
    return Sample.of(pd.Series(middle + half * spread(n)))


def arm(tables, name="claim"):
    """One number a seed: a column of the table."""
    return Sample.of(tables["arms"].set_index("seed")[name])


def both_arms(tables, first, second):
    return {"first": arm(tables, first), "second": arm(tables, second)}


def levels(tables, names):
    return Sample.of(tables["arms"].set_index("seed")[list(names)])


def table(n=10, first=1000, **middles):
    """Arms whose 95 % intervals are middle - 1 to middle + 1, each with the seeds in another order."""
    raw = np.linspace(-1.0, 1.0, n)
    unit = raw / (raw.std(ddof=1) / np.sqrt(n) * scipy.stats.t.ppf(0.975, n - 1))
    columns = {
        name: middle + np.random.default_rng(k).permutation(unit)
        for k, (name, middle) in enumerate(middles.items())
    }
    return {"arms": pd.DataFrame({"seed": np.arange(first, first + n), **columns})}


def claimed(**changes):
    given = {
        "id": "C1",
        "says": "It rises.",
        "where": "Fig. 1",
        "kind": Direction(2.0, "paper"),
        "unit": "nats",
        "statistic": arm,
        "n": 10,
        "unit_of_n": "seed",
        "controls": (Control("off", partial(arm, name="off")),),
    }
    return Claim(**(given | changes))


def absent(**changes):
    seen = Control("seen", partial(arm, name="seen"), "positive", **changes)
    return claimed(kind=NearZero(3.0, "noise floor"), controls=(seen,), needs="mnist")
