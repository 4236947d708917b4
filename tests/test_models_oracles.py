"""Models against PyTorch's own layers with the same weights: nothing of ours on the other side."""

import pytest
import torch
from architectures import architecture, named
from networks import build, data, rows
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from isthmus.models.attention import Attention
from isthmus.models.rnn import Recurrent
from isthmus.models.vit import Block

CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def copied(target, values):
    """The module with these values, in order, as its parameters and then its floating-point statistics."""
    theirs = [*target.parameters(), *(buffer for buffer in target.buffers() if buffer.is_floating_point())]
    for tensor, value in zip(theirs, values, strict=True):
        tensor.data.copy_(value.reshape(tensor.shape))
    return target


def filled(module):
    """The module with normal values, and them."""
    torch.manual_seed(0)
    for value in module.parameters():
        value.data.normal_()
    return module, list(module.parameters())


def compare(built, target):
    """Logits of both on the same images, in training and in evaluation mode."""
    theta, (x, _) = rows(built, 1), data(built, 6)
    copied(target, built.layout.split(theta[0]).values())
    # Evaluation first: PyTorch's own layers move their statistics while training.
    for training in (False, True):
        wanted = target.train(training)(x).detach()
        torch.testing.assert_close(built.logits(theta, x, training=training)[0], wanted, **CLOSE)


@pytest.mark.parametrize(("activation", "function"), [
    ("relu", nn.ReLU()), ("tanh", nn.Tanh()), ("identity", nn.Identity()), ("gelu", nn.GELU()), ("elu", nn.ELU()),
    ("sigmoid", nn.Sigmoid()), ("silu", nn.SiLU()), ("leaky_relu", nn.LeakyReLU()), ("softplus", nn.Softplus()),
])  # fmt: skip
def test_an_mlp_is_a_stack_of_linear_layers(activation, function):
    built = build(named("mlp", {"widths": [5, 4], "activation": activation}), (2, 3), 3)
    stack = nn.Sequential(nn.Flatten(), nn.Linear(6, 5), function, nn.Linear(5, 4), function, nn.Linear(4, 3))
    compare(built, stack)
    theta, (x, _) = rows(built, 1), data(built, 6)
    hidden = built.activations(theta, x)
    torch.testing.assert_close(hidden["h0"][0], stack[:3](x).detach())
    torch.testing.assert_close(hidden["h1"][0], stack[:5](x).detach())


class ChannelsNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each pixel."""

    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
@pytest.mark.parametrize("head", ["global", "flat"])
def test_a_cnn_is_a_stack_of_convolutions(norm, head):
    settings = {"channels": [4, 6], "norm": norm, "head": head, "dense": [5]}
    built = build(named("cnn", settings), (2, 8, 6), 3)
    norms = {"batch": nn.BatchNorm2d, "layer": lambda n: ChannelsNorm(n, 1e-6), "none": lambda n: nn.Identity()}[
        norm
    ]
    convolutions = [nn.Conv2d(a, b, 3, padding=1, bias=norm != "batch") for a, b in ((2, 4), (4, 6))]
    top = [nn.Flatten(), nn.Linear(6 * 2 * 1, 5)] if head == "flat" else [nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                                                                          nn.Linear(6, 5)]  # fmt: skip

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolutions, self.norms = nn.ModuleList(convolutions), nn.ModuleList([norms(4), norms(6)])
            self.top = nn.Sequential(*top, nn.ReLU(), nn.Linear(5, 3))

        def forward(self, x):
            for convolution, norm in zip(self.convolutions, self.norms, strict=True):
                x = functional.max_pool2d(norm(convolution(x)).relu(), 2)
            return self.top(x)

    compare(built, Net())


class TorchBlock(nn.Module):
    def __init__(self, channels, out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.shortcut = nn.Sequential()
        if stride != 1 or channels != out:
            self.shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        out = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        return functional.relu(out + self.shortcut(x))


def torch_resnet(depth, width, classes):
    """A CIFAR ResNet as people write it in torch.nn."""
    layers = [nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    channels = width
    for stage in range(3):
        for block in range((depth - 2) // 6):
            layers.append(TorchBlock(channels, width * 2**stage, 2 if stage and not block else 1))
            channels = width * 2**stage
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


def test_a_resnet_is_torchs_in_both_modes():
    compare(build(named("resnet", {"depth": 20, "width": 4}), (3, 16, 16), 10), torch_resnet(20, 4, 10))


def parameters(family, settings):
    layout = build(named(family, settings), (3, 32, 32), 10).layout
    return {name: slot.stop - slot.start for name, slot in layout.parameters.items()}


def test_a_resnet_20_has_its_known_number_of_parameters():
    """0.27 million (He et al. 2016, table 6); 272474 with convolutions as shortcuts."""
    assert sum(parameters("resnet", {}).values()) == 272474
    assert sum(value.numel() for value in torch_resnet(20, 16, 10).parameters()) == 272474


@pytest.mark.parametrize(("depth", "convolutions"), [(11, 9_217_728), (16, 14_710_464), (19, 20_018_880)])
def test_a_vggs_convolutions_have_their_known_number_of_weights(depth, convolutions):
    counts = parameters("vgg", {"depth": depth})
    found = [count for name, count in counts.items() if name.startswith("convolutions")]
    assert (len(found), sum(found)) == (depth - 3, convolutions)


@pytest.mark.parametrize(("size", "places"), [(32, 1), (28, 1), (8, 1), (7, 1), (64, 4)])
def test_a_vgg_halves_an_image_while_it_can(size, places):
    built = build(named("vgg", {"depth": 11, "width": 2}), (1, size, size), 3)
    shapes = built.activations(rows(built, 1), data(built, 1)[0])
    widths = [shapes[f"c{level}"].shape[1] ** 0.5 for level in range(8)]
    assert widths[0] == size
    assert sorted(widths, reverse=True) == widths
    final = widths[-1] // 2 if built.module.halves[-1] else widths[-1]
    assert final**2 == places


@pytest.mark.parametrize(("cell", "theirs"), [
    ("tanh", lambda: nn.RNN(3, 5, batch_first=True)),
    ("relu", lambda: nn.RNN(3, 5, batch_first=True, nonlinearity="relu")),
    ("lstm", lambda: nn.LSTM(3, 5, batch_first=True)),
])  # fmt: skip
def test_a_recurrent_layer_is_torchs(cell, theirs):
    ours, (into, back, bias) = filled(Recurrent(3, 5, cell))
    torchs = copied(theirs(), [into, back, bias, torch.zeros_like(bias)])
    x = torch.randn(4, 7, 3)
    torch.testing.assert_close(ours(x), torchs(x)[0], **CLOSE)


@pytest.mark.parametrize(("shape", "sequence"), [
    ((2, 4, 3), lambda x: x.permute(0, 2, 1, 3).reshape(6, 4, 6)),
    ((6,), lambda x: x.unsqueeze(2)),
])  # fmt: skip
def test_an_lstm_reads_rows_of_images_and_single_values(shape, sequence):
    built = build(named("rnn", {"widths": [5, 4], "cell": "lstm"}), shape, 3)
    theta, (x, _) = rows(built, 1), data(built, 6)
    *layers, weight, bias = built.layout.split(theta[0]).values()
    values = [value for into, back, one in (layers[:3], layers[3:]) for value in (into, back, one, one * 0)]
    first, second = nn.LSTM(sequence(x).shape[2], 5, batch_first=True), nn.LSTM(5, 4, batch_first=True)
    states = copied(second, values[4:])(copied(first, values[:4])(sequence(x))[0])[0]
    wanted = states[:, -1] @ weight.T + bias
    torch.testing.assert_close(built.logits(theta, x)[0], wanted.detach(), **CLOSE)


def in_torchs_order(attention, width):
    """Our attention's values as those of nn.MultiheadAttention."""
    weight = torch.cat([attention.match_weight.reshape(-1, width), attention.value_weight.reshape(-1, width)])
    bias = torch.cat([attention.match_bias.flatten(), attention.value_bias.flatten()])
    return [weight, bias, attention.out_weight.reshape(width, width), attention.out_bias]


def test_attention_is_torchs():
    ours, _ = filled(Attention(12, 3))
    torchs = copied(nn.MultiheadAttention(12, 3, batch_first=True), in_torchs_order(ours, 12))
    x = torch.randn(4, 7, 12)
    added, matches, given = ours(x)
    torch.testing.assert_close(added, torchs(x, x, x)[0], **CLOSE)
    queries, keys = matches.unbind(-3)
    scores = torch.einsum("nthd,nshd->nhts", queries, keys) / 2
    values = (x @ ours.value_weight.flatten(0, 1).T + ours.value_bias.flatten()).unflatten(2, (3, 4))
    torch.testing.assert_close(given, torch.einsum("nhts,nshd->nthd", scores.softmax(3), values), **CLOSE)


def test_a_block_of_a_vit_is_torchs_pre_normalised_encoder_layer():
    settings = {"width": 12, "heads": 3, "mlp_ratio": 2, "dropout": 0.0, "activation": "gelu"}
    ours, _ = filled(Block(settings))
    torchs = nn.TransformerEncoderLayer(12, 3, 24, 0.0, "gelu", batch_first=True, norm_first=True)
    order = [ours.into, ours.out, ours.norm1, ours.norm2]
    values = in_torchs_order(ours.attention, 12) + [value for part in order for value in part.parameters()]
    copied(torchs, values)
    x = torch.randn(4, 7, 12)
    torch.testing.assert_close(ours(x)[0], torchs(x), rtol=1e-4, atol=1e-4)


def test_a_vits_tokens_are_a_convolution_of_patches():
    built = architecture("vit")
    values = built.layout.split(rows(built, 1)[0])
    x = data(built, 4)[0]
    convolution = functional.conv2d(x, values["embed.weight"].view(8, 3, 4, 4), values["embed.bias"], stride=4)
    seen = []
    hook = built.module.embed.register_forward_hook(lambda part, given, out: seen.append(out))
    functional_call(built.module, values, (x,))
    hook.remove()
    torch.testing.assert_close(seen[0], convolution.flatten(2).mT, **CLOSE)
