"""The register of data sets, `data/register.yaml`: what each set is, how it is split and scaled. Imports no torch.

A prepared set is named by a key `<set>/<split>/<scaling>` of three entries of the register, so that a recipe
says exactly which examples it means, and nothing else can become a path.
"""

import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator

from isthmus import paths
from isthmus.data import PARTS
from isthmus.errors import UserError
from isthmus.store import canonical_json, digest, file_digest

FILE = Path("data/register.yaml")

_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_KEY = re.compile(rf"({_NAME})/({_NAME})/({_NAME})")

Name = Annotated[str, Field(pattern=rf"^{_NAME}$")]
Checksum = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Key(NamedTuple):
    """The three names in `<set>/<split>/<scaling>`."""

    set: str
    split: str
    scaling: str


class Spec(BaseModel):
    """Refuses keys that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Split(Spec):
    """How a set is cut into parts; with neither seed nor generator it is taken in its own order."""

    sizes: dict[Literal["train", "validation", "test"], PositiveInt]
    seed: int | None = Field(None, ge=0, description="of the permutation before the cut")
    generator: int | None = Field(None, ge=0, description="seed of the generator that makes the set")
    checksum: Checksum | None = Field(None, description="of the raw content, where the draw changes it")

    @model_validator(mode="after")
    def _can_train(self) -> "Split":
        if "train" not in self.sizes:
            raise ValueError("wanted a train part in sizes, found none")
        return self


class Scaling(Spec):
    """Inputs become (raw - mean) / std: with these numbers, or with those of the training part."""

    mean: float = 0.0
    std: float = Field(1.0, gt=0)
    fit: Literal["whole", "channel"] | None = Field(None, description="one mean and std, or one per channel")

    @model_validator(mode="after")
    def _given_or_fitted(self) -> "Scaling":
        if self.fit is not None and self.model_fields_set != {"fit"}:
            raise ValueError("wanted either fit, or mean and std, found both")
        return self


class Entry(Spec):
    """One data set."""

    title: str
    kind: Literal["embedded", "torchvision", "parquet"]
    source: str | None = Field(None, description="where it comes from; a user's own set has only its place")
    version: str
    licence: str
    size: int = Field(ge=0, description="bytes to download")
    files: str | None = Field(None, description="which files are its data in torchvision's root folder")
    classes: int = Field(ge=2)
    shape: tuple[PositiveInt, ...] = Field(min_length=1)
    checksum: Checksum | None = Field(None, description="of the raw content, or of a placed folder's files")
    splits: dict[Name, Split]
    scalings: dict[Name, Scaling]

    @model_validator(mode="after")
    def _fits_its_kind(self) -> "Entry":
        if self.kind != "embedded" and (len(self.shape) != 3 or self.shape[0] not in (1, 3)):
            raise ValueError("wanted shape [1 or 3 channels, height, width] for images")
        if (self.kind == "torchvision") != (self.files is not None):
            raise ValueError("wanted files for kind torchvision, and for no other kind")
        return self


class Register(Spec):
    """All data sets by name."""

    version: PositiveInt
    sets: dict[Name, Entry]


def load() -> Register:
    """The register of this project; UserError, naming the file and the key, if it is not well formed."""
    try:
        return _parse((paths.root() / FILE).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{FILE}: could not be read ({error.strerror})") from error


@lru_cache(maxsize=8)
def _parse(text: str) -> Register:
    try:
        return Register.model_validate(yaml.safe_load(text))
    except (yaml.YAMLError, UnicodeError) as error:
        raise UserError(f"{FILE}: wanted YAML, found {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "top level"
        raise UserError(f"{FILE}: {where}: {first['msg']} (found {first['input']!r:.80})") from error


def parse(key: str) -> Key:
    """The key's three names, known to be safe as a path and to stand in the register."""
    match = _KEY.fullmatch(key)
    if match is None or ".." in key:
        raise UserError(f"data key {key!r}: wanted <set>/<split>/<scaling>, each of letters, digits and _ . - only")
    names = Key(*match.groups())
    found = entry(names.set)
    _pick(f"sets.{names.set}.splits", found.splits, names.split)
    _pick(f"sets.{names.set}.scalings", found.scalings, names.scaling)
    return names


def entry(name: str) -> Entry:
    """The entry of a data set; UserError that lists the names there are, if there is none."""
    return _pick("sets", load().sets, name)


def _pick(where: str, among: dict[str, Any], name: str) -> Any:
    if name not in among:
        raise UserError(f"{FILE}: {where}: wanted one of {', '.join(sorted(among))}, found {name!r}")
    return among[name]


def split(key: str) -> Split:
    """The entry of the key's split."""
    names = parse(key)
    return entry(names.set).splits[names.split]


def sizes(key: str) -> dict[str, int]:
    """Examples in each part of a key, in the order train, validation, test."""
    found = split(key).sizes
    return {part: found[part] for part in PARTS if part in found}


def definition(key: str) -> dict[str, Any]:
    """All that the register says about what a prepared file holds: shape, classes, split, scaling."""
    names = parse(key)
    found = entry(names.set)
    return {
        "shape": list(found.shape),
        "classes": found.classes,
        "split": found.splits[names.split].model_dump(exclude_none=True, exclude={"checksum"}),
        "scaling": found.scalings[names.scaling].model_dump(exclude_none=True),
    }


def placed(name: str, place: str | None) -> tuple[Path, list[Path]]:
    """The folder where config puts a data set (a relative one starts at the root) and its data files by name.

    These are its parquet files, or else those of torchvision's root folder. UserError if there are none, or if
    the set is embedded and cannot be placed.
    """
    found = entry(name)
    if place is None:
        raise UserError(f"config data.{name}: wanted the folder with its parquet files, found none")
    if found.kind == "embedded":
        raise UserError(f"config data.{name}: wanted no place, since {name} is embedded, found {place}")
    folder = paths.root() / Path(place).expanduser()
    if not folder.is_dir():
        raise UserError(f"config data.{name}: wanted a folder, found none at {place}")
    patterns = ["*.parquet"] if found.files is None else ["*.parquet", found.files]
    for pattern in patterns:
        if files := sorted(folder.glob(pattern)):
            return folder, files
    raise UserError(f"config data.{name}: wanted {' or '.join(patterns)} in {place}, found no such file")


def files_digest(folder: Path, files: list[Path]) -> str:
    """SHA-256 over the names and bytes of files, in their order; names count, since they tell train from test."""
    return digest(canonical_json([[str(file.relative_to(folder)), file_digest(file)] for file in files]))


def content_checksum(key: str, place: str | None) -> str:
    """SHA-256 that changes when the prepared set of this key would, found without decoding anything.

    It covers the key's definition and its source: the checksum pinned in the register of an embedded set; the
    files of a placed folder, but not where it lies; the version of a set whose checksums torchvision verifies.
    """
    names = parse(key)
    found = entry(names.set)
    if place is not None or found.kind == "parquet":
        return combined(key, files_digest(*placed(names.set, place)))
    if found.kind == "torchvision":
        return combined(key, digest(canonical_json([names.set, found.version])))
    return combined(key, pinned(key))


def pinned(key: str) -> str:
    """The checksum that the raw content of an embedded set must have; UserError if the register has none."""
    names = parse(key)
    found = entry(names.set)
    checksum = found.splits[names.split].checksum or found.checksum
    if checksum is None:
        raise UserError(f"{FILE}: sets.{names.set}: wanted a checksum for split {names.split}, found none")
    return checksum


def combined(key: str, source: str) -> str:
    """SHA-256 of a source's checksum and the key's definition: of what a prepared set is."""
    return digest(canonical_json([source, definition(key)]))
