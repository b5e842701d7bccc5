"""How rows are sent: a block at a time, whatever they come as."""

import tracemalloc
from typing import Any

import narwhals  # noqa: F401 - what it takes is not of the table
import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from shap_supervisor.models import Saved
from shap_supervisor.multipart import body, whole
from shap_supervisor.npy import BLOCK_BYTES
from shap_supervisor.tables import rows_of

NUMBERS = np.random.default_rng(0).normal(size=(100_000, 20))
NAMES = [f"c{place}" for place in range(20)]
FRAME = pd.DataFrame(NUMBERS, columns=NAMES)
TABLES: dict[str, Any] = {
    "array": NUMBERS,
    "frame": FRAME,
    "strided": NUMBERS[:, ::-1],
    "frame with text": FRAME[:20_000].assign(town="Ulm"),
    "sparse": scipy.sparse.csr_matrix(np.where(NUMBERS > 1, NUMBERS, 0)),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_never_twice_in_memory(name: str) -> None:
    """Of 16 MB (the text: 8 as CSV) no more than some blocks, all the way to the socket."""
    model = Saved(whole("model", b""), library="sklearn", features=NAMES)
    tracemalloc.start()
    sent = body([rows_of(TABLES[name]).part("data", model)])
    size = sum(len(piece) for piece in sent.pieces())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 7 * BLOCK_BYTES
    assert sent.size in (size, None)
    assert peak < 5 * BLOCK_BYTES
