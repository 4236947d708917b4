"""Small models of every family, one line each: what the tests of models hold for.

Settings that a line leaves out are the specs' defaults, as in a `study.yaml`.
"""

from functools import cache

from networks import build

from isthmus.engine.architecture import Architecture
from isthmus.engine.recipe import Named
from isthmus.parts import Model
from isthmus.typed import checked

# Name -> family, settings, shape of the inputs.
MODELS = {
    "mlp": ("mlp", {"widths": [7, 5]}, (6,)),
    "mlp, gelu": ("mlp", {"widths": [7, 5], "activation": "gelu", "init": "pytorch"}, (2, 3, 1)),
    "mlp, sigmoid, dropout": ("mlp", {"widths": [7, 5], "activation": "sigmoid", "dropout": 0.3}, (6,)),
    "mlp, batch norm": ("mlp", {"widths": [7, 5], "norm": "batch"}, (6,)),
    "mlp, layer norm": ("mlp", {"widths": [7, 5], "norm": "layer"}, (2, 3)),
    "cnn": ("cnn", {"channels": [4, 6]}, (1, 6, 6)),
    "cnn, batch norm": ("cnn", {"channels": [4, 6], "norm": "batch", "pool": "none"}, (2, 5, 4)),
    "cnn, layer norm": (
        "cnn",
        {"channels": [4, 6], "norm": "layer", "pool": "mean", "activation": "elu"},
        (1, 6, 6),
    ),
    "cnn, flat": ("cnn", {"channels": [4, 6], "head": "flat", "dense": [5], "dropout": 0.3}, (2, 8, 6)),
    "vgg": ("vgg", {"depth": 11, "width": 2}, (3, 8, 8)),
    "vgg, layer norm": ("vgg", {"depth": 11, "width": 2, "norm": "layer", "dense": [5, 4]}, (1, 7, 7)),
    "vgg, no norm": ("vgg", {"depth": 13, "width": 2, "norm": "none", "init": "orthogonal"}, (1, 8, 8)),
    "resnet": ("resnet", {"depth": 14, "width": 4}, (3, 8, 8)),
    # Smooth, since layer normalisation of a few channels multiplies what rounding decides at a kink.
    "resnet, layer norm": ("resnet", {"depth": 8, "width": 4, "norm": "layer", "activation": "gelu"}, (1, 6, 6)),
    "resnet, no norm": ("resnet", {"depth": 8, "width": 4, "norm": "none", "activation": "silu"}, (2, 5, 7)),
    "vit": ("vit", {"patch": 4, "width": 8, "depth": 2, "heads": 2, "mlp_ratio": 2}, (3, 8, 8)),
    "vit, mean": (
        "vit",
        {"patch": 2, "width": 6, "depth": 1, "heads": 3, "pool": "mean", "dropout": 0.1},
        (1, 4, 6),
    ),
    "rnn": ("rnn", {"widths": [5]}, (2, 4, 3)),
    "rnn, relu": ("rnn", {"widths": [5, 4], "cell": "relu", "init": "orthogonal"}, (6,)),
    "lstm": ("rnn", {"widths": [5, 4], "cell": "lstm"}, (1, 5, 4)),
    "lstm, by value": ("rnn", {"widths": [5], "cell": "lstm", "init": "lecun"}, (6,)),
    "torchvision": ("torchvision", {"name": "squeezenet1_1", "init": "lecun"}, (1, 20, 20)),
}


def named(family: str, settings: dict) -> Named:
    """The model as a recipe holds it, defaults filled in."""
    return checked(Model, {family: settings}, "tests/architectures.py").named()


@cache
def architecture(model: str) -> Architecture:
    """The model of a line, for three classes."""
    family, settings, shape = MODELS[model]
    return build(named(family, settings), shape, 3)
