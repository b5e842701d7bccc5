"""Chunks: leased, worked on, judged, and settled. Runs in the supervisor.

- `attempts`: one attempt from lease to commit.
- `judge`: from evidence to an outcome; `decide`: from an outcome to what follows. Both pure.
- `holding`: which leases this process holds; `rescue`: returning those that nobody holds any more.
"""
