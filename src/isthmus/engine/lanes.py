"""Where blocks of rows take their updates: one after another, or, on a GPU, on several streams as recorded kernels.

To ask a GPU for a kernel takes the processor longer than a small kernel runs. So the kernels of an update are
recorded once, and replayed in one go from then on; and since those of one block do not fill the GPU, several blocks
are replayed beside each other.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

# An update as a function of all that differs between two of them; gives a tensor.
Update = Callable[[Mapping[str, Tensor]], Tensor]

# Blocks beside each other.
STREAMS = {"cpu": 1, "cuda": 4}


class Lane:
    """The CPU, which does what it is told at once."""

    @contextmanager
    def work(self) -> Iterator[None]:
        """What is asked for in here is done on this lane."""
        yield

    def wait(self) -> None:
        """What is asked for from here on is done when the work on this lane is."""

    def prepared(
        self, update: Update, given: Callable[[], Mapping[str, Tensor]], changes: Sequence[Tensor]
    ) -> Update:
        """The update, in the form in which it is fastest here.

        given: makes an example of what it is given. changes: the tensors that it changes in place, which stay as
        they are.
        """
        return update

    def sent(self, value: Tensor) -> Tensor:
        """A tensor of the CPU's, for an update."""
        return value


class Stream(Lane):
    """A stream of a GPU, with memory of its own, which its recordings share since they run one after another."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.stream = device, torch.cuda.Stream(device)
        self.pool = torch.cuda.graph_pool_handle()

    @contextmanager
    def work(self) -> Iterator[None]:
        """As on the CPU, behind what was asked for outside."""
        self.stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(self.stream):
            yield

    def wait(self) -> None:
        """As on the CPU, but the processor goes on."""
        torch.cuda.current_stream(self.device).wait_stream(self.stream)

    def prepared(
        self, update: Update, given: Callable[[], Mapping[str, Tensor]], changes: Sequence[Tensor]
    ) -> Update:
        """The update, recorded. What it gives is good until the next call."""
        return _Replay(update, given(), changes, self.pool)

    def sent(self, value: Tensor) -> Tensor:
        """On the GPU once it has come this far; the processor does not wait for it."""
        return value.pin_memory().to(self.device, non_blocking=True)


def lanes(device: torch.device, blocks: int) -> list[Lane]:
    """What so many blocks are shared out among, in turn."""
    if device.type == "cpu":
        return [Lane()]
    return [Stream(device) for _ in range(min(blocks, STREAMS[device.type]))]


class _Replay:
    """An update as it was recorded, with tensors that are written anew before each replay."""

    def __init__(
        self, update: Update, given: Mapping[str, Tensor], changes: Sequence[Tensor], pool: tuple[int, int]
    ) -> None:
        self.given = {name: value.clone() for name, value in given.items()}
        before = [value.clone() for value in changes]
        # Once as it is: libraries make themselves ready when they are first called.
        update(self.given)
        torch.cuda.synchronize()
        self.graph = torch.cuda.CUDAGraph()
        self.graph.capture_begin(pool=pool)
        try:
            self.found = update(self.given)
        finally:
            self.graph.capture_end()
        for value, old in zip(changes, before, strict=True):
            value.copy_(old)

    def __call__(self, given: Mapping[str, Tensor]) -> Tensor:
        for name, value in given.items():
            self.given[name].copy_(value)
        self.graph.replay()
        return self.found
