"""Schedules: update number -> factor of the peak, of a learning rate, a penalty or a noise."""

from collections.abc import Callable, Mapping, Sequence
from math import ceil, cos, pi
from typing import Any


def constant(step: int, steps: int) -> float:
    """1 at every update."""
    return 1.0


def triangle(step: int, steps: int, warmup: float) -> float:
    """Piecewise linear through (0, 0), (ceil(warmup * steps), 1), (steps, 0): update 0 has rate 0.

    Altıntaş et al. 2025 (code); warmup is a fraction of the steps.
    """
    top = ceil(warmup * steps)
    return step / top if step < top else (steps - step) / (steps - top)


def warmup_cosine(step: int, steps: int, warmup: int, start: float = 0.0) -> float:
    """Linear from `start` (a fraction of the peak) to 1 over `warmup` updates, then half a cosine to 0.

    Ferbach et al. 2024 (notebook): optax.warmup_cosine_decay_schedule, whose cosine ends at `steps`.
    """
    if step < warmup:
        return start + (1.0 - start) * step / warmup
    return 0.5 * (1.0 + cos(pi * (step - warmup) / (steps - warmup)))


def one_cycle(step: int, steps: int) -> float:
    """Half a cosine from 1/25 to 1 at 0.3 of the steps, half a cosine to 1/250,000 at their end, then that.

    Dufort-Labbé et al. 2024 (code): optax.cosine_onecycle_schedule, which goes on at its last value.
    """
    place, low, end = step / (0.3 * steps), 1 / 25, 1 / 25e4
    if place < 1:
        return low + (1 - low) * 0.5 * (1 - cos(pi * place))
    place = min(1.0, (step - 0.3 * steps) / (0.7 * steps))
    return end + (1 - end) * 0.5 * (1 + cos(pi * place))


def staircase(step: int, steps: int, at: Sequence[float], factor: float) -> float:
    """1, and from each of the fractions `at` of the run on `factor` times as much as before."""
    return factor ** sum(step >= round(place * steps) for place in at)


SCHEDULES: Mapping[str, Callable[..., float]] = {
    "constant": constant,
    "triangle": triangle,
    "warmup_cosine": warmup_cosine,
    "one_cycle": one_cycle,
    "staircase": staircase,
}


def factors(name: str, settings: Mapping[str, Any], steps: int) -> list[float]:
    """The factor of every update 0 ... steps - 1."""
    return [SCHEDULES[name](step, steps, **settings) for step in range(steps)]


def over_span(name: str, span: int, steps: int) -> list[float]:
    """The factor of every update 0 ... steps - 1 by a schedule without settings that ends after `span` updates."""
    return [SCHEDULES[name](step, span) for step in range(steps)]
