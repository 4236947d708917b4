"""How much is kept after each round of iterative pruning. Imports no torch."""

from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from math import log


def densities(rate: float, targets: Sequence[float]) -> list[float]:
    """The densities 1, 1 - rate, (1 - rate)^2, ... down to the lowest target, through each target exactly.

    The round that would go past a target prunes only what is missing, and the next goes on from there (Adnan et al.
    2025, code). Raises ValueError for a rate or target outside (0, 1), or without targets.
    """
    for name, values in {"rate": (rate,), "targets": targets}.items():
        if not values or not all(0 < value < 1 for value in values):
            raise ValueError(f"{name}: wanted numbers between 0 and 1, found {values}")
    found = [1.0]
    for target in sorted(set(targets), reverse=True):
        # The slack is for rounding: 0.8^3 passes 0.512 by a last bit, and no round may prune that alone.
        while found[-1] * (1 - rate) > target * (1 + 1e-9):
            found.append(found[-1] * (1 - rate))
        found.append(target)
    return found


def by_layer(
    layers: Collection[str], density: float, rate: float, slower: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Name of a layer -> its density when the others, pruned at `rate` a round, have come to `density`.

    slower: pattern of names -> factor of the rate there; the first that fits holds. Frankle & Carbin (2019) prune
    the output layer at half the rate: after n rounds (1 - rate)^n are left, and (1 - rate / 2)^n there.
    Raises ValueError for a pattern that names no layer, and for a factor that makes no rate in [0, 1).
    """
    slower = slower or {}
    for pattern, factor in slower.items():
        if not 0 <= factor * rate < 1:
            raise ValueError(f"slower: wanted factors of at least 0 and below {1 / rate:g}, found {factor}")
        if not any(fnmatchcase(name, pattern) for name in layers):
            raise ValueError(f"slower: wanted names among {', '.join(layers)}, found {pattern!r}")
    found = {}
    for name in layers:
        factor = next((factor for pattern, factor in slower.items() if fnmatchcase(name, pattern)), 1.0)
        # Exactly `density` where the rate is the common one.
        found[name] = density ** (log(1 - factor * rate) / log(1 - rate))
    return found
