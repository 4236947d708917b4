"""Real images: parquet folders and torchvision's files give the pixels they hold, and faults name file and row.

Set ISTHMUS_TEST_DATA to a folder with mnist/ and cifar10-jpeg/ to read those; otherwise small ones are made.
"""

import io
import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from data_files import (
    SMALL,
    encode,
    parquet_folder,
    random_images,
    serving,
    small_project,
    write_cifar,
    write_idx,
    write_idx_archives,
    write_parquet,
    write_register,
    write_svhn,
)
from PIL import Image
from torchvision import datasets

from isthmus.data import prepared, register
from isthmus.data.prepare import prepare
from isthmus.errors import UserError


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project root whose real sets are small."""
    return small_project(tmp_path / "project", monkeypatch)


def read(key, place, out):
    prepare(key, out, None if place is None else str(place))
    return prepared.load(out)


def pixels(data, part, rows=None):
    """The raw pixels in the first rows of a prepared part, or in all of them."""
    mean, std = (torch.tensor(values).reshape(-1, 1, 1).double() for values in (data.mean, data.std))
    return (data.inputs[part][:rows].double() * std + mean).round().to(torch.uint8).numpy()


@pytest.mark.parametrize("name", ["mnist", "cifar10-jpeg"])
def test_real_images_prepare_to_what_the_files_hold(name, request, tmp_path):
    given = os.environ.get("ISTHMUS_TEST_DATA")
    if given is None:
        request.getfixturevalue("project")
        folder = tmp_path / name
        kind = {"mnist": "PNG", "cifar10-jpeg": "JPEG"}[name]
        parquet_folder(folder, SMALL, register.entry(name).shape, kind=kind)
    else:
        folder = Path(given).resolve() / name
    key = f"{name}/full/standard"
    data = read(key, folder, tmp_path / "set.safetensors")
    assert {part: len(labels) for part, labels in data.labels.items()} == register.sizes(key)
    train = data.inputs["train"]
    torch.testing.assert_close(train.mean((0, 2, 3), dtype=torch.float64), torch.zeros(train.shape[1]).double())
    for part in ("train", "test"):
        table = pq.ParquetFile(folder / f"{part}.parquet")
        assert data.labels[part].tolist() == table.read(["label"]).column("label").to_pylist()
        first = next(table.iter_batches(8, columns=["image"])).column("image").to_pylist()
        for row, image in zip(pixels(data, part, 8), first, strict=True):
            decoded = np.atleast_3d(Image.open(io.BytesIO(image["bytes"])))
            assert np.array_equal(row.transpose(1, 2, 0), decoded)


def test_two_prepares_give_the_same_bytes_and_the_place_does_not_matter(project, tmp_path):
    files = []
    for name in ("a", "b"):
        parquet_folder(tmp_path / name, SMALL)
        files.append(tmp_path / f"{name}.safetensors")
        prepare("mnist/full/standard", files[-1], str(tmp_path / name))
    assert files[0].read_bytes() == files[1].read_bytes()
    checksums = {register.content_checksum("mnist/full/standard", str(tmp_path / name)) for name in ("a", "b")}
    assert len(checksums) == 1
    relative = os.path.relpath(tmp_path / "a", project)
    assert {register.content_checksum("mnist/full/standard", relative)} == checksums
    images, labels = random_images(12, (1, 28, 28), 10, seed=9)
    write_parquet(tmp_path / "a/test.parquet", [encode(image) for image in images], labels)
    assert register.content_checksum("mnist/full/standard", str(tmp_path / "a")) not in checksums


def test_a_selection_split_cuts_the_training_part_and_keeps_the_test_part(project, tmp_path):
    parts = parquet_folder(tmp_path / "mnist", SMALL)
    data = read("mnist/selection/unit", tmp_path / "mnist", tmp_path / "set.safetensors")
    assert {part: len(labels) for part, labels in data.labels.items()} == register.sizes("mnist/selection/unit")
    assert np.array_equal(pixels(data, "test"), parts["test"][0])
    cut = np.concatenate([pixels(data, "train"), pixels(data, "validation")])
    assert not np.array_equal(cut, parts["train"][0])
    assert sorted(map(bytes, cut)) == sorted(map(bytes, parts["train"][0]))


def test_a_part_may_be_a_series_of_files_and_validation_a_part_of_its_own(project, tmp_path):
    parts = parquet_folder(tmp_path / "mnist", {"train": 20, "validation": 10, "test": 12})
    images, labels = parts["train"]
    (tmp_path / "mnist/train.parquet").unlink()
    for i, rows in enumerate((slice(0, 13), slice(13, 20))):
        contents = [encode(image) for image in images[rows]]
        write_parquet(tmp_path / f"mnist/train-0000{i}-of-00002.parquet", contents, labels[rows])
    data = read("mnist/selection/unit", tmp_path / "mnist", tmp_path / "set.safetensors")
    assert sorted(map(bytes, pixels(data, "train"))) == sorted(map(bytes, images))
    assert np.array_equal(pixels(data, "validation"), parts["validation"][0])


def test_a_users_own_set_is_an_entry_and_a_place(project, tmp_path):
    def add(sets):
        sets["flowers"] = {
            **{key: sets["cifar10-jpeg"][key] for key in ("scalings", "licence", "version", "size")},
            **{"title": "Flowers", "kind": "parquet", "classes": 5, "shape": [3, 8, 6]},
            "splits": {"full": {"sizes": SMALL}},
        }

    write_register(project, add)
    parts = parquet_folder(tmp_path / "flowers", SMALL, (3, 8, 6), 5)
    data = read("flowers/full/standard", tmp_path / "flowers", tmp_path / "set.safetensors")
    assert np.array_equal(pixels(data, "train"), parts["train"][0])
    with pytest.raises(UserError, match=r"config data\.flowers: wanted the folder with its parquet files"):
        read("flowers/full/unit", None, tmp_path / "other.safetensors")


OFFICIAL = {
    "mnist": ("MNIST", (1, 28, 28), 10),
    "fashion_mnist": ("FashionMNIST", (1, 28, 28), 10),
    "cifar10": ("CIFAR10", (3, 32, 32), 10),
    "cifar100": ("CIFAR100", (3, 32, 32), 100),
    "svhn": ("SVHN", (3, 32, 32), 10),
}


def write_official(name, folder, monkeypatch):
    """torchvision's files of a set with small content, and torchvision told their md5; returns the content."""
    maker, shape, classes = getattr(datasets, OFFICIAL[name][0]), *OFFICIAL[name][1:]
    parts = {part: random_images(count, shape, classes, count) for part, count in SMALL.items()}
    if name in ("mnist", "fashion_mnist"):
        write_idx(folder / maker.__name__ / "raw", parts)
    elif name == "svhn":
        monkeypatch.setattr(maker, "split_list", write_svhn(folder, parts))
    else:
        labels_key = {"cifar10": "labels", "cifar100": "fine_labels"}[name]
        for attribute, value in write_cifar(folder, maker, parts, labels_key).items():
            monkeypatch.setattr(maker, attribute, value)
    return parts


@pytest.mark.parametrize("name", OFFICIAL)
def test_torchvisions_files_are_read_and_refused_when_damaged(name, project, tmp_path, monkeypatch):
    folder, out = tmp_path / "root", tmp_path / "set.safetensors"
    parts = write_official(name, folder, monkeypatch)
    data = read(f"{name}/full/standard", folder, out)
    for part, (images, labels) in parts.items():
        assert np.array_equal(pixels(data, part), images)
        assert data.labels[part].tolist() == labels.tolist()
    checksum = register.content_checksum(f"{name}/full/standard", str(folder))
    out.unlink()
    _, files = register.placed(name, str(folder))
    files[0].write_bytes(files[0].read_bytes()[:-50])
    assert register.content_checksum(f"{name}/full/standard", str(folder)) != checksum
    with pytest.raises(UserError, match=f"root: wanted the intact files of {name}, found "):
        read(f"{name}/full/standard", folder, out)
    assert not out.exists()


@pytest.mark.parametrize("name", OFFICIAL)
def test_the_registers_versions_are_torchvisions_checksums(name):
    maker = getattr(datasets, OFFICIAL[name][0])
    if name.startswith("cifar"):
        checksums = [maker.tgz_md5]
    elif name == "svhn":
        checksums = [maker.split_list[part][2] for part in ("train", "test")]
    else:
        checksums = [md5 for _, md5 in maker.resources]
    assert [word for word in register.entry(name).version.split() if len(word) == 32] == checksums


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """The only mirror of MNIST is this machine, with small files; returns their content."""
    parts = {part: random_images(count, (1, 28, 28), 10, count) for part, count in SMALL.items()}
    monkeypatch.setattr(datasets.MNIST, "resources", write_idx_archives(tmp_path / "mirror", parts))
    monkeypatch.setenv("no_proxy", "*")
    with serving(tmp_path / "mirror") as url:
        monkeypatch.setattr(datasets.MNIST, "mirrors", [url])
        yield parts


def test_without_a_place_the_files_are_downloaded_into_data_once(project, mirror, tmp_path, monkeypatch):
    data = read("mnist/full/unit", None, tmp_path / "set.safetensors")
    assert np.array_equal(pixels(data, "train"), mirror["train"][0])
    assert (project / "data/mnist/MNIST/raw/train-images-idx3-ubyte").is_file()
    monkeypatch.setattr(datasets.MNIST, "mirrors", [])
    again = read("mnist/full/standard", None, tmp_path / "set.safetensors")
    assert np.array_equal(pixels(again, "test"), mirror["test"][0])


@pytest.mark.parametrize("fault", ["another checksum", "no file there"])
def test_a_download_that_fails_says_what_to_do(fault, project, mirror, tmp_path, monkeypatch):
    if fault == "another checksum":
        wrong = [(name, "0" * 32) for name, _ in datasets.MNIST.resources]
        monkeypatch.setattr(datasets.MNIST, "resources", wrong)
    else:
        for file in (tmp_path / "mirror").iterdir():
            file.unlink()
    with pytest.raises(UserError, match=r"wanted the intact files of mnist.*set data\.mnist in config") as caught:
        read("mnist/full/unit", None, tmp_path / "set.safetensors")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "set.safetensors").exists()
