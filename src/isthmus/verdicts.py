"""verdict.json against the code, recipes and data of today: what a verdict rests on, and what is wrong with it.

The file is deterministic and stands in git; what was made when and where is in provenance.json.
"""

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

from isthmus import roots, store
from isthmus.claims import Claim
from isthmus.data import register
from isthmus.errors import UserError
from isthmus.judging import PASSED
from isthmus.rooms import LAPTOP, Room
from isthmus.verdict_file import read


def load_claims(room: Room) -> tuple[Claim, ...]:
    """The claims in the room's claims.py; ValueError for two with one id."""
    claims = import_module(f"isthmus.papers.{room.slug}.claims").CLAIMS
    if len({claim.id for claim in claims}) < len(claims):
        raise ValueError(f"{room.slug}: wanted claims with different ids, found {[c.id for c in claims]}")
    return claims


def fingerprint(room: Room) -> str:
    """SHA-256 of all code and settings behind a room's verdicts."""
    code = {
        "judge": [roots.judge(room), room.paper_setting],
        "measure": {name: [roots.measure(room, name), t.model_dump()] for name, t in room.tables.items()},
        "train": {name: roots.train(run.recipe) for name, run in room.runs.items()},
    }
    return store.digest(store.canonical_json(code))


def current(room: Room, places: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What a verdict made now would say that it rests on: its room, all code and settings behind it, recipes, data.

    places: data set -> folder, as in config.yaml.
    """
    keys = {run.recipe.data for run in room.runs.values()}
    place = places or {}
    return {
        "paper": room.name,
        "scale": room.scale,
        "fingerprint": fingerprint(room),
        "recipes": {name: store.digest(run.recipe.canonical()) for name, run in room.runs.items()},
        "data": {key: register.content_checksum(key, place.get(register.parse(key).set)) for key in sorted(keys)},
    }


def check(room: Room, places: Mapping[str, str] | None = None) -> list[str]:
    """What is wrong with the room's verdict.json, a line each: `out_of_step`, and controls that pass."""
    found = out_of_step(room, places)
    try:
        entries = read(room.verdict_path)["claims"]
    except UserError:  # told above already
        return found
    for id_, entry in entries.items():
        for control in [entry["control"], *entry.get("other_controls", {}).values()]:
            if control and control["role"] != "positive" and control["verdict"] in PASSED:
                found.append(f"{room.verdict_path}: {id_}: control {control['name']!r} passes")
    return found


def out_of_step(room: Room, places: Mapping[str, str] | None = None) -> list[str]:
    """What does not fit between the room's verdict.json and the checkout, a line each; empty if all does.

    A frozen part that is not the one judged, a verdict made by other code, recipes or data, and at laptop scale a
    number of units that was not the planned one.
    """
    path = room.verdict_path
    try:
        verdict = read(path)
    except UserError as error:
        return [str(error)]
    claims, now = {claim.id: claim for claim in load_claims(room)}, current(room, places)
    found = [f"{path}: {id_}: is no longer a claim" for id_ in verdict["claims"] if id_ not in claims]
    for id_, claim in claims.items():
        if id_ not in verdict["claims"]:
            found.append(f"{path}: {id_}: has not been judged")
        else:
            found += [f"{path}: {id_}: {fault}" for fault in _faults(claim, verdict["claims"][id_], room)]
    if verdict["fingerprint"] != now["fingerprint"]:
        found.append(f"{path}: stale: made by other code or settings")
    for part in ("recipes", "data"):
        names = {*verdict[part], *now[part]}
        changed = sorted(name for name in names if verdict[part].get(name) != now[part].get(name))
        found += [f"{path}: stale: {part}: {name} has changed since"] if (name := ", ".join(changed)) else []
    return found


def _faults(claim: Claim, entry: Mapping[str, Any], room: Room) -> Iterable[str]:
    """What is wrong with one claim's entry."""
    if entry["frozen"] != claim.frozen():
        yield "its frozen part has changed since it was judged"
    planned = room.scale == LAPTOP and room.variant is None and entry["verdict"] not in ("not run", "out of reach")
    units = entry["n"] + len(entry.get("diverged", ()))
    if planned and units != claim.n:
        yield f"wanted {claim.n} of {claim.unit_of_n} as planned, found {units}"


def expected_false_passes(claims: Iterable[Claim]) -> float:
    """How many of these claims would pass by chance if each were just not true."""
    return sum(claim.kind.false_pass for claim in claims if claim.out_of_reach is None)
