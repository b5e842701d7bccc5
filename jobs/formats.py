"""Which file format some first bytes are. Used at the door and again in the child; the file's name decides nothing.

Does not read the files: see `child.rows` and `child.models`.
"""

import re
from collections.abc import Callable
from enum import StrEnum

from jobs import foreign

SNIFF_BYTES = 4096
"""How many first bytes are enough to tell."""
INSTALL = "pip install shap-supervisor[tables]"
SWAPPED = "are `model` and `data` swapped?"
_IF_TABLE = f"if it is a table: {SWAPPED}"
_MODEL = re.compile(rb'\s*\{\s*"learner"\s*:|\{[LliIUu]|tree\r?\nversion=|CBM1')
"""Models that would otherwise pass for JSON or text."""
_PICKLE = re.compile(rb"\x80[\x02-\x05]|\x78[\x01\x5e\x9c\xda]|c[\w.]+\n\w+\n(p0\n|q\0)")
_TENSORS = re.compile(
    rb'\s*\{\s*(?:"id"\s*:\s*"(?:[^"\\]|\\.)*+"\s*,\s*)?"inputs"\s*:\s*\[\s*\{\s*'
    rb'(?:"name"\s*:\s*"(?:[^"\\]|\\.)*+"\s*,\s*|"shape"\s*:\s*\[[-\d\s,]*+\]\s*,\s*)*+"datatype"\s*:'
)
"""The type of the first input stands before its values, as KServe's client writes it."""
_GZIP = b"\x1f\x8b"


def _is_npy(head: bytes) -> bool:
    return head.startswith(b"\x93NUMPY")


def _is_tensors(head: bytes) -> bool:
    return bool(_TENSORS.match(head))


def _is_json(head: bytes) -> bool:
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")


def are_json_lines(head: bytes) -> bool:
    """Whether JSON is a record or a list on each line (NDJSON), by its first two lines."""
    lines = head.removeprefix(b"\xef\xbb\xbf").lstrip().split(b"\n", 2)
    first, second = (line.strip() for line in [*lines, b""][:2])
    ends = {b"{": b"}", b"[": b"]"}.get(first[:1])
    return bool(ends) and first.endswith(ends or b"-") and second[:1] == first[:1]


def _is_parquet(head: bytes) -> bool:
    return head.startswith(b"PAR1")


def _is_arrow(head: bytes) -> bool:
    return head.startswith(b"ARROW1\0")


def _is_arrow_stream(head: bytes) -> bool:
    return head.startswith(b"\xff\xff\xff\xff")


def _is_xlsx(head: bytes) -> bool:
    return head.startswith(b"PK\x03\x04") and (b"[Content_Types].xml" in head or b"xl/" in head)


def _is_text(head: bytes) -> bool:
    return not _no_table(head)


def _no_table(head: bytes) -> str:
    """A few words on what a file is that holds no table of ours; none for text."""
    if _PICKLE.match(head):
        return "a pickle file"
    return foreign.table(head) or ("a binary file of an unknown kind" if b"\x00" in head else "")


class DataFormat(StrEnum):
    """Rows of a table: a format's name, what messages call it, and whether some first bytes look like it.

    The first that fits is meant, so text, which anything may be, comes last. The readers are a table of the same names
    in `child.rows`.
    """

    NPY = "npy", "NPY", _is_npy
    TENSORS = "tensors", "V2 tensors", _is_tensors
    JSON = "json", "JSON", _is_json
    PARQUET = "parquet", "Parquet", _is_parquet, "pyarrow"
    ARROW = "arrow", "Arrow", _is_arrow, "pyarrow"
    ARROW_STREAM = "arrow-stream", "Arrow stream", _is_arrow_stream, "pyarrow"
    XLSX = "xlsx", "Excel", _is_xlsx, "python_calamine"
    CSV = "csv", "CSV with a header", _is_text

    label: str
    looks_like: Callable[[bytes], bool]
    module: str
    """What reads it, where a plain installation does not; the extra `tables` brings it."""

    def __new__(cls, name: str, label: str, looks_like: Callable[[bytes], bool], module: str = "") -> "DataFormat":
        member = str.__new__(cls, name)
        member._value_ = name
        member.label = label
        member.looks_like = looks_like
        member.module = module
        return member

    @property
    def missing(self) -> str:
        """What is said of a file that cannot be read for want of `module`."""
        whole = "sheet" if self is DataFormat.XLSX else "table"
        way_out = f"{INSTALL}, or save the {whole} as CSV"
        return f"{self.label}, which this service does not read without the extra `tables` ({way_out}),"


DATA_FORMATS = ", ".join(sorted(found.label for found in DataFormat))
"""All of them, for messages."""
PLAIN_FORMATS = ", ".join(sorted(found.label for found in DataFormat if not found.module))
"""Those that need no extra, for messages to whom one is missing."""


class ModelFormat(StrEnum):
    """A fitted model: a format's name, what messages call it, how its first bytes look, and the extra that brings its
    library where a plain installation does not.

    The readers are a table of the same names in `child.models`.
    """

    XGBOOST_JSON = "xgboost-json", "XGBoost JSON", rb"\s*\{(?![LliIUu])"
    XGBOOST_UBJ = "xgboost-ubj", "XGBoost UBJSON", rb"\{[LliIUu]"
    LIGHTGBM_TEXT = "lightgbm-text", "LightGBM text", rb"tree\r?\n"
    CATBOOST = "catboost", "CatBoost CBM", rb"CBM1", "catboost"
    SKOPS = "skops", "skops", rb"PK\x03\x04"
    PICKLE = "pickle", "pickle", _PICKLE.pattern + rb"|\x1f\x8b"

    label: str
    magic: re.Pattern[bytes]
    extra: str | None

    def __new__(cls, name: str, label: str, magic: bytes, extra: str | None = None) -> "ModelFormat":
        member = str.__new__(cls, name)
        member._value_ = name
        member.label = label
        member.magic = re.compile(magic)
        member.extra = extra
        return member


MODEL_FORMATS = ", ".join(found.label for found in ModelFormat if found is not ModelFormat.PICKLE)
"""Those that anybody may send, for messages: loading a pickle runs its code."""


def sniff_data(head: bytes) -> DataFormat | str:
    """The format of a data file from its first bytes, or a few words on what it is instead."""
    if _MODEL.match(head):
        return f"a model file ({SWAPPED})"
    return next((found for found in DataFormat if found.looks_like(head)), None) or _no_table(head)


def sniff_model(head: bytes) -> ModelFormat | str:
    """The format of a model file from its first bytes, or a few words on what it is instead."""
    if head.startswith(_GZIP):
        return _gzipped(foreign.ungzipped(head))
    if words := foreign.model(head):
        return words
    found = next((known for known in ModelFormat if known.magic.match(head)), None)
    if found is ModelFormat.XGBOOST_JSON and b'"learner"' not in head:
        return (
            f"JSON of rows ({SWAPPED})" if are_json_lines(head) else f"JSON without a learner of XGBoost ({_IF_TABLE})"
        )
    if not found and isinstance(sniff_data(head), DataFormat):
        return f"a file of an unknown kind ({_IF_TABLE})"
    return found or "a file of an unknown kind"


def _gzipped(inside: bytes) -> ModelFormat | str:
    """What a gzip file is that begins with this. joblib's pickles are; other models are not read from one."""
    if not inside or _PICKLE.match(inside):
        return ModelFormat.PICKLE
    if foreign.is_of_r(inside):
        return "a file of R (save the model with xgb.save or lgb.save)"
    if found := next((known for known in ModelFormat if known.magic.match(inside)), None):
        return f"a gzip file with {found.label} in it (unpack it first: gunzip)"
    return f"a gzip file of no model ({_IF_TABLE})"
