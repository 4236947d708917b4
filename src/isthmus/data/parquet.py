"""Any folder of parquet files in the layout common on data hubs: columns `image` (a struct of the encoded `bytes`
and a `path`) and `label` (int64), one or several files per part, named by the part."""

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from isthmus.data import PARTS
from isthmus.data.examples import Examples
from isthmus.data.register import Entry
from isthmus.errors import UserError
from isthmus.progress import Progress

_STEM = re.compile(rf"({'|'.join(PARTS)})(?:-(\d+)-of-(\d+))?")
_BATCH = 1024
_MODES = {1: "L", 3: "RGB"}


def read(files: Sequence[Path], parts: Sequence[str], entry: Entry, label: str) -> dict[str, Examples]:
    """Pools named like the files: uint8 (N, C, H, W) in the order of files and rows, labels int64.

    `parts` must be among them. UserError, with file and row (counted from 0), for whatever does not fit.
    """
    found = _by_part(files)
    missing = [part for part in parts if part not in found]
    if missing:
        folder = files[0].parent
        raise UserError(f"{folder}: wanted {missing[0]}.parquet, found only parts {', '.join(found)}")
    opened = {file: _open(file) for of_part in found.values() for file in of_part}
    total = sum(table.metadata.num_rows for table in opened.values())
    with Progress(total=total, unit="images", label=label) as progress:
        return {
            part: _pool([(file, opened[file]) for file in of_part], entry, progress)
            for part, of_part in found.items()
        }


def _by_part(files: Sequence[Path]) -> Mapping[str, list[Path]]:
    """The files of each part in their order; none of a numbered series may be missing."""
    found: dict[str, list[Path]] = {}
    for file in sorted(files):
        match = _STEM.fullmatch(file.stem)
        if match is None:
            wanted = f"<part>.parquet or <part>-00000-of-00002.parquet, part one of {', '.join(PARTS)}"
            raise UserError(f"{file}: wanted a name like {wanted}")
        found.setdefault(match[1], []).append(file)
    for part, of_part in found.items():
        matches = [_STEM.fullmatch(file.stem) for file in of_part]
        series = [(int(match[2]), int(match[3])) for match in matches if match and match[2]]
        count = series[0][1] if series else 1
        if len(of_part) != count or (series and series != [(i, count) for i in range(count)]):
            names = ", ".join(file.name for file in of_part)
            raise UserError(f"{of_part[0].parent}: wanted one whole series of files for {part}, found {names}")
    return found


def _open(file: Path) -> pq.ParquetFile:
    """The file, known to have both columns with their types and at least one row."""
    try:
        table = pq.ParquetFile(file)
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{file}: wanted an intact parquet file, found none ({_line(error)})") from error
    types = {field.name: field.type for field in table.schema_arrow}
    for column in ("image", "label"):
        if column not in types:
            raise UserError(f"{file}: wanted a column {column!r}, found {', '.join(types) or 'none'}")
    image, label = types["image"], types["label"]
    encoded = image.field("bytes").type if pa.types.is_struct(image) and "bytes" in image.names else None
    if encoded is None or not (pa.types.is_binary(encoded) or pa.types.is_large_binary(encoded)):
        raise UserError(f"{file}, column 'image': wanted struct<bytes: binary, path: string>, found {image}")
    if not pa.types.is_int64(label):
        raise UserError(f"{file}, column 'label': wanted int64, found {label}")
    if table.metadata.num_rows == 0:
        raise UserError(f"{file}: wanted at least one row, found none")
    return table


def _pool(files: Sequence[tuple[Path, pq.ParquetFile]], entry: Entry, progress: Progress) -> Examples:
    count = sum(table.metadata.num_rows for _, table in files)
    inputs = np.empty((count, *entry.shape), dtype=np.uint8)
    labels = np.empty(count, dtype=np.int64)
    at = 0
    for file, table in files:
        start = at
        try:
            for batch in table.iter_batches(_BATCH, columns=["image.bytes", "label"]):
                rows = slice(at, at + len(batch))
                labels[rows] = _labels(batch.column("label"), entry.classes, file, at - start)
                # Not field("bytes"), which forgets that the struct around it may be null.
                (encoded,) = batch.column("image").flatten()
                for row, content in enumerate(encoded):
                    inputs[at + row] = _decoded(content, entry.shape, f"{file}, row {at - start + row}")
                at += len(batch)
                progress.advance(len(batch))
        except (OSError, pa.ArrowException) as error:
            raise UserError(f"{file}: wanted an intact parquet file, found none ({_line(error)})") from error
    return Examples(inputs, labels)


def _labels(column: pa.Array, classes: int, file: Path, first_row: int) -> np.ndarray:
    """The labels of a batch, all from 0 to classes - 1."""
    if column.null_count:
        row = first_row + column.is_null().to_numpy(zero_copy_only=False).argmax()
        raise UserError(f"{file}, row {row}, column 'label': wanted a label, found null")
    labels = column.to_numpy()
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if wrong.size:
        row = first_row + wrong[0]
        wanted = f"a label from 0 to {classes - 1}"
        raise UserError(f"{file}, row {row}, column 'label': wanted {wanted}, found {labels[wrong[0]]}")
    return labels


def _decoded(content: pa.Scalar, shape: tuple[int, ...], where: str) -> np.ndarray:
    """An encoded image as uint8 (C, H, W); only grey and RGB, since converting would invent the pixels."""
    channels, height, width = shape
    if not content.is_valid:
        raise UserError(f"{where}, column 'image': wanted encoded bytes, found null")
    try:
        image = Image.open(io.BytesIO(content.as_buffer()))
        found, size = image.mode, image.size
        if (found, size) == (_MODES[channels], (width, height)):
            return np.asarray(image).reshape(height, width, channels).transpose(2, 0, 1)
    # Pillow's readers raise OSError, SyntaxError, struct.error and more on damaged bytes.
    except Exception as error:
        raise UserError(f"{where}, column 'image': wanted a PNG or JPEG, found none ({_line(error)})") from error
    wanted = f"{width}x{height} pixels, {_MODES[channels]}"
    raise UserError(f"{where}, column 'image': wanted {wanted}, found {size[0]}x{size[1]}, {found}")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
