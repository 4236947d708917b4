"""Methods compared at equal sparsity, and labels rotated over levels, on a few rows whose answer is known."""

import numpy as np
import pandas as pd

from isthmus.papers.demp import rows


def curve(seed, *points):
    """Networks of one seed: (sparsity, which of four examples are right)."""
    about = {"seed": seed, "collapsed": False}
    return pd.DataFrame([{**about, "neuron_sparsity": at, "right": right} for at, right in points])


def test_others_are_read_at_the_same_sparsity():
    mine, others = curve(0, (0.25, "xxxx")), curve(0, (1.0, "...."), (0.0, "xx.."))
    # A quarter of the way from the dense one: 75 points at the first two examples, none at the others.
    np.testing.assert_allclose(rows.above_curve(mine, others), [[25, 25, 100, 100]])


def test_beyond_its_ends_a_curve_goes_on_as_it_ends():
    mine, others = curve(0, (0.9, "xx..")), curve(0, (0.0, "...."), (0.5, "x..."))
    np.testing.assert_allclose(rows.above_curve(mine, others), [[0, 100, 0, 0]])


def test_networks_without_a_layer_are_left_out_on_both_sides():
    mine = curve(0, (0.5, "xxxx"), (0.9, "....")).assign(collapsed=[False, True])
    others = curve(0, (0.0, "xxxx"), (0.5, "....")).assign(collapsed=[False, True])
    np.testing.assert_allclose(rows.above_curve(mine, others), [[0, 0, 0, 0]])
    assert rows.above_curve(mine.assign(collapsed=True), others).isna().all(axis=None)


def test_the_sparsest_network_within_a_point():
    dense = pd.DataFrame({"seed": [0, 1], "validation": [0.97, 0.97]})
    found = pd.DataFrame(
        {"seed": [0, 0, 0, 1], "validation": [0.98, 0.965, 0.9, 0.9], "neuron_sparsity": [0.1, 0.3, 0.6, 0.5]}
    )
    assert rows.sparsest(found, dense, 0.01).to_dict() == {0: 0.3, 1: 0.0}


def test_rotated_labels_meet_every_level_equally_often():
    levels = pd.DataFrame([[1.0, 2.0, 3.0]] * 6, columns=[16, 64, 256])
    turned = rows.rotated(levels)
    np.testing.assert_allclose(turned.mean(), 2.0)
    assert turned.iloc[1].tolist() == [2, 3, 1]
