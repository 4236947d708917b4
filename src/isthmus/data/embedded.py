"""Data sets that need no download: scikit-learn's digits, and MNIST-1D made by its own package's generator."""

import random

import numpy as np

from isthmus.data.examples import Examples
from isthmus.data.register import FILE, Split
from isthmus.errors import UserError


def read(name: str, split: Split) -> dict[str, Examples]:
    """The pool "all" of an embedded set, in its own order, for the draw that the split states."""
    if name == "digits":
        return {"all": _digits()}
    if name == "mnist1d" and split.generator is not None:
        return {"all": _mnist1d(split.generator, sum(split.sizes.values()))}
    raise UserError(f"{FILE}: sets.{name}: wanted embedded digits, or mnist1d with a generator seed in its split")


def _digits() -> Examples:
    """1797 images (1, 8, 8) of 17 grey levels, as integers 0..16 (Alpaydin and Kaynak 1998)."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return Examples(digits.images[:, None].astype(np.uint8), digits.target.astype(np.int64))


def _mnist1d(seed: int, count: int) -> Examples:
    """Signals (40,) float64 of the default generator with another seed (Greydanus and Kobak 2020).

    The package shuffles the classes, and centres and scales over all examples; its training part is the first
    80 %. It draws from the global states of numpy and random, which are put back afterwards.
    """
    # Imported here: the package imports requests and matplotlib, which nothing below needs.
    from mnist1d.data import get_dataset_args, make_dataset

    args = get_dataset_args()
    args.seed, args.num_samples = seed, count
    states = np.random.get_state(), random.getstate()
    try:
        made = make_dataset(args)
    finally:
        np.random.set_state(states[0])
        random.setstate(states[1])
    inputs = np.concatenate([made["x"], made["x_test"]])
    labels = np.concatenate([made["y"], made["y_test"]])
    # Another maths library or scipy may differ in the last bits, and training would make other networks of
    # that: six decimals are the same everywhere. Adding zero turns -0.0 into 0.0.
    return Examples(np.round(inputs, 6) + 0.0, labels.astype(np.int64))
