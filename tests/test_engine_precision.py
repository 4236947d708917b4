"""bfloat16: products of training alone are rounded, so that rows stay float32 and close to those of float32."""

import pytest
import torch
from training import NETWORKS, images, recipe, trained

from isthmus.engine.train import Trainer
from isthmus.parts import Model

MODELS = {
    "mlp": Model(mlp={"widths": (7, 5)}).named(),
    "cnn with BatchNorm": Model(cnn={"channels": (3, 4), "norm": "batch"}).named(),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_few_steps_in_bfloat16_stay_close_to_float32(name):
    steps = {"steps": 4, "checkpoints": (4,), "networks": NETWORKS[6:]}
    data = images()
    low, full = (
        trained(recipe(model=MODELS[name], precision=precision, **steps), data).tensors
        for precision in ("bfloat16", "float32")
    )
    start = Trainer(recipe(model=MODELS[name]), NETWORKS[6:], data).anchor
    share = (low["theta"] - full["theta"]).norm(dim=1) / (full["theta"] - start).norm(dim=1)
    assert low["theta"].dtype == low["probe/loss"].dtype == torch.float32
    assert (share > 1e-6).all()
    assert (share < 0.05).all()
    torch.testing.assert_close(low["probe/loss"], full["probe/loss"], rtol=0.02, atol=0.01)


def test_precision_is_part_of_the_recipe():
    assert recipe(precision="bfloat16").digest() != recipe().digest()
