"""The cluster's profile on a real SLURM of this machine: munge, slurmctld and slurmd from Debian."""

import os
import re

import pytest
from checkouts import Checkout
from cluster import Cluster, missing

# As a user would say it for a small cluster. Less waiting than on a real one, where files come late.
_HERE = (
    *("--profile", "profiles/slurm", "--latency-wait", "5", "--slurm-init-seconds-before-status-checks", "2"),
    *("--default-resources", "slurm_partition=cpu", "mem_mb=500", "runtime=10"),
)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A cluster that is up. Without the programs a test is skipped, but never in continuous integration."""
    if (lacking := missing()) and not os.environ.get("CI"):
        pytest.skip(f"no SLURM here: {', '.join(lacking)} missing (`.ci/run` installs it)")
    assert not lacking
    started = Cluster.start(tmp_path_factory.mktemp("cluster"))
    yield started
    started.stop()


def submit(cluster, checkout, *arguments):
    """What a call of snakemake that must end well prints, and the jobs that SLURM ran for it, by their numbers."""
    before = jobs(cluster)
    ours = {name: cluster.environment[name] for name in ("SLURM_CONF", "PATH")}
    ours["PATH"] = f"{cluster.folder}/bin{os.pathsep}{checkout.environment['PATH']}"
    done = checkout.run("snakemake", *arguments, *_HERE, **ours)
    assert done.returncode == 0, done.stdout
    return done.stdout, {number: job for number, job in jobs(cluster).items() if number not in before}


def jobs(cluster):
    """Number -> what SLURM knows of a job."""
    lines = cluster.ask("scontrol", "show", "jobs", "--oneliner").splitlines()
    found = [dict(re.findall(r"(\S+?)=(\S*)", line)) for line in lines]
    return {job["JobId"]: job for job in found if "JobId" in job}


def outputs(checkout, paper, scale):
    """Path -> content of a paper's results, but for the record of their making."""
    folder = checkout.root / "results" / scale / paper
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "provenance.json"]
    return {path.relative_to(folder): path.read_bytes() for path in files}


def test_a_paper_is_built_through_the_profile_to_the_bits_of_a_local_build(cluster, tmp_path):
    there, here = Checkout.make(tmp_path / "there", "ot_lmc"), Checkout.make(tmp_path / "here", "ot_lmc")
    shown, ran = submit(cluster, there, "ot_lmc", "--config", "scale=smoke")
    assert "17 of 17 steps (100%) done" in shown
    assert len(ran) <= 10
    assert {job["JobState"] for job in ran.values()} == {"COMPLETED"}
    # What takes seconds is no job of the cluster's.
    assert {*re.findall(r"^localrule (\w+):", shown, flags=re.MULTILINE)} == {
        "prepare", "judge", "draw", "record", "ot_lmc"
    }  # fmt: skip
    here.must("snakemake", "ot_lmc", "--cores", "2", "--quiet", "--config", "scale=smoke")
    assert outputs(there, "ot_lmc", "smoke") == outputs(here, "ot_lmc", "smoke")


def test_chunks_share_a_job_one_after_another(cluster, tmp_path):
    """As many chunks of a run in a job as the user asks, each with the time that it asks for, and the same bits."""
    there, here = Checkout.make(tmp_path / "there"), Checkout.make(tmp_path / "here")
    for checkout in (there, here):
        study = checkout.root / "src/isthmus/papers/toy/study.yaml"
        study.write_text(study.read_text().replace("chunk: 3", "chunk: 1"))
    grouped = ("--group-components", "{room}.{run}=3")
    # Two jobs of three chunks each, a run with one chunk, two tables.
    _, ran = submit(cluster, there, "toy", *grouped)
    assert len(ran) == 5
    asked = sorted((job["TimeLimit"], job["NumCPUs"], job["MinMemoryNode"]) for job in ran.values())
    assert asked == [("00:30:00", "1", "4000M")] * 3 + [("01:30:00", "1", "4000M")] * 2
    here.must("snakemake", "toy", "--cores", "2", "--quiet")
    assert outputs(there, "toy", "laptop") == outputs(here, "toy", "laptop")


_CARDS = """\
rule all:
    input:
        expand("card{number}", number=range(4)),


rule card:
    output:
        "card{number}",
    resources:
        gpu=1,
        slurm_partition="gpu",
    shell:
        "date +%s.%N > {output}; echo $CUDA_VISIBLE_DEVICES >> {output}; sleep 3; date +%s.%N >> {output}"
"""


def test_two_jobs_at_a_time_have_a_card_each(cluster, tmp_path):
    checkout = Checkout.make(tmp_path)
    (checkout.root / "cards.smk").write_text(_CARDS)
    submit(cluster, checkout, "--snakefile", "cards.smk")
    rows = [(checkout.root / f"card{number}").read_text().split() for number in range(4)]
    took = sorted((float(begun), float(ended), card) for begun, card, ended in rows)
    assert {card for _, _, card in took} == {"0", "1"}
    at_once = [{card for begun, ended, card in took if begun <= moment < ended} for moment, _, _ in took]
    counts = [sum(begun <= moment < ended for begun, ended, _ in took) for moment, _, _ in took]
    assert max(counts) == 2
    assert [len(cards) for cards in at_once] == counts
