"""Ways of weight matching, side by side: this project's, a plain loop as the algorithm is written, and the package
`rebasin` in an environment of its own."""

import json
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

import isthmus
from isthmus.bench.matching_cases import Pairs
from isthmus.symmetry.matching import weight_matching
from isthmus.symmetry.table import Axes, group_sizes, permute

SWEEPS = 100


@dataclass(frozen=True)
class Outcome:
    """seconds: of all pairs together, without making or loading networks. permuted: B (K, P) in its new order.

    sweeps: of a pair and start, on average, the last one without progress among them.
    """

    seconds: float
    permuted: Tensor
    sweeps: float


def engine(pairs: Pairs, restarts: int, forward: bool = False) -> Outcome:
    """All pairs by one call; `forward`: not from the identity but from one pass by incoming weights."""
    layout, axes = pairs.architecture.layout, pairs.architecture.axes
    begun = time.perf_counter()
    start = weight_matching(layout, axes, pairs.a, pairs.b, "naive").perms if forward else None
    found = weight_matching(layout, axes, pairs.a, pairs.b, restarts=restarts, start=start)
    seconds = time.perf_counter() - begun
    sweeps = (found.trace.diff(dim=2) > 0).sum(2).double().mean().item() + 1
    return Outcome(seconds, permute(layout, axes, found.perms, pairs.b), sweeps)


def plain(pairs: Pairs) -> Outcome:
    """A loop over pairs and groups by PyTorch and SciPy, from the identity (Ainsworth et al. 2022, algorithm 1)."""
    layout, axes = pairs.architecture.layout, pairs.architecture.axes
    parameters = {name: axes[name] for name in layout.parameters}
    found, sweeps = [], 0
    start = time.perf_counter()
    for k, (a, b) in enumerate(zip(pairs.a, pairs.b, strict=True)):
        perms, taken = plain_pair(parameters, layout.split(a), layout.split(b), group_sizes(layout, axes), seed=k)
        found.append(perms)
        sweeps += taken
    seconds = time.perf_counter() - start
    joined = {group: torch.stack([perms[group] for perms in found]) for group in found[0]}
    return Outcome(seconds, permute(layout, axes, joined, pairs.b), sweeps / len(found))


def plain_pair(
    axes: Axes, a: Mapping[str, Tensor], b: Mapping[str, Tensor], sizes: Mapping[str, int], seed: int = 0
) -> tuple[dict[str, Tensor], int]:
    """Permutations of one network's parameters b towards a, and how many sweeps it took."""
    perms = {group: torch.arange(n) for group, n in sizes.items()}
    rng, groups = np.random.default_rng(seed), list(perms)
    taken, progress = 0, True
    while progress and taken < SWEEPS:
        taken, progress = taken + 1, False
        for group in rng.permutation(groups):
            scores = torch.zeros(sizes[group], sizes[group])
            for name, places in axes.items():
                for axis in (axis for axis, at in enumerate(places) if at == group):
                    moved = b[name]
                    for other, at in enumerate(places):
                        if at is not None and other != axis:
                            moved = moved.index_select(other, perms[at])
                    n = sizes[group]
                    scores += a[name].movedim(axis, 0).reshape(n, -1) @ moved.movedim(axis, 0).reshape(n, -1).T
            new = torch.from_numpy(linear_sum_assignment(scores.numpy(), maximize=True)[1])
            units, before = torch.arange(len(new)), perms[group]
            gain = scores[units, new].double().sum() - scores[units, before].double().sum()
            # Relative: the sums are of float32.
            progress |= bool(gain > 1e-6 * scores[units, new].double().sum().abs())
            perms[group] = new
    return perms, taken


def rebasin(pairs: Pairs, python: Path) -> Outcome:
    """The package `rebasin` (PyPI), by the interpreter of an environment that has it.

    RuntimeError with the last line of what it says where it fails.
    """
    trained = pairs.architecture.layout.trained
    case = {"group": pairs.case.group, "shape": pairs.case.shape, "settings": dict(pairs.case.model.settings)}
    worker = Path(__file__).with_name("matching_rebasin.py")
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/pairs.npy", torch.stack([pairs.a, pairs.b])[:, :, :trained].numpy())
        Path(f"{folder}/case.json").write_text(json.dumps(case), encoding="utf-8")
        done = subprocess.run(
            [python, worker, folder],
            capture_output=True,
            text=True,
            check=False,
            env={"PYTHONPATH": str(Path(isthmus.__file__).parents[1]), "OMP_NUM_THREADS": "1"},
        )
        if done.returncode:
            raise RuntimeError((done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1])
        told = json.loads(done.stdout.strip().splitlines()[-1])
        rows = torch.from_numpy(np.load(f"{folder}/permuted.npy"))
    return Outcome(told["seconds"], torch.cat([rows, pairs.b[:, trained:]], dim=1), told["sweeps"])


def objective(pairs: Pairs, permuted: Tensor) -> float:
    """Mean inner product of A and the permuted B over the parameters that some group moves, over pairs."""
    axes, slots = pairs.architecture.axes, pairs.architecture.layout.parameters
    counted = torch.zeros(pairs.a.shape[1], dtype=torch.bool)
    for name, slot in slots.items():
        counted[slot.start : slot.stop] = any(axes[name])
    return float((pairs.a.double() * permuted)[:, counted].sum(1).mean())
