"""An atlas of planted results: two papers, a variant, one that is not built, and HTML in every text."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from claim_cases import claimed
from studies import Project, changed, forget, toy

from isthmus import rooms, store, verdicts
from isthmus.page import atlas
from isthmus.page.shown import WORDS

# Would run, load, or break out of an attribute where it is not escaped.
EVIL = """<script>document.title = "owned"</script><img src="https://evil.example/x" onerror="owned()">"' & more"""
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 60 40"><rect width="60" height="40" fill="teal"/></svg>'
CARD = f"""# A toy

Text with `code`, {EVIL} and [a link](javascript:alert(1)).

![a picture](https://elsewhere.example/y)

## Claims and verdicts (laptop)

<!-- verdicts -->

| Paper | Claim |
| --- | --- |
| old | board |

<!-- /verdicts -->

### Details

| a | b |
| --- | --- |
| 1 | 2 |

    snakemake toy --cores 2
"""


def bounds(low: float, high: float) -> dict[str, float]:
    """An interval."""
    return {"low": low, "high": high}


def way(name: str, word: str, **changes: Any) -> dict[str, Any]:
    """A claim judged in another way."""
    row = {"way": name, "verdict": word, "estimate": 1.5, "interval": bounds(1.25, 1.75), "n": 8, "delta": 0.15}
    return {**row, **changes}


def entry(word: str, **changes: Any) -> dict[str, Any]:
    """A claim's entry in verdict.json that came to this word."""
    control = {
        "name": f"off {EVIL}", "verdict": "contradicted", "estimate": 0.0, "interval": bounds(-0.1, 0.1), "n": 10,
        "role": "mechanism off", "as_wanted": True,
    }  # fmt: skip
    part = {"kind": "direction", "verdict": "holds", "delta": 0.5, "estimate": 1.0, "n": 10}
    return {
        "says": f"It comes to {word}: {EVIL}", "where": f"Fig. 1 {EVIL}", "kind": "direction", "headline": True,
        "verdict": word, "estimate": 1.9, "interval": bounds(1.6, 2.2), "unit": "nats", "n": 10,
        "unit_of_n": "seed", "delta": 0.3, "delta_from": "paper", "frozen": "f" * 64, "control": control,
        "interval_90": bounds(1.65, 2.15),
        "other_controls": {"null": {**control, "name": "null", "role": "null", "interval": None, "estimate": None}},
        "paper_says": {"value": f"1.82 {EVIL}", "source": f"notebook {EVIL}", "certainty": "read"},
        "differs_from_paper": ["data", f"model {EVIL}"],
        "sensitivity": [
            way("half the margin", word, part=f"part {EVIL}"),
            way(f"another {EVIL}", "unclear", why=f"control {EVIL} passes"),
        ],
        "parts": {f"part {EVIL}": {**part, "interval": bounds(0.7, 1.3)}, "flat": {**part, "interval": None}},
        **changes,
    }  # fmt: skip


def claims() -> dict[str, dict[str, Any]]:
    """Claims of every verdict that there is."""
    nothing = {
        "sensitivity": [],
        "estimate": None,
        "interval": None,
        "n": 0,
        "control": None,
        "other_controls": {},
        "parts": {},
    }
    found = {f"C{number}": entry(word) for number, word in enumerate(WORDS, start=1)}
    for word in ("not run", "out of reach"):
        name = next(name for name, one in found.items() if one["verdict"] == word)
        found[name] |= {**nothing, "why": f"too large {EVIL}", "needs": f"ImageNet {EVIL}"}
    return found


class Planted:
    """A project with planted results, whose atlas can be written again and again."""

    def __init__(self, project: Project, patch: pytest.MonkeyPatch) -> None:
        self.project, self.root = project, project.root
        # Planted rooms have no code.
        patch.setattr(verdicts, "fingerprint", lambda room: "now")
        for slug in ("toy", "second"):
            known = tuple(claimed(id=name) for name in claims())
            patch.setitem(sys.modules, f"isthmus.papers.{slug}.claims", SimpleNamespace(CLAIMS=known))

    def judge(self, name: str, made_by: str = "now", scale: str = "laptop", **changes: Any) -> None:
        """Verdicts of a room, as if judged. made_by: the fingerprint of the code; changes: of every claim."""
        found = {id_: one | changes for id_, one in claims().items()}
        verdict = {
            "paper": name, "scale": scale, "fingerprint": made_by, "recipes": {}, "data": {"toy/a/b": "d" * 64},
            "claims": found,
        }  # fmt: skip
        store.write_json(rooms.load(name, scale).verdict_path, verdict)

    def build(self, name: str, made_by: str = "now") -> None:
        """Results of a room at scale laptop, as if built."""
        room = rooms.load(name, "laptop")
        self.judge(name, made_by)
        for path in room.shown():
            if path != room.verdict_path:
                content = {".svg": SVG, ".txt": f"How long. n = 12. {EVIL}\n"}
                store.write_text(path, content.get(path.suffix, "seed,norm\n1,2.0\n"))
        machine = {"name": "m", "system": "Linux", "processor": "x86_64", "cores": 2}
        made = {"time": "2026-01-02T03:04:05+00:00", "machine": machine, "commit": "c" * 40, "uncommitted": True}
        made |= {"python": "3.11.7", "libraries": {"torch": "2.11.0"}}
        record = {"room": name, "scale": "laptop", "made": made, "outputs": {}, "snakemake": {}}
        store.write_json(room.provenance_path, record)

    def page(self, name: str = "index") -> Path:
        """Where a page lies."""
        return self.root / f"results/laptop/atlas/{name}.html"

    def write(self) -> str:
        """Write the atlas; returns the text of the index."""
        atlas.write("laptop")
        return self.page().read_text(encoding="utf-8")


@contextmanager
def planted(root: Path) -> Iterator[Planted]:
    """The project in `root`, where the block runs: `toy` and `toy@gentle` are built, the others not."""
    with pytest.MonkeyPatch.context() as patch:
        project = Project(root, patch)
        patch.chdir(root)
        study = deepcopy(toy())
        for key in ("title", "authors", "venue", "arxiv", "code", "bibtex"):
            study = changed(study, f"paper.{key}", f"{key} {EVIL}")
        study = changed(study, "figures.norm_by_seed.caption", f"How long. {EVIL}")
        project.write(study)
        project.write(toy(), "second")
        project.write(changed(toy(), "scales", {"smoke": {}}), "other")
        project.overlay({"why": f"smaller steps {EVIL}", "runs": {"sgd": {"lr": 0.05}}})
        (project.papers / "toy/README.md").write_text(CARD, encoding="utf-8")
        one = Planted(project, patch)
        one.build("toy")
        one.build("toy@gentle", made_by="before")
        yield one
    forget()
