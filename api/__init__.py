"""The web process: takes jobs, shows them, streams their values. It explains nothing and imports no numbers.

The house from the front door inwards:

- `__main__`: `python -m api`; `app`: the routes and what lives as long as the process (`resources`).
- `access_log`: one line a request; `auth`: tokens; `problems`: every error as RFC 9457; `reading`: query, path and
  header values; `replies`: JSON answers.
- `analyze`: POST /analyze. `intake` lets a body in, `upload` reads multipart and `json_body` JSON, both through
  `parts`, one blob a part, whose first bytes are judged by `heads` (and `npy`); `models` knows the operator's models;
  `endings` waits for a job's end.
- `jobs`: list, status, cancel, as `presenting` writes them.
- `results`: values by `accept`, cut by `table`, written by `writers`, `following` jobs that still run; and the summary.
- `health`: livez, readyz, health; `admin`: memory and queue.
"""
