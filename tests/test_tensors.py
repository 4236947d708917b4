"""Tensors on disk: their bits, types and header come back; what is damaged or foreign does not."""

import math
import pickle
import random
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from isthmus import tensors
from isthmus.errors import UserError


def test_tensors_come_back_with_their_bits_types_and_header(tmp_path):
    given = {
        "step/3/theta": torch.randn(3, 4).T,
        "probe/at": torch.tensor([-1, 5]),
        "odd": torch.tensor([float("nan"), -0.0, math.inf]),
    }
    tensors.save(tmp_path / "a", given, {"recipe": "ü", "rows": (0, 3)})
    found, header = tensors.load(tmp_path / "a")
    assert header == {"recipe": "ü", "rows": [0, 3]} == tensors.header(tmp_path / "a")
    assert found.keys() == given.keys()
    for name, tensor in given.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name].nan_to_num(7), tensor.nan_to_num(7))
    assert [*tensors.load(tmp_path / "a", ["odd"])[0]] == ["odd"]


def test_tensors_are_written_the_same_in_any_order(tmp_path):
    given = {"b": torch.ones(3), "a": torch.zeros(2)}
    tensors.save(tmp_path / "1", given, {"x": 1, "y": 2})
    tensors.save(tmp_path / "2", dict(reversed(given.items())), {"y": 2, "x": 1})
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


@pytest.mark.parametrize("kept", [4, 50, -1])
def test_a_truncated_file_of_tensors(kept, tmp_path):
    path = tmp_path / "a.safetensors"
    tensors.save(path, {"a": torch.ones(100)}, {})
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"a\.safetensors: wanted an intact safetensors file, found none"):
        tensors.load(path)


def test_tensors_of_someone_else_and_a_tensor_that_is_not_there(tmp_path):
    save_file({"a": torch.ones(2)}, tmp_path / "foreign")
    with pytest.raises(UserError, match="wanted a file written by isthmus, found safetensors without its header"):
        tensors.load(tmp_path / "foreign")
    tensors.save(tmp_path / "ours", {"a": torch.ones(2)}, {})
    with pytest.raises(UserError, match="wanted tensor 'b', found only a"):
        tensors.load(tmp_path / "ours", ["a", "b"])


GIVEN = {
    "theta": torch.randn(3, 4),
    "probe/diverged_at": torch.tensor([-1, 5]),
    "dead": torch.tensor([True, False]),
    "low": torch.randn(5).bfloat16(),
    "none": torch.zeros(0, 3),
    "one": torch.tensor(3.0),
}
HEADER = {"recipe": "x" * 20, "rows": [0, 3], "lr": 0.1, "start": None}


def bits(tensor):
    return tensor.dtype, tensor.shape, tensor.flatten().view(torch.uint8).tolist()


def refusal(path, names):
    """The line by which a file is refused, or None where what comes back is what was written."""
    try:
        found, header = tensors.load(path, names)
    except UserError as error:
        return str(error)
    assert header == HEADER
    assert {name: bits(found[name]) for name in names} == {name: bits(GIVEN[name]) for name in names}
    return None


@pytest.mark.parametrize("names", [[*GIVEN], ["theta"], []], ids=["all", "one", "header"])
def test_a_flipped_bit_anywhere_is_noticed_or_changes_nothing(names, tmp_path):
    """One bit of each byte: length, names, types, shapes, places, our header, checksums, content."""
    path, rng = tmp_path / "a.safetensors", random.Random(0)
    tensors.save(path, GIVEN, HEADER)
    whole, lines = path.read_bytes(), []
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        lines.append(refusal(path, names))
    refused = [line for line in lines if line is not None]
    assert all(line.startswith(f"{path}: wanted ") and "\n" not in line for line in refused)
    if len(names) == len(GIVEN):
        # Of a bool any byte but 0 is true.
        assert len(refused) >= len(whole) - GIVEN["dead"].nbytes


def test_a_change_that_fits_the_format_is_noticed(tmp_path):
    """Whole in the library's eyes: another value, type, shape or name under the header that was there."""
    path = tmp_path / "a.safetensors"
    tensors.save(path, {"a": torch.ones(2, 3)}, {"x": 1})
    with tensors.safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    for other in (torch.zeros(2, 3), torch.ones(3, 2), torch.ones(2, 3).view(torch.int32)):
        save_file({"a": other}, path, metadata=metadata)
        with pytest.raises(
            UserError, match=r"wanted an intact safetensors file, found none \(a does not fit its check"
        ):
            tensors.load(path, ["a"])
    for others in ({"b": torch.ones(2, 3)}, {"a": torch.ones(2, 3), "b": torch.ones(1)}):
        save_file(others, path, metadata=metadata)
        with pytest.raises(UserError, match=r"\(the names of its tensors do not fit its header\)"):
            tensors.header(path)
    save_file({"a": torch.ones(2, 3)}, path, metadata={"isthmus": '{"x":1}'})
    with pytest.raises(UserError, match=r"\(its header does not fit its checksum\)"):
        tensors.load(path)


class Opened:
    """Pickled, it makes a file when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    "write", [lambda given, file: pickle.dump(given, file), torch.save], ids=["pickle", "torch"]
)
def test_nothing_in_a_file_is_ever_run(write, tmp_path):
    trap, path = tmp_path / "run", tmp_path / "a.safetensors"
    with path.open("wb") as file:
        write(Opened(trap), file)
    with pytest.raises(UserError, match="wanted an intact safetensors file, found none"):
        tensors.load(path)
    assert not trap.exists()
    pickle.loads(pickle.dumps(Opened(trap)))
    assert trap.exists()


def test_what_was_read_does_not_change_with_its_file(tmp_path):
    path = tmp_path / "a.safetensors"
    tensors.save(path, {"a": torch.ones(1000)}, {})
    found, _ = tensors.load(path)
    path.write_bytes(bytes(path.stat().st_size))
    assert found["a"].eq(1).all()


def test_a_place_made_ready_has_a_folder_and_nothing_half_written(tmp_path):
    path, kept = tmp_path / "new/a.safetensors", ["a.safetensors", ".a.state.safetensors.1x", ".tmpx"]
    tensors.ready(path)
    for name in (".a.safetensors.1x.safetensors", *kept):
        (path.parent / name).write_bytes(b"half")
    (path.parent / ".a.safetensors.2x").mkdir()
    (path.parent / ".a.safetensors.2x/.tmpy").write_bytes(b"half")
    tensors.ready(path)
    assert {left.name for left in path.parent.iterdir()} == {*kept}
    with pytest.raises(
        UserError, match=r"a\.safetensors/b: wanted a place that can be written to, found none \(File exists"
    ):
        tensors.ready(path / "b")
