"""Times as people write them (25ep, 1000it, 2%, end), and the updates that they mean in one run. No torch."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

_TIME = re.compile(r"^(\d+(?:\.\d+)?)(ep|it|%)$")

Time = Annotated[str, Field(pattern=r"^(\d+(\.\d+)?(ep|it|%)|end)$", description="25ep, 1000it, 2% or end")]


@dataclass(frozen=True)
class Clock:
    """The clock of a run of so many updates an epoch, that goes from its update `first` to `last`.

    last: None while it is not known, as for the run's own length. run: what faults call it.
    """

    per_epoch: int
    last: int | None = None
    first: int = 0
    run: str = "the run"

    def at(self, time: str, key: str) -> int:
        """The updates that have been taken at a time; ValueError, which begins with the key, for one outside."""
        if self.last is None and (time == "end" or time.endswith("%")):
            raise ValueError(f"{key}: wanted epochs or updates such as 25ep or 1000it, found {time!r}")
        if time == "end":
            return self.last
        number, unit = _TIME.match(time).groups()
        updates = round(float(number) * {"ep": self.per_epoch, "it": 1, "%": (self.last or 0) / 100}[unit])
        if self.last is not None and updates > self.last:
            wanted = f"wanted a time within {self.run}'s {self.last} updates"
            raise ValueError(f"{key}: {wanted}, found {time!r} = {updates}")
        if updates < self.first:
            raise ValueError(f"{key}: wanted a time from the branch at {self.first} on, found {time!r} = {updates}")
        return updates

    def all(self, times: Iterable[str], key: str) -> tuple[int, ...]:
        """The updates of these times, each once, rising; errors as in `at`."""
        return tuple(sorted({self.at(time, key) for time in times}))
