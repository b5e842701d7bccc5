"""Why there is no conversion: one sentence for people, and what to do about it."""


class Unconvertible(Exception):
    """The message says what is wrong and the way out."""
