"""The workflow is clean by Snakemake's own lint, but for one rule that the project decided against."""

import re

from checkouts import Checkout

# One environment for the whole project, at the versions of the lock, and not one per rule: jobs import one package,
# and a second PyTorch of several gigabytes for each rule would be no gain.
DECIDED = {"Specify a conda environment or container for each rule."}


def test_lint_finds_only_what_was_decided(tmp_path):
    printed = Checkout.make(tmp_path).run("snakemake", "--lint").stdout
    assert set(re.findall(r"^ +\* (.*):$", printed, flags=re.MULTILINE)) == DECIDED
