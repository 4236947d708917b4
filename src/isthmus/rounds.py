"""Chains of pruning rounds: one run with `rounds` in a study is a run for each of them, `<run>_01`, `<run>_02`, ...

Iterative magnitude pruning (Frankle & Carbin 2019): train, prune the smallest of the weights that are left, begin
again. As runs of their own the rounds are jobs of the workflow, and a chain that is killed goes on at its round.
"""

from collections.abc import Mapping
from math import isclose

from isthmus.run_parts import Branch, Prune
from isthmus.run_spec import Run
from isthmus.specs import Borrowed, Study


def unrolled(study: Study) -> Study:
    """The study without chains: their rounds in their place, in `runs` and in the tables that name a chain.

    Raises ValueError, beginning with the key, where a run asks a chain for a density that it does not pass.
    """
    chains = {name: run for name, run in study.runs.items() if isinstance(run, Run) and run.rounds}
    runs: dict[str, Run | Borrowed] = {}
    for name, run in study.runs.items():
        runs |= _rounds(name, run) if name in chains else {name: _resolved(name, run, chains)}
    tables = {
        name: table.model_copy(
            update={"runs": tuple(one for run in table.runs for one in _names(run, chains.get(run)))}
        )
        for name, table in study.tables.items()
    }
    return study.model_copy(update={"runs": runs, "tables": tables})


def _names(name: str, chain: Run | None) -> list[str]:
    return [name] if chain is None else list(chain.round_names(name))


def _rounds(name: str, chain: Run) -> dict[str, Run]:
    """The runs of a chain, in order."""
    found, before = {}, chain.rounds.of
    for own, density in chain.round_names(name).items():
        prune = (chain.prune or Prune()).model_copy(update={"run": before})
        blocks = [block.model_copy(update={"mask": "magnitude", "density": density}) for block in chain.networks]
        branch = chain.branch if chain.rounds.rewind else Branch(run=before, at="end", fresh=True)
        changed = {"rounds": None, "prune": prune, "networks": tuple(blocks), "branch": branch}
        found[own], before = chain.model_copy(update=changed), own
    return found


def _resolved(name: str, run: Run | Borrowed, chains: Mapping[str, Run]) -> Run | Borrowed:
    """The run, with the round in place of the chain that prunes it."""
    prune = run.prune if isinstance(run, Run) else None
    if prune is None or (prune.run not in chains and prune.density is None):
        return run
    if prune.run not in chains:
        raise ValueError(f"runs.{name}.prune.density: wanted it only where run is a chain of rounds, found it with "
                         f"run: {prune.run}")  # fmt: skip
    rounds = chains[prune.run].round_names(prune.run)
    wanted = min(rounds.values()) if prune.density is None else prune.density
    chosen = [own for own, density in rounds.items() if isclose(density, wanted, rel_tol=1e-6)]
    if not chosen:
        known = ", ".join(f"{density:g}" for density in rounds.values())
        raise ValueError(f"runs.{name}.prune.density: wanted one of {prune.run}'s ({known}), found {wanted:g}")
    return run.model_copy(update={"prune": prune.model_copy(update={"run": chosen[0], "density": None})})
