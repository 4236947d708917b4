"""Tensors on disk: safetensors with one canonical JSON header, never pickles."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from isthmus.errors import UserError
from isthmus.store import atomic, canonical_json

_KEY = "isthmus"


def save(path: Path | str, tensors: dict[str, torch.Tensor], header: dict[str, Any]) -> None:
    """Write tensors and a header atomically; equal content gives equal bytes. UserError if the disk is full."""
    with atomic(path) as temporary:
        contiguous = {name: tensors[name].detach().cpu().contiguous() for name in sorted(tensors)}
        try:
            save_file(contiguous, temporary, metadata={_KEY: canonical_json(header)})
        except SafetensorError as error:
            raise UserError(f"{path}: could not be written ({error})") from error


def load(path: Path | str, names: Iterable[str] | None = None) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The named tensors (all of them by default) and the header.

    Raises UserError when the file is missing, truncated, not safetensors, or lacks a name or our header.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if _KEY not in metadata:
                raise UserError(f"{path}: wanted a file written by isthmus, found safetensors without its header")
            wanted = list(file.keys()) if names is None else list(names)
            missing = sorted(set(wanted) - set(file.keys()))
            if missing:
                raise UserError(f"{path}: wanted tensor {missing[0]!r}, found only {', '.join(file.keys())}")
            return {name: file.get_tensor(name) for name in wanted}, json.loads(metadata[_KEY])
    except (OSError, SafetensorError, ValueError) as error:
        raise UserError(f"{path}: wanted an intact safetensors file, found none ({error})") from error


def header(path: Path | str) -> dict[str, Any]:
    """The header alone; errors as in `load`."""
    return load(path, names=())[1]
