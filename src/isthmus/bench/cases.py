"""What is computed: models, sizes of data and batches, and the multiply-adds of one example. Imports no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING

from isthmus.engine.recipe import Named, Network, Recipe

if TYPE_CHECKING:
    from isthmus.data.prepared import DataSet

CLASSES = 10
# Low enough that no network diverges on random labels: infinities and denormals would change what a step costs.
RATE = 0.01
MOMENTUM = 0.9


@dataclass(frozen=True)
class Case:
    """A model with its data's size.

    macs: multiply-adds of one example's forward pass. passes: 1 where a step is forward alone, 3 where it is also
    backward, which costs twice as much again. full: examples of the data set that the random data stand for, where
    that is more.
    """

    name: str
    title: str
    model: Named
    shape: tuple[int, ...]
    batch: int
    examples: int
    macs: int
    passes: int = 3
    full: int = 0

    @property
    def group(self) -> str:
        """The family: mlp, cnn, resnet, gemm, ..."""
        return self.name.partition("-")[0]

    @property
    def flops(self) -> int:
        """Floating-point operations of one step of one network: two for each multiply-add."""
        return 2 * self.macs * self.batch * self.passes

    @property
    def epoch(self) -> int:
        """Steps in one pass over the data."""
        return self.examples // self.batch

    def recipe(self, seeds: range, steps: int, precision: str = "float32") -> Recipe:
        """The recipe of these networks: momentum SGD at a constant rate."""
        networks = tuple(Network(seed, RATE) for seed in seeds)
        return Recipe(
            data=f"random/{self.name}",
            model=self.model,
            optimizer=Named("sgd", {"momentum": MOMENTUM}),
            schedule=Named("constant"),
            batch=self.batch,
            steps=steps,
            networks=networks,
            chunk=len(networks),
            checkpoints=(),
            precision=precision,
        )

    def data(self) -> "DataSet":
        """Normal inputs with random labels, equal in every process."""
        import torch

        from isthmus.data.prepared import DataSet

        generator = torch.Generator().manual_seed(0)
        x = torch.randn((self.examples, *self.shape), generator=generator)
        y = torch.randint(CLASSES, (self.examples,), generator=generator)
        return DataSet(f"random/{self.name}", {"train": x}, {"train": y}, CLASSES, self.shape, (0.0,), (1.0,), "")


def dense(*sizes: int) -> int:
    """Multiply-adds of linear layers of these sizes: in times out, each."""
    return sum(a * b for a, b in pairwise(sizes))


def convolution(side: int, channels: int, out: int, kernel: int = 3) -> int:
    """Multiply-adds of one convolution: for each pixel of its output (side x side), in x out x kernel x kernel."""
    return side * side * channels * out * kernel * kernel


def residual(width: int, side: int, blocks: int) -> int:
    """Multiply-adds of a ResNet of 6 blocks + 2 layers for colour images (He et al. 2015, section 4.2).

    Three stages of blocks with two convolutions each; the second and third double the width, halve the side, and
    have a 1 x 1 convolution on their first shortcut.
    """
    total, channels = convolution(side, 3, width), width
    for stage in range(3):
        out, size = width << stage, side >> stage
        total += convolution(size, channels, out) + (2 * blocks - 1) * convolution(size, out, out)
        if channels != out:
            total += convolution(size, channels, out, kernel=1)
        channels = out
    return total + dense(channels, CLASSES)


def _mlp(width: int) -> Case:
    model = Named("mlp", {"widths": (width, width), "activation": "relu", "init": "he"})
    title = f"MLP 64-{width}-{width}-10"
    return Case(f"mlp-{width}", title, model, (64,), 64, 1500, dense(64, width, width, CLASSES))


def _cnn(side: int) -> Case:
    plain = {"norm": "none", "pool": "max", "head": "mean", "dense": (), "dropout": 0.0}
    model = Named("cnn", {"channels": (16, 32), **plain, "activation": "relu", "init": "he"})
    macs = convolution(side, 1, 16) + convolution(side // 2, 16, 32) + dense(32, CLASSES)
    return Case(f"cnn-{side}", f"CNN 16-32 on {side} × {side}", model, (1, side, side), 64, 1500, macs)


RESNET = Case(
    "resnet-20",
    "ResNet-20 on 32 × 32",
    Named("resnet", {"depth": 20, "width": 16, "norm": "batch", "activation": "relu", "init": "he"}),
    (3, 32, 32),
    128,
    2560,
    residual(16, 32, 3),
    full=50_000,
)
TRAINED = (_mlp(64), _mlp(128), _mlp(512), _cnn(8), _cnn(28), RESNET)

# Square products of these sides; the largest rate of them is the machine's.
PRODUCTS = {
    device: tuple(Case(f"gemm-{n}", f"product {n} × {n} × {n}", Named("gemm"), (n,), n, n, n * n, 1) for n in sides)
    for device, sides in (("cpu", (256, 512, 1024)), ("cuda", (2048, 4096, 8192)))
}

# One step evaluates one network on all examples: points on lines between networks, and losses of each example.
EVALUATED = tuple(
    replace(_mlp(64), name=name, title=title, batch=10_000, examples=10_000, passes=1)
    for name, title in (("barrier", "losses on lines, 25 points each"), ("losses", "loss of each example"))
)
POINTS = 25

_ALL: Mapping[str, Case] = {case.name: case for case in (*TRAINED, *PRODUCTS["cpu"], *PRODUCTS["cuda"], *EVALUATED)}


def find(name: str, device: str = "cpu") -> Case:
    """The case of this name. On a GPU the data are as many as those that they stand for; on a CPU few will do."""
    case = _ALL[name]
    return case if device == "cpu" else replace(case, examples=max(case.examples, case.full))


def parameters(sizes: tuple[int, ...]) -> int:
    """Scalars of linear layers of these sizes, with biases."""
    return dense(*sizes) + sum(sizes[1:])


def sizes(case: Case) -> tuple[int, ...]:
    """Features of an MLP's layers, inputs and outputs among them."""
    return prod(case.shape), *case.model.settings["widths"], CLASSES
