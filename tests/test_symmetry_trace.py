"""Symmetry tables found by tracing keep the function of many kinds of modules, with all freedom there is."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from isthmus.engine.layout import Layout
from isthmus.models.roles import state
from isthmus.symmetry import table
from isthmus.symmetry.trace import traced


class Net(nn.Module):
    """A module whose forward pass is a function of its parts and the input."""

    def __init__(self, function: Callable, **parts: nn.Module | nn.Parameter) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.function(self, x)


def shaken(module):
    """The module in float64, with nothing left special about scales, shifts and statistics."""
    generator = torch.Generator().manual_seed(0)
    for name, value in module.double().state_dict().items():
        if value.is_floating_point():
            noise = torch.rand(value.shape, generator=generator, dtype=torch.float64)
            value.copy_(
                0.5 + noise if name.endswith(("running_var", "norm.weight")) else value + 0.3 * (noise - 0.5)
            )
    return module.eval()


def row(module):
    return Layout.of(module).join({name: value.detach() for name, value in state(module).items()})[None]


def call(module, theta, x):
    """The module's outputs with a row's values."""
    with torch.no_grad():
        return functional_call(module, {n: v[0] for n, v in Layout.of(module).split(theta).items()}, (x,))


def kept_function(module, x):
    """The traced table's groups and their sizes, once it is seen that other orders leave its function."""
    module, x = shaken(module), x.double()
    found, layout = traced(module, x), Layout.of(module)
    assert list(found.axes) == list(layout.slots)
    sizes = table.group_sizes(layout, found.axes)
    assert set(found.shown) == set(sizes)
    with torch.no_grad():
        wanted = module(x)
    assert wanted.std() > 0
    for moving in (lambda p: p.roll(1), lambda p: p.flip(0)) if sizes else ():
        perms = {group: moving(torch.arange(n))[None] for group, n in sizes.items()}
        moved = table.permute(layout, found.axes, perms, row(module))
        assert not torch.equal(moved, row(module))
        torch.testing.assert_close(call(module, moved, x), wanted, rtol=1e-9, atol=1e-9)
    return sizes


def convolution(channels, out, kernel=3, **settings):
    return nn.Conv2d(channels, out, kernel, padding=kernel // 2, **settings)


def residual(m, x):
    x = functional.relu(m.stem(x))
    x = x + m.out1(torch.relu(m.in1(x)))
    x = torch.add(x, m.out2(functional.gelu(m.in2(x))))
    return m.head(x)


def functions(m, x):
    x = functional.max_pool2d(functional.relu(m.conv1(x), inplace=True), 2)
    x = functional.leaky_relu(m.norm(m.conv2(x)), 0.1)
    x = functional.dropout(x, 0.5, m.training)
    return m.head(x.mean((2, 3)))


def by_hand(m, x):
    """Layers written with functions and parameters, and an update in place."""
    x = functional.conv2d(x, m.kernel, m.shift, padding=1)
    x = functional.batch_norm(x, m.mean, m.var, m.scale)
    x = functional.adaptive_avg_pool2d(functional.silu(x), (1, 1)).flatten(1)
    x = functional.linear(x, m.first)
    x += m.bias
    return x.relu() @ m.second


def attention(m, x):
    """One head over tokens, by matmul: queries and keys share an order, values and stream have their own."""
    x = m.embed(x) + m.position
    scores = torch.softmax(m.query(x) @ m.key(x).transpose(-2, -1) / 2, -1)
    x = m.norm(x + m.out(scores @ m.value(x)))
    return m.head(x[:, 0])


def squeeze_and_excite(m, x):
    x = m.conv(x)
    gate = torch.sigmoid(m.up(m.down(x.mean((2, 3))).relu()))
    return m.head((x * gate[:, :, None, None]).sum((2, 3)))


def parameter(*shape):
    return nn.Parameter(torch.randn(shape, generator=torch.Generator().manual_seed(1)))


IMAGE, FLAT, TOKENS = (2, 6, 6), (6,), (5, 6)
# Name -> module, shape of an input, sizes of the groups.
CASES = {
    "linear": (lambda: nn.Linear(6, 3), FLAT, []),
    "mlp": (lambda: nn.Sequential(nn.Linear(6, 7), nn.ReLU(), nn.Dropout(), nn.Linear(7, 5), nn.GELU(),
                                  nn.Linear(5, 3)), FLAT, [7, 5]),
    "mlp, flattened images": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(72, 7), nn.Tanh(), nn.Linear(7, 3)),
                              IMAGE, [7]),
    "mlp, norms": (lambda: nn.Sequential(nn.Linear(6, 7), nn.BatchNorm1d(7), nn.PReLU(7), nn.Linear(7, 5),
                                         nn.LayerNorm(5), nn.PReLU(), nn.Linear(5, 4), nn.RMSNorm(4),
                                         nn.Linear(4, 3)), FLAT, [7, 5, 4]),
    "residual mlp": (lambda: Net(residual, stem=nn.Linear(6, 8), in1=nn.Linear(8, 5), out1=nn.Linear(5, 8),
                                 in2=nn.Linear(8, 4), out2=nn.Linear(4, 8), head=nn.Linear(8, 3)), FLAT, [8, 5, 4]),
    "a layer called twice": (lambda: Net(lambda m, x: m.head(m.fc(m.fc(m.stem(x)).relu()).relu()),
                                         stem=nn.Linear(6, 7), fc=nn.Linear(7, 7), head=nn.Linear(7, 3)),
                             FLAT, [7]),
    "batch norm, pooled away": (lambda: nn.Sequential(
        convolution(2, 4), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), convolution(4, 5, bias=False),
        nn.BatchNorm2d(5), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 3)), IMAGE, [4, 5]),
    "flattened with its pixels": (lambda: nn.Sequential(
        convolution(2, 4), nn.ReLU(), convolution(4, 5), nn.ReLU(), nn.Flatten(), nn.Linear(180, 6), nn.ReLU(),
        nn.Linear(6, 3)), IMAGE, [4, 6]),
    "functions": (lambda: Net(functions, conv1=convolution(2, 4), conv2=convolution(4, 5), norm=nn.BatchNorm2d(5),
                              head=nn.Linear(5, 3)), IMAGE, [4, 5]),
    "by hand": (lambda: Net(by_hand, kernel=parameter(4, 2, 3, 3), shift=parameter(4), mean=parameter(4),
                            var=nn.Parameter(torch.ones(4)), scale=parameter(4), first=parameter(5, 4),
                            bias=parameter(5), second=parameter(5, 3)), IMAGE, [4, 5]),
    "depthwise": (lambda: nn.Sequential(
        convolution(2, 4, 1), convolution(4, 4, groups=4), nn.ReLU6(), convolution(4, 5, 1), nn.Hardswish(),
        nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(5, 3)), IMAGE, [4, 5]),
    "grouped": (lambda: nn.Sequential(
        convolution(2, 4), nn.ReLU(), convolution(4, 6, groups=2), nn.ReLU(), convolution(6, 5), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 3)), IMAGE, [5]),
    "group norms": (lambda: nn.Sequential(
        convolution(2, 4), nn.GroupNorm(1, 4), convolution(4, 6), nn.GroupNorm(6, 6), convolution(6, 8),
        nn.GroupNorm(2, 8), nn.ReLU(), nn.AvgPool2d(6), nn.Flatten(), nn.Linear(8, 3)), IMAGE, [4, 6]),
    "instance norm, padded": (lambda: nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.InstanceNorm2d(4, affine=True), nn.ReflectionPad2d(1), nn.ELU(), nn.Conv2d(4, 5, 3),
        nn.SiLU(), nn.AvgPool2d(4), nn.Flatten(), nn.Linear(5, 3)), IMAGE, [4, 5]),
    "transposed": (lambda: nn.Sequential(
        nn.ConvTranspose2d(2, 4, 2, 2), nn.ReLU(), nn.ConvTranspose2d(4, 5, 2), nn.Upsample(scale_factor=2),
        convolution(5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()), IMAGE, [4, 5]),
    "one dimension": (lambda: nn.Sequential(
        nn.Conv1d(5, 4, 3), nn.BatchNorm1d(4), nn.ReLU(), nn.Conv1d(4, 7, 2), nn.ReLU(), nn.MaxPool1d(3),
        nn.Flatten(), nn.Linear(7, 3)), TOKENS, [4, 7]),
    "three dimensions": (lambda: nn.Sequential(
        nn.Unflatten(1, (1, 2)), nn.Conv3d(1, 4, (2, 3, 3)), nn.BatchNorm3d(4), nn.ReLU(), nn.AdaptiveAvgPool3d(1),
        nn.Flatten(), nn.Linear(4, 3)), IMAGE, [4]),
    "channels last": (lambda: Net(
        lambda m, x: m.head(m.norm(m.conv(x).permute(0, 2, 3, 1)).movedim(-1, 1).mean((-2, -1))),
        conv=convolution(2, 4), norm=nn.LayerNorm(4), head=nn.Linear(4, 3)), IMAGE, [4]),
    "squeeze and excite": (lambda: Net(
        squeeze_and_excite,
        conv=convolution(2, 4), down=nn.Linear(4, 5), up=nn.Linear(5, 4), head=nn.Linear(4, 3)), IMAGE, [4, 5]),
    "scaled by parameters": (lambda: Net(
        lambda m, x: m.head((m.conv(x) * m.gamma - m.beta.view(1, -1, 1, 1)).amax((2, 3))),
        conv=convolution(2, 4), gamma=parameter(4, 1, 1), beta=parameter(4), head=nn.Linear(4, 3)), IMAGE, [4]),
    "attention": (lambda: Net(attention, embed=nn.Linear(6, 8), position=parameter(1, 5, 8), query=nn.Linear(8, 4),
                              key=nn.Linear(8, 4), value=nn.Linear(8, 7), out=nn.Linear(7, 8), norm=nn.LayerNorm(8),
                              head=nn.Linear(8, 3)), TOKENS, [8, 4, 7]),
    "side by side": (lambda: Net(
        lambda m, x: m.head(torch.cat([m.one(x), m.two(m.one(x)).relu()], 1)),
        one=nn.Linear(6, 7), two=nn.Linear(7, 5), head=nn.Linear(12, 3)), FLAT, []),
    "side by side, inside": (lambda: Net(
        lambda m, x: m.head(torch.cat([m.two(m.one(x).relu()), x], dim=-1)),
        one=nn.Linear(6, 7), two=nn.Linear(7, 5), head=nn.Linear(11, 3)), FLAT, [7]),
    "one above the other": (lambda: Net(
        lambda m, x: m.head(torch.cat([m.one(x), m.two(x)], 0)),
        one=nn.Linear(6, 7), two=nn.Linear(6, 7), head=nn.Linear(7, 3)), FLAT, [7]),
    "picked units": (lambda: Net(lambda m, x: m.head(m.fc(x)[:, 1:4]), fc=nn.Linear(6, 7), head=nn.Linear(3, 3)),
                     FLAT, []),
    "listed units": (lambda: Net(lambda m, x: m.head(m.fc(x)[:, [1, 0, 2]]), fc=nn.Linear(6, 3),
                                 head=nn.Linear(3, 3)), FLAT, []),
    "sorted": (lambda: Net(lambda m, x: m.head(m.fc(x).sort(1).values), fc=nn.Linear(6, 7), head=nn.Linear(7, 3)),
               FLAT, []),
    "cumulated": (lambda: Net(lambda m, x: m.head(m.fc(x).cumsum(1)), fc=nn.Linear(6, 7), head=nn.Linear(7, 3)),
                  FLAT, []),
    "halves exchanged": (lambda: Net(lambda m, x: m.head(torch.cat(m.fc(m.stem(x).relu()).chunk(2, 1)[::-1], 1)),
                                     stem=nn.Linear(6, 7), fc=nn.Linear(7, 8), head=nn.Linear(8, 3)), FLAT, [7]),
    "gated halves": (lambda: Net(lambda m, x: m.head(functional.glu(m.fc(m.stem(x).relu()))), stem=nn.Linear(6, 7),
                                 fc=nn.Linear(7, 8), head=nn.Linear(4, 3)), FLAT, [7]),
    "a list of numbers": (lambda: Net(lambda m, x: m.head(m.fc(x) + m.fc(x)[0, 0].item()), fc=nn.Linear(6, 7),
                                      head=nn.Linear(7, 3)), FLAT, []),
    "written into": (lambda: Net(lambda m, x: m.head(m.fc(x).index_fill_(1, torch.tensor([0]), 1.0)),
                                 fc=nn.Linear(6, 7), head=nn.Linear(7, 3)), FLAT, []),
    "multihead attention": (lambda: Net(lambda m, x: m.head(m.inner(m.attend(x, x, x)[0]).relu()).mean(1),
                                        attend=nn.MultiheadAttention(6, 2, batch_first=True), inner=nn.Linear(6, 7),
                                        head=nn.Linear(7, 3)), TOKENS, [7]),
    "recurrent": (lambda: Net(lambda m, x: m.head(m.inner(m.gru(x)[0][:, -1]).relu()),
                              gru=nn.GRU(6, 4, batch_first=True), inner=nn.Linear(4, 7), head=nn.Linear(7, 3)),
                  TOKENS, [7]),
    "weights with a norm": (lambda: nn.Sequential(
        nn.utils.parametrizations.weight_norm(nn.Linear(6, 7)), nn.ReLU(), nn.Linear(7, 5), nn.ReLU(),
        nn.Linear(5, 3)), FLAT, [5]),
    "an unused layer": (lambda: Net(lambda m, x: m.head(m.fc(x).relu()), fc=nn.Linear(6, 7), spare=nn.Linear(7, 9),
                                    head=nn.Linear(7, 3)), FLAT, [7]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_function_is_kept_and_all_that_is_known_to_be_free_is(case):
    module, shape, sizes = CASES[case]
    torch.manual_seed(0)
    x = torch.randn(3, *shape)
    assert sorted(kept_function(module(), x).values()) == sorted(sizes)


def test_names_reasons_and_the_module_left_alone():
    module = nn.Sequential(convolution(2, 4), nn.ReLU(), convolution(4, 5), nn.Flatten(), nn.Linear(180, 3)).train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    found = traced(module, torch.zeros(3, *IMAGE))
    assert found.axes["0.weight"] == ("0", None, None, None)
    assert found.axes["0.bias"] == ("0",)
    assert found.axes["2.weight"] == (None, "0", None, None)
    assert found.fixed == {"2": "their axis is not kept whole (3)", "4": "they are the network's output (output)"}
    assert module.training
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_statistics_follow_their_units():
    found = traced(CASES["batch norm, pooled away"][0](), torch.zeros(3, *IMAGE))
    assert found.axes["1.running_mean"] == found.axes["1.running_var"] == found.axes["1.weight"] == ("0",)


def test_layers_that_share_their_parameters_share_their_units():
    module = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 3))
    module[2].weight = module[0].weight
    found = traced(module, torch.zeros(3, 6))
    # Its inputs are the network's, which stay, and so must what it makes: that the layer's second use takes in.
    assert found.axes["0.weight"] == (None, None)
    assert found.axes["2.bias"] == (None,)


def test_arguments_beside_the_input_keep_their_defaults():
    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.head = nn.Linear(6, 7), nn.Linear(7, 3)

        def forward(self, x, mask=None, scale=2.0):
            x = self.fc(x) * scale
            if mask is not None:
                x = x * mask
            return self.head(x.relu())

    assert kept_function(Masked(), torch.randn(3, 6)) == {"fc": 7}


def test_what_depends_on_values_cannot_be_traced():
    module = Net(lambda m, x: m.fc(x) if x.sum() > 0 else x, fc=nn.Linear(6, 6))
    with pytest.raises(ValueError, match=r"torch\.fx cannot trace Net: symbolically traced"):
        traced(module, torch.zeros(3, 6))


def test_activations_are_those_of_the_last_operation_on_whole_units():
    torch.manual_seed(0)
    module = CASES["batch norm, pooled away"][0]().eval()
    x = torch.randn(3, *IMAGE)
    output, hidden = traced(module, x).with_activations()(x, activations=True)
    torch.testing.assert_close(output, module(x))
    torch.testing.assert_close(hidden["0"], module[:3](x).movedim(1, -1))
    torch.testing.assert_close(hidden["4"], module[:7](x).movedim(1, -1))
