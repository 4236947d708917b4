"""Layers that compute one network or many at once: a weight with one axis more holds R networks, rows of a fleet.

Features of R networks stand as (R, N, ..., width), their images as (N, R * channels, H, W): matrix products and
grouped convolutions then take them without a copy. With plain weights each layer is PyTorch's own, name for name.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


def fold(x: Tensor) -> Tensor:
    """Images (N, R * C, H, W) of images (R, N, C, H, W); those of one network (N, C, H, W) stay as they are.

    One network's images are laid out channels last, which is what PyTorch's convolutions are fastest on.
    """
    if x.ndim == 5 and len(x) > 1:
        return x.transpose(0, 1).flatten(1, 2)
    x = x[0] if x.ndim == 5 else x
    _, channels, height, width = x.shape
    if channels == 1:
        # The same memory either way, but PyTorch takes the strides for a sign of what the output should be.
        return x.contiguous().as_strided(x.shape, (height * width, 1, width, 1))
    return x.contiguous(memory_format=torch.channels_last)


def unfold(x: Tensor, rows: int | None) -> Tensor:
    """Features (R, N, C) of (N, R * C), as `fold` left them once H and W are gone; (N, C) where rows is None."""
    return x if rows is None else x.unflatten(1, (rows, -1)).transpose(0, 1)


def units(x: Tensor, rows: int | None) -> Tensor:
    """Activations (R, N, H, W, C) of folded images (N, R * C, H, W), units last; (N, H, W, C) where rows is None."""
    return x.movedim(1, -1) if rows is None else x.unflatten(1, (rows, -1)).permute(1, 0, 3, 4, 2)


def rows_of(x: Tensor, axes: int) -> int | None:
    """R of inputs (R, N, ...) with so many axes behind N, None of one network's inputs (N, ...)."""
    return len(x) if x.ndim == axes + 2 else None


class Linear(nn.Module):
    """x W^T + b on the last axis: of (N, ..., in), or of (R, N, ..., in) with weights (R, out, in)."""

    def __init__(self, features: int, out: int) -> None:
        super().__init__()
        # Empty, not initialised: the values of every parameter always come from a row.
        self.weight = nn.Parameter(torch.empty(out, features))
        self.bias = nn.Parameter(torch.empty(out))

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (..., out)."""
        if self.weight.ndim == 2:
            return functional.linear(x, self.weight, self.bias)
        # The bias goes into the product: one pass over the output less.
        out = torch.baddbmm(self.bias.unsqueeze(1), x.flatten(1, -2), self.weight.mT)
        return out.unflatten(1, x.shape[1:-1]) if x.ndim > 3 else out


class Conv2d(nn.Module):
    """A square convolution of folded images; of R networks, a grouped one with a group for each."""

    def __init__(
        self, channels: int, out: int, kernel: int, stride: int = 1, padding: int = 0, bias: bool = True
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out, channels, kernel, kernel))
        self.register_parameter("bias", nn.Parameter(torch.empty(out)) if bias else None)
        self.stride, self.padding = stride, padding

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, R * out, H', W') of images (N, R * channels, H, W)."""
        groups = 1 if self.weight.ndim == 4 else len(self.weight)
        weight = self.weight if self.weight.ndim == 4 else self.weight.flatten(0, 1)
        bias = None if self.bias is None else self.bias.flatten()
        return functional.conv2d(x, weight, bias, self.stride, self.padding, groups=groups)


class BatchNorm2d(nn.Module):
    """Batch normalisation of folded images (Ioffe & Szegedy 2015): each batch's own statistics while training, else
    those in the row, which one explicit pass over the training set puts there (engine/statistics.py).

    Parameters and buffers are named as in torch.nn.BatchNorm2d.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.empty(channels)), nn.Parameter(torch.empty(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.eps = eps
        # (mean, unbiased variance), (R, channels) each, of the last batch, where somebody asks for them.
        self.observing = False
        self.observed: tuple[Tensor, Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Images of the same shape (N, R * channels, H, W)."""
        if self.observing:
            variance, mean = torch.var_mean(x, dim=(0, 2, 3))
            self.observed = mean.view(self.weight.shape), variance.view(self.weight.shape)
        mean, variance = (
            (None, None) if self.training else (self.running_mean.flatten(), self.running_var.flatten())
        )
        return functional.batch_norm(
            x, mean, variance, self.weight.flatten(), self.bias.flatten(), self.training, 0.0, self.eps
        )


class LayerNorm(nn.Module):
    """Layer normalisation over the last axis (Ba et al. 2016), with a scale and a shift per feature."""

    def __init__(self, features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.empty(features)), nn.Parameter(torch.empty(features))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Features of the same shape (N, ..., width) or (R, N, ..., width)."""
        if self.weight.ndim == 1:
            return functional.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)
        ones = (len(self.weight), *(1,) * (x.ndim - 2), -1)
        x = functional.layer_norm(x, self.weight.shape[1:], eps=self.eps)
        return torch.addcmul(self.bias.view(ones), x, self.weight.view(ones))


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
