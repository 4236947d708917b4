"""Tables of what was measured: one tidy table for machines, and short ones for people."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd

from isthmus.bench import cases
from isthmus.bench.cell import Result, number
from isthmus.bench.suite import EPOCHS, SCRIPT


def tidy(results: Sequence[Result]) -> pd.DataFrame:
    """One row a cell: the columns of `Result`, and two more.

    share_of_gemm: gflops over those of the fastest square product on as many cores in the same run.
    networks_per_hour: of training, if every network takes EPOCHS epochs of the data that the case stands for;
    extrapolated from the time of a step.
    """
    frame = pd.DataFrame([asdict(result) for result in results])
    rates = frame[frame.part == "gemm"].groupby("threads").gflops.max()
    used = frame.threads * frame.processes
    frame["share_of_gemm"] = frame.gflops / [rates.get(cores, cores * rates[1]) for cores in used]
    steps = [EPOCHS * cases.find(name, "cuda").epoch for name in frame.case]
    trains = frame.case.isin([case.name for case in cases.TRAINED])
    frame["networks_per_hour"] = (3.6e9 / (frame.us_per_step_network * steps)).where(trains)
    return frame


def compared(frame: pd.DataFrame) -> pd.DataFrame:
    """The best of each method: rows of the training part, one for each case, method, R and `cores`.

    cores: what it may use, one or all that there are; a method that is best with fewer is taken with fewer.
    """
    frame = frame[(frame.part == "train") & frame.us_per_step_network.notna()]
    used = frame.threads * frame.processes
    parts = []
    for cores in sorted({1, used.max()}):
        within = frame[used <= cores].sort_values("us_per_step_network", kind="stable")
        best = within.groupby(["case", "method", "rows"], sort=False).head(1)
        # A process of its own is started for every network that is free of it: as many as there are cores.
        parts.append(best[(best.method != "process") | (cores == used.max())].assign(cores=cores))
    return pd.concat(parts).sort_index(kind="stable")


def text(frame: pd.DataFrame) -> str:
    """All short tables."""
    parts = (_products, _training, _rule, _scaling, _thousand, _evaluation)
    return "\n\n".join("\n".join(lines) for part in parts if (lines := list(part(frame)))) + "\n"


def _products(frame: pd.DataFrame) -> Iterator[str]:
    rates = frame[frame.part == "gemm"].groupby("threads").gflops.max()
    yield "Fastest square product: " + ", ".join(f"{rate:.0f} GFLOP/s on {_cores(n)}" for n, rate in rates.items())


def _training(frame: pd.DataFrame) -> Iterator[str]:
    best = compared(frame)
    if best.empty:
        return
    yield "Training: microseconds a step and network (how many times faster than serial on as many cores)"
    yield "Serial on several cores is the fastest of one thread, several (t), and several processes (p)."
    yield "Of product: the engine's arithmetic over the fastest product's. MB: with libraries. Both on one core."
    for name, cells in best.groupby("case", sort=False):
        case = cases.find(name)
        process, cells = cells[cells.method == "process"], cells[cells.method != "process"]
        columns = list(dict.fromkeys(zip(cells.cores, cells.method, strict=True)))
        columns.sort(key=lambda column: column[0])
        yield f"\n{case.title}, batch {case.batch}"
        yield (
            f"{'R':>6}"
            + "".join(f"{method + ', ' + _cores(cores):>19}" for cores, method in columns)
            + (f"{'of product':>12}{'MB, serial':>12}{'MB, engine':>12}")
        )
        for rows, of_rows in cells.groupby("rows"):
            found = of_rows.set_index(["cores", "method"])
            line = "".join(f"{_against_serial(found, *column):>19}" for column in columns)
            if (1, "engine") in found.index:
                line += f"{found.share_of_gemm[1, 'engine']:>12.0%}"
            for method in ("serial", "engine"):
                line += f"{found.peak_mb[1, method]:>12.0f}" if (1, method) in found.index else ""
            yield f"{rows:>6}{line}"
        if not cells.empty:
            examples = f"{cases.find(name, 'cuda').examples:,}"
            yield f"{EPOCHS} epochs of {examples} examples, extrapolated: {_an_hour(cells)}"
        for row in process.itertuples():
            time, note = number(row.us_per_step_network), f" ({row.note})" if row.note else ""
            yield f"A process for each, {row.processes} at a time, {SCRIPT} steps: {time}, whatever R{note}"
        if left := sorted({*best["rows"]} - {*cells["rows"]} - {*process["rows"]}):
            yield f"Not measured with R = {', '.join(map(str, left))}: minutes a step (--rows to have it)"
    failed = frame[(frame.part == "train") & frame.us_per_step_network.isna()]
    for row in failed.itertuples():
        yield f"Not measured: {row.case}, R = {row.rows}, {row.method}: {row.note}"


def _against_serial(found: pd.DataFrame, cores: int, method: str) -> str:
    """A cell of the table: the time, and what it is against the serial loop's."""
    if (cores, method) not in found.index:
        return "–"
    row = found.loc[(cores, method)]
    if method == "serial":
        mark = " t" if row.threads > 1 else " p" if row.processes > 1 else ""
        return f"{number(row.us_per_step_network)}{mark}"
    if (cores, "serial") not in found.index:
        return f"{number(row.us_per_step_network)}"
    times = found.us_per_step_network[cores, "serial"] / row.us_per_step_network
    return f"{number(row.us_per_step_network)} ({times:.2g}x)"


def _an_hour(cells: pd.DataFrame) -> str:
    """Networks an hour of each method, of the most networks and cores."""
    most = cells[(cells["rows"] == cells["rows"].max()) & (cells.cores == cells.cores.max())]
    return (
        ", ".join(f"{row.method} {number(row.networks_per_hour)}" for row in most.itertuples())
        + " networks an hour"
    )


def _rule(frame: pd.DataFrame) -> Iterator[str]:
    """The first of a case's cells is the rule's own."""
    frame = frame[frame.part == "rule"]
    if frame.empty:
        return
    yield "Rows at once: what the engine's rule takes, and the best that was found, in microseconds as above"
    yield f"{'':>24}{'R':>6}{'rule':>8}{'us':>10}{'best':>8}{'us':>10}{'lost':>8}    all that were tried"
    for name, cells in frame.groupby("case", sort=False):
        own, tried = cells.iloc[0], cells.iloc[1:]
        best = tried.loc[tried.us_per_step_network.idxmin()]
        lost = own.us_per_step_network / best.us_per_step_network - 1
        every = ", ".join(f"{row.block}: {number(row.us_per_step_network)}" for row in tried.itertuples())
        yield (
            f"{cases.find(name).title:>24}{own['rows']:>6}{own.block:>8}{number(own.us_per_step_network):>10}"
            f"{best.block:>8}{number(best.us_per_step_network):>10}{lost:>8.0%}    {every}"
        )


def slope(x: pd.Series, y: pd.Series) -> float:
    """The exponent k of y = c x^k that fits best on logarithmic scales."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def _scaling(frame: pd.DataFrame) -> Iterator[str]:
    found = frame[frame.part == "networks"]
    if found.empty:
        return
    yield f"{cases.TRAINED[0].title}: cost of a step of all R networks, on one core"
    for low, high in ((1, 8), (64, 1024)):
        within = found[found["rows"].between(low, high)]
        exponent = slope(within["rows"], within.us_per_step_network * within["rows"])
        yield f"  from R = {low} to {high} it grows as R^{exponent:.2f}"
    found = frame[frame.part == "steps"]
    exponent = slope(found.steps, found.us_per_step_network * found.steps)
    yield f"  with the number of steps, of 32 networks, as steps^{exponent:.2f}"


def _thousand(frame: pd.DataFrame) -> Iterator[str]:
    for row in frame[frame.part == "thousand"].itertuples():
        whole = row.us_per_step_network * row.steps * row.rows / 1e6
        yield (
            f"{row.rows} networks {cases.find(row.case).title}, {EPOCHS} epochs of {cases.find(row.case).examples} "
            f"examples ({row.steps} steps each): {whole:.1f} s with {_cores(row.processes)}, imports and all"
        )


def _evaluation(frame: pd.DataFrame) -> Iterator[str]:
    frame = frame[(frame.part == "evaluate") & frame.us_per_step_network.notna()]
    if frame.empty:
        return
    yield "Evaluation on 10,000 examples: microseconds a network"
    for (name, threads), cells in frame.groupby(["case", "threads"], sort=False):
        times = cells.groupby("method").us_per_step_network.min()
        title, faster = cases.find(name).title, times.serial / times.engine
        yield (
            f"{title:>36}, R = {cells['rows'].iloc[0]}, {_cores(threads)}: "
            f"serial {number(times.serial)}, engine {number(times.engine)} ({faster:.2g}x)"
        )


def _cores(count: int) -> str:
    return "1 core" if count == 1 else f"{count} cores"
