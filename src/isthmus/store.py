"""Text, JSON and tables on disk: every write is atomic and every byte is determined by the content."""

import dataclasses
import hashlib
import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.errors import UserError

if TYPE_CHECKING:  # pandas takes 0.4 s to import, and most processes write no table
    import pandas as pd


def _plain(value: Any) -> Any:
    """The value as JSON types: dataclasses as mappings, NaN and infinities as null, numpy as Python.

    A dataclass with a digest of its own, such as a recipe within another, is written as that.
    """
    if dataclasses.is_dataclass(value) and hasattr(value, "digest"):
        return value.digest()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def canonical_json(value: Any) -> str:
    """One line of JSON, equal for equal values: sorted keys, no spaces, NaN and infinities as null."""
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(content: str | bytes) -> str:
    """SHA-256 of a text or of bytes, in hex."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def file_digest(path: Path | str) -> str:
    """SHA-256 of a file, in hex; UserError if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path}: could not be read ({error.strerror})") from error


@contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """A temporary sibling of `path` to write to; it takes the path's place only when the block ends well.

    Makes missing folders. A disk that is full or not writable gives a UserError, and leaves `path` as it was.
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
        temporary = Path(name)
        os.close(handle)
        yield temporary
        # Here, not before: safetensors puts a new file in its place, which others could not read.
        os.chmod(temporary, 0o644)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(f"{path}: could not be written ({error.strerror or error})") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Write a text file atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Write JSON for people: indented, keys sorted, NaN and infinities as null."""
    write_text(path, json.dumps(_plain(value), indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def read_json(path: Path | str) -> Any:
    """The content of a JSON file; UserError if it is missing or not JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: could not be read ({error.strerror})") from error
    except ValueError as error:
        raise UserError(f"{path}: wanted JSON, found something else ({error})") from error


def write_table(path: Path | str, frame: "pd.DataFrame") -> None:
    """Write a tidy table as CSV: rows in the given order, floats by repr, so reading gives the same bits."""
    with atomic(path) as temporary:
        frame.to_csv(temporary, index=False, lineterminator="\n")


def read_table(path: Path | str) -> "pd.DataFrame":
    """A table written by `write_table`; UserError if it is missing or not CSV."""
    import pandas as pd

    try:
        return pd.read_csv(path, float_precision="round_trip", keep_default_na=False, na_values=["", "nan"])
    except OSError as error:
        raise UserError(f"{path}: could not be read ({error.strerror})") from error
    except ValueError as error:
        raise UserError(f"{path}: wanted a CSV table, found something else ({error})") from error
