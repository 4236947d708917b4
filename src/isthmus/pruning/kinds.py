"""The kinds of masks that a recipe may ask for, by name: what each needs, and which module makes it. No torch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """module: of isthmus.pruning, whose function of the kind's name gives the masks. chooses: whether it keeps a
    density that must be given. needs_giver: whether there is no such mask without another fleet's networks.
    """

    module: str
    chooses: bool
    needs_giver: bool


KINDS = {
    "magnitude": Kind("by_size", chooses=True, needs_giver=False),
    "random": Kind("by_size", chooses=True, needs_giver=False),
    "snip": Kind("by_data", chooses=True, needs_giver=False),
    "grasp": Kind("by_data", chooses=True, needs_giver=False),
    "synflow": Kind("by_flow", chooses=True, needs_giver=False),
    "same": Kind("taken", chooses=False, needs_giver=True),
    "shuffled": Kind("taken", chooses=False, needs_giver=True),
    "reordered": Kind("taken", chooses=False, needs_giver=True),
    "aligned": Kind("transfer", chooses=False, needs_giver=True),
}
