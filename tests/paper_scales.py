"""Networks of a recipe at a paper's scale, a few steps in: on the first real images where there are some."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from data_files import first_images, write_register
from training import Steps

from isthmus import paths
from isthmus.data import prepared
from isthmus.data.prepare import prepare
from isthmus.engine.checkpoints import train_chunk
from isthmus.engine.fleet import Fleet
from isthmus.engine.recipe import Network, Recipe

# Set -> folder of the images that may be at hand, and the shape of one.
IMAGES = {"mnist": ("mnist", (1, 28, 28)), "cifar10": ("cifar10-jpeg", (3, 32, 32))}


def begun(
    root: Path,
    patch: pytest.MonkeyPatch,
    recipe: Recipe,
    networks: Sequence[Network],
    steps: int,
    sizes: Mapping[str, int],
) -> Fleet:
    """These networks of the recipe after so many of its steps, on so many images of each part; kept at both ends.

    root: an empty folder, which stands for the project's until the patch is undone.
    """
    few = replace(recipe, networks=tuple(networks), chunk=len(networks), steps=steps, checkpoints=(0, steps))
    name, split, _ = recipe.data.split("/")
    # The files hold what a split takes for validation among the training images.
    files = {"train": sizes["train"] + sizes.get("validation", 0), "test": sizes["test"]}
    first_images(root / name, *IMAGES[name], files)
    write_register(root, lambda sets: sets[name]["splits"][split].update(sizes=dict(sizes)))
    patch.setenv("ISTHMUS_ROOT", str(root))
    path = root / paths.prepared(recipe.data)
    prepare(recipe.data, path, str(root / name))
    data, chunk = prepared.load(path), root / "chunk.safetensors"
    train_chunk(few, 0, data, chunk, root / "save", "code", Steps())
    return Fleet.load([chunk], few, data)
