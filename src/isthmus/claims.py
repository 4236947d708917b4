"""A claim: one sentence of a paper made testable, with everything that is fixed before it is run.

Its frozen part (what is measured, how it is judged, against which controls) has a hash, which stands in the
verdict: whoever moves a threshold after seeing a result changes the hash.
"""

import ast
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

from isthmus.composite import AllOf, AnyOf
from isthmus.fingerprint import normal_form
from isthmus.kinds import Direction, Equivalence, Exact, Kind, Measured, NearZero, NonInferior, describe
from isthmus.ordered import Exponent, Monotone
from isthmus.samples import MEAN, PROPORTION, RANK_CORRELATION, RATIO, Estimator, Sample
from isthmus.store import canonical_json, digest
from isthmus.ways import Tables, Way

__all__ = [
    "MEAN", "PROPORTION", "RANK_CORRELATION", "RATIO", "AllOf", "AnyOf", "Claim", "Control", "Direction",
    "Equivalence", "Estimator", "Exact", "Exponent", "Monotone", "NearZero", "NonInferior", "PaperSays", "Sample",
    "Tables", "Way",
]  # fmt: skip

Statistic: TypeAlias = Callable[[Tables], Measured]

HEADLINE = 10  # units that a headline claim needs


@dataclass(frozen=True)
class PaperSays:
    """The paper's own number for the same quantity. certainty: how we know it."""

    value: str
    source: str
    certainty: Literal["read", "high", "medium", "low", "recalled"]


@dataclass(frozen=True)
class Control:
    """The claim's statistic on a case whose answer is known.

    role `mechanism off`: the one thing that the paper credits is removed; it must fail the claim's test and differ
    from the claim. `null`: nothing was done; it must fail, and tests the machinery. `positive`: an effect is known
    to be there; it must contradict a claim of no effect (or pass `kind`, where one is given).
    """

    name: str
    statistic: Statistic
    role: Literal["mechanism off", "null", "positive"] = "mechanism off"
    kind: Kind | None = None


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim of a paper and how it is judged.

    says: the sentence. where: figure, table or section of the paper. kind: the test, with its delta and levels.
    statistic: the room's tables -> a Sample (a mapping of samples by name for AllOf and AnyOf); a function at the
    top level of its module, or a functools.partial of one. unit: of the estimate (`nats`). n: independent units
    planned at laptop scale, of the kind unit_of_n (`seed`, `pair`). no_control: why there is no control with the
    mechanism off, where none can be made. differs_from_paper: what is unlike the paper at scales below its own;
    differs_always: what is unlike its setting at every scale, so that no result of ours reproduces it.
    out_of_reach: why nothing can be run at any scale built here; needs: the smallest honest scale. other_ways: how
    else it could have been measured; shown beside the verdict, which they never change, and not frozen.

    ValueError for a claim that the rules do not allow: a headline with fewer than 10 units, an effect without a
    control, a claim of no effect without a positive control.
    """

    id: str
    says: str
    where: str
    kind: Kind
    unit: str
    statistic: Statistic | None = None
    n: int = 0
    unit_of_n: str = ""
    controls: tuple[Control, ...] = ()
    no_control: str | None = None
    headline: bool = False
    paper_says: PaperSays | None = None
    differs_from_paper: tuple[str, ...] = ()
    differs_always: tuple[str, ...] = ()
    out_of_reach: str | None = None
    needs: str | None = None
    other_ways: tuple[Way, ...] = ()

    def __post_init__(self) -> None:
        roles = {control.role for control in self.controls}
        if self.out_of_reach is not None:
            self._must(self.needs is not None, "what is out of reach `needs` a scale")
            return
        self._must(self.statistic is not None and self.n > 0 and self.unit_of_n, "a statistic, n and unit_of_n")
        self._must(not self.headline or self.kind.exact or self.n >= HEADLINE, f"n >= {HEADLINE} for a headline")
        self._must(len({c.name for c in self.controls}) == len(self.controls), "controls with different names")
        for control in self.controls:
            known = control.kind or self.kind.no_effect or isinstance(self.kind, NonInferior)
            self._must(control.role != "positive" or known, f"the kind of positive control {control.name!r}")
        if self.kind.no_effect:
            self._must("positive" in roles, "a positive control for a claim of no effect")
            self._must(self.needs is not None, "`needs`, for the case that the positive control fails")
        else:
            self._must(
                "mechanism off" in roles or self.no_control, "a control with the mechanism off, or no_control"
            )

    def _must(self, fact: object, wanted: str) -> None:
        if not fact:
            raise ValueError(f"claim {self.id}: wanted {wanted}, found none")

    def measure(self, tables: Tables) -> Measured:
        """The claim's statistic of the room's tables; ValueError if it is not what the kind judges."""
        sample = self.statistic(tables)
        wanted = set(self.kind.kinds) if isinstance(self.kind, AllOf | AnyOf) else None
        found = set(sample) if isinstance(sample, Mapping) else None
        if found != wanted:
            raise ValueError(f"claim {self.id}: wanted samples named {wanted}, found {found}")
        return sample

    def frozen(self) -> str:
        """SHA-256, in hex, of all that must not change once a result has been seen.

        The statistics count with the functions and constants of their module, and of others of its package, that
        they use, transitively; comments, docstrings and layout do not.
        """
        return digest(
            canonical_json(
                _rounded(
                    {
                        "id": self.id,
                        "says": self.says,
                        "where": self.where,
                        "kind": describe(self.kind),
                        "unit": self.unit,
                        "n": self.n,
                        "unit_of_n": self.unit_of_n,
                        "statistic": _code(self.statistic),
                        "controls": [[c.name, c.role, describe(c.kind), _code(c.statistic)] for c in self.controls],
                        "no_control": self.no_control,
                        "out_of_reach": self.out_of_reach,
                    }
                )
            )
        )


def _rounded(value: Any) -> Any:
    """The value with 12 digits of each float: a delta that was computed may differ in its last bits elsewhere."""
    if isinstance(value, Mapping):
        return {str(key): _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return float(f"{value:.12g}") if isinstance(value, float) else value


def _code(statistic: Statistic | None) -> Any:
    """The normal form of a statistic's source with what it uses of its module, and the values bound to it."""
    if isinstance(statistic, partial):
        bound = [*enumerate(statistic.args), *statistic.keywords.items()]
        return [_code(statistic.func), {str(name): _code(v) if callable(v) else v for name, v in bound}]
    if statistic is None:
        return None
    path, package = Path(inspect.getfile(statistic)), statistic.__module__.rpartition(".")[0]
    if statistic.__qualname__ not in _definitions(path):
        raise ValueError(
            f"{statistic.__qualname__}: wanted a function at the top level of its module, or a partial of one"
        )
    found: dict[str, str] = {}
    queue = [(path, statistic.__qualname__)]
    while queue:
        where, name = queue.pop()
        key, node = name if where == path else f"{where.stem}.{name}", _definitions(where).get(name)
        if node is None or key in found:
            continue
        found[key] = normal_form(ast.unparse(node))
        queue += [(where, inner.id) for inner in ast.walk(node) if isinstance(inner, ast.Name)]
        queue += _imported(node, where, package)
    return dict(sorted(found.items()))


def _imported(node: ast.stmt, where: Path, package: str) -> list[tuple[Path, str]]:
    """File and name there of what a module imports from another of its package; nothing of other imports."""
    if not isinstance(node, ast.ImportFrom) or node.module is None:
        return []
    parent, _, last = node.module.rpartition(".")
    file = where.with_name(f"{last}.py")
    return [(file, node.names[0].name)] if parent == package and file.is_file() else []


@cache
def _definitions(path: Path) -> dict[str, ast.stmt]:
    """What a module defines or imports at its top level, by name."""
    found: dict[str, ast.stmt] = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Import):
            found |= {(a.asname or a.name).split(".")[0]: ast.Import([a]) for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {a.asname or a.name: ast.ImportFrom(node.module, [a], node.level) for a in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)]
            found |= dict.fromkeys(names, node)
    return found
