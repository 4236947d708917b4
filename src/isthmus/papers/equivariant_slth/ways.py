"""Other ways to measure the headline claims, on tables that are there: written down before any was judged.

Of the C4 network there is none: the answers of networks pruned from fewer samples are not kept.
"""

from functools import partial

from isthmus.ways import Way, exchanged

ARCHITECTURE_WAYS = (
    Way("12 samples, not 14", partial(exchanged, name="pruned", one={"samples": 14.0}, other={"samples": 12.0})),
)
POPUP_WAYS = (
    Way(
        "normal weights, not of one size",
        partial(exchanged, name="popup", one={"weights": "signed"}, other={"weights": "normal"}),
    ),
)
