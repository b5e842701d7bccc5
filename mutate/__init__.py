"""`python -m mutate` (`make mutate`): random mutations of jobs, supervisor and api, each tried by its own room's tests.

Works on copies of the tree, never on the tree itself. What a mutation can be, for Python, is cosmic-ray's business.

- `mutations`: where a file can be mutated and how; the draw. `meaning`: which mutations of Python change nothing that
  runs. `equivalents`: those that somebody has judged to change nothing.
- `order`: which tests come first. `plugin`: within pytest, records what each test covers, and keeps that order.
- `campaign`: the copies, the recording, the trials side by side, what a stopped campaign already knows.
- `report`: the table and the survivors. `__main__` reads the command line.
"""
