"""Tensors on disk: their bits, types and header come back; what is truncated or foreign does not."""

import math

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
