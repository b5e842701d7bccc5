"""Words that say that an allocation failed. Used by the child, for exceptions, and by the supervisor, for its stderr.

A module of its own, and without imports: a lean child has this and little else.
"""

PHRASES = (
    "memoryerror",
    "bad_alloc",
    "out of memory",
    "unable to allocate",
    "cannot allocate memory",
    "memory allocation of",  # Rust, before it aborts
    "can't start new thread",  # its stack
    "failed to map segment",  # a library that is loaded late
)
"""In lower case."""


def says_out_of_memory(text: str) -> bool:
    """Native libraries and the interpreter each have their own words for it."""
    lower = text.lower()
    return any(phrase in lower for phrase in PHRASES)
