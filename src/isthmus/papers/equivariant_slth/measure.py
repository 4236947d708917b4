"""What is measured: subset sums alone, targets and the random networks pruned to them, equivariance, edge-popup.

The runs are plain networks that the engine trains; they also bring the images. Equivariant targets are small and of
many shapes, so they are trained here, on stacked rows of coefficients.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from isthmus.engine.checkpoints import Counter
from isthmus.engine.evaluate import logits
from isthmus.engine.fleet import Fleet
from isthmus.engine.streams import stream
from isthmus.equivariant import architectures, bases, theory, tickets
from isthmus.equivariant import popup as scoring
from isthmus.equivariant.architectures import Move
from isthmus.equivariant.bases import Matrices
from isthmus.equivariant.equivariance import equivariance_error
from isthmus.equivariant.network import Layer, Network
from isthmus.equivariant.subset_sums import nearest
from isthmus.equivariant.training import Plan, fit
from isthmus.papers.equivariant_slth.targets import case_of, trained
from isthmus.papers.equivariant_slth.ticket_rows import marks, rows_of

Settings = Mapping[str, Any]
# Side of the lattice on which convolutions are checked, and inputs tried.
_SIDE, _INPUTS = 8, 8


def lueker(fleets: Mapping[str, Fleet], settings: Settings, progress: Counter) -> pd.DataFrame:
    """Sums of random samples near random targets: one row per law, number of samples, draw and choice.

    Samples are uniform on [-1, 1], or products of two such; targets uniform within 1/2. choice: the best subset, or
    the best single sample. Columns: error (geometric mean over a draw's problems), median, far (share of problems
    further off than settings.far).
    """
    rows, draws = [], _draws(settings)
    progress.expect(len(settings["laws"]) * len(settings["samples"]))
    for law, m in product(settings["laws"], settings["samples"]):
        for draw in draws:
            rng = stream(draw, "subset sums", law, m)
            factors = {"uniform": 1, "product": 2}[law]
            samples = torch.from_numpy(rng.uniform(-1, 1, (factors, settings["problems"], m))).prod(0)
            targets = torch.from_numpy(rng.uniform(-0.5, 0.5, settings["problems"]))
            single = (samples - targets[:, None]).abs().amin(1)
            for choice, errors in (("subset", nearest(samples, targets)[1]), ("single", single)):
                found = {
                    # The floor, a rounding, keeps the logarithm of a sum that hits its target finite.
                    "error": float(errors.clamp(min=2.0**-53).log().mean().exp()),
                    "median": float(errors.median()),
                    "far": float((errors > settings["far"]).double().mean()),
                }
                rows.append({"law": law, "samples": m, "draw": draw, "choice": choice, **found})
        progress.advance()
    return pd.DataFrame(rows)


def pruned(fleets: Mapping[str, Fleet], settings: Settings, progress: Counter) -> pd.DataFrame:
    """Targets of every architecture and the random networks pruned to them; columns as in `ticket_rows.rows_of`."""
    wanted, rows = settings["architectures"], []
    epochs = sum(plan.get("epochs", 0) for plan in wanted.values())
    progress.expect(epochs + len(wanted) * len(settings["samples"]))
    for name, plan in wanted.items():
        rows += rows_of(trained(name, plan, fleets["dense"], progress.advance), settings, progress.advance)
    return pd.DataFrame(rows)


def equivariance(fleets: Mapping[str, Fleet], settings: Settings, progress: Counter) -> pd.DataFrame:
    """Two random layers with random masks: one row per architecture, density, draw and what is masked.

    masks: coefficients of the basis, or raw weights. error: relative equivariance error, float64.
    """
    rows, seeds = [], _draws(settings)
    progress.expect(len(settings["architectures"]) * len(settings["densities"]))
    for name, plan in settings["architectures"].items():
        network, moves, field = _two_layers(name, plan)
        theta = tickets.random_rows(network, seeds, name)
        drawn = [stream(seed, "inputs", name).standard_normal((_INPUTS, *field)) for seed in seeds]
        x, whole = torch.stack([torch.from_numpy(one) for one in drawn]), network.expand(theta)
        for density in settings["densities"]:
            (on_coefficients,) = _masks([theta], seeds, density, name)
            on_weights = _masks(whole, seeds, density, f"{name} weights")
            masked = {
                "coefficients": network.expand(theta * on_coefficients),
                "weights": [weights * mask for weights, mask in zip(whole, on_weights, strict=True)],
            }
            for masks, weights in masked.items():
                errors = equivariance_error(network, weights, x, moves, moves).tolist()
                about = {"architecture": name, "density": density, "masks": masks}
                rows += [{**about, "draw": seed, "error": e} for seed, e in zip(seeds, errors, strict=True)]
            progress.advance()
    return pd.DataFrame(rows)


def bound(fleets: Mapping[str, Fleet], settings: Settings, progress: Counter) -> pd.DataFrame:
    """Output errors of one layer whose coefficients are off by at most settings.error: one row per basis, number of
    channels (as many in as out), pattern of the errors and draw.

    Patterns: random (uniform, drawn), equal (all as large as allowed, of one sign). Columns: output_error (the
    largest found on the unit ball), bound (the proof's), bound_without_norm (without the basis's norm).
    """
    kinds = {
        "dense": bases.trivial(),
        "c4": bases.cyclic(4),
        "sets": bases.sets(6),
        "graphs": bases.tensors(4, 1, 2),
    }
    rows, seeds, error = [], _draws(settings), settings["error"]
    progress.expect(len(kinds) * len(settings["channels"]))
    for (name, basis), channels in product(kinds.items(), settings["channels"]):
        norm = theory.basis_norm(basis)
        found = {
            "bound": theory.output_bound(error, channels, channels, norm),
            "bound_without_norm": theory.output_bound(error, channels, channels, 1.0),
        }
        for pattern, seed in product(("random", "equal"), seeds):
            output = _output_error(basis, channels, pattern, error, seed)
            about = {"architecture": name, "channels": channels, "pattern": pattern, "draw": seed}
            rows.append({**about, "output_error": output, **found})
        progress.advance()
    return pd.DataFrame(rows)


def popup(fleets: Mapping[str, Fleet], settings: Settings, progress: Counter) -> pd.DataFrame:
    """Edge-popup on networks without biases: one row per weights, hidden width, share kept, scores and seed.

    weights: signed or normal, random; trained, for the networks of the runs (column run). scores: trained, or
    initial (the mask before training). Columns: accuracy, answers as in the table `pruned`.
    """
    fleet, rows = fleets["dense"], []
    for run, plain in fleets.items():
        x, y = plain.data.inputs["test"], plain.data.labels["test"]
        right = logits(plain.architecture, plain.final, x).argmax(2) == y
        about = {"weights": "trained", "run": run, "hidden": plain.architecture.settings["widths"][0], "kept": 1.0}
        seeds = [network.seed for network in plain.networks]
        rows += _answers({**about, "scores": "trained"}, seeds, right)
    settled = [(kind, hidden, settings["kept"]) for kind in settings["weights"] for hidden in settings["hidden"]]
    widest = max(settings["hidden"])
    settled += [("signed", widest, kept) for kept in settings["fractions"] if kept != settings["kept"]]
    progress.expect(len(settled) * settings["epochs"])
    for kind, hidden, kept in settled:
        about = {"weights": kind, "run": None, "hidden": hidden, "kept": kept}
        for scores, right in _popped(fleet, kind, hidden, kept, settings, progress).items():
            rows += _answers({**about, "scores": scores}, seeds, right)
    return pd.DataFrame(rows)


def _popped(
    fleet: Fleet, kind: str, hidden: int, kept: float, settings: Settings, progress: Counter
) -> dict[str, Tensor]:
    """Which test examples (R, N) the subnetworks get right, by trained and by initial scores."""
    seeds = [network.seed for network in fleet.networks]
    case = architectures.dense(fleet.data.shape, [hidden, hidden], fleet.data.classes)
    network = case.network
    weights, initial = scoring.random_weights(network, seeds, kind, kept), scoring.initial_scores(network, seeds)
    optimizer = {"momentum": settings["momentum"], "weight_decay": settings["weight_decay"]}
    cosine = ("warmup_cosine", {"warmup": 0})
    plan = Plan("sgd", settings["lr"], settings["epochs"], settings["batch"], optimizer, cosine)

    def answer(scores: Tensor, x: Tensor) -> Tensor:
        return network.logits(scoring.subnetworks(network, weights, scores, kept), x)

    x, y = case.see(fleet.data.inputs["train"]), fleet.data.labels["train"]
    scores = fit(answer, initial, x, y, seeds, plan, progress.advance)
    test, labels = case.see(fleet.data.inputs["test"]), fleet.data.labels["test"]
    return {
        name: answer(rows, test).argmax(2) == labels for name, rows in (("trained", scores), ("initial", initial))
    }


def _answers(about: Mapping[str, Any], seeds: Sequence[int], right: Tensor) -> list[dict[str, Any]]:
    """A row for each network, of which answers (R, N) are right."""
    return [
        {**about, "seed": seed, "accuracy": float(row.double().mean()), "answers": marks(row)}
        for seed, row in zip(seeds, right, strict=True)
    ]


def _two_layers(name: str, plan: Mapping[str, Any]) -> tuple[Network, Sequence[Move], tuple[int, ...]]:
    """Two layers of the architecture's hidden space, how its group moves that space, and the shape of an input."""
    case = case_of(name, plan, (1, _SIDE, _SIDE), 2)
    basis, (channels,) = case.network.layers[-1].within, plan["channels"]
    layer = Layer(basis, basis, channels, channels)
    space = (basis.elements.shape[2],) if isinstance(basis, Matrices) else (basis.elements.shape[2], _SIDE, _SIDE)
    return Network((layer, layer)), case.moves, (channels, *space)


def _masks(rows: Sequence[Tensor], seeds: Sequence[int], density: float, purpose: str) -> list[Tensor]:
    """Random masks, each scalar kept with this chance, for tensors (R, ...) whose first axis is the seeds."""
    generators = [stream(seed, "mask", purpose, str(density)) for seed in seeds]
    return [
        torch.stack([torch.from_numpy(rng.random(row.shape[1:])) for rng in generators]) < density for row in rows
    ]


def _output_error(basis: Matrices, channels: int, pattern: str, error: float, seed: int) -> float:
    """The largest output error found of one layer with coefficient errors of this pattern."""
    rng = stream(seed, "errors", channels)
    shape = (2, channels, channels, len(basis))
    drawn = torch.from_numpy(rng.uniform(-error, error, shape))
    plus, minus = drawn if pattern == "random" else torch.full(shape, error, dtype=torch.float64)
    rays = torch.from_numpy(rng.standard_normal((100, channels * basis.elements.shape[2])))
    return theory.largest_output_error(basis, plus, minus, rays)


def _draws(settings: Settings) -> range:
    return range(settings["first_seed"], settings["first_seed"] + settings["draws"])
