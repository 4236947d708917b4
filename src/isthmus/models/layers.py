"""Layers that compute one network or many at once: a weight with one axis more holds R networks, rows of a fleet.

Features of R networks stand as (R, N, ..., width), which matrix products take without a copy; their images are in
images.py. With plain weights each layer is PyTorch's own, name for name.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from isthmus.models.roles import Role, parameter

# PyTorch rounds sigmoid, elu, silu and softplus otherwise where a tensor has ended but for less than a vector: with
# these the last bits of a network can depend on how many are computed together, which its recipe fixes.
ACTIVATIONS = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "identity": lambda x: x,
    "gelu": functional.gelu,
    "sigmoid": torch.sigmoid,
    "elu": functional.elu,
    "silu": functional.silu,
    "leaky_relu": functional.leaky_relu,
    "softplus": functional.softplus,
}

Axes = dict[str, tuple[str | None, ...]]


def axes(name: str, layer: nn.Module, unit: str | None, before: str | None = None) -> Axes:
    """A layer's part of a symmetry table: name in the row -> for each axis, the group that permutes it, or None.

    unit: the group of what the layer gives, on the first axis. before: that of what it takes, on the second.
    """
    return {
        f"{name}.{own}": (unit, before, *(None,) * value.ndim)[: value.ndim]
        for own, value in layer.state_dict().items()
    }


class _Products(torch.autograd.Function):
    """x W^T + b for R networks: x (R, n, in), weights (R, out, in), biases (R, out) or None.

    PyTorch's own derivative of baddbmm makes the gradient of W^T, and copies it to turn it round; here it is made
    the way that W lies.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if torch.is_autocast_enabled(x.device.type):
            low = torch.get_autocast_dtype(x.device.type)
            x, weight, bias = x.to(low), weight.to(low), None if bias is None else bias.to(low)
        ctx.save_for_backward(x, weight)
        if bias is None:
            return torch.bmm(x, weight.mT)
        # The bias goes into the product: one pass over the output less.
        return torch.baddbmm(bias.unsqueeze(1), x, weight.mT)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor | None]:
        x, weight = ctx.saved_tensors
        back = torch.bmm(gradient, weight) if ctx.needs_input_grad[0] else None
        return back, torch.bmm(gradient.mT, x), gradient.sum(1) if ctx.needs_input_grad[2] else None


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x W^T + b on the last axis: (N, ..., out) of (N, ..., in), or (R, N, ..., out) with weights (R, out, in)."""
    if weight.ndim == 2:
        return functional.linear(x, weight, bias)
    out = _Products.apply(x.flatten(1, -2), weight, bias)
    return out.unflatten(1, x.shape[1:-1]) if x.ndim > 3 else out


class Linear(nn.Module):
    """A linear layer on the last axis."""

    def __init__(self, features: int, out: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = parameter(Role("weight", features), out, features)
        self.register_parameter("bias", parameter(Role("bias", features), out) if bias else None)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (..., out) of (..., in)."""
        return linear(x, self.weight, self.bias)


class LayerNorm(nn.Module):
    """Layer normalisation over the last axis (Ba et al. 2016), with a scale and a shift per feature."""

    def __init__(self, features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight, self.bias = parameter(Role("scale"), features), parameter(Role("shift"), features)
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Features of the same shape (N, ..., width) or (R, N, ..., width)."""
        if self.weight.ndim == 1:
            return functional.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)
        ones = (len(self.weight), *(1,) * (x.ndim - 2), -1)
        x = functional.layer_norm(x, self.weight.shape[1:], eps=self.eps)
        return torch.addcmul(self.bias.view(ones), x, self.weight.view(ones))


class BatchNorm(nn.Module):
    """Batch normalisation of features (Ioffe & Szegedy 2015): each batch's own statistics while training, else the
    row's, which one explicit pass over the training set puts there (engine/statistics.py).

    Parameters and buffers are named as in torch.nn.BatchNorm1d.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight, self.bias = parameter(Role("scale"), features), parameter(Role("shift"), features)
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.ones(features))
        self.eps = eps
        # (mean, unbiased variance), (R, features) each, of the last batch, where somebody asks for them.
        self.observing = False
        self.observed: tuple[Tensor, Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Features of the same shape (N, width) or (R, N, width)."""
        if self.weight.ndim == 1:
            return self.normalised(x)
        # The batch as places of one example: each feature's numbers then lie together, and are summed alike (and
        # fastest) whatever stands beside it. Of one network the turned tensors, gradients too, would be views.
        places = x.mT.contiguous().view(1, -1, x.shape[1])
        normal = self.normalised(places)
        if normal.requires_grad:
            normal.register_hook(torch.Tensor.contiguous)
        return normal.view(*self.weight.shape, -1).mT

    def normalised(self, x: Tensor) -> Tensor:
        """The same shape (N, R * features, ...): each feature by its statistics over all other axes."""
        if self.observing:
            variance, mean = torch.var_mean(x, dim=[axis for axis in range(x.ndim) if axis != 1])
            self.observed = mean.view(self.weight.shape), variance.view(self.weight.shape)
        mean = variance = None
        if not self.training:
            # Constants of the row, in which PyTorch's kernel has no derivative either.
            mean, variance = self.running_mean.detach().flatten(), self.running_var.detach().flatten()
        return functional.batch_norm(
            x, mean, variance, self.weight.flatten(), self.bias.flatten(), self.training, 0.0, self.eps
        )


# The normalisations of features, by their number.
NORMS = {"batch": BatchNorm, "layer": LayerNorm, "none": nn.Identity}


class Dropout(nn.Module):
    """Each feature is left out with probability p, those that stay are divided by 1 - p (Srivastava et al. 2014).

    Which ones stay is data, drawn per (seed, step) by whoever trains (engine/dropout.py) and handed in as the
    buffer `keep`, of the inputs' shape: 0, or 1 / (1 - p). Without it, as in evaluation, inputs pass unchanged.
    """

    keep: Tensor

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.register_buffer("keep", torch.ones(()), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Features of the same shape."""
        return x if self.keep.ndim == 0 else x * self.keep
