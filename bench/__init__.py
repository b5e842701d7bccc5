"""`python -m bench`: the service against shap in one process, both sides measured in the same run.

- `throughput`: rows a second of a large job, over HTTP from upload to the last byte of the result.
- `latency`: submit-to-result of a small job.
- `memory`: what web process and supervisor hold while small and large jobs run.
- `models` makes the files, `alone` is shap in one process; both run in processes of their own.
- `report` is the table.
"""
