"""Other ways to measure the headline claims, on tables that are there: written down before any was judged."""

from functools import partial

from isthmus.ways import Tables, Way, exchanged, in_place

WEIGHT = {"kind": "weight", "sigma": 1.0, "draw": 0}
GAUSSIAN = {"kind": "gaussian", "sigma": 1e-4, "draw": 0}
GRADIENT = {"kind": "batch", "sigma": 0.01, "draw": 0}
START = {"kind": "weight", "at": 0.0}
RANDOM = {"kind": "gaussian", "at": 0.02, "sigma": 0.01}


def errors(tables: Tables) -> Tables:
    return in_place(tables, ("pairs", "kernel"), "error_barrier", of="barrier")


def in_pairs(one: dict[str, object], other: dict[str, object]) -> partial[Tables]:
    return partial(exchanged, name="pairs", one=one, other=other)


ERRORS = Way("barrier of the error (a fraction), not of the loss", errors)

START_WAYS = (ERRORS, Way("another weight", in_pairs({**START, "draw": 0}, {**START, "draw": 1})))
DECAY_WAYS = (
    Way("Gaussian kicks of size 1e-4, not one weight", in_pairs(WEIGHT, GAUSSIAN)),
    Way("kicks of size 0.01 along a gradient, not one weight", in_pairs(WEIGHT, GRADIENT)),
)
# A second random direction, which the control needs, was drawn at 2 % alone.
DIRECTION_WAYS = (
    ERRORS,
    Way("another random direction", in_pairs({**RANDOM, "draw": 0}, {**RANDOM, "draw": 1})),
    Way("kicks at 0.5 % of training, not 2 %", in_pairs({"at": 0.02}, {"at": 0.005}), controls=False),
    Way("kicks at 10 % of training, not 2 %", in_pairs({"at": 0.02}, {"at": 0.1}), controls=False),
)
