"""Uploaded skops files that would read files, call back, cache on disk, or lead native code astray: past offenders."""

import functools
import io
import json
import zipfile

import numpy as np
import pytest
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, RadiusNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, SplineTransformer, StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeRegressor

from child.models import sklearn_parts, uploaded
from jobs.errors import UnreadableModel, UntrustedTypes
from shaptrees.readers.checks import BadTree
from tests.child.support import explained, npy, refusal, skops_bytes


def with_schema(raw: bytes, edit) -> bytes:
    """The same file with its schema edited, as a crafted one would have it."""
    into = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as before, zipfile.ZipFile(into, "w") as after:
        for name in before.namelist():
            content = before.read(name)
            after.writestr(name, edit(content.decode()) if name == "schema.json" else content)
    return into.getvalue()


def text(vectoriser, samples) -> bytes:
    """A pipeline that takes words out of its first column."""
    words = np.array([["red"], ["blue"]] * 60)
    taken = ColumnTransformer([("text", vectoriser, 0)])
    return skops_bytes(make_pipeline(taken, LinearRegression()).fit(words, samples.number))


FILE_READERS = [
    TfidfVectorizer(input="filename"),
    CountVectorizer(input="file"),
    HashingVectorizer(input="filename", n_features=8),
]


@pytest.mark.parametrize("kind", FILE_READERS, ids=lambda kind: f"{type(kind).__name__} {kind.input}")
def test_text_vectorisers_read_content_alone(samples, kind):
    """Today's types only: what such a file read came back as base values."""
    wanted, kind = kind.input, type(kind)(**(kind.get_params() | {"input": "content"}))
    honest = text(kind, samples)
    uploaded.loads(honest)
    crafted = with_schema(honest, lambda schema: schema.replace('"\\"content\\""', f'"\\"{wanted}\\""'))
    assert crafted != honest
    with pytest.raises(UnreadableModel, match="not 'content'"):
        uploaded.loads(crafted)


def test_a_hasher_into_nothing_is_refused(samples):
    crafted = with_schema(text(HashingVectorizer(n_features=8), samples), lambda schema: schema.replace('"8"', '"0"'))
    with pytest.raises(UnreadableModel, match="n_features"):
        uploaded.loads(crafted)


FOREIGN = {
    "a function of the operating system": ("numpy", "log1p", "os", "system"),
    "a function that loads": ("numpy", "log1p", "numpy", "load"),
    "a function that reads text": ("numpy", "log1p", "numpy", "genfromtxt"),
    "a data set's": ("numpy", "log1p", "sklearn.datasets", "fetch_openml"),
    "a pickle's": ("numpy", "log1p", "joblib", "load"),
    "eval": ("numpy", "log1p", "builtins", "eval"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_functions_but_elementwise_ones_are_refused(samples, name):
    x = np.abs(samples.x)
    honest = skops_bytes(make_pipeline(FunctionTransformer(np.log1p), LinearRegression()).fit(x, samples.number))
    explained(honest, npy(x[:2]), npy(x[:4]))
    module, function, other, wanted = FOREIGN[name]

    def edit(schema: str) -> str:
        document = json.loads(schema)
        for node in uploaded.nodes(document):
            if (node["__loader__"], node["__module__"], node["__class__"]) == ("FunctionNode", module, function):
                node["__module__"], node["__class__"] = other, wanted
        return json.dumps(document)

    failed = refusal(with_schema(honest, edit))
    assert (failed.code, failed.detail["types"]) == ("untrusted_types", f"{other}.{wanted}")


@pytest.mark.parametrize(
    "loader", ["OperatorFuncNode", "MethodNode", "ConstructorFromReduceNode", "QuantileForestNode"]
)
def test_ways_to_rebuild_that_call_what_a_file_names_are_refused(samples, loader):
    honest = skops_bytes(LinearRegression().fit(samples.x, samples.number))
    crafted = with_schema(honest, lambda schema: schema.replace('"ObjectNode"', f'"{loader}"'))
    assert refusal(crafted).code == "untrusted_types"


def test_a_function_that_an_older_schema_names_elsewhere_is_refused():
    node = {"__loader__": "FunctionNode", "__module__": "numpy", "__class__": "log1p"}
    assert uploaded._foreign(node) is None
    assert uploaded._foreign(node | {"content": {"module_path": "os", "function": "system"}}) == "numpy.log1p"


def test_partial_functions_are_of_check_array_alone(samples):
    x = np.abs(np.round(samples.x))
    honest = skops_bytes(HistGradientBoostingRegressor(max_iter=2, categorical_features=[1]).fit(x, samples.number))
    explained(honest, npy(x[:2]))
    crafted = with_schema(honest, lambda schema: schema.replace('"check_array"', '"r2_score"'))
    with pytest.raises(UntrustedTypes):
        uploaded.loads(crafted)


def tree_with(raw: bytes, way: tuple[str, ...], content: object) -> bytes:
    """The same file, in which this part of each tree is another."""

    def edit(schema: str) -> str:
        document = json.loads(schema)
        for node in uploaded.nodes(document):
            if node["__loader__"] == "TreeNode":
                holder = functools.reduce(lambda inner, name: inner[name], way[:-1], node)
                part, unshared = holder[way[-1]], {"__id__": 0}  # skops takes what has the same id for the same
                holder[way[-1]] = {**part, **unshared, **content(holder)} if callable(content) else content
        return json.dumps(document)

    return with_schema(raw, edit)


COUNT, ARGUMENTS = ("content", "content", "node_count"), ("__reduce__", "args", "content")
CRAFTED_TREES = {
    "more nodes than it has": (COUNT, lambda _: {"content": "100000"}),
    "fewer nodes than it has": (COUNT, lambda _: {"content": "1"}),
    "a number of nodes that is none": (COUNT, lambda _: {"content": "-1"}),
    "nodes that are its values": (("content", "content", "nodes"), lambda parts: {"file": parts["values"]["file"]}),
    "values that are its nodes": (("content", "content", "values"), lambda parts: {"file": parts["nodes"]["file"]}),
    "more outputs than classes": ((*ARGUMENTS, 2), lambda _: {"content": "100000"}),
    "no outputs": ((*ARGUMENTS, 2), lambda _: {"content": "0"}),
    "no state": (("content", "content"), {}),
}


@pytest.mark.parametrize("name", CRAFTED_TREES)
def test_trees_of_sizes_that_their_arrays_do_not_have_are_refused(samples, name):
    """scikit-learn would read and write beside them, before there is anything that could be checked."""
    honest = skops_bytes(DecisionTreeRegressor(max_depth=2).fit(samples.x, samples.number))
    way, content = CRAFTED_TREES[name]
    crafted = tree_with(honest, way, content)
    with pytest.raises(BadTree):
        uploaded.loads(crafted)
    assert refusal(crafted).code == "unreadable_model"


def negative_category(mapper) -> None:
    mapper.bin_thresholds_[0] = np.array([-1.0, 2.0])


def fewer_features(mapper) -> None:
    mapper.is_categorical_ = mapper.is_categorical_[:1]


def other_features(mapper) -> None:
    mapper.is_categorical_ = mapper.is_categorical_[::-1].copy()


@pytest.mark.parametrize("broken", [negative_category, fewer_features, other_features])
def test_bins_that_scikit_learn_would_look_up_beside_them_are_refused(samples, broken):
    x = np.abs(np.round(samples.x))
    model = HistGradientBoostingRegressor(max_iter=2, categorical_features=[1]).fit(x, samples.number)
    explained(skops_bytes(model), npy(x[:2]))
    broken(model._bin_mapper)
    assert refusal(skops_bytes(model)).code == "unreadable_model"


def test_what_is_left_out_of_the_list_is_named(samples):
    model = make_pipeline(SplineTransformer(), LinearRegression()).fit(samples.x, samples.number)
    assert "BSpline" in refusal(skops_bytes(model)).message


@pytest.mark.parametrize("kind", [KNeighborsClassifier, KNeighborsRegressor, RadiusNeighborsRegressor])
def test_neighbours_in_a_tree_are_told_how_to_do_without(samples, kind):
    model = kind(algorithm="kd_tree").fit(samples.x, samples.two)
    failed = refusal(skops_bytes(model))
    assert (failed.code, 'set_params(algorithm="brute")' in failed.message) == ("untrusted_types", True)
    explained(
        skops_bytes(model.set_params(algorithm="brute").fit(samples.x, samples.two)),
        npy(samples.x[:2]),
        npy(samples.x[:4]),
    )


def test_an_archive_that_is_no_skops_file(samples):
    file = io.BytesIO()
    np.savez(file, samples.x)
    failed = refusal(file.getvalue())
    assert (failed.code, "skops.io.dump" in failed.message) == ("unreadable_model", True)


def test_a_model_that_fails_when_it_is_asked_says_how(samples):
    pipeline = make_pipeline(FunctionTransformer(np.log1p), LinearRegression()).fit(np.abs(samples.x), samples.number)
    pipeline[0].func = np.logaddexp  # of two numbers
    failed = refusal(skops_bytes(pipeline))
    assert failed.code == "unsupported_model"
    assert "asked to predict a row, it fails (TypeError: " in failed.message


def test_what_people_have_works(samples):
    search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, scoring="roc_auc", cv=2)
    model = make_pipeline(StandardScaler(), SelectKBest(k=3), search).fit(samples.x, samples.two)
    explained(skops_bytes(model), npy(samples.x[:2]), npy(samples.x[:4]))


def test_caches_on_disk_and_threads_are_dropped(samples, tmp_path):
    model = make_pipeline(StandardScaler(), KMeans(2), memory=str(tmp_path)).fit(samples.x)
    model[-1]._n_threads = 10**6
    sklearn_parts.tame(model)
    assert (model.memory, model[-1]._n_threads) == (None, 1)


def harmed_sparse(samples):
    matrix = sparse.csr_matrix(np.eye(5))
    matrix.indices[0] = 10**6
    model = LinearRegression().fit(samples.x, samples.number)
    model.coef_ = matrix
    return model


def edited(kind, edit):
    def make(samples):
        model = kind().fit(samples.x, samples.two)
        sklearn_parts.check(model)
        edit(model)
        return model

    return make


def shallow(model):
    state = model.tree_.__getstate__() | {"max_depth": 0}
    model.tree_.__setstate__(state)


def brute() -> KNeighborsClassifier:
    return KNeighborsClassifier(algorithm="brute")


NATIVE = {
    "sparse indices": harmed_sparse,
    "depth": edited(DecisionTreeRegressor, shallow),
    "labels": edited(brute, lambda m: m._y.__setitem__(0, 10**6)),
    "fewer labels": edited(brute, lambda m: setattr(m, "_y", m._y[:3])),
    "fitted rows": edited(brute, lambda m: setattr(m, "_fit_X", m._fit_X[:, :2].copy())),
    "centres": edited(lambda: KMeans(2), lambda m: setattr(m, "cluster_centers_", np.zeros((2, 2)))),
    "machine": edited(SVR, lambda m: setattr(m, "_impl", "c_svc")),
    "kernel": edited(SVC, lambda m: setattr(m, "kernel", "precomputed")),
    "probabilities": edited(SVC, lambda m: setattr(m, "_probA", np.zeros(7))),
    "classes": edited(
        SVC, lambda m: (setattr(m, "_n_support", np.array([900, 900], np.int32)), delattr(m, "classes_"))
    ),
}


@pytest.mark.parametrize("name", NATIVE)
def test_arrays_that_native_code_follows_are_checked(samples, name):
    with pytest.raises((BadTree, ValueError)):
        sklearn_parts.check(NATIVE[name](samples))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_garbled_archive_is_an_unreadable_model(samples, method):
    """Each way of packing fails in its own words, in whatever line comes to the damage first."""
    raw, packed = skops_bytes(LinearRegression().fit(samples.x, samples.number)), io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as honest, zipfile.ZipFile(packed, "w", method) as archive:
        for name in sorted(honest.namelist(), reverse=True):  # the schema first
            archive.writestr(name, honest.read(name))
    raw = packed.getvalue()
    head = 30 + len("schema.json")
    for at in range(head, head + 150, 9):
        broken = bytearray(raw)
        broken[at : at + 4] = b"\xff\x00\xff\x00"
        failed = refusal(bytes(broken), npy(samples.x[:2]), npy(samples.x[:4]))
        assert failed.code in ("unreadable_model", "unsupported_media_type"), failed
