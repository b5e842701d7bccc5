"""The tiny jobs as users of RQ do them: an app that enqueues and is polled, and a warm worker that explains with shap.

`python -m bench.rq_service app PORT` and `python -m bench.rq_service Worker` (or `SimpleWorker`), with REDIS_URL and
MODEL in the environment. Workers have loaded shap and made the explainer before they take, or fork for, a job.
"""

import os
import sys
from functools import cache
from typing import Any

from redis import Redis
from rq import Queue, SimpleWorker, Worker
from rq.job import Job


def explain(row: list[float]) -> list[float]:
    """Runs in a worker."""
    import numpy as np

    values: list[float] = _explainer().shap_values(np.array([row]))[0].tolist()
    return values


@cache
def _explainer() -> Any:
    import shap
    import xgboost

    booster = xgboost.Booster()
    booster.load_model(os.environ["MODEL"])
    return shap.TreeExplainer(booster)


WORKERS = {"Worker": Worker, "SimpleWorker": SimpleWorker}


def _work(redis: Redis, kind: str) -> None:
    from bench.rq_service import _explainer as the_one_that_jobs_use

    the_one_that_jobs_use()
    WORKERS[kind]([Queue(connection=redis)], connection=redis).work(logging_level="WARNING")


def _serve(redis: Redis, port: int) -> None:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    queue = Queue(connection=redis)

    def enqueue(row: list[float]) -> JSONResponse:
        job = queue.enqueue("bench.rq_service.explain", row)
        return JSONResponse({"job_id": job.id}, 202, {"Location": f"/job_status/{job.id}"})

    async def submit(request: Request) -> JSONResponse:
        return enqueue((await request.json())["data"][0])

    def status(request: Request) -> JSONResponse:
        job = Job.fetch(request.path_params["id"], connection=redis)
        if job.is_finished:
            return JSONResponse({"values": [job.return_value()]})
        return JSONResponse({"status": job.get_status()}, 500 if job.is_failed else 202)

    def ready(_: Request) -> JSONResponse:
        return JSONResponse({"values": []})

    routes = [
        Route("/analyze", submit, methods=["POST"]),
        Route("/job_status/{id}", status),
        Route("/readyz", ready),
    ]
    uvicorn.run(Starlette(routes=routes), port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    connection = Redis.from_url(os.environ["REDIS_URL"])
    if sys.argv[1] in WORKERS:
        _work(connection, sys.argv[1])
    else:
        _serve(connection, int(sys.argv[2]))
