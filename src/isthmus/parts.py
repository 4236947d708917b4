"""The named parts of a recipe (model, optimizer, schedule) and the settings that each takes. Imports no torch."""

from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    PositiveFloat,
    PositiveInt,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
)

from isthmus.typed import OneOf, Spec

Activation = Literal["relu", "tanh", "identity", "gelu", "sigmoid", "elu", "silu", "leaky_relu", "softplus"]
Init = Literal["he", "lecun", "glorot", "pytorch", "orthogonal"]
Norm = Literal["batch", "layer", "none"]
Dropout = Annotated[float, Field(ge=0, lt=1)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Widths = Annotated[tuple[PositiveInt, ...], Field(min_length=1)]


class Mlp(Spec):
    """A multilayer perceptron."""

    widths: tuple[PositiveInt, ...]
    activation: Activation = "relu"
    dropout: Dropout = Field(0.0, description="of each hidden layer's units")
    norm: Norm = Field("none", description="of each hidden layer, before its activation")
    init: Init = "he"

    @model_serializer(mode="wrap")
    def _settings(self, settings: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without the normalisation where there is none: younger than fleets that are kept, which name none."""
        return {name: value for name, value in settings(self).items() if (name, value) != ("norm", "none")}


class Cnn(Spec):
    """Convolutions of 3x3, an image's size kept but for pools, then linear layers."""

    channels: Widths
    activation: Activation = "relu"
    norm: Norm = Field("none", description="layer: over the channels of each pixel")
    pool: Literal["max", "mean", "none"] = Field("max", description="halves the image after each convolution")
    head: Literal["global", "flat"] = Field(
        "global", description="what the linear layers see: pixels' mean, or all"
    )
    dense: tuple[PositiveInt, ...] = Field((), description="widths of linear layers before the head")
    dropout: Dropout = Field(0.0, description="of what each linear layer sees")
    init: Init = "he"


class Vgg(Spec):
    """A VGG for small images."""

    depth: Literal[11, 13, 16, 19] = 16
    width: PositiveInt = Field(
        64, description="channels of the first stage; the others have 2, 4, 8, 8 times as many"
    )
    activation: Activation = "relu"
    norm: Norm = Field("batch", description="layer: over the channels of each pixel")
    dense: tuple[PositiveInt, ...] = Field((), description="widths of linear layers before the head")
    dropout: Dropout = Field(0.0, description="of what each linear layer sees")
    init: Init = "he"


class Resnet(Spec):
    """A ResNet for small images, of three stages."""

    depth: int = Field(20, ge=8, description="6 n + 2 for n blocks a stage: 8, 14, 20, 32, 44, 56, 110")
    width: PositiveInt = Field(16, description="channels of the first stage; the others have 2 and 4 times as many")
    activation: Activation = "relu"
    norm: Norm = Field("batch", description="layer: over the channels of each pixel")
    init: Init = "he"

    @field_validator("depth")
    @classmethod
    def _whole_blocks(cls, depth: int) -> int:
        if depth % 6 != 2:
            raise ValueError("wanted 6 n + 2, such as 8, 14 or 20")
        return depth


class Vit(Spec):
    """A vision transformer."""

    patch: PositiveInt = Field(4, description="pixels of a side; must divide the image's")
    width: PositiveInt = 64
    depth: PositiveInt = 4
    heads: PositiveInt = Field(4, description="must divide the width")
    mlp_ratio: float = Field(4.0, ge=1, description="hidden units of a block for each unit of the width")
    activation: Activation = "gelu"
    pool: Literal["token", "mean"] = Field("token", description="what the head sees: the class token, or the mean")
    dropout: Dropout = Field(0.0, description="of what is added to the stream")
    init: Init = "lecun"


class Rnn(Spec):
    """A recurrent network; it reads images row by row, flat inputs value by value."""

    widths: Widths
    cell: Literal["tanh", "relu", "lstm"] = "tanh"
    init: Init = "pytorch"


class Torchvision(Spec):
    """A classifier of torchvision's, such as resnet18; it sees images of one channel as three equal ones."""

    name: str
    init: Literal["own", "he", "lecun", "glorot", "pytorch", "orthogonal"] = Field(
        "own", description="own: as torchvision does"
    )


class Model(OneOf):
    """The model of a run."""

    mlp: Mlp | None = None
    cnn: Cnn | None = None
    vgg: Vgg | None = None
    resnet: Resnet | None = None
    vit: Vit | None = None
    rnn: Rnn | None = None
    torchvision: Torchvision | None = None


class Sgd(Spec):
    """Stochastic gradient descent."""

    momentum: float = Field(0.0, ge=0, lt=1)
    weight_decay: float = Field(0.0, ge=0)
    nesterov: bool = False


class Adam(Spec):
    """Adam; with `decoupled`, AdamW."""

    betas: tuple[float, float] = (0.9, 0.999)
    eps: PositiveFloat = 1e-8
    weight_decay: float = Field(0.0, ge=0)
    decoupled: bool = False


class Optimizer(OneOf):
    """The optimizer of a run."""

    sgd: Sgd | None = None
    adam: Adam | None = None


class Constant(Spec):
    """The peak rate throughout."""


class Triangle(Spec):
    """Linear up over a fraction of the run, linear down to its end."""

    warmup: float = Field(gt=0, lt=1)


class WarmupCosine(Spec):
    """Linear up over so many updates from a fraction of the peak rate, half a cosine down to 0."""

    warmup: PositiveInt
    start: float = Field(0.0, ge=0, le=1)


class OneCycle(Spec):
    """Half a cosine up from a 25th of the peak rate over 0.3 of the run, half a cosine down to 4e-6 of it."""


class Staircase(Spec):
    """The peak rate, and from each of these fractions of the run on a factor less."""

    at: tuple[Fraction, ...] = Field(min_length=1)
    factor: float = Field(0.1, gt=0, lt=1)


class Schedule(OneOf):
    """The learning-rate schedule of a run."""

    constant: Constant | None = None
    triangle: Triangle | None = None
    warmup_cosine: WarmupCosine | None = None
    one_cycle: OneCycle | None = None
    staircase: Staircase | None = None
