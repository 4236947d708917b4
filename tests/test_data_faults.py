"""Faulty folders of images: each is refused in one line that names file and row, and nothing is written."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data_files import (
    SMALL,
    encode,
    image_column,
    parquet_folder,
    random_images,
    small_project,
    write_parquet,
    write_register,
)

from isthmus.data import register
from isthmus.data.prepare import prepare
from isthmus.errors import UserError


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project root whose real sets are small."""
    return small_project(tmp_path / "project", monkeypatch)


def _rows(change=None):
    """Contents and labels of 30 good rows, then changed."""
    images, labels = random_images(30, (1, 28, 28), 10)
    contents, labels = [encode(image) for image in images], labels.tolist()
    if change is not None:
        change(contents, labels)
    return contents, labels


def _write(change):
    return lambda folder: write_parquet(folder / "train.parquet", *_rows(change))


def _table(**columns):
    contents, labels = _rows()
    table = {"image": image_column(contents), "label": pa.array(labels), **columns}
    content = pa.table({name: column for name, column in table.items() if column is not None})
    return lambda folder: pq.write_table(content, folder / "train.parquet")


def _null_struct(folder):
    contents, labels = _rows()
    images = image_column(contents).to_pylist()
    images[3] = None
    image = pa.array(images, image_column([]).type)
    pq.write_table(pa.table({"image": image, "label": pa.array(labels)}), folder / "train.parquet")


def _truncate(folder):
    file = folder / "train.parquet"
    file.write_bytes(file.read_bytes()[:-200])


def _damage(folder):
    """The footer stays whole, the first page does not."""
    file = folder / "train.parquet"
    content = bytearray(file.read_bytes())
    content[4:60] = bytes(56)
    file.write_bytes(bytes(content))


def _image(row, content):
    return _write(lambda contents, labels: contents.__setitem__(row, content))


def _label(row, label):
    return _write(lambda contents, labels: labels.__setitem__(row, label))


_GOOD = encode(random_images(1, (1, 28, 28), 10)[0][0])
_BAD_COLUMN = pa.array(["x"] * 30)

FAULTS = {
    "no label column": (_table(label=None), r"train.parquet: wanted a column 'label', found image"),
    "no image column": (_table(image=None), r"train.parquet: wanted a column 'image', found label"),
    "image of text": (_table(image=_BAD_COLUMN), r"column 'image': wanted struct<bytes.*found string"),
    "label of text": (_table(label=_BAD_COLUMN), r"column 'label': wanted int64, found string"),
    "undecodable": (_image(7, b"not a picture"), r"train.parquet, row 7, column 'image': wanted a PNG or JPEG"),
    "cut short": (_image(8, _GOOD[:200]), r"row 8, column 'image': wanted a PNG or JPEG"),
    "null bytes": (_image(9, None), r"row 9, column 'image': wanted encoded bytes, found null"),
    "null image": (_null_struct, r"row 3, column 'image': wanted encoded bytes, found null"),
    "other size": (
        _image(11, encode(random_images(1, (1, 28, 27), 10)[0][0])),
        r"row 11, column 'image': wanted 28x28 pixels, L, found 27x28, L",
    ),
    "colour": (
        _image(12, encode(random_images(1, (3, 28, 28), 10)[0][0])),
        r"row 12, column 'image': wanted 28x28 pixels, L, found 28x28, RGB",
    ),
    "label too large": (_label(22, 10), r"row 22, column 'label': wanted a label from 0 to 9, found 10"),
    "label negative": (_label(23, -1), r"row 23, column 'label': wanted a label from 0 to 9, found -1"),
    "label null": (_label(24, None), r"row 24, column 'label': wanted a label, found null"),
    "empty": (_write(lambda contents, labels: (contents.clear(), labels.clear())), r"wanted at least one row"),
    "too few": (_write(lambda contents, labels: (contents.pop(), labels.pop())), r"wanted 30 .*found 29"),
    "truncated": (_truncate, r"train.parquet: wanted an intact parquet file, found none"),
    "damaged": (_damage, r"train.parquet: wanted an intact parquet file, found none"),
    "no part": (lambda folder: (folder / "test.parquet").unlink(), r"wanted test.parquet, found only parts train"),
    "other name": (
        lambda folder: (folder / "test.parquet").rename(folder / "eval.parquet"),
        r"eval.parquet: wanted a name like <part>.parquet",
    ),
    "half a series": (
        lambda folder: (folder / "train.parquet").rename(folder / "train-00000-of-00002.parquet"),
        r"wanted one whole series of files for train, found train-00000-of-00002.parquet",
    ),
    "no files": (
        lambda folder: [file.unlink() for file in folder.iterdir()],
        r"config data\.mnist: wanted \*\.parquet or MNIST/raw/\*-ubyte in .*, found no such file",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_folder_is_refused_by_file_and_row_and_leaves_nothing(fault, project, tmp_path):
    folder = tmp_path / "mnist"
    parquet_folder(folder, SMALL)
    damage, message = FAULTS[fault]
    damage(folder)
    with pytest.raises(UserError, match=message) as caught:
        prepare("mnist/full/unit", tmp_path / "out/set.safetensors", str(folder))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_missing_folder_and_a_checksum_that_is_not_the_folders_are_refused(project, tmp_path):
    with pytest.raises(UserError, match=r"config data\.mnist: wanted a folder, found none at "):
        prepare("mnist/full/unit", tmp_path / "out", str(tmp_path / "nowhere"))
    parquet_folder(tmp_path / "jpeg", SMALL, (3, 32, 32))
    wrong = {"checksum": "0" * 64, "splits": {"full": {"sizes": SMALL}}}
    write_register(project, lambda sets: sets["cifar10-jpeg"].update(wrong))
    with pytest.raises(UserError, match=r"jpeg: wanted cifar10-jpeg with checksum 0{64}, found files with "):
        prepare("cifar10-jpeg/full/unit", tmp_path / "out", str(tmp_path / "jpeg"))
    assert not (tmp_path / "out").exists()
    right = register.files_digest(*register.placed("cifar10-jpeg", str(tmp_path / "jpeg")))
    write_register(project, lambda sets: sets["cifar10-jpeg"].update(wrong, checksum=right))
    prepare("cifar10-jpeg/full/unit", tmp_path / "out", str(tmp_path / "jpeg"))


def test_an_image_that_never_varies_cannot_be_standardised(project, tmp_path):
    parquet_folder(tmp_path / "mnist", SMALL)
    blank = encode(np.zeros((1, 28, 28), np.uint8))
    write_parquet(tmp_path / "mnist/train.parquet", [blank] * 30, [0] * 30)
    with pytest.raises(UserError, match="wanted inputs that vary, found a standard deviation of 0"):
        prepare("mnist/full/standard", tmp_path / "out", str(tmp_path / "mnist"))
