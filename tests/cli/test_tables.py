"""What people read of a job."""

from rich.console import Console

from cli.tables import job_facts, job_report

JOB = {"job_id": "1", "status": "finished", "warnings": [{"code": "odd", "message": "The file is odd."}]}
SUMMARY = {"top_features": [{"feature": "age", "mean_abs_shap": 1.0}], "additivity": None}


def printed(shown: object) -> str:
    console = Console(width=100)
    with console.capture() as captured:
        console.print(shown)
    return captured.get()


def test_warnings_stand_in_status_and_report():
    for shown in (job_facts(JOB), job_report(JOB, SUMMARY)):
        assert "The file is odd. [odd]" in printed(shown)


def test_a_service_that_knows_no_warnings_has_none():
    old = {"job_id": "1", "status": "queued"}
    assert "warning" not in printed(job_facts(old)) + printed(job_report(old, SUMMARY))
