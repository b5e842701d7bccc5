"""Ensembles as files: mapped as they were written, and refused where they are not."""

import dataclasses
import resource
import struct

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings

from child.models import ensemble_file as files
from child.models.ensemble_file import MAGIC
from shaptrees import engine
from shaptrees.ensemble import About, Ensemble
from shaptrees.errors import UnreadableModel
from shaptrees.rules import Link
from tests.shaptrees.ensembles import Shape, ensemble, rows, shapes

SHAPE = Shape(seed=3, trees=4, features=5, outputs=2, depth=6, spine=False, whole=True, strict=True)


def about(trees, **other):
    found = {
        "family": "test",
        "name": "Test",
        "n_features": trees.features,
        "features": None,
        "takes_missing": True,
        "outputs": {"margin": [str(index) for index in range(trees.outputs)]},
        "native": "margin",
    }
    return About(**found | other)


def same(one, other):
    for field in dataclasses.fields(one):
        left, right = getattr(one, field.name), getattr(other, field.name)
        if field.name == "categories":
            assert left.keys() == right.keys()
            assert all((left[key] == right[key]).all() for key in left)
        elif isinstance(left, np.ndarray):
            np.testing.assert_array_equal(left, right, strict=True)
        else:
            assert left == right


@settings(max_examples=30, deadline=None)
@given(shapes())
def test_what_is_read_is_what_was_written(tmp_path_factory, shape):
    trees = dataclasses.replace(ensemble(shape), link=Link.LOGISTIC, categories={0: np.array([-1.5, 2.0])})
    path = tmp_path_factory.mktemp("file") / "trees"
    files.write(Ensemble(about=about(trees, features=[f"ä{i}" for i in range(trees.features)]), trees=trees), path)
    found = files.read(path)
    same(found.trees, trees)
    assert found.about == about(trees, features=[f"ä{i}" for i in range(trees.features)])
    np.testing.assert_array_equal(found.expected_value, trees.expected_value)
    x = rows(shape, 20)
    for level in engine.available():
        values = engine.shap_values(trees, x, level=level)
        np.testing.assert_array_equal(engine.shap_values(found.trees, x, level=level), values)


@pytest.fixture
def written(tmp_path):
    trees = ensemble(SHAPE)
    files.write(Ensemble(about=about(trees), trees=trees), tmp_path / "trees")
    return tmp_path / "trees"


def test_arrays_are_mapped_and_cannot_be_written(written):
    trees = files.read(written).trees
    for name in ("left", "threshold", "values", "cover"):
        array = getattr(trees, name)
        assert not array.flags.owndata
        assert not array.flags.writeable


def test_a_file_cut_off_anywhere_is_refused(written):
    content = written.read_bytes()
    for length in (0, 10, len(MAGIC) + 2, len(MAGIC) + 40, len(content) // 2, len(content) - 1):
        written.write_bytes(content[:length])
        with pytest.raises(UnreadableModel):
            files.read(written)
    written.write_bytes(content + b"\0")
    with pytest.raises(UnreadableModel):
        files.read(written)


def with_head(content, edit):
    """The file with another head, of any length."""
    start = len(MAGIC) + 4
    (length,) = struct.unpack("<I", content[len(MAGIC) : start])
    head = msgspec.msgpack.decode(content[start : start + length])
    edit(head)
    raw = msgspec.msgpack.encode(head)
    padding = -(start + len(raw)) % files.ALIGNMENT
    data = content[-(-(start + length) // files.ALIGNMENT) * files.ALIGNMENT :]
    return MAGIC + struct.pack("<I", len(raw)) + raw + bytes(padding) + data


HARM = {
    "dtype": lambda head: head["arrays"]["left"].__setitem__(0, "<i8"),
    "objects": lambda head: head["arrays"]["left"].__setitem__(0, "|O"),
    "no dtype": lambda head: head["arrays"]["left"].__setitem__(0, "nonsense"),
    "shape": lambda head: head["arrays"]["left"].__setitem__(1, [10**12]),
    "huge": lambda head: head["arrays"]["left"].__setitem__(1, [2**62, 4]),
    "negative": lambda head: head["arrays"]["left"].__setitem__(1, [-1]),
    "shorter": lambda head: head["arrays"]["left"].__setitem__(1, [1]),
    "offset": lambda head: head["arrays"]["values"].__setitem__(2, 2**40),
    "before": lambda head: head["arrays"]["values"].__setitem__(2, -64),
    "unaligned": lambda head: head["arrays"]["values"].__setitem__(2, 8),
    "array": lambda head: head["arrays"].pop("cover"),
    "link": lambda head: head["scalars"].__setitem__("link", 99),
    "features": lambda head: head["scalars"].__setitem__("features", 1),
    "scalar": lambda head: head["scalars"].pop("strict"),
    "names": lambda head: head["about"]["outputs"].__setitem__("margin", ["one"]),
    "native": lambda head: head["about"].__setitem__("native", "other"),
    "expected": lambda head: head.__setitem__("expected", [float("nan")] * 2),
    "categories": lambda head: head["categories"].__setitem__(77, head["arrays"]["base"]),
    "size": lambda head: head.__setitem__("size", head["size"] - 64),
}


@pytest.mark.parametrize("harm", HARM)
def test_a_head_that_lies_is_refused(written, harm):
    content = written.read_bytes()
    written.write_bytes(with_head(content, lambda head: None))
    files.read(written)
    written.write_bytes(with_head(content, HARM[harm]))
    with pytest.raises(UnreadableModel):
        files.read(written)


@pytest.mark.parametrize("name", ["offsets", "left", "right", "feature", "rule", "missing", "tree_output"])
def test_an_index_that_leads_astray_is_refused(written, name):
    content = bytearray(written.read_bytes())
    trees = files.read(written).trees
    raw = getattr(trees, name).tobytes()
    place = content.index(raw)
    size = getattr(trees, name).itemsize
    split = int(np.flatnonzero(trees.left >= 0)[0]) if name not in ("offsets", "tree_output") else 1
    content[place + split * size : place + (split + 1) * size] = b"\x7f" * size
    written.write_bytes(bytes(content))
    with pytest.raises(UnreadableModel):
        files.read(written)


def test_foreign_files_are_refused(tmp_path):
    for content in (b"", b"GIF89a" * 100, b"\x93NUMPY" + bytes(200), MAGIC.replace(b"2", b"1") + bytes(200)):
        (tmp_path / "foreign").write_bytes(content)
        with pytest.raises(UnreadableModel):
            files.read(tmp_path / "foreign")


def test_nothing_is_left_of_a_file_that_could_not_be_written(tmp_path):
    trees = ensemble(SHAPE)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            files.write(Ensemble(about=about(trees), trees=trees), tmp_path / "trees")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())
