"""The web process: takes jobs, shows them, streams their values. It explains nothing and imports no numbers.

The house from the front door inwards:

- `__main__`: `python -m api`; `app`: what lives as long as the process (`resources`), and all routes. Each stands
  beside its handler, with what it takes and answers (`routes`); `openapi` writes them down.
- `door`: a connection, bounded before any handler hears of it, and how it is let go.
- `tracing`: one span a request; `access_log`: one line; `headers`: what each carries; `origins` and `cors`: which web
  pages may ask; `auth`: who asks, known by `tokens`, counted by `request_quota`; `problems`: every error as RFC 9457;
  `parameters`: query, path and header values; `responses`: JSON answers.
- `analyze`: POST /analyze. `admission` lets a body in, under a `store_watch`; `multipart_body` and `json_body` read it
  into a `submission`, one blob a part, undone by `unpacking` and judged by its first bytes in `sniffing` (and `npy`).
- `jobs`: list, status, cancel, as `representation` writes them; `summaries`: what children have stored.
  `subscription` waits for a job's end; `failed`: one without a result, as a problem.
- `results`: values in the format of `negotiation`, cut by `result_table`, written by `result_writers` (`row_ids` beside
  them) or, as Parquet and Arrow, by a process of their own (`columnar`, `columnar_process`; `own_process` starts it),
  `streaming` those of jobs that still run; and the summary. `ids`: those alone.
- `follow_ups`: what follows a job's end, and `fetching`: parts that lie elsewhere; both over `outgoing`, to whom
  `destinations` allows.
- `models`: models that are uploaded once; `model_lookup`: which one a job names.
- `inference`: the same for clients of KServe, MLServer and Triton, written by `tensor_writers`; `inference_metadata`:
  what they ask before.
- `health`: livez, readyz, health; `admin`: memory and queue, `machines`: live; `metrics`: the same for Prometheus.
- `events`: a job's progress as server-sent events; `chunks`: how each chunk stands.
- `page`: the web page and its files; `sessions`: a token as a browser's cookie.
"""
