"""The kinds of removal that a network may ask for, by name: what each needs, and when it acts. No torch."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Kind:
    """module, function: of isthmus.removal, what says which units are left. when: it is asked at the recipe's
    looks, before the first update, or whenever an epoch ends. chooses: whether it keeps a share of the units, to be
    given.
    """

    module: str
    function: str
    when: Literal["looks", "first", "epochs"]
    chooses: bool


KINDS = {
    "dead": Kind("dead", "living", "looks", chooses=False),
    "random": Kind("by_chance", "random", "first", chooses=True),
    "snap": Kind("by_score", "snap", "first", chooses=True),
    "cropit": Kind("by_score", "cropit", "first", chooses=True),
    "early_cropit": Kind("early", "early_cropit", "epochs", chooses=True),
}
