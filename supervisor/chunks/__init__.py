"""Chunks: leased, worked on, judged, and settled. Runs in the supervisor.

- `executor`: one attempt from lease to commit; `run`: its state meanwhile; `evidence`: the record that it leaves.
- `judge`: from evidence to an outcome; `decide`: from an outcome to what follows. Both pure.
- `leases`: those that this process holds; `predecessor`: who else uses its name; `rescue`: returning leases that
  nobody holds any more.
"""
