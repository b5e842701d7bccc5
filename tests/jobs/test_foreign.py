"""Files that are no model of ours are named for what they are, each with the one step that helps."""

import gzip
import io
import json
import pickle
import struct
import zipfile

import pytest

from jobs.formats import SNIFF_BYTES, ModelFormat, sniff_data, sniff_model

XGBOOST_OLD = struct.pack("<fIii", 0.5, 4, 0, 1).ljust(136, b"\0") + struct.pack("<Q", 15) + b"binary:logistic" + b"\6"
XGBOOST_NODE = {"nodeid": 0, "depth": 0, "split": "f0", "split_condition": 0.5, "children": []}


def archive(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as into:
        for name in names:
            into.writestr(name, b"x")
    return file.getvalue()


FOREIGN = {
    # the first bytes, what they are called, and the way out
    "XGBoost 1.0 binary": (XGBOOST_OLD, "XGBoost's old binary", 'save_model("model.json")'),
    "XGBoost 1.4 binary": (b"binf" + XGBOOST_OLD, "XGBoost's old binary", 'save_model("model.json")'),
    "get_dump as JSON": (json.dumps([XGBOOST_NODE], indent=2).encode(), "JSON dump of XGBoost", "save_model"),
    "get_dump as text": (b"0:[f0<0.5] yes=1,no=2,missing=1\n\t1:leaf=1\n", "text dump of XGBoost", "save_model"),
    "dump_model": (b"booster[0]:\n0:[age<0.5] yes=1,no=2\n", "text dump of XGBoost", "save_model"),
    "a stump": (b"0:leaf=0.5\n", "text dump of XGBoost", "save_model"),
    "save_config": (b'{"learner":{"generic_param":{"device":"cpu"}}}', "configuration", "save_model"),
    "LightGBM as JSON": (b'{"name": "tree", "version": "v4", "num_class": 1}', "JSON dump of L", '"model.txt"'),
    "a data set of LightGBM": (b"______LightGBM_Binary_File_Token______\n", "data set of LightGBM", "booster"),
    "CatBoost as JSON": (b'{"ctrs": [], "features_info": {}, "oblivious_trees": []}', "CatBoost", '"model.cbm"'),
    "JSON lines": (b'{"a": 1, "b": 2}\n{"a": 3, "b": 4}\n', "JSON of rows", "swapped"),
    "another JSON": (b'{"coef": [1, 2]}', "JSON without a learner", "swapped"),
    "XGBoost, gzipped": (gzip.compress(b'{"learner": {}}'), "XGBoost JSON in it", "gunzip"),
    "LightGBM, gzipped": (gzip.compress(b"tree\nversion=v4\n"), "LightGBM text in it", "gunzip"),
    "a table, gzipped": (gzip.compress(b"a,b\n1,2\n"), "gzip file of no model", "swapped"),
    "saveRDS": (gzip.compress(b"X\n\0\0\0\3"), "file of R", "xgb.save"),
    "PMML": (b'<?xml version="1.0"?>\n<PMML version="4.4">', "PMML", "converted from"),
    "ONNX": (b"\x08\x07\x12\x08skl2onnx\x1a\x061.14.0", "ONNX", "converted from"),
    "Keras": (archive("metadata.json", "config.json", "model.weights.h5"), "Keras", "shap.DeepExplainer"),
    "Keras, HDF5": (b"\x89HDF\r\n\x1a\n", "HDF5", "Keras"),
    "PyTorch": (archive("archive/data.pkl", "archive/version"), "PyTorch", "shap.DeepExplainer"),
    "PyTorch of old": (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "PyTorch", "shap.DeepExplainer"),
    "TensorFlow Lite": (b"\x1c\0\0\0TFL3", "TensorFlow Lite", "shap.DeepExplainer"),
    "safetensors": (struct.pack("<Q", 60) + b'{"weight":{"dtype":"F32"', "safetensors", "shap.DeepExplainer"),
    "MLflow": (b"artifact_path: model\nflavors:\n  sklearn:\n", "MLmodel", "convert"),
    "Spark": (b'{"class":"org.apache.spark.ml.PipelineModel"}', "Spark", "native booster"),
    "a workbook": (archive("[Content_Types].xml", "xl/workbook.xml"), "Excel", "swapped"),
    "a page": (b"<!DOCTYPE html>\n<html>", "HTML page", "fetch the file"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS", "git lfs pull"),
    "bzip2": (b"BZh91AY", "bzip2", "unpack it first"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_it_is_named_with_the_way_out(name: str) -> None:
    head, called, way_out = FOREIGN[name]
    found = sniff_model(head[:SNIFF_BYTES])
    assert not isinstance(found, ModelFormat), found
    assert called in found
    assert way_out in found
    assert len(found) < 150


PICKLES = [
    *(pickle.dumps(ValueError(), protocol) for protocol in range(6)),
    gzip.compress(pickle.dumps(ValueError()), mtime=0),
    b"\x1f\x8b\x08 and no gzip",
]


@pytest.mark.parametrize("head", PICKLES)
def test_pickles_are_pickles_whatever_their_protocol(head: bytes) -> None:
    assert sniff_model(head) is ModelFormat.PICKLE


@pytest.mark.parametrize("head", [b'{"learner":{"attributes":{}}}', b'{"version":[1,4,2],"learner":{}}'])
def test_models_are_still_models(head: bytes) -> None:
    assert sniff_model(head) is ModelFormat.XGBOOST_JSON
    assert sniff_model(head.replace(b"{}", b'{"feature_names":["oblivious_trees"]}')) is ModelFormat.XGBOOST_JSON


@pytest.mark.parametrize("name", ["a page", "Git LFS", "bzip2"])
def test_what_is_no_table_either(name: str) -> None:
    head, called, way_out = FOREIGN[name]
    found = sniff_data(head)
    assert called in found
    assert way_out in found
