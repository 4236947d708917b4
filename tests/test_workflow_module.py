"""Another workflow imports this one as a module: results lie in the other's folder, by the other's config."""

import json
import shutil
import subprocess

import pytest
import yaml
from checkouts import SOURCE, Checkout

OUTSIDE = """
module isthmus:
    snakefile:
        "../isthmus/workflow/Snakefile"
    config:
        {"scale": "smoke", "papers": ["toy"]}


use rule * from isthmus as isthmus_*


rule longest:
    default_target: True
    input:
        "results/smoke/toy/tables/norms.csv",
        "column.txt",
    output:
        "longest.txt",
    shell:
        "sort -t, -g -k $(cat {input[1]}) {input[0]} | tail -n 1 > {output}"


# A rule of the same name as one of isthmus.
rule judge:
    output:
        "judged.txt",
    shell:
        "echo mine > {output}"
"""


class Outside:
    """A folder with a workflow of its own, beside a checkout of isthmus."""

    def __init__(self, root):
        self.checkout = Checkout.make(root / "isthmus")
        self.root = root / "outside"
        (self.root / "data").mkdir(parents=True)
        shutil.copy(SOURCE / "data/register.yaml", self.root / "data")
        (self.root / "column.txt").write_text("2\n")

    def snakemake(self, *arguments, workflow=OUTSIDE):
        (self.root / "Snakefile").write_text(workflow)
        return subprocess.run(
            ["snakemake", *arguments, "--cores", "2"],
            cwd=self.root,
            env=self.checkout.environment,
            text=True,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    made = Outside(tmp_path_factory.mktemp("import"))
    done = made.snakemake("longest.txt", "judged.txt", "isthmus_toy")
    assert done.returncode == 0, done.stdout
    return made


def test_results_lie_in_the_other_workflows_folder_and_nowhere_else(outside):
    claims = json.loads((outside.root / "results/smoke/toy/verdict.json").read_text())["claims"]
    assert claims["C1"]["verdict"] == "holds"
    assert (outside.root / "results/smoke/toy/figures/norm_by_seed.svg").is_file()
    assert {path.name for path in outside.root.iterdir() if path.is_dir()} == {
        ".snakemake", "data", "logs", "results", "scratch"
    }  # fmt: skip
    assert not {"results", "logs", "scratch", ".snakemake"} & {
        path.name for path in outside.checkout.root.iterdir()
    }


def test_its_own_rules_build_on_them(outside):
    rows = (outside.root / "results/smoke/toy/tables/norms.csv").read_text().splitlines()[1:]
    longest = max(rows, key=lambda row: float(row.split(",")[1]))
    assert (outside.root / "longest.txt").read_text() == f"{longest}\n"
    assert (outside.root / "judged.txt").read_text() == "mine\n"


@pytest.mark.parametrize("snakefile", ["workflow/Snakefile", "Snakefile"])
def test_a_second_call_does_nothing(snakefile, outside):
    workflow = OUTSIDE.replace("workflow/Snakefile", snakefile)
    done = outside.snakemake("longest.txt", "isthmus_toy", "isthmus_all", "--dry-run", workflow=workflow)
    assert "Nothing to be done" in done.stdout


def test_a_rule_can_be_changed_as_it_is_imported(outside):
    changed = "\n\nuse rule measure from isthmus as isthmus_measure with:\n    threads: 2\n"
    done = outside.snakemake("isthmus_toy", "--dry-run", "--forceall", workflow=OUTSIDE + changed)
    assert done.returncode == 0, done.stdout
    measured = done.stdout.split("rule isthmus_measure:")[1:]
    assert len(measured) == 2
    assert all("threads: 2" in job.split("\n\n")[0] for job in measured)


FAULTS = {
    "a prefix": (
        OUTSIDE.replace("    config:", '    prefix: "sub"\n    config:'),
        "module: wanted no prefix and no replace_prefix, since jobs write to results/, found one",
    ),
    "an unknown key": (
        OUTSIDE.replace('"scale": "smoke"', '"skale": "smoke"'),
        "config of the module: skale: wanted one of the keys scale, papers, data, device, found",
    ),
    "an unknown paper": (
        OUTSIDE.replace('["toy"]', '["nosuch"]'),
        "config of the module: papers: wanted some of toy; ",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_in_one_line(fault, outside):
    workflow, says = FAULTS[fault]
    done = outside.snakemake("--dry-run", workflow=workflow)
    assert done.returncode == 2, done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("isthmus: ")]
    assert line.startswith(f"isthmus: {says}")


def test_a_folder_without_the_register_is_told(outside):
    register = outside.root / "data/register.yaml"
    register.rename(register.with_suffix(".away"))
    try:
        done = outside.snakemake("--dry-run")
    finally:
        register.with_suffix(".away").rename(register)
    assert done.returncode == 2
    assert (
        "isthmus: data/register.yaml: wanted a copy of isthmus's register of data sets in this folder"
        in done.stdout
    )


def test_what_the_catalogue_asks_for_is_there():
    """The catalogue of Snakemake workflows, "standardized usage": these three files, the last with these keys."""
    assert (SOURCE / "workflow/Snakefile").is_file()
    assert (SOURCE / "config/README.md").read_text().startswith("# ")
    usage = yaml.safe_load((SOURCE / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert {*usage} == {"mandatory-flags", "software-stack-deployment", "report"}
    assert {*usage["mandatory-flags"]} == {"desc", "flags"}
    assert all(type(answer) is bool for answer in (*usage["software-stack-deployment"].values(), usage["report"]))
    readme = (SOURCE / "README.md").read_text().lower()
    assert "snakemake" in readme
    assert "workflow" in readme
