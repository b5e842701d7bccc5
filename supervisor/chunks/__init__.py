"""Chunks: leased, worked on, judged, and settled. Runs in the supervisor.

- `executor`: one attempt from lease to commit; `run`: its state meanwhile; `evidence`: the record that it leaves.
- `judge`: from evidence to an outcome; `decide`: from an outcome to what follows. Both pure.
- `lease_keeper`: renewing, rescuing, returning; `leases`: those that this process holds; `predecessor`: who else uses
  its name; `rescue`: what becomes of chunks that nobody works on any more.
"""
