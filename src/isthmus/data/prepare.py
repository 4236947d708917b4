"""From a data key to its prepared file: read the source by its kind, verify, cut into parts, scale, write."""

from pathlib import Path

import torch

from isthmus import paths
from isthmus.data import embedded, examples, images, parquet, prepared, register
from isthmus.data.examples import Pools
from isthmus.errors import UserError


def prepare(key: str, out: Path, place: str | None) -> None:
    """Write the prepared set of `key` to `out`; `place` is where config puts its set, None for its own source.

    Equal content gives equal bytes. UserError for whatever does not fit; then nothing is written.
    """
    names = register.parse(key)
    entry, split = register.entry(names.set), register.split(key)
    scaling = entry.scalings[names.scaling]
    source = place or entry.source or names.set
    pools = _read(key, place)
    examples.check(pools, entry, source)
    content = examples.checksum(pools)
    if entry.kind == "embedded" and content != register.pinned(key):
        raise UserError(f"{key}: wanted content with checksum {register.pinned(key)}, found {content}")
    parts = examples.cut(pools, split, source)
    mean, std = examples.moments(scaling, parts["train"].inputs)
    if min(std) == 0:
        raise UserError(f"{key}: wanted inputs that vary, found a standard deviation of 0 in the training part")
    data = prepared.DataSet(
        key=key,
        inputs={part: torch.from_numpy(examples.scaled(inputs, mean, std)) for part, (inputs, _) in parts.items()},
        labels={part: torch.from_numpy(labels) for part, (_, labels) in parts.items()},
        classes=entry.classes,
        shape=entry.shape,
        mean=tuple(mean),
        std=tuple(std),
        checksum=register.combined(key, content),
    )
    provenance = {
        "set": names.set,
        "split": names.split,
        "scaling": names.scaling,
        "definition": register.definition(key),
        "content": content,
        "register": register.load().version,
    }
    prepared.save(out, data, provenance)


def _read(key: str, place: str | None) -> Pools:
    """The raw pools of a key's set: from its place if it has one, else from its own source."""
    name = register.parse(key).set
    entry, split = register.entry(name), register.split(key)
    if place is None:
        if entry.kind == "embedded":
            return embedded.read(name, split)
        if entry.kind == "torchvision":
            return images.read(name, paths.root() / "data" / name, download=True)
    folder, files = register.placed(name, place)
    found = register.files_digest(folder, files)
    if entry.checksum not in (None, found):
        raise UserError(f"{folder}: wanted {name} with checksum {entry.checksum}, found files with {found}")
    if files[0].suffix == ".parquet":
        # A validation part may be a file of its own, or be cut from the training part.
        needed = [part for part in split.sizes if part != "validation"]
        return parquet.read(files, needed, entry, key)
    return images.read(name, folder, download=False)
