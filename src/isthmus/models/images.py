"""Layers on images, of one network or of many at once: see layers.py for what a weight with one axis more means.

Images of R networks are folded, (N, R * channels, H, W), for grouped convolutions; all are laid out channels last,
which is what PyTorch's convolutions and pools are fastest on, but for a GPU's in float32.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from isthmus.errors import UserError
from isthmus.models.layers import BatchNorm, LayerNorm, linear
from isthmus.models.roles import Role, parameter


def image_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Channels, height and width of inputs of this shape; UserError where they are no images."""
    if len(shape) != 3:
        wanted = "wanted data of images (channels, height, width) for this model"
        raise UserError(f"study.yaml, model: {wanted}, found inputs of shape {shape}")
    return shape


def fold(x: Tensor) -> Tensor:
    """Images (N, R * C, H, W), channels last or not, of images (R, N, C, H, W) or of one network's (N, C, H, W)."""
    x = x.transpose(0, 1).flatten(1, 2) if x.ndim == 5 else x
    # A copy always: PyTorch takes the strides for a sign of what the output should be, of a single channel's too.
    if x.is_cuda and not torch.is_autocast_enabled("cuda"):
        return x.clone(memory_format=torch.contiguous_format)
    return x.movedim(1, -1).clone(memory_format=torch.contiguous_format).movedim(-1, 1)


def unfold(x: Tensor, rows: int | None) -> Tensor:
    """Images (R, N, C, ...) of folded ones (N, R * C, ...), or features of these once H and W are gone.

    Where rows is None they are one network's, and stay as they are.
    """
    return x if rows is None else x.unflatten(1, (rows, -1)).transpose(0, 1)


def units(x: Tensor, rows: int | None) -> Tensor:
    """Activations (R, N, H, W, C), units last, of folded images (N, R * C, H, W); (N, H, W, C) with rows None."""
    return x.movedim(1, -1) if rows is None else x.unflatten(1, (rows, -1)).permute(1, 0, 3, 4, 2)


def rows_of(x: Tensor, axes: int) -> int | None:
    """R of inputs (R, N, ...) with so many axes behind N, None of one network's inputs (N, ...)."""
    return len(x) if x.ndim == axes + 2 else None


class Conv2d(nn.Module):
    """A square convolution of folded images; of R networks, a grouped one with a group for each."""

    def __init__(
        self, channels: int, out: int, kernel: int, stride: int = 1, padding: int = 0, bias: bool = True
    ) -> None:
        super().__init__()
        fan_in = channels * kernel**2
        self.weight = parameter(Role("weight", fan_in), out, channels, kernel, kernel)
        self.register_parameter("bias", parameter(Role("bias", fan_in), out) if bias else None)
        self.stride, self.padding = stride, padding

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, R * out, H', W') of images (N, R * channels, H, W)."""
        groups = 1 if self.weight.ndim == 4 else len(self.weight)
        weight = self.weight if self.weight.ndim == 4 else self.weight.flatten(0, 1)
        bias = None if self.bias is None else self.bias.flatten()
        stride = self.stride
        if weight.shape[-1] == 1 and stride > 1:
            # Apart: oneDNN 3.13 corrupts memory in the gradient of a strided one of fewer than 8 channels. By a
            # pool, since a slice's gradient is not laid out channels last, and then no gradient before it is.
            x, stride = functional.avg_pool2d(x, 1, stride), 1
        return functional.conv2d(x, weight, bias, stride, self.padding, groups=groups)


class ImageLinear(nn.Module):
    """A linear layer on whole images; its weights (out, channels, places) keep an axis for the channels."""

    def __init__(self, channels: int, places: int, out: int) -> None:
        super().__init__()
        self.weight = parameter(Role("weight", channels * places), out, channels, places)
        self.bias = parameter(Role("bias", channels * places), out)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (..., out) of unfolded images (..., channels, H, W)."""
        return linear(x.flatten(-3), self.weight.flatten(-2), self.bias)


class BatchNorm2d(BatchNorm):
    """Batch normalisation of folded images, each channel over the batch and all pixels."""

    def forward(self, x: Tensor) -> Tensor:
        """Images of the same shape (N, R * channels, H, W)."""
        return self.normalised(x)


class ChannelNorm(LayerNorm):
    """Layer normalisation of folded images, over the channels of each pixel.

    This is Flax's LayerNorm with its epsilon, which Git Re-Basin's networks have (Ainsworth et al. 2022, code).
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """Images of the same shape (N, R * channels, H, W)."""
        if self.weight.ndim == 1:
            return super().forward(units(x, None)).movedim(-1, 1)
        return super().forward(units(x, len(self.weight))).permute(1, 0, 4, 2, 3).flatten(1, 2)


# The normalisations of convolutional networks, by the number of channels.
NORMS = {"batch": BatchNorm2d, "layer": ChannelNorm, "none": nn.Identity}
