"""Scores of where an example lies among the others, in what the layers of a network make of it."""

import numpy as np

from isthmus.difficulty.forgetting import learned

Array = np.ndarray


def neighbour_labels(features: Array, targets: Array, k: int = 30, queries: Array | None = None) -> Array:
    """Label (Q,) of most of the k nearest of `features` (N, D), with targets (N,), to each query (Q, D).

    Euclidean; the smallest label of several. queries: the features themselves by default, each of which is then a
    neighbour of its own, as in the authors' code.
    """
    from sklearn.neighbors import KNeighborsClassifier  # takes most of a second to import

    found = KNeighborsClassifier(min(k, len(features)), algorithm="brute").fit(features, targets)
    return found.predict(features if queries is None else queries)


def prediction_depth(matches: Array) -> Array:
    """The first layer from which on all neighbours agree with the target; L if the last does not. Larger is harder.

    matches (..., L, N), bool, input first: whether each layer's neighbours have the target's label (Baldock et al.
    2021).
    """
    return learned(matches)


def prototype_distance(features: Array, labels: Array) -> Array:
    """Euclidean distance (N,) of features (N, D) to the mean of their own class; larger is harder
    (Sorscher et al. 2022, supervised)."""
    found = np.empty(len(features))
    for label in np.unique(labels):
        mine = labels == label
        found[mine] = np.linalg.norm(features[mine] - features[mine].mean(axis=0), axis=1)
    return found


def cluster_distance(features: Array, k: int = 30, seed: int = 0) -> Array:
    """Euclidean distance (N,) of features (N, D) to the nearest of k centres of k-means; larger is harder
    (Sorscher et al. 2022, self-supervised)."""
    from sklearn.cluster import KMeans

    return KMeans(min(k, len(features)), n_init=1, random_state=seed).fit(features).transform(features).min(axis=1)
