"""Which of PyTorch's functions, methods and layers follow which rule of operations.py."""

import operator
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from isthmus.symmetry.operations import (
    Rule,
    cat,
    channelwise,
    convolution,
    elementwise,
    group_norm,
    layer_norm,
    linear,
    matmul,
    pad,
    places,
    rearrange,
    reduce,
)

# Names in torch, torch.nn.functional, torch.Tensor and operator; with an underscore behind them they work in place.
_ELEMENTWISE = """abs add addcmul celu clamp clamp_max clamp_min clone contiguous cos div double dropout dropout1d
dropout2d dropout3d elu eq erf exp expm1 float ge gelu gt hardsigmoid hardswish hardtanh iadd imul isub itruediv le
leaky_relu lerp log log1p log_softmax logsigmoid lt maximum minimum mish mul multiply ne neg normalize pow
reciprocal relu relu6 rsqrt rsub selu sigmoid sign silu sin softmax softplus softsign sqrt square sub subtract tanh
tanhshrink threshold true_divide truediv where"""
_POOLS = ("max_pool", "avg_pool", "adaptive_avg_pool", "adaptive_max_pool")
_NAMED: dict[str, Rule] = {
    **dict.fromkeys(_ELEMENTWISE.split(), elementwise),
    **dict.fromkeys(("mean", "sum", "amax", "amin", "logsumexp"), reduce),
    **dict.fromkeys(("matmul", "bmm", "mm"), matmul),
    **dict.fromkeys(("cat", "concat"), cat),
    **dict.fromkeys(("batch_norm", "prelu"), channelwise(1)),
    **dict.fromkeys(("layer_norm", "rms_norm"), layer_norm),
    **{f"{name}{n}d": places(n) for name in _POOLS for n in (1, 2, 3)},
    **{f"conv{n}d": convolution(n) for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": convolution(n, made=1) for n in (1, 2, 3)},
    "linear": linear,
    "group_norm": group_norm,
    "interpolate": places(),
    "pad": pad,
}
_VIEWS = """expand flatten getitem movedim moveaxis narrow permute ravel reshape select squeeze swapaxes swapdims t
transpose unflatten unsqueeze view"""


def _functions() -> dict[Callable, Rule]:
    found: dict[Callable, Rule] = {getattr: rearrange(getattr)}
    for owner in (torch, functional, operator):
        for name, rule in _NAMED.items():
            spelled = [getattr(owner, one) for one in (name, f"{name}_") if hasattr(owner, one)]
            found |= dict.fromkeys(spelled, rule)
        views = [getattr(owner, name) for name in _VIEWS.split() if hasattr(owner, name)]
        found |= {view: rearrange(view) for view in views}
    return found


FUNCTIONS = _functions()
METHODS: dict[str, Rule] = {
    **_NAMED,
    **{f"{name}_": rule for name, rule in _NAMED.items()},
    **{name: rearrange(getattr(Tensor, name)) for name in _VIEWS.split() if hasattr(Tensor, name)},
}

_ACTIVATIONS = """AlphaDropout CELU Dropout Dropout1d Dropout2d Dropout3d ELU FeatureAlphaDropout GELU Hardshrink
Hardsigmoid Hardswish Hardtanh Identity LeakyReLU LogSigmoid LogSoftmax Mish ReLU ReLU6 SELU SiLU Sigmoid Softmax
Softplus Softshrink Softsign Tanh Tanhshrink Threshold"""
_PLACES = """AdaptiveAvgPool AdaptiveMaxPool AvgPool CircularPad ConstantPad MaxPool ReflectionPad ReplicationPad
ZeroPad"""
_OWN = ("weight", "bias")
_STATISTICS = (*_OWN, "running_mean", "running_var")
_LAYERS: dict[type[nn.Module], tuple[Rule, tuple[str, ...]]] = {
    **{getattr(nn, name): (elementwise, ()) for name in _ACTIVATIONS.split()},
    **{getattr(nn, f"{name}{n}d"): (places(n), ()) for name in _PLACES.split() for n in (1, 2, 3)},
    **{getattr(nn, f"Conv{n}d"): (convolution(n), (*_OWN, "groups")) for n in (1, 2, 3)},
    **{getattr(nn, f"ConvTranspose{n}d"): (convolution(n, made=1), (*_OWN, "groups")) for n in (1, 2, 3)},
    **{getattr(nn, f"BatchNorm{n}d"): (channelwise(1), _STATISTICS) for n in (1, 2, 3)},
    **{getattr(nn, f"InstanceNorm{n}d"): (channelwise(-n - 1), _STATISTICS) for n in (1, 2, 3)},
    nn.GroupNorm: (group_norm, ("num_groups", *_OWN)),
    nn.LayerNorm: (layer_norm, ("normalized_shape", *_OWN)),
    nn.Linear: (linear, _OWN),
    nn.PReLU: (channelwise(1), ("weight",)),
    nn.RMSNorm: (layer_norm, ("normalized_shape", "weight")),
    nn.Upsample: (places(), ()),
}


def layer(module: nn.Module) -> tuple[Rule | None, tuple[str, ...]]:
    """The rule of a layer of exactly this type, or None, and the attributes that it takes beside the input.

    What derives from a layer may compute something else: it has no rule.
    """
    if type(module) in (nn.Flatten, nn.Unflatten):
        return rearrange(module), ()
    return _LAYERS.get(type(module), (None, ()))
