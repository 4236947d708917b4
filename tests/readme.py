"""The steps of README.md, read from the page: commands to call, and files to write. So the page cannot drift."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from isthmus import store

# A command is indented by four; a remark may follow behind two spaces. Code says in its first line where it goes.
_STEP = re.compile(
    r"^    (\S[^\n]*?)(?:  [^\n]*)?$|^```(?:python|yaml)\n# (at the end of )?(\S+)\n(.*?)^```", re.DOTALL | re.M
)
_PART = re.compile(r"^<!-- walk: (.*?) -->$(.*?)^<!-- /walk -->$", re.DOTALL | re.M)


@dataclass(frozen=True)
class Command:
    """A line of a shell."""

    line: str

    @property
    def words(self) -> list[str]:
        """The command and its arguments."""
        return shlex.split(self.line)


@dataclass(frozen=True)
class Code:
    """What is written to a file, or added at its end."""

    file: Path
    text: str
    added: bool

    def write(self, root: Path) -> None:
        """Do so in this checkout."""
        path = root / self.file
        store.write_text(path, (path.read_text() if self.added else "") + self.text)


def steps(text: str) -> list[Command | Code]:
    """The steps of a part of a page, in order."""
    return [
        Command(line) if line else Code(Path(file), code, bool(added))
        for line, added, file, code in _STEP.findall(text)
    ]


def parts(page: Path) -> dict[str, list[Command | Code]]:
    """The steps between the marks `<!-- walk: name -->` and `<!-- /walk -->`, by name and in the page's order."""
    return {name: steps(text) for name, text in _PART.findall(page.read_text(encoding="utf-8"))}
