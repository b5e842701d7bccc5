"""Problems of the model, and of a model with what was asked of it. Raised by children."""

from jobs.errors.problem import Problem


class UnreadableModel(Problem):
    """The model ({format}) cannot be read: {reason}. Save it again with the library that made it, and send the \
whole file."""

    code, status = "unreadable_model", 422


class UntrustedTypes(Problem):
    """The skops file holds types that this service does not load: {types}. {way_out}"""

    code, status = "untrusted_types", 422


class UnsupportedModel(Problem):
    """{model} cannot be explained: {reason}. Send a fitted model that predicts numbers or classes from a table of \
numbers."""

    code, status = "unsupported_model", 422


class MissingExtra(Problem):
    """{model} needs a library that this service was installed without: the operator installs it with \
`pip install shap-supervisor[{extra}]`."""

    code, status = "missing_extra", 422


class VersionMismatch(Problem):
    """{model} may not mean here what it meant to its author: {reason}. {way_out}"""

    code, status = "version_mismatch", 422


class UnsupportedCombination(Problem):
    """{asked} does not go with {model}: {reason}. Leave it out, or ask for something else."""

    code, status = "unsupported_combination", 422


class ConversionFailed(Problem):
    """The trees of {model}, read into arrays, miss its own output by up to {largest_error:.3g} (allowed: \
{tolerance:.3g}), so they are not explained. Send a background and ask for `explainer: permutation`, which \
explains any model."""

    code, status = "conversion", 422


class BackgroundRequired(Problem):
    """The {explainer} explainer for {model} needs a background: send some typical rows (about 100) as \
`background`{otherwise}.{why}"""

    code, status = "background_required", 422


class NotFinite(Problem):
    """{what} of {model} is {value}, which is no finite number (beyond 1e300 none counts as one), so no SHAP values \
can add up to its output. Find it among the model's coefficients, leaves and intercepts, or in the rows that it was \
trained on, and send a model without it."""

    code, status = "not_finite", 422


class TooManyValues(Problem):
    """{model} has {features} features and {outputs} outputs: {found} values for each row, more than the {limit} \
allowed. Send a model of fewer outputs, such as one for some of its targets."""

    code, status = "too_many_values", 422


class NamesTooLarge(Problem):
    """{field}: the names of its columns take {found_bytes} bytes together, more than the {limit_bytes} allowed. \
Shorten them, or send neither the model nor the rows with names."""

    code, status = "names_too_large", 422


class NameTooLong(Problem):
    """{field}: the name of a column that begins with {name} has {found_characters} characters, more than the \
{limit_characters} allowed. Rename it."""

    code, status = "name_too_long", 422


class BadNames(Problem):
    """{field}: the name of a column is no text that could be written as UTF-8: {name}. Rename it."""

    code, status = "bad_names", 422


class AdditivityFailed(Problem):
    """Base value plus SHAP values miss the model's own output by up to {largest_error:.3g} (allowed: \
{tolerance:.3g}), so these values cannot be right. To have them anyway, submit with `check_additivity: false`."""

    code, status = "additivity", 422
