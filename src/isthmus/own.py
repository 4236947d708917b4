"""Any torch module as rows: read from modules and state dicts, written back, and evaluated as PyTorch runs it."""

from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from isthmus.engine.layout import Layout
from isthmus.models.roles import state


class Own:
    """A copy of a classifier, in eval mode, which takes the values of any row of its layout.

    batch: examples that go through it at once.
    """

    def __init__(self, module: nn.Module, batch: int) -> None:
        self.module = deepcopy(module).eval()
        self.layout = Layout.of(self.module)
        self.batch = batch

    def row(self, model: nn.Module | Mapping[str, Tensor]) -> Tensor:
        """The row (1, P), of float32 at least, of a network or of its state dict.

        ValueError where it is of another architecture: of other layers, or other names or shapes of parameters.
        """
        values, copy = model, deepcopy(self.module)
        if isinstance(model, nn.Module):
            if [type(part) for part in copy.modules()] != [type(part) for part in model.modules()]:
                raise ValueError("wanted two networks of one architecture, found two whose layers differ")
            values = model.state_dict()
        try:
            copy.load_state_dict(values)
        except RuntimeError as error:
            found = " ".join(str(error).split())
            raise ValueError(f"wanted two networks of one architecture, found: {found}") from error
        row = self.layout.join({name: value.detach()[None] for name, value in state(copy).items()})
        return row.to(torch.promote_types(row.dtype, torch.float32))

    @torch.no_grad()
    def outputs(self, row: Tensor, x: Tensor) -> Tensor:
        """Outputs (N, C) of a row (1, P) on inputs (N, ...), all at once."""
        write(self.module, self.layout, row)
        return self.module(x)

    @torch.no_grad()
    def evaluate(self, row: Tensor, x: Tensor, y: Tensor) -> tuple[float, float]:
        """Mean cross-entropy in nats and 0-1 error of a row (1, P) on inputs x (N, ...) with labels y.

        Whatever statistics the row holds, BatchNorm's are estimated again on these inputs, as plain averages over
        full batches: an average of two networks has no other (Jordan et al. 2022, section 3.1).
        """
        write(self.module, self.layout, row)
        self._refresh(x)
        loss = error = 0.0
        for start in range(0, len(x), self.batch):
            out, labels = self.module(x[start : start + self.batch]), y[start : start + self.batch]
            loss += functional.cross_entropy(out, labels, reduction="none").double().sum().item()
            error += (out.argmax(1) != labels).sum().item()
        return loss / len(x), error / len(x)

    def _refresh(self, x: Tensor) -> None:
        norms = [
            part for part in self.module.modules() if isinstance(part, _BatchNorm) and part.track_running_stats
        ]
        for part in norms:
            part.reset_running_stats()
            part.momentum = None
            part.train()
        width = min(self.batch, len(x))
        for start in range(0, len(x) - width + 1, width) if norms else ():
            self.module(x[start : start + width])
        self.module.eval()


@torch.no_grad()
def write(module: nn.Module, layout: Layout, row: Tensor) -> None:
    """Give a module the values of a row (1, P) of its layout."""
    places = dict(module.named_parameters(remove_duplicate=False))
    places |= dict(module.named_buffers(remove_duplicate=False))
    for name, value in layout.split(row[0]).items():
        places[name].copy_(value)
