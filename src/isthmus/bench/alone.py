"""`python -m isthmus.bench.alone <cell as JSON> <first> <stop>`: a whole process that trains the networks of these
seeds and ends, as a script would. Prints the seconds of the steps alone, and the peak memory in MB."""

import json
import sys
import time

from isthmus.bench.cell import Cell
from isthmus.bench.worker import peak_mb
from isthmus.bench.works import begin, synchronise


def main(text: str, first: str, stop: str) -> None:
    """Import, build, train, print."""
    cell = Cell(**json.loads(text))
    work = begin(cell, range(int(first), int(stop)))
    if cell.timed is not None:
        # The first step loads what comes with it: that belongs to the start, not to the steps that stand for more.
        work.reset(1)
        work.run()
    work.reset(cell.timed or cell.steps)
    start = time.perf_counter()
    work.run()
    synchronise(cell.device)
    print(json.dumps({"seconds": time.perf_counter() - start, "peak_mb": peak_mb(cell.device)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
