"""The code behind each kind of job, as fingerprints: which modules a verb reaches for one room's run or file.

Verbs load a room's modules, models and optimizers by name, so rooms stay apart; here the names become roots.
"""

from isthmus import fingerprint, store
from isthmus.engine.recipe import Recipe
from isthmus.page import templates
from isthmus.pruning.kinds import KINDS
from isthmus.removal.kinds import KINDS as REMOVALS
from isthmus.rooms import Room


def prepare() -> str:
    """The code that prepares data."""
    return fingerprint.of("isthmus.data.prepare")


def train(recipe: Recipe) -> str:
    """The code that trains a fleet by this recipe, and those that it begins at or is pruned by."""
    lineage = list(recipe.lineage)
    models = {f"isthmus.models.{one.model.name}" for one in lineage}
    optimizers = {f"isthmus.optimizers.{one.optimizer.name}" for one in lineage}
    masks = {network.mask.kind for one in lineage for network in one.networks if network.mask is not None}
    pruning = {f"isthmus.pruning.{KINDS[kind].module}" for kind in masks}
    if pruning:
        pruning.add("isthmus.pruning.begin")
    kinds = {network.remove for one in lineage for network in one.networks if network.remove is not None}
    removal = {f"isthmus.removal.{REMOVALS[kind].module}" for kind in kinds}
    if any(one.removal is not None for one in lineage):
        removal.add("isthmus.removal.remover")
    return fingerprint.of("isthmus.verbs.train", *models, *optimizers, *pruning, *removal)


def measure(room: Room, table: str) -> str:
    """The code that measures a table: the room's measurements and the models of the runs that it reads."""
    models = {f"isthmus.models.{room.runs[run].recipe.model.name}" for run in room.tables[table].runs}
    return fingerprint.of("isthmus.verbs.measure", f"isthmus.papers.{room.slug}.measure", *models)


def judge(room: Room) -> str:
    """The code that judges a room's claims."""
    return fingerprint.of("isthmus.verbs.judge", f"isthmus.papers.{room.slug}.claims")


def draw(room: Room) -> str:
    """The code that draws a room's figures."""
    return fingerprint.of("isthmus.verbs.draw", f"isthmus.papers.{room.slug}.figures")


def page() -> str:
    """The code and templates that write the atlas."""
    return store.digest(fingerprint.of("isthmus.page.atlas") + "".join(map(store.file_digest, templates())))
