"""Freed memory that the process keeps for its next tensors."""

import subprocess
import sys

import pytest

from isthmus.engine import heap

# Pages that a process gets from the system while it makes 32 tensors of 8 MB for the second time.
_COUNTED = """
import resource
import torch
from isthmus.engine import heap
if {kept}:
    heap.keep()
for _ in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    tensors = [torch.ones(1 << 21) for _ in range(32)]
    del tensors
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _pages(kept: bool) -> int:
    found = subprocess.run([sys.executable, "-c", _COUNTED.format(kept=kept)], capture_output=True, check=True)
    return int(found.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="GNU's C library is Linux's")
def test_freed_memory_is_kept():
    assert _pages(kept=True) < 0.5 * _pages(kept=False)


def test_other_libraries_are_left_alone(monkeypatch):
    monkeypatch.setattr(heap.ctypes, "CDLL", lambda name: object())
    heap.keep()
