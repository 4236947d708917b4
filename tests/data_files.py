"""Small data files in the formats that users have: parquet folders, and torchvision's own files for each set."""

import gzip
import hashlib
import io
import os
import pickle
import struct
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.io
import yaml
from PIL import Image

from isthmus.paths import root

# Examples in each part of the real sets in `small_project`.
SMALL = {"train": 30, "test": 12}


def random_images(count, shape, classes, seed=0):
    """Images uint8 (count, *shape) and labels of which every class occurs."""
    generator = np.random.Generator(np.random.Philox(seed))
    labels = np.arange(count) % classes
    return generator.integers(0, 256, (count, *shape), dtype=np.uint8), labels


def encode(image, kind="PNG"):
    """The bytes of one (C, H, W) image as PNG or JPEG."""
    pixels = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def image_column(contents):
    """Encoded images as data hubs store them; None stands for null bytes."""
    rows = [{"bytes": content, "path": f"{i}.png"} for i, content in enumerate(contents)]
    return pa.array(rows, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))


def write_parquet(path, contents, labels):
    """One parquet file in several row groups, so that rows are counted across them."""
    table = pa.table({"image": image_column(contents), "label": pa.array(labels, pa.int64())})
    pq.write_table(table, path, row_group_size=5)


def parquet_folder(folder, sizes, shape=(1, 28, 28), classes=10, kind="PNG"):
    """A folder with one file per part; returns part -> (images, labels), of which JPEG keeps less."""
    folder.mkdir(parents=True)
    made = {}
    for seed, (part, count) in enumerate(sizes.items()):
        images, labels = random_images(count, shape, classes, seed)
        write_parquet(folder / f"{part}.parquet", [encode(image, kind) for image in images], labels)
        made[part] = images, labels
    return made


# Whole before any test changes the folder that it works in.
REAL = Path(os.environ["ISTHMUS_TEST_DATA"]).resolve() if "ISTHMUS_TEST_DATA" in os.environ else None


def first_images(folder, source, shape, sizes):
    """The first examples of a set in parquet files; random ones where ISTHMUS_TEST_DATA names no folder."""
    if REAL is None:
        parquet_folder(folder, sizes, shape)
        return
    folder.mkdir()
    for part, count in sizes.items():
        batches = pq.ParquetFile(REAL / source / f"{part}.parquet").iter_batches(count)
        pq.write_table(pa.Table.from_batches([next(batches)]), folder / f"{part}.parquet")


def write_register(project, change):
    """The project's register with changed entries, written to another root; `change` takes and alters the sets."""
    register = yaml.safe_load((root() / "data/register.yaml").read_text())
    change(register["sets"])
    target = project / "data/register.yaml"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(yaml.safe_dump(register))


def small_project(root, monkeypatch):
    """The root of a project like this one, in which the rest of the test runs, but whose real sets are small."""

    def shrink(sets):
        for entry in sets.values():
            if entry["kind"] != "embedded":
                entry["splits"] = {"full": {"sizes": SMALL}}
        sets["mnist"]["splits"]["selection"] = {"seed": 1000, "sizes": {"train": 20, "validation": 10, "test": 12}}

    write_register(root, shrink)
    monkeypatch.setenv("ISTHMUS_ROOT", str(root))
    return root


def _idx(array):
    """The IDX format of MNIST: magic number, sizes, bytes."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def write_idx(folder, parts):
    """MNIST's four unpacked files below `folder`."""
    folder.mkdir(parents=True)
    for part, (images, labels) in parts.items():
        stem = {"train": "train", "test": "t10k"}[part]
        (folder / f"{stem}-images-idx3-ubyte").write_bytes(_idx(images[:, 0]))
        (folder / f"{stem}-labels-idx1-ubyte").write_bytes(_idx(labels))


def write_idx_archives(folder, parts):
    """MNIST's four archives in `folder`, for a download; returns [(file name, md5)] as torchvision lists them."""
    write_idx(folder, parts)
    resources = []
    for file in sorted(folder.iterdir()):
        packed = folder / f"{file.name}.gz"
        packed.write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
        resources.append((packed.name, hashlib.md5(packed.read_bytes()).hexdigest()))
    return resources


def write_cifar(folder, maker, parts, labels_key):
    """CIFAR's batches as torchvision's class `maker` lists them; returns its lists with the md5 of these files."""
    (folder / maker.base_folder).mkdir(parents=True)

    def dump(name, value):
        content = pickle.dumps(value)
        (folder / maker.base_folder / name).write_bytes(content)
        return [name, hashlib.md5(content).hexdigest()]

    lists = {}
    for part, names in (("train", maker.train_list), ("test", maker.test_list)):
        images, labels = parts[part]
        pieces = zip(np.array_split(images, len(names)), np.array_split(labels, len(names)), strict=True)
        lists[f"{part}_list"] = [
            dump(name, {"data": x.reshape(len(x), -1), labels_key: y.tolist()})
            for (name, _), (x, y) in zip(names, pieces, strict=True)
        ]
    name, md5 = dump(maker.meta["filename"], {maker.meta["key"]: [str(i) for i in range(100)]})
    lists["meta"] = {**maker.meta, "filename": name, "md5": md5}
    return lists


def write_svhn(folder, parts):
    """SVHN's two files; it calls the digit 0 class 10. Returns torchvision's list with the md5 of these files."""
    folder.mkdir(parents=True)
    listed = {}
    for part, (images, labels) in parts.items():
        file = folder / f"{part}_32x32.mat"
        scipy.io.savemat(file, {"X": images.transpose(2, 3, 1, 0), "y": np.where(labels == 0, 10, labels)[:, None]})
        listed[part] = ["http://localhost", file.name, hashlib.md5(file.read_bytes()).hexdigest()]
    return listed


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        """Nothing: the tests' output is for the tests."""


@contextmanager
def serving(folder):
    """The URL at which this machine serves the folder's files while the block runs."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
