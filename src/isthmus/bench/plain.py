"""One network at a time, as most people train: plain torch.nn modules and PyTorch's own optimizer, in a good loop.

Written without the engine and its models; it shares with them what a run is: the order of the parameters, and
which examples make a batch.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, relu

from isthmus.bench.cases import CLASSES, MOMENTUM, RATE, Case, sizes
from isthmus.engine.streams import stream


def network(case: Case) -> nn.Module:
    """A plain module with PyTorch's initial values."""
    match case.group:
        case "cnn":
            return _cnn(case.shape[0], *case.model.settings["channels"])
        case "resnet":
            return ResNet(case.model.settings["width"], blocks=(case.model.settings["depth"] - 2) // 6)
    layers = [part for a, b in pairwise(sizes(case)) for part in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


def _cnn(channels: int, first: int, second: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels, first, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(first, second, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(second, CLASSES),
    )


class Block(nn.Module):
    """Two convolutions, each normalised, around a shortcut (He et al. 2015, figure 2)."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.norm1 = _norm(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.norm2 = _norm(out)
        self.shortcut = nn.Sequential()
        if stride > 1:
            self.shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), _norm(out))

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, out, H / stride, W / stride)."""
        out = relu(self.norm1(self.conv1(x)))
        return relu(self.norm2(self.conv2(out)) + self.shortcut(x))


class ResNet(nn.Module):
    """A ResNet of 6 blocks + 2 layers for small colour images."""

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.norm = _norm(width)
        stages, channels = [], width
        for stage in range(3):
            for place in range(blocks):
                out, stride = width << stage, 2 if stage and not place else 1
                stages.append(Block(channels, out, stride))
                channels = out
        self.blocks = nn.Sequential(*stages)
        self.head = nn.Linear(channels, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes)."""
        x = self.blocks(relu(self.norm(self.conv(x))))
        return self.head(x.mean((2, 3)))


def _norm(channels: int) -> nn.BatchNorm2d:
    # Running statistics are no part of a step here: the engine takes them in one pass at the end.
    return nn.BatchNorm2d(channels, track_running_stats=False)


def batches(seed: int, case: Case, steps: int, device: torch.device) -> Iterator[Tensor]:
    """Indices (batch,) of the examples of each step: every epoch a new permutation in full batches."""
    order: tuple[Tensor, ...] = ()
    for step in range(steps):
        epoch, place = divmod(step, case.epoch)
        if place == 0:
            drawn = stream(seed, "order", 0, epoch).permutation(case.examples)
            order = torch.from_numpy(drawn).to(device).split(case.batch)
        yield order[place]


class Serial:
    """Trains some networks one after another. The time of a network does not depend on how many follow, so a few
    of them stand for all.

    variant: words among fused or foreach, PyTorch's optimizers, and channels_last, the layout of images.
    """

    FEW = 2

    def __init__(
        self,
        case: Case,
        seeds: range,
        variant: str,
        device: torch.device,
        precision: str,
        start: Tensor | None = None,
    ) -> None:
        data = case.data()
        self.case, self.seeds, self.device, self.start = case, seeds[: self.FEW], device, start
        self.networks, self.block = len(self.seeds), 0
        words = variant.split()
        self.layout = torch.channels_last if "channels_last" in words else torch.contiguous_format
        self.optimizer = {word: True for word in words if word in ("fused", "foreach")}
        self.low = precision == "bfloat16"
        self.x, self.y = data.inputs["train"].to(device), data.labels["train"].to(device)
        if "channels_last" in words:
            self.x = self.x.contiguous(memory_format=torch.channels_last)

    def reset(self, steps: int) -> None:
        """Fresh networks and optimizers."""
        self.steps, self.modules, self.optimizers = steps, [], []
        for place, seed in enumerate(self.seeds):
            torch.manual_seed(seed)
            module = network(self.case)
            if self.start is not None:
                nn.utils.vector_to_parameters(self.start[place].clone(), module.parameters())
            module = module.to(self.device, memory_format=self.layout)
            self.modules.append(module)
            self.optimizers.append(torch.optim.SGD(module.parameters(), RATE, MOMENTUM, **self.optimizer))

    def run(self) -> None:
        """All steps of one network, then of the next."""
        low = torch.autocast(self.device.type, torch.bfloat16) if self.low else nullcontext()
        for seed, module, optimizer in zip(self.seeds, self.modules, self.optimizers, strict=True):
            for chosen in batches(seed, self.case, self.steps, self.device):
                optimizer.zero_grad(set_to_none=True)
                with low:
                    logits = module(self.x.index_select(0, chosen))
                cross_entropy(logits.float(), self.y.index_select(0, chosen)).backward()
                optimizer.step()

    def rows(self) -> Tensor:
        """The networks (R, P) as they are now."""
        return torch.stack([torch.cat([p.detach().reshape(-1) for p in m.parameters()]) for m in self.modules])
