"""`python -m isthmus.bench`: measure, print the tables, write them and the figures."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from isthmus import bench, store
from isthmus.bench import cases, machine
from isthmus.bench.measure import say
from isthmus.bench.suite import GROUPS, METHODS, PARTS, Suite


def main(arguments: Sequence[str]) -> None:
    """Run what is asked for; write results.csv, tables.txt, machine.json and the figures there are numbers for."""
    options, clock = _parser().parse_args(arguments), machine.Clock.start()
    if clock.load > 0.5:
        say(f"the machine has been busy (load {clock.load:.1f} in the last minute): times will be too long")
    suite = Suite(options.seconds, options.rows, options.methods, options.device, options.precision)
    suite.run(options.only)

    from isthmus.bench import draw, report

    frame = report.tidy(suite.results)
    about = machine.facts(arguments, options.device, clock)
    store.write_table(options.out / "results.csv", frame)
    store.write_json(options.out / "machine.json", about)
    draw.write(frame, options.out, {"processor": about["gpu"] or about["processor"], "torch": about["torch"]})
    text = report.text(frame)
    store.write_text(options.out / "tables.txt", text)
    print(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m isthmus.bench", description=bench.__doc__)
    several, names = ", ".join, [case.name for case in cases.TRAINED]
    parser.add_argument(
        "--only",
        type=_names(*GROUPS, *names, *PARTS),
        default=(),
        help=f"of {several(GROUPS)}, {several(names)}, {several(PARTS)}, separated by commas (default: all)",
    )
    parser.add_argument("--methods", type=_names(*METHODS), default=METHODS, help=f"of {several(METHODS)}")
    parser.add_argument("--rows", type=_numbers, help="numbers of networks (default: 1,8,32,128)")
    parser.add_argument("--seconds", type=float, default=1.0, help="of work for each cell (default: 1)")
    parser.add_argument("--out", type=Path, default=Path("benchmarks"), help="folder (default: benchmarks)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32", help="of products")
    return parser


def _names(*known: str) -> Callable[[str], tuple[str, ...]]:
    """Reads names separated by commas, all of them known."""

    def read(text: str) -> tuple[str, ...]:
        names = tuple(text.split(","))
        if unknown := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(f"wanted some of {', '.join(known)}, found {unknown[0]!r}")
        return names

    return read


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(sorted(int(number) for number in text.split(",")))


if __name__ == "__main__":
    main(sys.argv[1:])
