"""Which format an Accept header asks for (RFC 9110). Pure; used in the web process."""

import re
from typing import NamedTuple

Range = tuple[str, str]
_QUALITY = re.compile(r"\d(\.\d*)?", re.ASCII)


class Wanted(NamedTuple):
    """How much a media type is wanted, and how exactly it was named; compared in this order."""

    quality: float
    exactness: int


UNWANTED = Wanted(0.0, -1)


def choose(accept: str | None, available: list[str]) -> str | None:
    """The best of the available media types, the first of equals; None when the header excludes them all."""
    ranges = _ranges(accept or "*/*") or _ranges("*/*")
    best = max(available, key=lambda media: _wanted(media, ranges))  # max keeps the first of equals
    return best if _wanted(best, ranges).quality > 0 else None


def _ranges(accept: str) -> list[tuple[Range, float]]:
    """The media ranges with their qualities; what cannot be read is left out."""
    found = []
    for item in accept.split(","):
        media, *parameters = (part.strip().lower() for part in item.split(";"))
        kind, slash, subtype = media.partition("/")
        quality = _quality(parameters)
        if slash and kind and subtype and quality is not None:
            found.append(((kind, subtype), quality))
    return found


def _quality(parameters: list[str]) -> float | None:
    raw = next((value for name, _, value in (item.partition("=") for item in parameters) if name == "q"), "1")
    return min(float(raw), 1.0) if _QUALITY.fullmatch(raw) else None


def _wanted(media: str, ranges: list[tuple[Range, float]]) -> Wanted:
    """The most exact range that fits decides."""
    kind, subtype = media.split("/")
    exactness = {("*", "*"): 0, (kind, "*"): 1, (kind, subtype): 2}
    fits = [(exactness[wanted], quality) for wanted, quality in ranges if wanted in exactness]
    if not fits:
        return UNWANTED
    exact, quality = max(fits)
    return Wanted(quality, exact)
