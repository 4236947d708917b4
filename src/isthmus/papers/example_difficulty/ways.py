"""Other ways to measure the headline claims, on tables that are there: written down before any was judged."""

from functools import partial

from isthmus.ways import Tables, Way, exchanged, in_place


def scores(tables: Tables, changes: dict[str, str]) -> Tables:
    """The consistency of other scores in the place of some."""
    for one, other in changes.items():
        tables = exchanged(tables, "consistency", {"score": one}, {"score": other})
    return tables


def fingerprint(one: dict[str, object], other: dict[str, object]) -> partial[Tables]:
    return partial(exchanged, name="fingerprint", one=one, other=other)


LOSSES = {"mean_confidence": "mean_loss", "final_confidence": "final_loss"}

NOISE_WAYS = (
    Way("losses, not confidences", partial(scores, changes=LOSSES)),
    Way("mean margin, not mean confidence", partial(scores, changes={"mean_confidence": "mean_margin"})),
    Way(
        "overlap of the hardest tenth, not rank correlation",
        partial(in_place, names=("consistency",), column="overlap", of="spearman"),
    ),
)
FINGERPRINT_WAYS = (
    Way("mean loss, not early EL2N", fingerprint({"score": "early_el2n"}, {"score": "mean_loss"})),
    Way("one example, not two", fingerprint({"k": 2}, {"k": 1})),
    Way("four examples, not two", fingerprint({"k": 2}, {"k": 4})),
)
