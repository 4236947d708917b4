"""`isthmus cite <paper>`: BibTeX of a paper and of isthmus itself."""

from pathlib import Path
from typing import Any

from isthmus import rooms, typed
from isthmus.errors import UserError

FILE = Path("CITATION.cff")


def run(room: str) -> None:
    """Print the paper's entry, as its study gives it, and that of isthmus, as CITATION.cff gives it."""
    slug = room.partition("@")[0]
    # Any scale: the card is the same at all.
    paper = rooms.load(slug, next(iter(rooms.scales(slug)), rooms.LAPTOP)).card
    print(paper.bibtex.strip())
    print()
    print(software(typed.read_yaml(FILE)))


def software(about: dict[str, Any]) -> str:
    """The BibTeX entry of what a CITATION.cff describes; UserError if a key is missing."""
    try:
        authors = " and ".join(_author(author) for author in about["authors"])
        fields = {"title": about["title"], "author": authors, "version": str(about["version"])}
        if "date-released" in about:
            fields["year"] = str(about["date-released"])[:4]
        if "url" in about or "repository-code" in about:
            fields["url"] = about.get("url", about.get("repository-code"))
    except KeyError as error:
        raise UserError(f"{FILE}: wanted the key {error.args[0]}, found none") from error
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
    return f"@software{{isthmus,\n{lines}\n}}"


def _author(author: dict[str, str]) -> str:
    """A person as family, given; an entity in braces, so that BibTeX does not take its words for names."""
    return f"{{{author['name']}}}" if "name" in author else f"{author['family-names']}, {author['given-names']}"
