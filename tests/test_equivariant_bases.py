"""Equivariant bases: every element commutes with the group, none is missing, and the identity is one of them."""

from itertools import permutations, product

import pytest
import torch

from isthmus.equivariant import bases, lattices, theory

NODES = 4


def cyclic_group(order):
    shift = torch.eye(order, dtype=torch.float64).roll(1, 0)
    return [(torch.linalg.matrix_power(shift, k),) * 2 for k in range(order)]


def node_group(outputs, inputs, nodes=NODES):
    """The actions of every permutation of the nodes on tensors of both orders."""
    chosen = [torch.tensor(p) for p in permutations(range(nodes))]
    return [(bases.on_tensors(p, outputs), bases.on_tensors(p, inputs)) for p in chosen]


def lattice_group(outputs, inputs, side, turns):
    """The actions of every shift and turn on fields, as matrices over a small closed lattice."""

    def matrix(fields, move):
        basis = torch.eye(fields * side * side, dtype=torch.float64).reshape(-1, fields, side, side)
        return move(basis).flatten(1).T

    def moved(turned, down, right):
        def move(x):
            for _ in range(turned):
                x = lattices.turn(x)
            return lattices.shift(x, down, right)

        return move

    moves = [moved(*each) for each in product(range(4 if turns else 1), range(side), range(side))]
    return [(matrix(outputs, move), matrix(inputs, move)) for move in moves]


def as_matrices(kernels, side):
    """The elements of a basis of convolutions as matrices, column by column."""
    fields = kernels.elements.shape[2]
    inputs = torch.eye(fields * side * side, dtype=torch.float64).reshape(1, -1, 1, fields, side, side)
    weights = kernels.expand(torch.eye(len(kernels), dtype=torch.float64)[:, None, None])
    return torch.stack([kernels.act(one[None], inputs)[0].flatten(1).T for one in weights])


SIDE = 4
# Elements as matrices, the group's actions on outputs and inputs, and the size in the sheet's table.
CASES = {
    "trivial": (bases.trivial().elements, [(torch.eye(1).double(),) * 2], 1),
    "C4": (bases.cyclic(4).elements, cyclic_group(4), 4),
    "C5": (bases.cyclic(5).elements, cyclic_group(5), 5),
    "C4 to numbers": (bases.invariant(4).elements, [(torch.eye(1).double(), g) for g, _ in cyclic_group(4)], 1),
    "sets": (bases.sets(NODES).elements, node_group(1, 1), 2),
    "sets to numbers": (bases.invariant(NODES).elements, node_group(0, 1), 1),
    "order 2 to 2": (bases.tensors(NODES, 2, 2).elements, node_group(2, 2), 15),
    "order 2 to 1": (bases.tensors(NODES, 1, 2).elements, node_group(1, 2), 5),
    "order 2 to 0": (bases.tensors(NODES, 0, 2).elements, node_group(0, 2), 2),
    "bias of order 2": (bases.tensors(NODES, 2, 0).elements, node_group(2, 0), 2),
    "3x3 shifts": (as_matrices(lattices.shifts(), SIDE), lattice_group(1, 1, SIDE, turns=False), 9),
    "turned images": (as_matrices(lattices.turned_images(), SIDE), lattice_group(1, 1, SIDE, turns=True), 3),
    "p4 lifting": (as_matrices(lattices.lifting(), SIDE), lattice_group(4, 1, SIDE, turns=True), 9),
    "p4": (as_matrices(lattices.regular(), SIDE), lattice_group(4, 4, SIDE, turns=True), 36),
}
LATTICES = ("3x3 shifts", "turned images", "p4 lifting", "p4")


@pytest.mark.parametrize("name", CASES)
def test_every_element_commutes_with_every_group_element_exactly(name):
    elements, group, _ = CASES[name]
    for outputs, inputs in group:
        assert torch.equal(elements @ inputs, outputs @ elements)


@pytest.mark.parametrize("name", CASES)
def test_elements_are_independent_and_as_many_as_the_table_says(name):
    elements, _, size = CASES[name]
    assert len(elements) == size
    assert torch.linalg.matrix_rank(elements.flatten(1)) == size


@pytest.mark.parametrize("name", [name for name in CASES if name not in LATTICES])
def test_no_equivariant_map_is_missing(name):
    """The dimension of all equivariant maps: the mean over the group of the product of traces."""
    _, group, size = CASES[name]
    traces = [outputs.trace() * inputs.trace() for outputs, inputs in group]
    assert sum(traces) / len(group) == pytest.approx(size)


def test_order_two_maps_of_three_nodes_are_dependent():
    assert torch.linalg.matrix_rank(bases.tensors(3, 2, 2).elements.flatten(1)) == 14


def test_bells_numbers():
    assert [len([*bases.partitions(range(n))]) for n in range(5)] == [1, 1, 2, 5, 15]


@pytest.mark.parametrize(
    "basis",
    [bases.trivial(), bases.cyclic(4), bases.sets(5), bases.tensors(4, 2, 2)],
    ids=["trivial", "C4", "sets", "order 2"],
)
def test_the_identity_is_a_single_element(basis):
    size = basis.elements.shape[1]
    assert torch.equal(basis.elements[basis.identity], torch.eye(size, dtype=torch.float64))


@pytest.mark.parametrize(("kernels", "fields"), [(lattices.turned_images(), 1), (lattices.regular(), 4)])
def test_the_identity_is_a_single_kernel(kernels, fields):
    x = torch.randn(1, 3, 1, fields, 4, 4, dtype=torch.float64)
    coefficients = torch.eye(len(kernels), dtype=torch.float64)[kernels.identity][None, None, None]
    assert torch.equal(kernels.act(kernels.expand(coefficients), x), x)


@pytest.mark.parametrize("basis", [bases.invariant(4), lattices.lifting()], ids=["C4 to numbers", "lifting"])
def test_maps_between_different_spaces_have_no_identity(basis):
    with pytest.raises(ValueError, match="the identity as an element, found none"):
        _ = basis.identity


@pytest.mark.parametrize(
    ("basis", "norm"),
    [(bases.cyclic(4), 4), (bases.cyclic(7), 7), (bases.sets(6), 2), (bases.invariant(9), 1)],
    ids=["C4", "C7", "sets", "numbers"],
)
def test_the_norm_of_a_basis(basis, norm):
    assert theory.basis_norm(basis) == pytest.approx(norm)


def test_a_sum_that_is_no_mean_has_a_norm_that_grows_with_the_set():
    plain = bases.Matrices(torch.stack([torch.eye(6), torch.ones(6, 6)]).double())
    assert theory.basis_norm(plain) == pytest.approx(1 + 6)


def test_a_large_basis_has_no_norm_by_corners():
    with pytest.raises(ValueError, match="at most 12 elements, found 15"):
        theory.basis_norm(bases.tensors(4, 2, 2))
