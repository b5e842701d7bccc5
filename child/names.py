"""Names of features and outputs are bounded before they go anywhere: jobs carry them, and every answer repeats them.

Used in templates and children. Does not compare the data's names with the model's: see `rows.layout`.
"""

from collections.abc import Iterable

from jobs.errors import BadNames, NamesTooLarge, NameTooLong
from jobs.protocol import MOST_NAME

MOST_BYTES = 1024 * 1024
"""Of all names of a model, or of a table, together: 100,000 of ten letters."""
SHOWN = 40


def feature_names(features: list[str] | None, count: int) -> list[str]:
    """What the features are called where a model, or a table, may have no names: f0, f1, ..."""
    return features or [f"f{place}" for place in range(count)]


def check(field: str, names: Iterable[str]) -> None:
    """Raises NamesTooLarge, NameTooLong and BadNames."""
    found_bytes = 0
    for name in names:
        if len(name) > MOST_NAME:
            raise NameTooLong(
                field=field, name=ascii(name[:SHOWN]), found_characters=len(name), limit_characters=MOST_NAME
            )
        try:
            found_bytes += len(name.encode())
        except UnicodeEncodeError:
            raise BadNames(field=field, name=ascii(name[:SHOWN])) from None
    if found_bytes > MOST_BYTES:
        raise NamesTooLarge(field=field, found_bytes=found_bytes, limit_bytes=MOST_BYTES)
