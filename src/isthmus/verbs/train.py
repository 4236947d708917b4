"""train: recipe -> one chunk of a fleet."""

from pathlib import Path

from isthmus.data import prepared
from isthmus.engine.checkpoints import Counter, train_chunk
from isthmus.engine.recipe import Recipe


def train(recipe: Recipe, index: int, data: Path, out: Path, save: Path, code: str, progress: Counter) -> None:
    """Write chunk `index` of the recipe's fleet to `out`.

    data: the prepared file. save: where the state of a running job is kept. code: fingerprint of this code.
    """
    train_chunk(recipe, index, prepared.load(data), out, save, code, progress)
