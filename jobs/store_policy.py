"""Which eviction policy the store must have. Used by every process that looks at its Redis.

Does not ask the store: each asks in its own way, and some are not allowed to.
"""

SAFE_POLICY = "noeviction"
"""With any other Redis deletes keys, jobs among them, when its memory is short."""
ADVICE = f"Set maxmemory-policy to {SAFE_POLICY}, or jobs will be lost."


def evicts(policy: object) -> bool:
    """Whether jobs may be deleted under this `maxmemory-policy`. None, where Redis does not tell it, is no finding."""
    return policy not in (None, SAFE_POLICY)
