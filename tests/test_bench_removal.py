"""The benchmark of removal: what it times is the same networks, and what it counts are the units that are left."""

from dataclasses import replace

import torch

from isthmus import store
from isthmus.bench import cases, removal


def test_each_way_trains_the_same_networks_and_is_a_row(tmp_path, monkeypatch, capsys):
    case, works = removal._ways(replace(cases.find("mlp-64"), examples=640), 2, 3)
    monkeypatch.setattr(removal, "_mlp", lambda factor: (case, works))
    for name in ("_vgg", "_mixed"):
        monkeypatch.setattr(removal, name, lambda factor: (case, works[:1]))
    threads = torch.get_num_threads()
    removal.main(["--repetitions", "1", "--out", str(tmp_path)])
    torch.set_num_threads(threads)
    table = store.read_table(tmp_path / "removal.csv")
    assert table["method"].tolist() == ["dense", "masked", "cut", "masked", "cut", "dense", "dense"]
    assert (table["ms"] > 0).all()
    ratios = table["flops_ratio"].tolist()
    assert ratios[0] == 1.0
    assert ratios[1] == ratios[2]
    assert 0.1 < ratios[3] == ratios[4] < ratios[1] < 0.6
    assert (tmp_path / "removal.json").exists()
    assert "cut" in capsys.readouterr().out
    data = case.data()
    ends = []
    for work in works[1:3]:
        trainer, state = work.begun(data)
        ends.append(trainer.run(state).tensors["theta"])
    assert torch.allclose(*ends, atol=1e-5)


def test_the_mixed_block_is_cut_as_it_says():
    _, works = removal._mixed(0.02)
    widths = [work.begun(replace(cases.find("mlp-64"), examples=640).data())[0].updates.blocks for work in works]
    assert [len(blocks) for blocks in widths] == [1, 1, 4, 16]
