"""How far scores say the same: principal components of their ranks."""

import numpy as np

Array = np.ndarray


def principal(correlations: Array) -> tuple[Array, Array]:
    """Shares (..., S) of the variance that each component explains, falling, and loadings (..., component, score).

    correlations (..., S, S): of the ranks of S scores, so that every score counts alike. A component's loadings are
    its correlations with the scores; the sign is that of most of them.
    """
    values, vectors = np.linalg.eigh(correlations)
    values, vectors = np.maximum(values[..., ::-1], 0), np.swapaxes(vectors, -1, -2)[..., ::-1, :]
    signs = np.where(vectors.sum(axis=-1, keepdims=True) < 0, -1.0, 1.0)
    return values / values.sum(axis=-1, keepdims=True), signs * vectors * np.sqrt(values)[..., None]
