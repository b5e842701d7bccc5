"""Values as callers get them, from what the engine adds up."""

import numpy as np

from shaptrees.arrays import Floats, Trees


def shaped(trees: Trees, phi: Floats) -> Floats:
    """(n, K, ...) to (n, ..., K), or (n, ...) for a single output."""
    if trees.complement:
        return np.stack([-phi[:, 0], phi[:, 0]], axis=-1)
    return phi[:, 0] if len(trees.base) == 1 else np.moveaxis(phi, 1, -1)


def symmetric(phi: Floats) -> Floats:
    """Interaction values (n, K, F, F) from pairs above the diagonal, half of each, and SHAP values on it; in place.

    The diagonal keeps what the pairs leave of the SHAP value.
    """
    diagonal = np.einsum("nkii->nki", phi)
    own = diagonal.copy()
    diagonal[:] = 0.0
    phi += phi.transpose(0, 1, 3, 2).copy()
    diagonal[:] = own - phi.sum(axis=3)
    return phi
