"""The command line. It answers at once: heavy imports happen inside the commands."""

from __future__ import annotations

import json
import os
import signal
import sys
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from jobs.errors import logged, reported
from jobs.exit_codes import ExitCode
from jobs.terminal import Terminal, standard_output
from schemas.failure import UsageError

if TYPE_CHECKING:
    from pipeline.report import RunReport, StopSignal
    from schemas.failure import FailureCode
    from schemas.job import JobSpec, StorageSpec

app = typer.Typer(
    name="tagline",
    help="Annotate collections of images and videos with a vision-language model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

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
    retry: Annotated[
        str | None,
        typer.Option(
            metavar="failed[:CODE,...]", help="Try failed items that were given up, too."
        ),
    ] = None,
    debug: Debug = False,
) -> None:
    """Annotate what the job's output does not hold yet."""
    with reported(debug=debug):
        from jobs.failures import failures_meant
        from jobs.jobfile import load_job

        codes = None if retry is None else failures_meant(retry)
        job = load_job(job_file, overrides or ())
        raise typer.Exit(_run(job, plain=plain, log_file=log_file, retry=codes))


def _run(
    job: JobSpec, *, plain: bool, log_file: Path | None, retry: frozenset[FailureCode] | None
) -> int:
    from jobs.console import view_for
    from jobs.stopping import stopping
    from jobs.summary import print_summary
    from jobs.terminal import leave_at_once, new_log_path, own_terminal
    from pipeline.report import StopSignal

    log_path = (log_file or new_log_path()).absolute()
    stop = StopSignal()
    with own_terminal(log_path) as terminal, logged():
        console = Terminal(file=terminal)
        console.print(Text(f"Log: {log_path}"), soft_wrap=True)
        view = view_for(console, plain=plain)
        leave = partial(leave_at_once, terminal, ExitCode.INTERRUPTED)
        try:
            with stopping(stop, view.note, leave, job.resources.stop_grace_s):
                # Loading Ray takes seconds; a stop in them is honoured as well.
                from pipeline.run import run_job
                from pipeline.state_sql import Retry

                again = None if retry is None else Retry(retry)
                report = run_job(job, view, stop, log_path=str(log_path), retry=again)
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


@app.command()
def validate(job_file: JobFile, overrides: Overrides = None, debug: Debug = False) -> None:
    """Check a job file, without touching storage or the model."""
    with reported(debug=debug):
        from jobs.jobfile import load_job

        job = load_job(job_file, overrides or ())
        tasks = ", ".join(spec.name for spec in job.tasks)
        _say(f"OK: {job_file}")
        _say(f"  input   {', '.join(job.input.addresses)}")
        _say(f"  model   {job.model.path}")
        _say(f"  tasks   {tasks}")
        _say(f"  output  {job.output.uri}")


@app.command()
def plan(
    job_file: JobFile,
    overrides: Overrides = None,
    item: Annotated[
        str | None, typer.Option("--explain", metavar="ITEM", help="Say why, for one item.")
    ] = None,
    debug: Debug = False,
) -> None:
    """Say what a run would do, task by task, before any engine is started."""
    with reported(debug=debug):
        from jobs.jobfile import load_job
        from jobs.planned import explain_item, show_plan

        job = load_job(job_file, overrides or ())
        if item is None:
            show_plan(standard_output(), job)
        else:
            explain_item(standard_output(), job, item)


@app.command()
def schema(debug: Debug = False) -> None:
    """Print the JSON Schema of job files, for completion in editors."""
    with reported(debug=debug):
        from jobs.jobfile import job_schema

        _say(json.dumps(job_schema(), indent=2))


@app.command()
def show(
    output: Annotated[str, typer.Argument(help="The job's output: s3://... or a folder.")],
    table: Annotated[
        str | None, typer.Option(help="Which table; all are listed if none.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most rows.")] = 20,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds after which a silent store is given up.")
    ] = 30.0,
    endpoint_url: Endpoint = None,
    debug: Debug = False,
) -> None:
    """Print the output tables of a job."""
    with reported(debug=debug):
        from jobs.show import show_rows, show_tables

        storage = _storage_of(output, endpoint_url).model_copy(update={"timeout_s": timeout})
        if table is None:
            show_tables(standard_output(), output, storage)
        else:
            show_rows(standard_output(), output, table, limit, storage)


@app.command()
def failures(
    output: Annotated[str, typer.Argument(help="The job's output: s3://... or a folder.")],
    examples: Annotated[int, typer.Option(min=0, help="Items shown of each kind.")] = 3,
    endpoint_url: Endpoint = None,
    debug: Debug = False,
) -> None:
    """Say what could not be annotated and why, most frequent first."""
    with reported(debug=debug):
        from jobs.failures import show_failures

        storage = _storage_of(output, endpoint_url)
        show_failures(standard_output(), output, storage, examples)


@app.command()
def edit(
    output: Annotated[str, typer.Argument(help="The job's output: s3://... or a folder.")],
    edits: Annotated[
        Path, typer.Argument(metavar="EDITS", help="JSON Lines or CSV: item_id and columns.")
    ],
    table: Annotated[str, typer.Option(help="Which result table.")],
    endpoint_url: Endpoint = None,
    debug: Debug = False,
) -> None:
    """Set columns of rows by hand; later runs leave these columns as they are."""
    with reported(debug=debug):
        from pipeline.edits import edit_table

        count = edit_table(output, table, edits, _storage_of(output, endpoint_url))
        _say(f"Edited {count:,} row{'' if count == 1 else 's'} of {table}")


@app.command()
def vacuum(
    output: Annotated[str, typer.Argument(help="The job's output: s3://... or a folder.")],
    keep_hours: Annotated[
        int, typer.Option(min=0, help="What was replaced more recently stays, for readers.")
    ] = 24,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    endpoint_url: Endpoint = None,
    debug: Debug = False,
) -> None:
    """Remove the files of an output that no version of its tables needs any more."""
    with reported(debug=debug):
        from jobs.upkeep import vacuum_and_tell

        storage = _storage_of(output, endpoint_url)
        vacuum_and_tell(standard_output(), output, storage, keep_hours, dry_run=dry_run)


@app.command()
def compact(
    output: Annotated[str, typer.Argument(help="The job's output: s3://... or a folder.")],
    endpoint_url: Endpoint = None,
    debug: Debug = False,
) -> None:
    """Make few large files of the many small ones that frequent commits leave."""
    with reported(debug=debug):
        from jobs.upkeep import compact_and_tell

        compact_and_tell(standard_output(), output, _storage_of(output, endpoint_url))


@app.command()
def coverage(
    job_file: JobFile,
    overrides: Overrides = None,
    unused: Annotated[bool, typer.Option("--unused", help="Only tags never used.")] = False,
    debug: Debug = False,
) -> None:
    """Say how often each tag of a job's taxonomy was given, and which never was."""
    with reported(debug=debug):
        from jobs.coverage import show_coverage
        from jobs.jobfile import load_job

        job = load_job(job_file, overrides or ())
        show_coverage(standard_output(), job, unused_only=unused)


@app.command()
def export(
    job_file: JobFile,
    to: Annotated[str, typer.Option("--to", metavar="URI", help="An empty folder or prefix.")],
    kind: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="jsonl, webdataset or parquet.")
    ],
    text: Annotated[
        str | None,
        typer.Option(
            metavar="TASK", help="Whose text goes with the media (webdataset); first caption."
        ),
    ] = None,
    overrides: Overrides = None,
    debug: Debug = False,
) -> None:
    """Write a job's items with their answers, for other tools."""
    with reported(debug=debug):
        from jobs.export import export_and_tell
        from jobs.jobfile import load_job

        job = load_job(job_file, overrides or ())
        export_and_tell(standard_output(), job, to, kind, text)


@app.command()
def tasks(
    name: Annotated[
        str | None, typer.Argument(help="A task, to see its options, prompt and columns.")
    ] = None,
    debug: Debug = False,
) -> None:
    """List what a model can be asked, or show one task."""
    with reported(debug=debug):
        from jobs.catalogue import task_view, tasks_view

        standard_output().print(task_view(name) if name else tasks_view())


@app.command()
def models(debug: Debug = False) -> None:
    """List the model families and what each can do."""
    with reported(debug=debug):
        from jobs.catalogue import models_view

        standard_output().print(models_view())


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
        from jobs.doctor import examine, findings_view
        from jobs.jobfile import load_job

        if overrides and job_file is None:
            raise UsageError("--set needs a JOB.yaml whose values it replaces")
        job = None if job_file is None else load_job(job_file, overrides or ())
        findings = list(examine(job))
        standard_output().print(findings_view(findings))
        failed = any(finding.verdict == "fail" for finding in findings)
        raise typer.Exit(ExitCode.INFRASTRUCTURE if failed else ExitCode.DONE)


def _storage_of(output: str, endpoint_url: str | None) -> StorageSpec:
    from schemas.job import StorageSpec
    from schemas.uris import check_uri

    try:
        check_uri(output)
    except ValueError as error:
        raise UsageError(f"{output!r}: {error}") from None
    return StorageSpec(endpoint_url=endpoint_url)


def _say(line: str) -> None:
    standard_output().print(Text(line), soft_wrap=True)


def main() -> None:
    """Entry point of the `tagline` command."""
    if isinstance(sys.stdout, TextIOWrapper):
        # Names of files may hold what the terminal's encoding lacks.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app()
    except SystemExit as end:
        _leave_a_dead_ray(end.code)
        raise


def _leave_a_dead_ray(code: object) -> None:
    """End the process here and now if Ray died in it, see `pipeline.cluster.is_abandoned`."""
    cluster = sys.modules.get("pipeline.cluster")
    if cluster is not None and cluster.is_abandoned():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else ExitCode.INFRASTRUCTURE)


if __name__ == "__main__":
    main()
