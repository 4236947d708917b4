"""On a GPU a fleet is the CPU's to rounding, itself bit for bit, and goes on from its save.

Every setting, model and way to lose units that the other tests have: updates are recorded and replayed there, so
what the recording takes for a constant shows as a difference. Skipped where PyTorch finds no GPU, in CI too.
"""

from dataclasses import replace

import pytest
import torch
from architectures import MODELS, named
from removals import FAMILIES, data_of, run_of
from test_models import NETWORKS as FEW
from training import SETTINGS, KilledError, Steps, dataset, images, recipe

from isthmus.engine import architecture, memory
from isthmus.engine.checkpoints import train_chunk
from isthmus.engine.lanes import STREAMS
from isthmus.engine.recipe import Network, Noise, Penalty
from isthmus.engine.train import Trainer, exact_products

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")

AUGMENT = {"flip": True, "crop": 2, "translate": 1, "rotate": 15.0}


def pictures(family, settings, shape, **changes):
    run = recipe(model=named(family, settings), networks=FEW, chunk=len(FEW), **changes)
    return run, images(shape) if len(shape) == 3 else dataset(40, *shape) if len(shape) == 1 else None


def cases():
    """Name -> a recipe and its data."""
    found = {setting: (recipe(setting), dataset()) for setting in SETTINGS}
    for name, line in MODELS.items():
        run, data = pictures(*line)
        if data is not None:
            found[f"model {name}"] = (run, data)
    for name in ("cnn", "cnn, flat", "resnet"):
        found[f"augmented {name}"] = pictures(*MODELS[name], augment=AUGMENT)
    for name in ("cnn", "resnet", "vit"):
        found[f"bfloat16 {name}"] = pictures(*MODELS[name], precision="bfloat16")
    found |= {f"removal {name}": (run_of(name), data_of(name)) for name in FAMILIES}
    networks = tuple(Network(seed, 0.05, penalty=p, noise=s) for seed in (0, 1) for p, s in ((0, 0), (0.2, 0.01)))
    how = {"penalty": Penalty("weights", "lasso", "one_cycle", 12), "noise": Noise("live", "one_cycle", 12)}
    found["penalty and noise"] = (recipe(networks=networks, chunk=4, **how), dataset())
    return found


CASES = cases() if torch.cuda.is_available() else {}


@pytest.fixture(autouse=True)
def exact():
    exact_products()


def ran(run, data, device):
    trainer = Trainer(run, run.networks, data, device=device)
    return {name: value.cpu() for name, value in trainer.run(trainer.start()).tensors.items()}


@pytest.mark.parametrize("case", CASES)
def test_a_fleet_is_the_cpus_to_rounding(case):
    run, data = CASES[case]
    found, wanted = ran(run, data, "cuda"), ran(run, data, "cpu")
    assert found.keys() == wanted.keys()
    theta = wanted["theta"]
    moved = (theta - Trainer(run, run.networks, data).start().tensors["theta"]).norm(dim=1)
    distance = (found["theta"] - theta).norm(dim=1) / moved
    # Of most networks: in one or another rounding decides a kink, or which of two equal units is removed. What a
    # recording took for a constant would be seen in all. Networks that lose units move twice as long, and far.
    share = 0.5 if run.precision == "bfloat16" else 0.01 if run.lazy or run.removal else 1e-3
    assert distance.median() < share


@pytest.mark.parametrize("case", CASES)
def test_a_fleet_is_itself_bit_for_bit(case):
    run, data = CASES[case]
    one, two = ran(run, data, "cuda"), ran(run, data, "cuda")
    for name, value in one.items():
        assert torch.equal(value.nan_to_num(), two[name].nan_to_num()), name


class Killing(Steps):
    """Kills the job when it counts for the second time: several updates are counted together."""

    def advance(self, units=1):
        if self.taken:
            raise KilledError
        super().advance(units)


@pytest.mark.parametrize("case", ["adam", "dropout", "memory and probes", "model resnet", "removal vgg"])
def test_a_killed_chunk_goes_on_with_the_same_bits(case, tmp_path):
    run, data = CASES[case]

    def job(name, steps):
        out = tmp_path / f"{name}.safetensors"
        train_chunk(run, 0, data, out, tmp_path / "save", "code", steps, device="cuda", save_every=0.0)
        (tmp_path / "save").unlink()
        return out.read_bytes()

    whole = job("whole", Steps())
    with pytest.raises(KilledError):
        job("killed", Killing())
    steps = Steps()
    assert job("killed", steps) == whole
    assert steps.first > 0


def test_more_blocks_than_streams_are_each_computed_alone(monkeypatch):
    """Of networks computed one by one; of others the bits depend on how many a chunk holds."""
    monkeypatch.setattr(architecture, "_FILLS", {"cpu": 1 << 17, "cuda": 0})
    run, data = pictures(*MODELS["cnn"])
    run = replace(run, networks=tuple(Network(seed, 0.01) for seed in range(3 * STREAMS["cuda"] + 1)), chunk=13)
    together, alone = ran(run, data, "cuda"), []
    for network in run.networks:
        trainer = Trainer(run, (network,), data, device="cuda")
        alone.append(trainer.run(trainer.start()).tensors["theta"].cpu())
    assert torch.equal(together["theta"], torch.cat(alone))


def test_products_are_not_rounded_to_tf32():
    a, b = (torch.randn((512, 512), generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    found = (a.cuda() @ b.cuda()).cpu().double()
    assert (found - a.double() @ b.double()).norm() < 1e-6 * found.norm()


def test_too_little_memory_is_said_as_such():
    with pytest.raises(MemoryError, match="the wish"), memory.told("the wish"):
        torch.empty(10**13, device="cuda")


def test_a_save_of_the_cpus_is_not_taken_up(tmp_path, capsys):
    run, data = CASES["standard"]
    save, out = tmp_path / "save", tmp_path / "out.safetensors"
    with pytest.raises(KilledError):
        train_chunk(run, 0, data, out, save, "code", Steps(3), save_every=0.0)
    train_chunk(run, 0, data, out, save, "code", Steps(), device="cuda")
    assert "wanted a save of this device, found another's" in capsys.readouterr().out
