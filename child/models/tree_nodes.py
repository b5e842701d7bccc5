"""scikit-learn's trees within a skops file, before scikit-learn makes one of them. Used in templates.

`Tree` copies what it is told without a look: sizes that its arrays do not have make it read and write beside them, so
they are compared when its parts are there and it is not. What its nodes say is checked afterwards: see `sklearn_parts`.
"""

from typing import Any

import numpy as np
from skops.io import _audit
from skops.io._sklearn import TreeNode

from shaptrees.readers.checks import BadTree

_PARTS = {"max_depth", "node_count", "nodes", "values"}
_LOADER = "TreeNode"


class CheckedTreeNode(TreeNode):  # type: ignore[misc]
    """skops makes parts once and keeps them: what is checked is what is used."""

    def _construct(self) -> Any:
        check(self.args.construct(), self.attrs.construct())
        return super()._construct()


def check(arguments: Any, state: Any) -> None:
    """What a Tree would be made of, and its state. Raises BadTree."""
    if not isinstance(arguments, tuple) or len(arguments) != len(("n_features", "n_classes", "n_outputs")):
        raise BadTree("a tree that is not made of features, classes and outputs")
    if not isinstance(state, dict) or not state.keys() >= _PARTS:
        raise BadTree(f"a tree without {', '.join(sorted(_PARTS))}")
    _, classes, outputs = arguments
    nodes, values, count = state["nodes"], state["values"], state["node_count"]
    if not all(type(found) is np.ndarray for found in (classes, nodes, values)):
        raise BadTree("a tree whose parts are no arrays")
    if classes.shape != (outputs,) or not outputs or classes.dtype.kind not in "iu" or classes.min() < 1:
        raise BadTree(f"classes of the shape {classes.shape} for {outputs} outputs")
    if "missing_go_to_left" not in (nodes.dtype.names or ()):
        raise BadTree("nodes that do not say where missing values go, as scikit-learn wrote them until 1.2")
    if nodes.shape != (count,) or not count or values.shape != (count, outputs, classes.max()):
        raise BadTree(f"nodes and values of the shapes {nodes.shape} and {values.shape} for {count} nodes")


def register() -> None:
    """From now on skops makes no tree that was not checked, whichever protocol a file was written in."""
    known = _audit.NODE_TYPE_MAPPING
    known.update({key: CheckedTreeNode for key in known if key[0] == _LOADER})
