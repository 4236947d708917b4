"""`python -m isthmus.bench.matching`: how fast and how far weight matching goes, beside other ways of it, and how
often it finds a permutation that was planted, by the number of starts."""

import argparse
import os
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from isthmus import store
from isthmus.bench import machine
from isthmus.bench.cell import number
from isthmus.bench.matching_cases import STEPS, Pairs, mlp, resnet
from isthmus.bench.matching_methods import Outcome, engine, objective, plain, rebasin
from isthmus.bench.measure import say
from isthmus.bench.plain import network
from isthmus.symmetry.matching import weight_matching

# Of the largest objective that there is: a planted permutation is found if so much of it is reached.
_FOUND = 1 - 1e-6


def main(arguments: Sequence[str]) -> None:
    """Measure; write matching.csv, matching_planted.csv, matching.md and matching.json."""
    options, clock = _parser().parse_args(arguments), machine.Clock.start()
    if clock.load > 0.5:
        say(f"the machine has been busy (load {clock.load:.1f} in the last minute): times will be too long")
    compared, planted = [], []
    for case in (mlp(options.mlp), *(resnet(width, options.depth) for width in options.resnet)):
        for pairs in (begun := Pairs.begin(case, options.pairs), begun.trained(options.steps)):
            compared += compare(pairs, methods(options.rebasin, options.restarts), options.repetitions)
            if case.group == "resnet":
                planted += recovered(pairs, options.starts)
    compared, planted = pd.DataFrame(compared), pd.DataFrame(planted)
    about = machine.facts(arguments, "cpu", clock)
    # Where the interpreter lies is of no interest elsewhere.
    words = ["REBASIN" if word == str(options.rebasin) else word for word in arguments]
    about["command"] = " ".join(["python -m isthmus.bench.matching", *words])
    store.write_table(options.out / "matching.csv", compared)
    store.write_table(options.out / "matching_planted.csv", planted)
    store.write_json(options.out / "matching.json", about)
    text = "\n".join(report(compared, planted, options.rebasin, about)) + "\n"
    store.write_text(options.out / "matching.md", text)
    print(text)


def methods(python: Path | None, restarts: int) -> dict[str, Callable[[Pairs], Outcome]]:
    """Name -> method; `rebasin` only where there is an interpreter for it. Products take one thread everywhere."""
    found = {
        f"isthmus, {restarts + 1} starts": partial(engine, restarts=restarts),
        "isthmus, 1 start": partial(engine, restarts=0),
        "isthmus, forward start": partial(engine, restarts=0, forward=True),
    }
    one_core = {f"{name}, 1 core": match for name, match in found.items()}
    one_core["plain loop, 1 start, 1 core"] = plain
    if python is not None:
        one_core["rebasin, 1 start, 1 core"] = partial(rebasin, python=python)
    return found | {name: partial(_on_one_core, match) for name, match in one_core.items()}


def compare(pairs: Pairs, ways: dict[str, Callable[[Pairs], Outcome]], repetitions: int) -> Iterator[dict]:
    """A row for each method; repetitions in turn, so that what the machine does meanwhile hits all alike."""
    outcomes: dict[str, list[Outcome]] = {name: [] for name in ways}
    faults: dict[str, str] = {}
    for _ in range(repetitions):
        for name, match in ways.items():
            if name not in faults:
                try:
                    outcomes[name].append(match(pairs))
                except RuntimeError as error:
                    faults[name] = str(error)
    x = torch.randn((8, *pairs.case.shape), generator=torch.Generator().manual_seed(0))
    before = logits(pairs, pairs.b, x)
    for name, done in outcomes.items():
        seconds = [outcome.seconds / len(pairs.a) for outcome in done]
        row = {"case": pairs.case.title, "weights": pairs.weights, "accuracy": pairs.accuracy, "method": name}
        row |= {"pairs": len(pairs.a), "n": len(done), "note": faults.get(name, "")}
        if done:
            row |= {"seconds_per_pair": statistics.median(seconds), "low": min(seconds), "high": max(seconds)}
            row |= {"objective": objective(pairs, done[0].permuted), "sweeps": done[0].sweeps}
            row["function_changed"] = float((logits(pairs, done[0].permuted, x) - before).abs().max())
            say(f"{pairs.case.title}, {pairs.weights}, {name}: {number(row['seconds_per_pair'])} s a pair")
        yield row


def logits(pairs: Pairs, theta: Tensor, x: Tensor) -> Tensor:
    """Logits (K, N, C) of rows on inputs, by plain modules of PyTorch, normalised by this batch."""
    found = []
    for row in theta[:, : pairs.architecture.layout.trained]:
        module = network(pairs.case).eval()
        torch.nn.utils.vector_to_parameters(row.clone(), module.parameters())
        with torch.no_grad():
            found.append(module(x))
    return torch.stack(found)


def recovered(pairs: Pairs, starts: int) -> Iterator[dict]:
    """For each number of starts the share of networks whose planted permutation is found by one of them."""
    planted = pairs.planted()
    layout, axes = pairs.architecture.layout, pairs.architecture.axes
    found = weight_matching(layout, axes, planted.a, planted.b, restarts=starts - 1)
    reached = found.trace[:, :, -1] / objectives(planted)
    for count in range(1, starts + 1):
        share = (reached[:count] >= _FOUND).any(0).double().mean().item()
        best = reached[:count].amax(0).mean().item()
        row = {"case": pairs.case.title, "weights": pairs.weights, "networks": len(pairs.a), "starts": count}
        yield row | {"found": share, "objective_of_largest": best}


def objectives(pairs: Pairs) -> Tensor:
    """The largest objective (K,) of each planted pair: that of A with itself."""
    return torch.tensor([objective(_one(pairs, k), pairs.a[k : k + 1]) for k in range(len(pairs.a))])


def report(compared: pd.DataFrame, planted: pd.DataFrame, python: Path | None, about: dict) -> Iterator[str]:
    """The tables in Markdown."""
    yield f"# Weight matching\n\n{about['processor']}, {about['cores']} cores, PyTorch {about['torch']}, one run of"
    yield f"`{about['command']}`; load before it {about['load_before']}.\n"
    columns = "seconds a pair | fastest to slowest | objective | sweeps | logits off by"
    yield f"| networks | weights | method | {columns} |"
    yield "|---|---|---|---|---|---|---|---|"
    for row in compared.itertuples():
        start = f"| {row.case} | {row.weights} | {row.method} |"
        if not row.n:
            yield f"{start} not measured: {row.note} | | | | |"
            continue
        times = f"{number(row.seconds_per_pair)} | {number(row.low)} to {number(row.high)}"
        yield f"{start} {times} | {row.objective:.5g} | {row.sweeps:.1f} | {row.function_changed:.1g} |"
    if python is None:
        yield "\n`rebasin` is left out: no interpreter that has it was given (`--rebasin`)."
    if not planted.empty:
        yield "\nPlanted permutations that are found, by the number of starts:\n"
        yield "| networks | weights | " + " | ".join(f"{count}" for count in planted.starts.unique()) + " |"
        yield "|---|---|" + "---|" * planted.starts.nunique()
        for (case, weights), rows in planted.groupby(["case", "weights"], sort=False):
            shares = " | ".join(f"{share:.0%}" for share in rows.found)
            yield f"| {case} | {weights} | {shares} |"


def _on_one_core(match: Callable[[Pairs], Outcome], pairs: Pairs) -> Outcome:
    """What the method comes to where this process, and those that it starts, may use one core. Linux alone."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        return match(pairs)
    finally:
        os.sched_setaffinity(0, cores)


def _one(pairs: Pairs, k: int) -> Pairs:
    return Pairs(pairs.case, pairs.architecture, pairs.weights, pairs.a[k : k + 1], pairs.b[k : k + 1])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m isthmus.bench.matching", description=__doc__)
    parser.add_argument("--pairs", type=int, default=10, help="of networks (default: 10)")
    parser.add_argument("--repetitions", type=int, default=3, help="of every method (default: 3)")
    parser.add_argument("--restarts", type=int, default=3, help="random starts besides the identity (default: 3)")
    parser.add_argument("--starts", type=int, default=10, help="most starts for planted permutations (default: 10)")
    parser.add_argument("--mlp", type=int, default=512, help="units of the MLP's layers (default: 512)")
    parser.add_argument("--depth", type=int, default=20, help="of the ResNets (default: 20)")
    parser.add_argument("--resnet", type=_widths, default=(16, 64), help="channels of the ResNets (default: 16,64)")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"of training on digits (default: {STEPS})")
    parser.add_argument("--rebasin", type=Path, help="a Python interpreter that has the package rebasin")
    parser.add_argument("--out", type=Path, default=Path("benchmarks"), help="folder (default: benchmarks)")
    return parser


def _widths(text: str) -> tuple[int, ...]:
    return tuple(int(width) for width in text.split(",") if width)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1:])
