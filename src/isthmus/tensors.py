"""Tensors on disk: safetensors with one canonical JSON header, never pickles; what is read is what was written.

The header holds a checksum of itself and of each tensor, so that a part of a file is verified as the whole is.
"""

import glob
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from isthmus.errors import UserError
from isthmus.store import atomic, canonical_json, digest

_KEY = "isthmus"


def save(path: Path | str, tensors: dict[str, torch.Tensor], header: dict[str, Any]) -> None:
    """Write tensors and a header atomically; equal content gives equal bytes. UserError if the disk is full."""
    contiguous = {name: tensors[name].detach().cpu().contiguous() for name in sorted(tensors)}
    metadata = {_KEY: _envelope(contiguous, header)}
    with atomic(path) as temporary, tempfile.TemporaryDirectory(dir=temporary.parent, prefix=_half(path)) as folder:
        # safetensors writes to a file of a name of its own, which a kill leaves behind: here `ready` finds it.
        whole = Path(folder) / "whole"
        try:
            save_file(contiguous, whole, metadata=metadata)
        except SafetensorError as error:
            raise UserError(f"{path}: could not be written ({error})") from error
        os.replace(whole, temporary)


def ready(path: Path | str) -> None:
    """Make ready the place that `save` will write to: its folder, without what a killed process left half-written.

    Raises UserError when nothing can be written there.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob(glob.escape(_half(path)) + "*"):
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        with tempfile.TemporaryFile(dir=path.parent) as file:
            file.write(bytes(4096))
    except OSError as error:
        raise UserError(f"{path}: wanted a place that can be written to, found none ({error.strerror})") from error


def load(path: Path | str, names: Iterable[str] | None = None) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The named tensors (all of them by default) and the header, each as it was written: checksums say so.

    Raises UserError when the file is missing, damaged, not safetensors, or lacks a name or our header.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if _KEY not in metadata:
                raise UserError(f"{path}: wanted a file written by isthmus, found safetensors without its header")
            header, sums = _opened(metadata[_KEY])
            if sums.keys() != set(file.keys()):
                raise ValueError("the names of its tensors do not fit its header")
            wanted = list(sums) if names is None else list(names)
            missing = sorted(set(wanted) - sums.keys())
            if missing:
                raise UserError(f"{path}: wanted tensor {missing[0]!r}, found only {', '.join(sums)}")
            # A copy: the file may change while it is mapped, and where a mapped tensor lies can change what a
            # matrix product rounds to.
            found = {name: file.get_tensor(name).clone() for name in wanted}
            for name, tensor in found.items():
                if _checksum(tensor) != sums[name]:
                    raise ValueError(f"{name} does not fit its checksum")
            return found, header
    except (OSError, SafetensorError, ValueError) as error:
        raise UserError(f"{path}: wanted an intact safetensors file, found none ({error})") from error


def header(path: Path | str) -> dict[str, Any]:
    """The header alone; errors as in `load`."""
    return load(path, names=())[1]


def _half(path: Path | str) -> str:
    """How the names of its half-written files begin, those of `atomic` too."""
    return f".{Path(path).name}."


def _checksum(tensor: torch.Tensor) -> str:
    """SHA-256, in hex, of a contiguous tensor's type, shape and bytes."""
    summed = hashlib.sha256(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
    summed.update(tensor.flatten().view(torch.uint8).numpy())
    return summed.hexdigest()


def _envelope(tensors: dict[str, torch.Tensor], header: dict[str, Any]) -> str:
    """The header with the checksums, as one text: safetensors keeps several in no fixed order."""
    sums = {name: _checksum(tensor) for name, tensor in tensors.items()}
    return canonical_json({"header": header, "checksum": digest(canonical_json(header)), "tensors": sums})


def _opened(envelope: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The header and the tensors' checksums; ValueError for a text that is not as `_envelope` made it."""
    match json.loads(envelope):
        case {"header": dict(header), "checksum": str(checksum), "tensors": dict(sums)}:
            if digest(canonical_json(header)) == checksum:
                return header, sums
    raise ValueError("its header does not fit its checksum")
