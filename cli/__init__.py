"""The command line `shap-supervisor`. Speaks HTTP with the web app and starts processes; computes nothing itself.

- `main`: the group of commands; `failures`: how a command ends when it does not succeed, with its exit code.
- The commands: `job_commands` (submit, status, wait, result, cancel), `run`, `demo`, `serving` (up, worker, web),
  `info`, `memory`, `doctor`, `verify`, `repair`.
- What they share: `client`, what `shap_supervisor` sends; `service_url`: whom it speaks to; `analysis`: the
  options of a job; `polling`: waiting for its end; `progress`: its progress bar; `output`: where a result goes;
  `tables`: what is printed for people; `signals`: Ctrl-C and SIGTERM.
- `stack`: store, supervisor and web app as child processes of one command; `processes`: one of them;
  `die_with_parent`: how they end when the command is killed; `store`: the embedded Valkey.
- `store_checks`: the store's part of `doctor`; `checks`: what `verify` looks at, `reference_model`: what it submits.
- `demo_data` runs in processes of its own and is the only one that imports scikit-learn and shap.
"""
