"""The command `shap-supervisor`: its group, and the last place where an error becomes one line and an exit code.

Exit codes: 0 done, 1 the job failed, 2 wrong usage or refused, 3 unreachable, 4 timeout.
"""

import sys

import click

from cli import convert, demo, doctor, info, job_commands, memory, pictures, repair, run, serving, verify
from jobs.settings import InvalidSettings
from jobs.version import VERSION


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(VERSION, prog_name="shap-supervisor")
def cli() -> None:
    """SHAP for tabular models, as a service that keeps its word about memory.

    \b
    shap-supervisor demo        explain a real data set end to end
    shap-supervisor run ...     explain your own files, and stop again
    shap-supervisor convert ... make a file that the service takes of a pickle
    shap-supervisor up          run the service here until Ctrl-C
    """


for command in (
    serving.up,
    demo.demo,
    run.run,
    convert.convert,
    serving.worker,
    serving.web,
    job_commands.submit,
    job_commands.status,
    job_commands.wait,
    job_commands.result,
    pictures.report,
    pictures.plot,
    job_commands.cancel,
    info.info,
    memory.memory,
    doctor.doctor,
    repair.repair,
    verify.verify,
):
    cli.add_command(command)


def main() -> None:
    """Entry point: never a traceback for what a user can mend."""
    try:
        cli(prog_name="shap-supervisor")
    except InvalidSettings as error:
        click.echo(str(error), err=True)
        sys.exit(click.UsageError.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
