"""Self-attention. Its weights keep an axis for the heads and one for the dimensions within a head, since these have
symmetries of their own.
"""

from torch import Tensor, nn
from torch.nn import functional

from isthmus.models.layers import Axes, linear
from isthmus.models.roles import Role, parameter


class Attention(nn.Module):
    """Multi-head self-attention (Vaswani et al. 2017, section 3.2), of one network or of R.

    match_weight (2, heads, dim, width) makes queries and keys, value_weight (heads, dim, width) values, and
    out_weight (width, heads, dim) turns these back into the stream's units.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        dim = width // heads
        into, out = Role("weight", width), Role("weight", heads * dim)
        self.match_weight = parameter(into, 2, heads, dim, width)
        self.match_bias = parameter(Role("bias", width), 2, heads, dim)
        self.value_weight = parameter(into, heads, dim, width)
        self.value_bias = parameter(Role("bias", width), heads, dim)
        self.out_weight = parameter(out, width, heads, dim)
        self.out_bias = parameter(Role("bias", heads * dim), width)
        self.shape = heads, dim

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What is added to the stream (..., N, T, width), given the stream (..., N, T, width).

        Also queries and keys (..., N, T, 2, heads, dim), and what each head gives (..., N, T, heads, dim).
        """
        match, value = self.match_weight.flatten(-4, -2), self.value_weight.flatten(-3, -2)
        matches = linear(x, match, self.match_bias.flatten(-3)).unflatten(-1, (2, *self.shape))
        values = linear(x, value, self.value_bias.flatten(-2)).unflatten(-1, self.shape)
        # Examples of all networks in one axis: PyTorch's fused kernel wants four axes.
        queries, keys, values = (part.transpose(-3, -2).flatten(0, -4) for part in (*matches.unbind(-3), values))
        given = functional.scaled_dot_product_attention(queries, keys, values).transpose(-3, -2)
        given = given.reshape(*x.shape[:-1], *self.shape)
        return linear(given.flatten(-2), self.out_weight.flatten(-2), self.out_bias), matches, given


def attention_axes(name: str, stream: str, heads: str, match: str, value: str) -> Axes:
    """The table of an attention layer, given the groups' names.

    heads: the order of the heads. match, value: the order of the dimensions that compare queries with keys, and of
    those that values have; in all heads alike, since a table permutes a whole axis.
    """
    return {
        f"{name}.match_weight": (None, heads, match, stream),
        f"{name}.match_bias": (None, heads, match),
        f"{name}.value_weight": (heads, value, stream),
        f"{name}.value_bias": (heads, value),
        f"{name}.out_weight": (stream, heads, value),
        f"{name}.out_bias": (stream,),
    }
