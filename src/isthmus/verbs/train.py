"""train: recipe -> one chunk of a fleet."""

from pathlib import Path

from isthmus.data import prepared
from isthmus.engine.checkpoints import Counter, train_chunk
from isthmus.engine.fleet import Source
from isthmus.engine.recipe import Recipe
from isthmus.engine.start import branched


def train(
    recipe: Recipe,
    index: int,
    data: Path,
    out: Path,
    save: Path,
    code: str,
    progress: Counter,
    parent: Source | None = None,
    device: str = "cpu",
) -> None:
    """Write chunk `index` of the recipe's fleet to `out`.

    data: the prepared file. save: where the state of a running job is kept. code: fingerprint of this code. parent:
    the fleet that the recipe branches from. device: where the rows are computed.
    """
    start = None if parent is None else branched(recipe, recipe.chunks[index], parent.load())
    train_chunk(recipe, index, prepared.load(data), out, save, code, progress, start, device)
