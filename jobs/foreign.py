"""What a file is that nothing here reads, by its first bytes: a few words, and in brackets the one step that helps.

Used by `formats`, which knows the files that are read.
"""

import re
import zlib

CONVERT = "`shap-supervisor convert`"
"""What makes of a file that is refused one that is not, for messages."""
_UNPACK = "unpack it first"
_ORIGINAL = "send the model that it was converted from"
_NEURAL = "no framework of neural networks is read: shap.DeepExplainer explains it where it was made"
_SAVE_JSON = 'of the booster: save_model("model.json")'

_ANY = (
    (rb"PAR1", "a Parquet file (in pandas: read_parquet, then to_csv(index=False))"),
    (rb"\x1f\x8b", f"a gzip file in another ({_UNPACK})"),
    (rb"BZh", f"a bzip2 file ({_UNPACK})"),
    (rb"\xfd7zXZ", f"an xz file ({_UNPACK})"),
    (rb"\x28\xb5\x2f\xfd", f"a Zstandard file in another ({_UNPACK})"),
    (rb"\xd0\xcf\x11\xe0", "an old Excel workbook (save its sheet as CSV)"),
    (rb"\x89HDF", "an HDF5 file (in pandas: read_hdf, then to_csv; networks of Keras are not read)"),
    (rb"%PDF", "a PDF file"),
    (rb"ARROW1", "an Arrow file (in pandas: read_feather, then to_csv(index=False))"),
    (rb"Obj\x01", "an Avro file"),
    (rb"\xff\xfe|\xfe\xff", "UTF-16 text (save it as UTF-8)"),
    (rb"version https://git-lfs", "a pointer of Git LFS (fetch the file itself: git lfs pull)"),
    (rb"(?i:\s*<(!doctype )?html)", "an HTML page, and no download (fetch the file itself)"),
)
_TABLES = (
    *_ANY,
    (
        rb"PK\x03\x04",
        "a ZIP archive (of an Excel workbook save the sheet as CSV, of an NPZ file one array with np.save)",
    ),
)
_OLD_BINARY = rb"binf|bs64|.{136}[\x04-\x20]\0{7}[a-z]+:[a-z]+"
"""XGBoost's binary: numbers, and from the 136th byte on the length of the objective's name, and the name."""
_MODELS = (
    (
        _OLD_BINARY,
        f"XGBoost's old binary format ({CONVERT} with XGBoost 3.0 or older; or load it there, then, {_SAVE_JSON})",
    ),
    (rb"\s*\[\s*\{\s*\"nodeid\"", f"a JSON dump of XGBoost, which lacks much of the model ({_SAVE_JSON})"),
    (
        rb"\s*(booster\[\d+\]:\s+)?\d+:(\[|leaf=)",
        f"a text dump of XGBoost, which lacks much of the model ({_SAVE_JSON})",
    ),
    (rb"\s*\{\s*\"learner\"\s*:\s*\{\s*\"generic_param\"", f"XGBoost's configuration without its trees ({_SAVE_JSON})"),
    (rb"\s*\{\s*\"name\"\s*:\s*\"tree\"", 'a JSON dump of LightGBM (of the booster: save_model("model.txt"))'),
    (
        rb"\s*\{(?!.*\"learner\").*\"(oblivious_trees|features_info)\"",
        'JSON of CatBoost (of the model: save_model("model.cbm"))',
    ),
    (rb"______LightGBM_Binary_File", "a data set of LightGBM (send the booster that was trained on it)"),
    (rb".*<PMML", f"a PMML file ({_ORIGINAL})"),
    (rb"\x08[\x03-\x20][\x12\x1a\x22\x3a\x42]", f"an ONNX file ({_ORIGINAL})"),
    (rb"PK\x03\x04.{26}[^/]{0,99}/(data\.pkl|\.data/|byteorder)|\x80\x02\x8a\nl\xfc", f"a PyTorch file ({_NEURAL})"),
    (rb"PK\x03\x04.{26}(metadata|config)\.json", f"a Keras file ({_NEURAL})"),
    (rb".{4}TFL3", f"a TensorFlow Lite file ({_NEURAL})"),
    (rb".{8}\{\"(__metadata__|[\w.]+\":\{\"dtype)", f"a safetensors file ({_NEURAL})"),
    (rb"(.{0,300}\n)?flavors:\r?\n", f"an MLmodel file of MLflow ({CONVERT} makes a model of its directory)"),
    (rb"\s*\{\"class\":\"org\.apache\.spark", "a model of Spark (of XGBoost's and LightGBM's save the native booster)"),
    (rb"PK\x03\x04.{26}(\[Content_Types\]|xl/)", "an Excel workbook (are `model` and `data` swapped?)"),
    *_ANY,
)
_KNOWN_TABLES, _KNOWN_MODELS = (
    tuple((re.compile(begins, re.DOTALL), words) for begins, words in rows) for rows in (_TABLES, _MODELS)
)
_R = re.compile(rb"RD[XA][23]\n|[XA]\n")


def table(head: bytes) -> str:
    """What these first bytes are instead of a table; empty where nothing is known."""
    return next((words for begins, words in _KNOWN_TABLES if begins.match(head)), "")


def model(head: bytes) -> str:
    """What they are instead of a model; empty where nothing is known."""
    return next((words for begins, words in _KNOWN_MODELS if begins.match(head)), "")


def is_old_xgboost(head: bytes) -> bool:
    """Whether XGBoost up to 3.0 wrote this, under a name that ends in neither .json nor .ubj."""
    return bool(re.match(_OLD_BINARY, head, re.DOTALL))


def is_of_r(head: bytes) -> bool:
    """Whether R has written this, unpacked, with saveRDS or save."""
    return bool(_R.match(head))


def ungzipped(head: bytes) -> bytes:
    """What the first bytes of a gzip file hold."""
    try:
        return zlib.decompressobj(wbits=31).decompress(head, len(head))
    except zlib.error:
        return b""
