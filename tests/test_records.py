"""Records of outputs: what a job wrote is good, what was changed by hand is refused, the rest is not trusted."""

import json
import os
from pathlib import Path

import pytest
from checkouts import commit

from isthmus import provenance, records, snakemeta, store
from isthmus.errors import UserError

TABLE = Path("results/laptop/toy/tables/norms.csv")
FLEET = Path("results/laptop/toy/runs/sgd/chunk-000.safetensors")
VERDICT = Path("results/laptop/toy/verdict.json")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def written(path, text="made by a job"):
    store.write_text(path, text)
    records.note(path)


def published(*paths, text="made elsewhere"):
    """Results as `dvc pull` brings them: outputs, and a provenance file that vouches for them."""
    for path in paths:
        store.write_text(path, text)
    content = {
        "outputs": {str(path): store.file_digest(path) for path in paths},
        "snakemake": {str(path): {"rule": "measure"} for path in paths},
    }
    store.write_json("results/laptop/toy/provenance.json", content)


def test_what_a_job_wrote_is_good():
    written(TABLE)
    written(FLEET)
    assert records.start() == []


@pytest.mark.parametrize("path", [TABLE, FLEET, VERDICT])
def test_what_was_changed_by_hand_is_refused(path):
    written(path)
    path.write_text("changed by hand")
    with pytest.raises(UserError, match=f"{path}.*delete it.*dvc checkout"):
        records.start()


def test_a_change_that_keeps_the_size_and_the_time_of_a_table_is_seen():
    written(TABLE)
    state = TABLE.stat()
    TABLE.write_text("made by a jab")
    os.utime(TABLE, ns=(state.st_atime_ns, state.st_mtime_ns))
    with pytest.raises(UserError):
        records.start()


def test_a_file_that_was_only_touched_is_good():
    written(FLEET)
    os.utime(FLEET, (0, 0))
    assert records.start() == []
    assert json.loads(records.of(FLEET).read_text())["mtime_ns"] == 0


def test_what_nothing_stands_behind_is_rebuilt():
    store.write_text(VERDICT, "{}")
    (line,) = records.start()
    assert str(VERDICT) in line
    assert snakemeta.is_incomplete(str(VERDICT))


def test_verdicts_that_came_with_git_are_told_in_one_line(tmp_path):
    second = VERDICT.parent.with_name("second") / VERDICT.name
    for path in (VERDICT, second):
        store.write_text(path, "{}")
    commit(tmp_path, "results")
    store.write_text(TABLE, "from elsewhere")
    of_table, of_git = records.start()
    assert of_table.startswith(f"{TABLE}: no record")
    assert of_git.startswith("2 verdict.json of git's")
    assert records.start() == []


def test_the_output_of_a_running_or_killed_job_is_left_to_snakemake():
    written(TABLE)
    TABLE.write_text("half a tab")
    snakemeta.mark_incomplete(str(TABLE))
    assert records.start() == []


def test_published_results_are_good_and_bring_snakemakes_records():
    published(TABLE, VERDICT)
    assert records.start() == []
    assert snakemeta.read(str(TABLE)) == {"rule": "measure"}


def test_published_results_replace_those_built_before():
    written(TABLE)
    snakemeta.put(str(TABLE), {"rule": "older"})
    assert records.start() == []
    published(TABLE)
    assert records.start() == []
    assert snakemeta.read(str(TABLE)) == {"rule": "measure"}


def test_a_published_table_changed_by_hand_is_refused():
    published(TABLE)
    TABLE.write_text("changed by hand")
    with pytest.raises(UserError, match=str(TABLE)):
        records.start()


def test_a_provenance_file_is_read_once():
    published(TABLE)
    records.start()
    snakemeta.put(str(TABLE), {"rule": "rebuilt since"})
    records.start()
    assert snakemeta.read(str(TABLE)) == {"rule": "rebuilt since"}


@pytest.mark.parametrize("content", ["{", "[]", '{"outputs": 3, "snakemake": {}}'])
def test_a_damaged_provenance_file_is_named(content):
    store.write_text("results/laptop/toy/provenance.json", content)
    with pytest.raises(UserError, match=r"results/laptop/toy/provenance\.json: wanted"):
        provenance.restore()


def test_a_path_too_long_for_a_file_name_keeps_its_record():
    path = "results/laptop/toy/runs/" + "r" * 300 + "/chunk-000.safetensors"
    snakemeta.put(path, {"rule": "train"})
    assert snakemeta.read(path) == {"rule": "train"}
    snakemeta.forget(path)
    assert snakemeta.read(path) is None
