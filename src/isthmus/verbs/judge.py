"""judge: tables -> verdict.json."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from isthmus import sensitivity, store
from isthmus.judging import judged


def judge(slug: str, tables: Mapping[str, Path], paper_setting: bool, about: Mapping[str, Any], out: Path) -> None:
    """Write the verdicts on the room's claims by these tables.

    about: what the verdict rests on (room, scale, fingerprint, recipes, data), written along.
    """
    claims = import_module(f"isthmus.papers.{slug}.claims").CLAIMS
    frames = {name: store.read_table(path) for name, path in tables.items()}
    verdicts = {}
    for claim in claims:
        found = sensitivity.rows(claim, frames, paper_setting)
        verdicts[claim.id] = judged(claim, frames, paper_setting) | ({"sensitivity": found} if found else {})
    store.write_json(out, {**about, "claims": verdicts})
