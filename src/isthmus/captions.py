"""Captions that say how many units stand behind a figure, as counted while it was drawn."""

import re
from collections.abc import Collection, Mapping

N = "{n}"
_OF_RUN = re.compile(r"\{n of ([a-z][a-z0-9_]*)\}")


class CaptionError(ValueError):
    """A caption that asks for the seeds of a run that there is not."""


def with_runs(caption: str, seeds: Mapping[str, int]) -> str:
    """The caption with `{n of <run>}` replaced by that run's number of seeds; CaptionError for another run."""

    def number(found: re.Match[str]) -> str:
        if found[1] not in seeds:
            raise CaptionError(f"wanted {{n of <run>}} with a run of {', '.join(seeds)}, found {found[1]!r}")
        return str(seeds[found[1]])

    return _OF_RUN.sub(number, caption)


def with_n(caption: str, counts: Collection[int]) -> str:
    """The caption with `{n}` replaced by the numbers of units counted: `12`, or `4 to 12` where they differ.

    Where none was counted it is 1: seaborn draws a single value without asking for its interval.
    """
    few, many = min(counts, default=1), max(counts, default=1)
    return caption.replace(N, f"{few}" if few == many else f"{few} to {many}")
