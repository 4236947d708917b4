"""What a run is, as numbers only: the recipe of a fleet, and of each of its networks. Imports no torch."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from isthmus.store import canonical_json, digest


@dataclass(frozen=True)
class Named:
    """A model, optimizer or schedule by the name of its module or function, with its settings."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Perturbation:
    """What is added to a network after `at` updates: `sigma` times a direction of the kind named.

    Kinds: `gaussian` and `batch` (the gradient of one fresh batch), both as long as the initial weights at
    sigma = 1; `weight` (one scalar, moved by sigma standard deviations of its initialisation times a draw).
    draw: which of many independent directions.
    """

    at: int
    kind: str
    sigma: float
    draw: int = 0


@dataclass(frozen=True)
class Network:
    """What distinguishes one row of a fleet.

    seed: initialisation, data order and noise. order: 0 is the seed's own data order, k its k-th independent
    one. lr: peak learning rate.
    """

    seed: int
    lr: float
    order: int = 0
    perturbation: Perturbation | None = None


@dataclass(frozen=True)
class Recipe:
    """Everything that the bits of a run depend on, apart from code and libraries.

    steps, checkpoints: updates. chunk: networks computed together (part of the recipe: another grouping may
    round differently). lazy: alpha of the kernel regime, or None. threads: of the process that trains.
    """

    data: str
    model: Named
    optimizer: Named
    schedule: Named
    batch: int
    steps: int
    networks: tuple[Network, ...]
    chunk: int
    checkpoints: tuple[int, ...]
    loss: str = "cross_entropy"
    lazy: float | None = None
    threads: int = 1

    @property
    def chunks(self) -> list[slice]:
        """The rows of each chunk, in order."""
        total = len(self.networks)
        return [slice(start, min(start + self.chunk, total)) for start in range(0, total, self.chunk)]

    def canonical(self) -> str:
        """One line of JSON: equal for equal recipes."""
        return canonical_json(self)

    def digest(self) -> str:
        """SHA-256 of the canonical form."""
        return digest(self.canonical())

    @classmethod
    def parse(cls, text: str) -> "Recipe":
        """The recipe whose canonical form is `text`."""
        plain = json.loads(text)
        for part in ("model", "optimizer", "schedule"):
            plain[part] = Named(**plain[part])
        networks = []
        for row in plain["networks"]:
            kick = row["perturbation"]
            networks.append(Network(**{**row, "perturbation": Perturbation(**kick) if kick else None}))
        return cls(**{**plain, "networks": tuple(networks), "checkpoints": tuple(plain["checkpoints"])})
