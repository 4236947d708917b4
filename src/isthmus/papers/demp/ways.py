"""Other ways to measure the headline claim, on tables that are there: written down before any was judged."""

from functools import partial

from isthmus.ways import NotMeasuredError, Tables, Way, exchanged, in_place


def without_penalty(tables: Tables, place: int) -> Tables:
    """DemP without one of its penalties: the smallest (0) or the largest (-1)."""
    frame = tables["networks"]
    of_demp = frame["method"] == "demp"
    tried = sorted(frame[of_demp]["penalty"].unique())
    if len(tried) < 2:
        raise NotMeasuredError("penalties")
    return {**tables, "networks": frame[~(of_demp & (frame["penalty"] == tried[place]))]}


REMOVAL_WAYS = (
    Way(
        "as sparse in weights, not in units",
        partial(in_place, names=("networks",), column="weight_sparsity", of="neuron_sparsity"),
    ),
    Way(
        "another data order of DemP",
        partial(
            exchanged,
            name="networks",
            one={"method": "demp", "order": 0},
            other={"method": "demp", "order": 1},
        ),
    ),
    Way("without the smallest penalty", partial(without_penalty, place=0)),
    Way("without the largest penalty", partial(without_penalty, place=-1)),
)
