"""What is written is whole or not there at all, comes back with its bits, and depends on its content alone."""

import json
import math
import os
import resource
import struct
from contextlib import contextmanager
from dataclasses import dataclass

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings

from isthmus import store, tensors
from isthmus.errors import UserError


@contextmanager
def full_disk():
    """No file can grow beyond 1000 bytes: the system answers as when a disk is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


LARGE = {
    "text": lambda path: store.write_text(path, "x" * 5000),
    "json": lambda path: store.write_json(path, list(range(5000))),
    "table": lambda path: store.write_table(path, pd.DataFrame({"a": np.arange(5000.0)})),
    "tensors": lambda path: tensors.save(path, {"a": torch.zeros(5000)}, {}),
}


@pytest.mark.parametrize("kind", LARGE)
def test_a_full_disk_is_told_in_one_line_and_leaves_the_old_file(kind, tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with full_disk(), pytest.raises(UserError) as error:
        LARGE[kind](path)
    assert str(error.value).startswith(f"{path}: could not be written (")
    assert "File too large" in str(error.value)
    assert [*tmp_path.iterdir()] == [path]
    assert path.read_text() == "old"


@pytest.mark.parametrize("kind", LARGE)
def test_a_place_that_cannot_be_written_is_told_in_one_line(kind, tmp_path):
    (tmp_path / "file").write_text("no folder")
    path = tmp_path / "file" / "inside" / "it"
    with pytest.raises(UserError, match=r"^[^\n]*/inside/it: could not be written \([^\n]*\)$"):
        LARGE[kind](path)


@pytest.mark.parametrize("kind", LARGE)
def test_two_writes_give_the_same_bytes_in_folders_that_are_made(kind, tmp_path):
    paths = [tmp_path / "a/b/file", tmp_path / "c/file"]
    for path in paths:
        LARGE[kind](path)
        assert oct(path.stat().st_mode & 0o777) == "0o644"
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert store.file_digest(paths[0]) == store.digest(paths[1].read_bytes())


def test_a_failure_while_writing_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    store.write_text(path, "old")

    def fail_halfway():
        with store.atomic(path) as temporary:
            temporary.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_the_old_file_stands_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "file"
    store.write_text(path, "old")
    with store.atomic(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


FLOATS = st.floats(allow_nan=True, allow_infinity=True)


def bits(value):
    return "nan" if math.isnan(value) else struct.pack("<d", value)


@settings(max_examples=50, deadline=None)
@given(st.lists(FLOATS, min_size=1, max_size=8))
def test_floats_in_a_table_come_back_with_their_bits(tmp_path_factory, values):
    path = tmp_path_factory.getbasetemp() / "floats.csv"
    frame = pd.DataFrame({"seed": range(len(values)), "value": values})
    store.write_table(path, frame)
    found = store.read_table(path)["value"].astype(float).tolist()
    assert [*map(bits, found)] == [*map(bits, values)]


def test_a_table_comes_back_with_its_rows_words_and_gaps(tmp_path):
    frame = pd.DataFrame(
        {
            "seed": [1003, 1001, 1002],
            "method": ["none", "NA", 'a, "b"\n'],
            "barrier": [0.1 + 0.2, float("nan"), -0.0],
            "matched": [True, False, True],
        }
    )
    store.write_table(tmp_path / "table.csv", frame)
    pd.testing.assert_frame_equal(store.read_table(tmp_path / "table.csv"), frame, check_exact=True)
    assert "0.30000000000000004" in (tmp_path / "table.csv").read_text()


@dataclass
class Point:
    x: float
    names: tuple[str, ...]


def test_canonical_json_is_one_line_equal_for_equal_values():
    value = {
        "b": Point(float("nan"), ("ü", "b")),
        "a": [np.float64(0.1), np.int64(2), torch.tensor(3), math.inf, None],
    }
    text = store.canonical_json(value)
    assert text == '{"a":[0.1,2,3,null,null],"b":{"names":["ü","b"],"x":null}}'
    assert store.canonical_json(dict(reversed(value.items()))) == text
    assert json.loads(text)["b"]["names"] == ["ü", "b"]
    assert store.digest(text) == store.digest(text.encode())


def test_json_for_people_is_sorted_and_comes_back(tmp_path):
    store.write_json(tmp_path / "a.json", {"b": 1, "a": [float("inf")]})
    assert (tmp_path / "a.json").read_text() == '{\n  "a": [\n    null\n  ],\n  "b": 1\n}\n'
    assert store.read_json(tmp_path / "a.json") == {"a": [None], "b": 1}


@pytest.mark.parametrize(
    ("read", "content", "says"),
    [
        (store.read_json, None, "could not be read (No such file or directory)"),
        (store.read_json, b"{", "wanted JSON, found something else"),
        (store.read_json, b"\xff\xfe", "wanted JSON, found something else"),
        (store.read_table, None, "could not be read (No such file or directory)"),
        (store.read_table, b"", "wanted a CSV table, found something else"),
        (store.read_table, b'a,b\n1,2,3\n"', "wanted a CSV table, found something else"),
        (store.read_table, b"a\n\xff\xfe\x00", "wanted a CSV table, found something else"),
        (store.file_digest, None, "could not be read (No such file or directory)"),
        (tensors.load, None, "wanted an intact safetensors file, found none (No such file"),
        (tensors.load, b"", "wanted an intact safetensors file, found none"),
        (tensors.load, b"PK\x03\x04 a pickle", "wanted an intact safetensors file, found none"),
        (tensors.header, b"\xff" * 100, "wanted an intact safetensors file, found none"),
    ],
)
def test_a_file_that_is_not_what_it_should_be(read, content, says, tmp_path):
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError) as error:
        read(path)
    assert str(error.value).startswith(f"{path}: {says}")
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("read", [store.read_json, store.read_table, store.file_digest, tensors.load])
def test_a_folder_in_the_place_of_a_file(read, tmp_path):
    with pytest.raises(UserError, match=r"^/[^\n]*: [^\n]*$"):
        read(tmp_path)
