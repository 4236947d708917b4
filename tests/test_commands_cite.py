"""`isthmus cite`, and the files that say how to cite and what has changed."""

import re
import tomllib

import pytest
import yaml
from studies import SOURCE

from isthmus import cli, rooms, specs, typed
from isthmus.commands import cite
from isthmus.errors import UserError

ABOUT = yaml.safe_load((SOURCE / "CITATION.cff").read_text())
PROJECT = tomllib.loads((SOURCE / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize("slug", rooms.slugs())
def test_it_prints_the_papers_entry_and_that_of_isthmus(slug, capsys, monkeypatch):
    monkeypatch.chdir(SOURCE)
    assert cli.main(["cite", slug]) == 0
    printed = capsys.readouterr().out
    bibtex = typed.checked(specs.Study, *rooms._content(slug)).paper.bibtex.strip()
    assert printed.startswith(bibtex + "\n\n@software{isthmus,\n")
    assert balanced(printed)
    assert len(re.findall(r"^@\w+\{[^,\s]+,$", printed, flags=re.MULTILINE)) == printed.count("\n@") + 1


def balanced(text):
    """Whether braces close as they open, entry by entry."""
    depth = 0
    for letter in text:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        assert depth >= 0
    return depth == 0


def test_the_entry_of_isthmus_says_what_the_citation_file_does():
    person = {"family-names": "Doe", "given-names": "Jane"}
    about = ABOUT | {
        "authors": [person, {"name": "the others"}],
        "date-released": "2027-01-02",
        "url": "https://a.b",
    }
    entry = cite.software(about)
    for field in (
        "author = {Doe, Jane and {the others}}",
        "year = {2027}",
        "url = {https://a.b}",
        "version = {0.1.0}",
    ):
        assert field in entry
    with pytest.raises(UserError, match=r"CITATION\.cff: wanted the key version, found none"):
        cite.software({key: value for key, value in ABOUT.items() if key != "version"})


def test_version_and_licence_are_the_same_everywhere():
    assert ABOUT["version"] == PROJECT["version"]
    assert ABOUT["license"] == PROJECT["license"]["text"] == "MIT"
    assert (SOURCE / "LICENSE").read_text().startswith("MIT License\n")
    newest = re.search(r"^## (\S+?),? ", (SOURCE / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert newest[1] == PROJECT["version"]


def test_the_citation_file_has_what_its_format_requires():
    """CFF 1.2.0: these four keys, and of each author a name."""
    assert ABOUT["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= {*ABOUT}
    assert all("name" in author or "family-names" in author for author in ABOUT["authors"])


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "config/README.md", "docs/recipes.md"])
def test_files_that_a_page_names_are_there(page):
    """Paths in code marks that begin in a folder of the project, without placeholders."""
    named = re.findall(
        r"`((?:src|tests|config|workflow|profiles|data|docs|benchmarks|\.ci)/[\w./-]+)`",
        (SOURCE / page).read_text(),
    )
    made = {"config/variants/butterfly@gentle.yaml", "data/prepared", "data/prepared/"}
    missing = [path for path in named if not (SOURCE / path).exists() and path not in made]
    assert named
    assert missing == []
