"""What a claim must state, and its frozen part."""

import importlib.util
import sys
from functools import partial

import pytest
from claim_cases import around

from isthmus import store
from isthmus.claims import AllOf, Claim, Control, Direction, NearZero, NonInferior, Sample


def effect(tables):
    return Sample.of(tables["t"].set_index("seed")["x"])


def made(**changes):
    given = {
        "id": "C1",
        "says": "It rises.",
        "where": "Fig. 1",
        "kind": Direction(),
        "unit": "nats",
        "statistic": effect,
        "n": 12,
        "unit_of_n": "seed",
        "controls": (Control("off", partial(effect)),),
    }
    return Claim(**(given | changes))


def test_claims_refuse_what_the_rules_do_not_allow():
    seen = Control("seen", effect, "positive")
    assert made().n == 12
    for changes, wanted in [
        ({"headline": True, "n": 8}, "n >= 10 for a headline"),
        ({"controls": ()}, "mechanism off"),
        ({"controls": (Control("same", effect, "null"),)}, "mechanism off"),
        ({"controls": (Control("off", effect), Control("off", effect))}, "different names"),
        ({"controls": (Control("off", effect), seen)}, "kind of positive control"),
        ({"kind": NearZero(0.1, "paper")}, "positive control"),
        ({"kind": NearZero(0.1, "paper"), "controls": (seen,)}, "needs"),
        ({"statistic": None}, "statistic"),
        ({"out_of_reach": "no checkpoints"}, "needs"),
    ]:
        with pytest.raises(ValueError, match=wanted):
            made(**changes)
    assert made(controls=(), no_control="a description, which credits nothing").no_control
    assert made(kind=NearZero(0.1, "paper"), controls=(seen,), needs="mnist")


def test_a_statistic_must_name_every_part():
    claim = made(kind=AllOf({"a": Direction(), "b": Direction()}), statistic=lambda tables: {"a": around(1.0)})
    with pytest.raises(ValueError, match="wanted samples named"):
        claim.measure({})


SOURCE = """
from functools import partial
import numpy as np
from isthmus.claims import Claim, Control, Direction, Sample
FLOOR = 1e-6
UNUSED = 1
def _logs(values):
    return np.log10(values + FLOOR)
def effect(tables, t=0):
    table = tables["t"]
    return Sample.of(_logs(table[table.t == t].set_index("seed")["x"]))
CLAIM = Claim(
    id="C1", says="It rises.", where="Fig. 1", kind=Direction(0.3, "paper"), unit="decades", statistic=effect,
    n=12, unit_of_n="seed", controls=(Control("late", partial(effect, t=50)),),
)
"""


def frozen(tmp_path, *change):
    """The frozen hash of the claim in SOURCE with some text replaced."""
    source = SOURCE.replace(*change) if change else SOURCE
    assert not change or source != SOURCE
    path = tmp_path / f"room_{store.digest(source)[:8]}.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.CLAIM.frozen()


@pytest.mark.parametrize(
    "change",
    [
        ("It rises", "It falls"),
        ("0.3", "0.2"),
        ('"paper"', '"pilot"'),
        ("n=12", "n=13"),
        ("t=50", "t=10"),
        ('"late"', '"later"'),
        ("log10", "log2"),  # in a helper
        ("FLOOR = 1e-6", "FLOOR = 1e-7"),  # a constant of a helper
        ("import numpy as np", "import math as np"),
        ("decades", "nats"),
        ("Fig. 1", "Fig. 2"),
    ],
)
def test_the_frozen_part_sees_what_decides(tmp_path, change):
    assert frozen(tmp_path, *change) != frozen(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        ("UNUSED = 1", "UNUSED = 2"),
        ("    return np", "    '''Logs.'''\n    return np"),
        ('table = tables["t"]', 'table = (tables["t"])  # the table'),
        ("Claim, Control, Direction, Sample", "Claim, Control, Direction, NearZero, Sample"),
    ],
)
def test_the_frozen_part_does_not_see_what_does_not(tmp_path, change):
    assert frozen(tmp_path, *change) == frozen(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "seen"), [("FLOOR = 1e-6", "FLOOR = 1e-7", True), ("SPARE = 1", "SPARE = 2", False)]
)
def test_the_frozen_part_sees_what_another_module_of_the_room_decides(tmp_path, monkeypatch, old, new, seen):
    """A room's statistics may lie in several files."""
    helper = (
        "import numpy as np\nFLOOR = 1e-6\nSPARE = 1\ndef _logs(values):\n    return np.log10(values + FLOOR)\n"
    )
    head = "from functools import partial\nfrom isthmus.claims import Claim, Control, Direction, Sample\n"
    claims = f"{head}from split_room.rows import _logs\n{SOURCE[SOURCE.index('def effect') :]}"
    hashes = set()
    for place, rows in enumerate((helper, helper.replace(old, new))):
        folder = tmp_path / str(place) / "split_room"
        folder.mkdir(parents=True)
        for name, text in {"__init__": "", "claims": claims, "rows": rows}.items():
            (folder / f"{name}.py").write_text(text)
        with monkeypatch.context() as patch:
            patch.syspath_prepend(folder.parent)
            for name in ("split_room", "split_room.claims", "split_room.rows"):
                patch.delitem(sys.modules, name, raising=False)
            hashes.add(importlib.import_module("split_room.claims").CLAIM.frozen())
    assert len(hashes) == 1 + seen


def test_the_frozen_part_does_not_see_the_last_bits_of_a_computed_delta():
    third = 1 / 3
    assert (
        made(kind=Direction(third, "derived")).frozen() == made(kind=Direction(third + 1e-16, "derived")).frozen()
    )
    assert made(kind=Direction(third, "derived")).frozen() != made(kind=Direction(0.3333333, "derived")).frozen()


def test_the_frozen_part_tells_kinds_apart_that_state_the_same_numbers():
    kinds = [Direction(0.3, "paper"), NonInferior(0.3, "paper"), AllOf({"a": Direction(0.3, "paper")})]
    assert len({made(kind=kind).frozen() for kind in kinds}) == 3


def test_a_statistic_that_cannot_be_read_by_name_is_refused():
    with pytest.raises(ValueError, match="top level"):
        made(statistic=lambda tables: None).frozen()


def wrapped(tables, inner):
    return inner(tables)


def test_functions_bound_to_a_statistic_count():
    hashes = {
        made(statistic=partial(wrapped, inner=inner)).frozen() for inner in (effect, partial(effect), wrapped)
    }
    assert len(hashes) == 3
