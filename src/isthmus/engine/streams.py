"""Randomness as a function: each draw belongs to a seed and a purpose, never to a place or a moment.

The generator is numpy's Philox, keyed by a hash of the words, so that streams are independent of each other,
equal on every platform, and can be opened anywhere without replaying what came before.
"""

import hashlib

import numpy as np


def stream(seed: int, *purpose: str | int) -> np.random.Generator:
    """A generator that depends only on the seed and the words of the purpose."""
    words = "/".join(str(word) for word in (seed, *purpose))
    key = int.from_bytes(hashlib.sha256(words.encode()).digest()[:16], "little")
    return np.random.Generator(np.random.Philox(key=key))
