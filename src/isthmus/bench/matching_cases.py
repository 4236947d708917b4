"""The pairs of networks that matching is timed on: models, their rows as they begin or trained on digits, and
copies in a random order of units."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from isthmus.bench.cases import CLASSES, Case, dense, residual
from isthmus.data.prepared import DataSet
from isthmus.engine.architecture import Architecture
from isthmus.engine.recipe import Named
from isthmus.engine.train import Trainer
from isthmus.symmetry import table

# Steps of training on digits: enough for most of the accuracy there is (the table says how much).
STEPS, BATCH, RATE = 300, 64, 0.05


def mlp(width: int) -> Case:
    """An MLP of three hidden layers on 28 x 28 pixels."""
    widths = (width,) * 3
    model = Named("mlp", {"widths": widths, "activation": "relu", "init": "he"})
    title = f"MLP 784-{width}-{width}-{width}-10"
    return Case(f"mlp-{width}", title, model, (784,), BATCH, 1797, dense(784, *widths, CLASSES))


def resnet(width: int, depth: int = 20) -> Case:
    """A ResNet on 8 x 8 pixels in three equal colours: its weights are those of larger images' too."""
    model = Named("resnet", {"depth": depth, "width": width, "norm": "batch", "activation": "relu", "init": "he"})
    title = f"ResNet-{depth}, {width} channels"
    return Case(f"resnet-{width}", title, model, (3, 8, 8), BATCH, 1797, residual(width, 8, (depth - 2) // 6))


def digits(case: Case) -> DataSet:
    """Scikit-learn's digits in [0, 1], in the shape that a case takes; nearest pixels where it takes more."""
    from sklearn.datasets import load_digits

    loaded = load_digits()
    x = torch.from_numpy(loaded.images).float().unsqueeze(1) / 16
    x = interpolate(x, (28, 28)).flatten(1) if len(case.shape) == 1 else x.expand(-1, *case.shape).contiguous()
    y = torch.from_numpy(loaded.target).long()
    return DataSet("digits", {"train": x}, {"train": y}, CLASSES, case.shape, (0.0,), (1.0,), "")


@dataclass(frozen=True)
class Pairs:
    """Networks a and b (K, P) of a case. weights: `untrained` or `trained`; accuracy: on the training set."""

    case: Case
    architecture: Architecture
    weights: str
    a: Tensor
    b: Tensor
    accuracy: float = float("nan")

    @classmethod
    def begin(cls, case: Case, count: int) -> "Pairs":
        """Pairs as they begin: seeds 0 to K - 1 against K to 2 K - 1."""
        architecture = Architecture.of(case.recipe(range(2 * count), 1), case.shape, CLASSES)
        theta = architecture.initial([*range(2 * count)])
        return cls(case, architecture, "untrained", theta[:count], theta[count:])

    def trained(self, steps: int = STEPS) -> "Pairs":
        """The same pairs after so many steps on digits."""
        count, data = len(self.a), digits(self.case)
        recipe = self.case.recipe(range(2 * count), steps)
        recipe = replace(recipe, networks=tuple(replace(network, lr=RATE) for network in recipe.networks))
        trainer = Trainer(recipe, recipe.networks, data)
        theta = trainer.run(trainer.start()).tensors["theta"]
        with torch.no_grad():
            x, y = data.inputs["train"][:500], data.labels["train"][:500]
            right = [self.architecture.logits(row[None], x, training=True).argmax(2) == y for row in theta]
        accuracy = float(torch.stack(right).float().mean())
        return replace(self, weights="trained", a=theta[:count], b=theta[count:], accuracy=accuracy)

    def planted(self) -> "Pairs":
        """Each A beside a copy of itself whose units are in random order."""
        layout, axes = self.architecture.layout, self.architecture.axes
        perms = table.random(table.group_sizes(layout, axes), range(len(self.a)))
        return replace(self, b=table.permute(layout, axes, perms, self.a))
