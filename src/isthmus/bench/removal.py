"""`python -m isthmus.bench.removal`: what it saves to compute networks without the units that they have lost.

The same networks, from the same rows and batches, trained whole (`dense`), with their removed units held at zero in
whole rows (`masked`), and cut (`cut`); and small ones of different widths that are computed together, padded to the
widest, against fewer at once, down to each alone in exactly its own shape.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import pandas as pd
import torch

from isthmus import store
from isthmus.bench import cases, machine
from isthmus.bench.fleets import forced
from isthmus.bench.measure import REPETITIONS, say
from isthmus.data.prepared import DataSet
from isthmus.engine import heap
from isthmus.engine.recipe import Named, Network, Recipe, Removal
from isthmus.engine.train import State, Trainer
from isthmus.removal import sizes
from isthmus.symmetry.table import group_sizes

SHARES = (0.5, 0.2)
# Shares of the units kept in the mixed block, by four networks each, in the order of its rows.
MIXED = (1.0, 0.8, 0.6, 0.4)


@dataclass(frozen=True)
class Work:
    """One way to train some networks: recipe, Trainer's `cuts`, rows computed at once (None: as by its rule)."""

    method: str
    kept: str
    recipe: Recipe
    cuts: bool = True
    block: int | None = None

    def begun(self, data: DataSet) -> tuple[Trainer, State]:
        """A fresh trainer, and its state before the first update."""
        with forced(self.block):
            trainer = Trainer(self.recipe, self.recipe.networks, data, cuts=self.cuts)
        # The order of an epoch's data is drawn once an epoch, not once in these few steps.
        trainer.updates.batches.at(0)
        return trainer, trainer.start()

    def seconds(self, data: DataSet) -> float:
        """How long all updates take, with the choice and the cutting of units before the first one."""
        trainer, state = self.begun(data)
        with forced(self.block):
            start = time.perf_counter()
            trainer.run(state)
            return time.perf_counter() - start

    def flops(self, data: DataSet) -> float:
        """Mean operations of a forward pass by the units that are left."""
        trainer, state = self.begun(data)
        widths = group_sizes(trainer.architecture.layout, trainer.architecture.axes)
        live = {group: torch.ones((len(trainer.networks), n), dtype=torch.bool) for group, n in widths.items()}
        if trainer.remover is not None:
            trainer.remover.arrive(state.tensors, 0)
            live = {group: state.tensors[f"probe/live/{group}"] for group in live}
        return float(sizes.flops(trainer.architecture, live).double().mean())


def main(arguments: Sequence[str]) -> None:
    """Measure, print, and write removal.csv and removal.json."""
    parser = argparse.ArgumentParser(prog="python -m isthmus.bench.removal", description=__doc__)
    parser.add_argument("--steps", type=float, default=1.0, help="factor of a repetition's updates (default: 1)")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    parser.add_argument("--out", type=Path, default=Path("benchmarks"), help="folder (default: benchmarks)")
    options, clock = parser.parse_args(arguments), machine.Clock.start()
    # As every job that trains.
    heap.keep()
    torch.set_num_threads(1)
    if clock.load > 0.5:
        say(f"the machine has been busy (load {clock.load:.1f} in the last minute): times will be too long")
    made = [make(options.steps) for make in (_mlp, _vgg, _mixed)]
    frame = pd.DataFrame([row for case, works in made for row in measured(case, works, options.repetitions)])
    store.write_table(options.out / "removal.csv", frame)
    store.write_json(options.out / "removal.json", machine.facts(arguments, "cpu", clock))
    print(frame.to_string(index=False, float_format="{:.3f}".format))


def measured(case: cases.Case, works: Sequence[Work], repetitions: int) -> list[Mapping[str, object]]:
    """A row for each way: milliseconds of a step and network, and time and operations relative to the first way.

    Each takes its repetition in turn, once more before any counts, so that what the machine does hits all alike.
    """
    data = case.data()
    times = [[work.seconds(data) for work in works] for _ in range(1 + repetitions)][1:]
    found, first = [], works[0].flops(data)
    for work, taken in zip(works, zip(*times, strict=True), strict=True):
        steps, networks = work.recipe.steps, len(work.recipe.networks)
        ms = [1e3 * seconds / steps / networks for seconds in taken]
        row = {"case": case.title, "method": work.method, "kept": work.kept, "networks": networks, "steps": steps}
        row |= {"ms": median(ms), "low": min(ms), "high": max(ms), "n": repetitions}
        time_ratio = row["ms"] / found[0]["ms"] if found else 1.0
        found.append(row | {"time_ratio": time_ratio, "flops_ratio": work.flops(data) / first})
        say(f"{case.title}, {work.method}, {work.kept}: {row['ms']:.3f} ms a step and network")
    return found


def _recipe(case: cases.Case, shares: Sequence[float], steps: float) -> Recipe:
    """Networks that keep these shares of their units, drawn at random before the first update; 1 removes none."""
    steps = max(1, round(steps))
    networks = tuple(
        Network(seed, cases.RATE) if share == 1 else Network(seed, cases.RATE, remove="random", units=share)
        for seed, share in enumerate(shares)
    )
    removal = None if all(share == 1 for share in shares) else Removal(steps)
    return replace(case.recipe(range(len(shares)), steps), networks=networks, removal=removal)


def _ways(case: cases.Case, count: int, steps: float) -> tuple[cases.Case, list[Work]]:
    works = [Work("dense", "100%", _recipe(case, [1.0] * count, steps))]
    for share in SHARES:
        recipe = _recipe(case, [share] * count, steps)
        works += [Work("masked", f"{share:.0%}", recipe, cuts=False), Work("cut", f"{share:.0%}", recipe)]
    return case, works


def _mlp(factor: float) -> tuple[cases.Case, list[Work]]:
    """Four MLPs whose products fill a core."""
    return _ways(cases.find("mlp-512"), 4, 60 * factor)


def _vgg(factor: float) -> tuple[cases.Case, list[Work]]:
    """Two VGG-11 of a quarter of the usual width, computed one by one."""
    settings = {"depth": 11, "width": 16, "activation": "relu", "norm": "batch", "dense": (), "dropout": 0.0}
    model = Named("vgg", {**settings, "init": "he"})
    return _ways(
        cases.Case("vgg-11", "VGG-11, width 16, on 32 × 32", model, (3, 32, 32), 64, 640, 0), 2, 10 * factor
    )


def _mixed(factor: float) -> tuple[cases.Case, list[Work]]:
    """Sixteen small MLPs with BatchNorm, four of each share: all padded together, by share, one by one."""
    small = cases.find("mlp-64")
    model = Named("mlp", {**small.model.settings, "norm": "batch"})
    case = replace(small, model=model, title="16 BN-MLPs 64-64-64-10 of different widths")
    mixed = _recipe(case, [share for share in MIXED for _ in range(4)], 150 * factor)
    works = [Work("dense, 16 at once", "100%", _recipe(case, [1.0] * 16, 150 * factor), block=16)]
    for name, block in (("padded, 16 at once", 16), ("padded, 4 at once", 4), ("one by one", 1)):
        works.append(Work(name, "40-100%", mixed, block=block))
    return case, works


if __name__ == "__main__":
    main(sys.argv[1:])
