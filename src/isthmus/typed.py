"""Reading what people write: YAML checked against typed specs, faults in one line. Imports no torch."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from isthmus.engine.recipe import Named
from isthmus.errors import UserError

# Of a run, a table, a figure, a scale.
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Spec(BaseModel):
    """Refuses keys that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, content: Any) -> Any:
        """Refuses unknown keys before pydantic does, to name those that there are."""
        known = [field.alias or name for name, field in cls.model_fields.items()]
        unknown = [key for key in content if key not in known] if isinstance(content, dict) else []
        if unknown:
            names = {"unknown": unknown[0], "known": ", ".join(known)}
            raise PydanticCustomError("unknown_key", "wanted one of the keys {known}", names)
        return content


class OneOf(Spec):
    """A mapping with exactly one key, the name of a part; its value holds that part's settings."""

    @model_validator(mode="after")
    def _exactly_one(self) -> "OneOf":
        if len([name for name in self.model_fields_set if getattr(self, name) is not None]) != 1:
            raise ValueError(
                f"wanted exactly one of {', '.join(type(self).model_fields)}, with its settings or {{}}"
            )
        return self

    def named(self) -> Named:
        """The part's name and its settings, defaults filled in."""
        ((name, part),) = [(name, part) for name, part in self if part is not None]
        return Named(name, part.model_dump())


# The safe loader, in C where PyYAML was built with it: ten times as fast.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(path: Path, shown: Path | None = None) -> dict[str, Any]:
    """The mapping that a YAML file holds; UserError if it is missing, not YAML, or not a mapping.

    shown: how errors name the file, where not by its path.
    """
    shown = shown or path
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)
    except OSError as error:
        raise UserError(f"{shown}: could not be read ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{shown}: wanted YAML, found something else ({' '.join(str(error).split())})") from error
    if not isinstance(content, dict):
        found = "nothing" if content is None else type(content).__name__
        raise UserError(f"{shown}: wanted a mapping of keys, found {found}")
    return content


# Parts of a fault's place that name a branch of a union ("(own)", "float", "tuple[...]"): pydantic's own.
_BRANCH = re.compile(r"^(\(.*\)|(constrained-)?(float|int|str)|.*\[.*)$")


def checked(kind: type[Spec], content: Mapping[str, Any], path: Path | str) -> Any:
    """The content as `kind`; the first fault as a UserError that names file, key, wanted and found."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        places = [(_key(fault), fault) for fault in error.errors()]
        # Of a union's faults, one for each branch, the one that got furthest into the value.
        key, fault = max((p for p in places if p[0].startswith(places[0][0])), key=lambda p: len(p[1]["loc"]))
        line = ": ".join(part for part in (str(path), key, _sentence(fault)) if part)
        raise UserError(_printable(line)[:400]) from error


def _printable(text: str) -> str:
    """The text with what would begin a line, or not be seen, written out."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def _key(fault: Mapping[str, Any]) -> str:
    parts = [part for part in fault["loc"] if not _BRANCH.match(str(part))]
    if fault["type"] == "unknown_key":
        parts.append(fault["ctx"]["unknown"])
    return ".".join(str(part) for part in parts)


def _sentence(fault: Mapping[str, Any]) -> str:
    """What was wanted and what was found."""
    match fault["type"]:
        case "missing":
            return "wanted a value, found none"
        case "unknown_key":
            return f"{fault['msg']}, found {fault['ctx']['unknown']!r}"
        case "value_error":
            wanted = fault["msg"].removeprefix("Value error, ")
            return wanted if ", found " in wanted else f"{wanted}, found {fault['input']!r}"
    wanted = re.sub(r"^(Input|String|Tuple) should (be |have |match )?", "", fault["msg"])
    wanted = re.sub(r"a valid dictionary( or instance of .*)?$", "a mapping of keys", wanted)
    return f"wanted {wanted}, found {fault['input']!r}"
