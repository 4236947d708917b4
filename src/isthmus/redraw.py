"""The scale `redraw`: a room's laptop study once more, on another draw of its data and with other seeds.

No study writes it down: it follows from the laptop's, so that it differs in nothing else.
"""

from collections.abc import Mapping
from typing import Any

from isthmus.data import register
from isthmus.errors import UserError

REDRAW = "redraw"
# More than the seeds that a study counts up from its first.
SHIFT = 1000


def redrawn(content: Any) -> Any:
    """The content of a study with every first seed moved by SHIFT, and so the seed of each data draw.

    A data set of which the register has no such draw stays as it is.
    """
    if isinstance(content, list | tuple):
        return [redrawn(item) for item in content]
    if not isinstance(content, Mapping):
        return content
    return {key: _moved(key, value) for key, value in content.items()}


def _moved(key: str, value: Any) -> Any:
    if key == "first_seed" and isinstance(value, int):
        return value + SHIFT
    return _other_draw(value) if key == "data" and isinstance(value, str) else redrawn(value)


def _other_draw(key: str) -> str:
    """`digits/draw-1000/unit` -> `digits/draw-2000/unit`, where the register has it; what is no key, as it is."""
    try:
        names = register.parse(key)
    except UserError:  # told where the key is read
        return key
    kind, _, seed = names.split.rpartition("-")
    other = f"{kind}-{int(seed) + SHIFT}" if seed.isdecimal() else names.split
    return "/".join((names.set, other if other in register.entry(names.set).splits else names.split, names.scaling))
