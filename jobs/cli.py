"""The command line. It answers at once: heavy imports happen inside the commands."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jobs.errors import reported
from jobs.exit_codes import ExitCode
from schemas.failure import UsageError

if TYPE_CHECKING:
    from pipeline.report import RunReport, StopSignal
    from schemas.job import JobSpec

app = typer.Typer(
    name="tagline",
    help="Annotate collections of images and videos with a vision-language model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

WIDTH_OF_FILES = 200

JobFile = Annotated[Path, typer.Argument(metavar="JOB.yaml", help="The job file.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Replace a value, as in model.seed=1."),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]
Endpoint = Annotated[
    str | None, typer.Option("--endpoint-url", help="Of the object store, if not AWS.")
]


@app.command()
def run(
    job_file: JobFile,
    overrides: Overrides = None,
    plain: Annotated[bool, typer.Option("--plain", help="Plain lines of progress.")] = False,
    log_file: Annotated[Path | None, typer.Option(help="Where Ray and vLLM log to.")] = None,
    debug: Debug = False,
) -> None:
    """Annotate what the job's output does not hold yet."""
    with reported(debug=debug):
        from jobs.jobfile import load_job

        job = load_job(job_file, overrides or ())
        raise typer.Exit(_run(job, plain=plain, log_file=log_file))


def _run(job: JobSpec, *, plain: bool, log_file: Path | None) -> int:
    from jobs.console import view_for
    from jobs.summary import print_summary
    from jobs.terminal import new_log_path, own_terminal
    from pipeline.report import StopSignal

    log_path = (log_file or new_log_path()).absolute()
    stop = StopSignal()
    with own_terminal(log_path) as terminal:
        console = Console(file=terminal)
        console.print(Text(f"Log: {log_path}"), soft_wrap=True)
        view = view_for(console, plain=plain)
        try:
            with stopping(stop, view.note):
                # Loading Ray takes seconds; a stop in them is honoured as well.
                from pipeline.run import run_job

                report = run_job(job, view, stop, log_path=str(log_path))
        finally:
            view.close()
        print_summary(console, report, job.storage)
    return exit_code(report, stop)


def exit_code(report: RunReport, stop: StopSignal) -> int:
    """The exit code that a finished run stands for."""
    if report.outcome == "interrupted":
        terminated = stop.signum == signal.SIGTERM
        return ExitCode.TERMINATED if terminated else ExitCode.INTERRUPTED
    return ExitCode.OVER_BUDGET if report.outcome == "over_budget" else ExitCode.DONE


@contextmanager
def stopping(stop: StopSignal, tell: Callable[[str], None]) -> Iterator[None]:
    """Let the first SIGINT or SIGTERM ask for a stop, and a second SIGINT end all at once."""

    def handle(signum: int, _frame: object) -> None:
        if stop.requested and signum == signal.SIGINT:
            os._exit(ExitCode.INTERRUPTED)
        stop.request(signum)
        tell("Stopping: committing what is done. Ctrl-C again to leave at once.")

    before = {number: signal.signal(number, handle) for number in _STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@app.command()
def validate(job_file: JobFile, overrides: Overrides = None, debug: Debug = False) -> None:
    """Check a job file, without touching storage or the model."""
    with reported(debug=debug):
        from jobs.jobfile import load_job

        job = load_job(job_file, overrides or ())
        tasks = ", ".join(spec.name for spec in job.tasks)
        _say(f"OK: {job_file}")
        _say(f"  input   {', '.join(job.input.uris)}")
        _say(f"  model   {job.model.path}")
        _say(f"  tasks   {tasks}")
        _say(f"  output  {job.output.uri}")


@app.command()
def schema() -> None:
    """Print the JSON Schema of job files, for completion in editors."""
    from jobs.jobfile import job_schema

    sys.stdout.write(json.dumps(job_schema(), indent=2) + "\n")


@app.command()
def show(
    output: Annotated[str, typer.Argument(help="The job's output: s3://... or a folder.")],
    table: Annotated[
        str | None, typer.Option(help="Which table; all are listed if none.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most rows.")] = 20,
    endpoint_url: Endpoint = None,
    debug: Debug = False,
) -> None:
    """Print the output tables of a job."""
    with reported(debug=debug):
        from jobs.show import show_rows, show_tables
        from schemas.job import StorageSpec, check_uri

        try:
            check_uri(output)
        except ValueError as error:
            raise UsageError(f"{output!r}: {error}") from None
        storage = StorageSpec(endpoint_url=endpoint_url)
        if table is None:
            show_tables(_console(), output, storage)
        else:
            show_rows(_console(), output, table, limit, storage)


@app.command()
def tasks() -> None:
    """List what a model can be asked."""
    from operators.tasks.registry import TASKS

    view = Table("task", "takes", "table", "what it does", box=None, pad_edge=False)
    for task in TASKS.values():
        view.add_row(task.id, ", ".join(sorted(task.takes)), task.table, task.summary)
        for name, field in task.Options.model_fields.items():
            view.add_row("", "", "", Text(f"  {name}: {field.description}", style="dim"))
    _console().print(view)


@app.command()
def models() -> None:
    """List the model families and what each can do."""
    from operators.models.registry import FAMILIES

    columns = ("family", "takes", "context", "pixels an image", "frames", "published as")
    view = Table(*columns, box=None, pad_edge=False)
    for family in FAMILIES.values():
        limits = family.limits
        view.add_row(
            family.id,
            ", ".join(sorted(family.takes)),
            f"{limits.context_tokens:,}",
            f"{limits.max_image_pixels:,}",
            f"{limits.max_frames:,}" if limits.max_frames else "no video",
            family.hub_id,
        )
    _console().print(view)


@app.command()
def doctor(
    job_file: Annotated[
        Path | None, typer.Argument(metavar="[JOB.yaml]", help="Check its places too.")
    ] = None,
    overrides: Overrides = None,
    debug: Debug = False,
) -> None:
    """Look for what would stop a job here, and say how to mend it."""
    with reported(debug=debug):
        from jobs.doctor import examine
        from jobs.jobfile import load_job

        job = None if job_file is None else load_job(job_file, overrides or ())
        failed = False
        for finding in examine(job):
            failed |= finding.verdict == "fail"
            remedy = f"\n      {finding.remedy}" if finding.remedy else ""
            _say(f"{finding.verdict:<4}  {finding.subject}: {finding.detail}{remedy}")
        raise typer.Exit(ExitCode.INFRASTRUCTURE if failed else ExitCode.DONE)


def _console() -> Console:
    """A terminal has its own width; files and pipes get room for whole rows."""
    return Console(width=None if sys.stdout.isatty() else WIDTH_OF_FILES)


def _say(line: str) -> None:
    _console().print(Text(line), soft_wrap=True)


def main() -> None:
    """Entry point of the `tagline` command."""
    app()


if __name__ == "__main__":
    main()
