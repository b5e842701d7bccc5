"""The command line `shap-supervisor`. Speaks HTTP with the web app and starts processes; computes nothing itself.

- `main`: the group of commands; `failures`: how a command ends when it does not succeed, with its exit code.
- `client`: the HTTP client; `follow`: waiting for a job; `tables`: what is printed for people.
- `stack`: store, supervisor and web app as child processes of one command; `processes`: one of them; `tether`: how
  they end when the command is killed; `store`: the embedded Valkey.
- `serving` (up, worker, web), `submitting` (submit), `looking` (status, wait, cancel, result), `run`, `demo`,
  `doctor`, `info`, `verify`: the commands. `demo_data` runs in processes of its own and is the only one that imports
  scikit-learn and shap. `checks` is what `verify` looks at, `known_model` what it submits.
"""
