"""Other ways to measure the headline claims, on tables that are there: written down before any was judged."""

from functools import partial

from isthmus.ways import Tables, Way, exchanged, in_place


def another(column: str) -> partial[Tables]:
    return partial(in_place, names=("matching",), column=column, of="barrier")


def method(one: str, other: str) -> partial[Tables]:
    return partial(exchanged, name="matching", one={"method": one}, other={"method": other})


def on_training_data(controls: bool) -> Way:
    """controls: whether theirs are measured there too."""
    seen = partial(exchanged, name="matching", one={"split": "test"}, other={"split": "train"})
    return Way("training data, not test data", seen, controls=controls)


BARRIER_WAYS = (
    Way("loss halfway, as in the paper, not the barrier", another("midpoint")),
    Way("barrier of the error (a fraction), not of the loss", another("error_barrier")),
    Way("biases counted in the informed matching", method("informed", "informed_bias")),
    Way("A matched to B in the informed matching, not B to A", method("informed", "informed_reverse")),
    Way("Git Re-Basin's weight matching, not the naive one", method("naive", "git_rebasin")),
)
