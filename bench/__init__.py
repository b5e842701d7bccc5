"""`python -m bench`: this project beside its peers, every line of a work measured in the same run on the same rows.

- `__main__`: the command and its parts; `table`: the one table; `document`: docs/performance.md; `machine`: on what.
- `models`: the models and rows as files, made in a process of their own.
- `kernels`: the tree engine beside shap, XGBoost, LightGBM, shapiq and woodelf, on one core and on all (`tasks` says
  what is computed). `interleaved` lets them take turns, each as an `engine_process` of its own; `engines` knows how
  each of them is called.
- `throughput`, `latency`, `memory`: the service over HTTP (`service`), large jobs, small jobs, resident memory.
- `pipelines`: scikit-learn's pipelines over HTTP, beside shap on their last step. `tables`: files of any length.
- `tiny_jobs`: many tiny jobs from many `clients`, beside RQ (`rq_service`).
- `sandbox`: one row with the sandbox and without it, in pairs.
- `notebook`: one large job through the client, beside curl (`--only client`).
"""
