"""Problems of the rows, or of a background's. Raised by children, some already at the door."""

from jobs.errors.problem import Problem


class NotUtf8(Problem):
    """{field} is not UTF-8 text (byte {position}). Save it as UTF-8."""

    code, status = "not_utf8", 422


class NoTable(Problem):
    """{field}: the JSON holds no table: {reason}. Send {{"columns": [...], "data": [[...], ...]}}, a list of records \
or a list of lists."""

    code, status = "no_table", 422


class BadTensors(Problem):
    """{field}: the tensors make no table: {reason}. Send one input of the shape [rows, features], or one of [rows] or \
[rows, 1] for each column, named by it."""

    code, status = "bad_tensors", 422


class NoHeader(Problem):
    """{field} is CSV without a header: its first line holds only numbers ({line}). Put the column names there."""

    code, status = "no_header", 422


class BadHeader(Problem):
    """{field}: the header is not usable: {reason}. Send a first line that names each column, once."""

    code, status = "bad_header", 422


class BadNpy(Problem):
    """{field}: the NPY header is not usable: {reason}. Send a table of numbers, as np.save writes it."""

    code, status = "bad_npy", 422


class BadTable(Problem):
    """{field} cannot be read as {format}: {reason}. Write it again, or send it as CSV."""

    code, status = "bad_table", 422


class BadIdColumn(Problem):
    """{field} cannot give the ids of id_column={column}: {reason}. Name one of its columns, or leave `id_column` \
out."""

    code, status = "bad_id_column", 422


class BadCohorts(Problem):
    """{field} cannot be told apart by={column}: {reason}. Name a column that has few different values, or leave `by` \
out."""

    code, status = "bad_cohorts", 422


class BadResultOption(Problem):
    """The option {field} does not fit this job: {reason}. Leave it out, or choose among what the values are of: \
{available}."""

    code, status = "bad_result_option", 422


class NoRows(Problem):
    """{field} has no rows. Send at least one."""

    code, status = "no_rows", 422


class RaggedRow(Problem):
    """{field}: row {row} has {found} cells, the header has {expected}. Put quotes around cells that hold a comma, \
and send as many cells in each row."""

    code, status = "ragged_row", 422


class NotNumeric(Problem):
    """{field}: row {row}, column {column}: {value} is not a number. {hint}"""

    code, status = "not_numeric", 422


class NotText(Problem):
    """{field}: row {row}, column {column}: {value} is no text, and the model reads text there. Send it in quotes, or \
the column as text."""

    code, status = "not_text", 422


class InfiniteValue(Problem):
    """{field}: row {row}, column {column} is infinite, or too large for 32-bit floats, in which most models \
compute. Only finite numbers and missing values can be explained: fill it in, or leave the cell empty where the \
model takes that."""

    code, status = "infinite_value", 422


class MissingValue(Problem):
    """{field}: row {row}, column {column} is missing, and {model} does not take missing values. Fill it in first."""

    code, status = "missing_value", 422


class RowRefused(Problem):
    """{field}: row {row} is refused by {model}: {reason}. Send values such as it was trained on."""

    code, status = "row_refused", 422


class BadRecord(Problem):
    """{field}: row {row} does not have the columns of the first row: {reason}. Send all rows with the same names."""

    code, status = "bad_record", 422


class TooManyChunks(Problem):
    """{rows} rows in chunks of {batch_size} make {chunks} chunks, more than the {limit} allowed: raise batch_size."""

    code, status = "too_many_chunks", 422


class FeatureCount(Problem):
    """{field} has {found} columns, the model has {expected} features. Send the columns that it was trained with, \
in their order, and no others."""

    code, status = "feature_count", 422


class BadExpected(Problem):
    """{field} cannot be compared with the model's output: {reason}. Send what the model predicts for data's first \
rows, in the output that is explained."""

    code, status = "bad_expected", 422


class ExpectedDiffers(Problem):
    """{field}: in row {row} the model's {explains} ({output}) is {found:.9g} here, and {expected:.9g} was expected \
(allowed: {tolerance:.2g}); {differing} of {rows} rows differ, so nothing was explained. {hint}"""

    code, status = "expected_differs", 422


class FeatureNames(Problem):
    """{field}: the columns do not match the model's features. Missing: {missing}. Not known to the model: {unknown}. \
Rename the columns, or send those that it was trained with."""

    code, status = "feature_names", 422
