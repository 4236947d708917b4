"""Snakemake killed with -9 at random moments of a build, as in builds_killed.py, which does it more often."""

import random

import pytest
from builds_killed import Builds


@pytest.fixture(scope="module")
def builds(tmp_path_factory):
    return Builds(tmp_path_factory.mktemp("builds"))


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_build_goes_on_to_the_same_bits(builds, seed):
    same, line = builds.kill(random.Random(seed))
    assert same, line
