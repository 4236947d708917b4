"""A git checkout whose toy room DVC has recorded and pushed."""

import subprocess
from pathlib import Path

from checkouts import Checkout


def git(checkout: Checkout, *arguments: str) -> str:
    """What git prints; it must end well."""
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    return subprocess.run(
        ["git", *who, *arguments], cwd=checkout.root, check=True, capture_output=True, text=True
    ).stdout


def recorded(folder: Path, store: Path) -> Checkout:
    """A checkout in `folder` in which `dvc repro` has built the toy room and pushed it to a folder."""
    checkout = Checkout.make(folder)
    checkout.must("isthmus", "sync")
    git(checkout, "init", "--quiet")
    checkout.must("dvc", "repro", "--quiet")
    checkout.must("dvc", "remote", "add", "--default", "store", str(store))
    checkout.must("dvc", "remote", "modify", "store", "verify", "true")
    checkout.must("dvc", "push", "--quiet")
    git(checkout, "add", ".")
    git(checkout, "commit", "--quiet", "--message", "Results")
    return checkout


def clone(checkout: Checkout, folder: Path) -> Checkout:
    """A clone, as git alone makes it."""
    git(checkout, "clone", "--quiet", ".", str(folder))
    return Checkout(folder)
