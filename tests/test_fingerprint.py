"""The fingerprint of code changes with what the code does, and with nothing else, on every Python version."""

import pytest

from isthmus import fingerprint, store
from isthmus.errors import UserError

SOURCE = '''
def scaled(x: float, *, by: float = 2.0) -> str:
    """A docstring."""
    # A comment.
    if x is None:
        return f"none{{}}" f" at {by!r:>{3}}" "."
    return [i * by for i in (x, -1e-3, "ü", b"\\x00")]


class Thing:
    "Also a docstring."

    size: int = 3
    "A docstring of an attribute."

    async def grow(self, **more): ...
'''

SAME = '''
# Another comment, and other layout.
def scaled(
    x: float,
    *,
    by: float = 2.0,
) -> str:
    if x is None: return f"none{{}} at {by!r:>{3}}."
    return [i * by for i in (x, -1e-3, 'ü', b'\\0')]
class Thing:
    size: int = 3
    async def grow(self, **more):
        """Now with a docstring."""
        ...
'''


def test_layout_comments_and_docstrings_do_not_count():
    assert fingerprint.normal_form(SOURCE) == fingerprint.normal_form(SAME)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2.0", "2.5"),
        ("x is None", "x is not None"),
        ('"ü"', '"u"'),
        ("!r", "!s"),
        (">{3}", ">{4}"),
        ("none{{}}", "none{{ }}"),
        ("**more", "*more"),
        ("async def", "def"),
        ("by for i", "by * i for i"),
    ],
)
def test_every_change_of_meaning_counts(old, new):
    changed = SOURCE.replace(old, new)
    assert changed != SOURCE
    assert fingerprint.normal_form(changed) != fingerprint.normal_form(SOURCE)


def test_normal_form_is_the_same_on_every_python():
    """Pinned: whichever Python runs this test must give the same hash."""
    assert store.digest(fingerprint.normal_form(SOURCE)) == (
        "647694d5eaa72a3cf5a326528f9aafc14ebe95f04d0d8f2a4dbeb61ba08eeb68"
    )


def test_a_module_answers_for_all_it_imports():
    alone, above = fingerprint.of("isthmus.errors"), fingerprint.of("isthmus.store")
    assert alone != above
    assert fingerprint.of("isthmus.store", "isthmus.errors") == above


def test_an_unknown_module_is_named():
    with pytest.raises(UserError, match=r"src/isthmus/models/nosuch\.py"):
        fingerprint.of("isthmus.models.nosuch")


def test_the_verbs_reach_no_other_room_and_not_the_workflow():
    """What would make everything depend on everything: the command, the rooms, the records, a paper."""
    for verb in ("train", "measure", "judge", "draw"):
        reached = fingerprint.reachable(f"isthmus.verbs.{verb}")
        for name in reached:
            assert not name.startswith("isthmus.papers."), (verb, name)
        assert not reached & {f"isthmus.{name}" for name in ("cli", "rooms", "specs", "records", "provenance")}


def test_judging_and_drawing_reach_no_torch_code():
    for verb in ("judge", "draw"):
        assert not any(
            name.startswith(("isthmus.engine.train", "isthmus.models.", "isthmus.optimizers."))
            for name in fingerprint.reachable(f"isthmus.verbs.{verb}")
        )
