"""What the numbers in the arrays of trees stand for: how a split sends a value, and what becomes of the sum."""

from enum import IntEnum

import numpy as np

LEAF = -1
ALL_OUTPUTS = -1
WORD_BITS = 32
ZERO_BOUND = float(np.float32(1e-35))
"""LightGBM takes what is no larger than this for zero."""


class Rule(IntEnum):
    """How a split sends a value left."""

    THRESHOLD = 0
    SET_GOES_LEFT = 1
    SET_GOES_RIGHT = 2


class Missing(IntEnum):
    """Where a split sends a missing value."""

    RIGHT = 0
    LEFT = 1
    AS_ZERO = 2
    ZERO_TOO_RIGHT = 3
    ZERO_TOO_LEFT = 4


class Link(IntEnum):
    """How probabilities (or whatever the model predicts) follow from the sum of the trees."""

    IDENTITY = 0
    LOGISTIC = 1
    SOFTMAX = 2
    EXP = 3
