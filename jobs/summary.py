"""What is printed when a run has ended."""

from __future__ import annotations

import json
import shlex

from rich.console import Console
from rich.text import Text

from jobs.console import counted, duration
from pipeline.report import RunReport
from schemas.job import StorageSpec
from schemas.tables import FAILURES_TABLE


def print_summary(console: Console, report: RunReport, storage: StorageSpec) -> None:
    """Say what a run did, where the tables are and how to read them."""
    for line in summary_lines(report, storage):
        console.print(Text(line), soft_wrap=True)


def summary_lines(report: RunReport, storage: StorageSpec) -> list[str]:
    """The lines of the summary, without any markup."""
    lines = [_outcome(report), "", *_amounts(report), "", "Tables:"]
    width = max(len(name) for name in report.tables)
    lines += [f"  {name:<{width}}  {uri}" for name, uri in sorted(report.tables.items())]
    lines += ["", "Look at them:", f"  {show_line(report, storage)}"]
    if report.failures_by_code or report.items_given_up:
        lines.append(f"  {show_line(report, storage)} --table {FAILURES_TABLE}")
    lines += ["or in Python:", f"  {python_line(report, storage)}"]
    return lines


def _outcome(report: RunReport) -> str:
    again = "run the same job again to go on"
    return {
        "done": "Done.",
        "nothing_to_do": _nothing(report),
        "over_budget": "More items failed than the job allows. What was done is kept.",
        "interrupted": f"Stopped. What was done is kept; {again}.",
    }[report.outcome]


def _nothing(report: RunReport) -> str:
    if report.items_listed == 0:
        skipped = counted(report.items_skipped_names, "file")
        other = f"; {skipped} of other kinds passed over" if report.items_skipped_names else ""
        return f"Nothing to do: the input holds no images or videos{other}."
    told = f"{counted(report.items_current, 'item')} up to date"
    if report.items_given_up:
        told += f", {report.items_given_up:,} given up after failures"
    if report.items_without_task:
        told += f", {report.items_without_task:,} of kinds that no task takes"
    return f"Nothing new to do: {told}."


def _amounts(report: RunReport) -> list[str]:
    lines = [f"  {'items listed':<18}{report.items_listed:>9,}"]
    if report.items_current:
        lines.append(f"  {'up to date before':<18}{report.items_current:>9,}")
    if report.items_given_up:
        again = "  (failed before, not tried again; see tagline failures)"
        lines.append(f"  {'given up before':<18}{report.items_given_up:>9,}{again}")
    if report.items_without_task:
        lines.append(f"  {'no task for them':<18}{report.items_without_task:>9,}")
    if report.items_planned:
        lines.append(f"  {'annotated':<18}{report.items_done:>9,}")
    for table, rows in sorted(report.rows_by_table.items()):
        lines.append(f"  {table.replace('_', ' '):<18}{rows:>9,}")
    lines.append(f"  {'failed items':<18}{report.items_failed:>9,}{_failures(report)}")
    if report.rows_gone:
        what = "  rows of items that are not listed any more, marked or deleted"
        lines.append(f"  {'gone':<18}{report.rows_gone:>9,}{what}")
    if report.annotate_s:
        rate = f"{report.items_per_s:.1f} items/s"
        took = f"over {duration(report.annotate_s)}, after {duration(report.engine_start_s)}"
        lines.append(f"  {'throughput':<18}{rate:>9}  {took} of loading the model")
    return lines


def _failures(report: RunReport) -> str:
    if not report.failures_by_code:
        return ""
    codes = ", ".join(f"{n} {code}" for code, n in sorted(report.failures_by_code.items()))
    return f"  ({codes}; see table {FAILURES_TABLE})"


def show_line(report: RunReport, storage: StorageSpec) -> str:
    """The command that lists the tables."""
    command = ["tagline", "show", report.output]
    if storage.endpoint_url:
        command += ["--endpoint-url", storage.endpoint_url]
    return shlex.join(command)


def python_line(report: RunReport, storage: StorageSpec) -> str:
    """One line of shell that prints a table; credentials come from the environment."""
    results = [name for name in report.tables if name in report.rows_by_table]
    name = min(results or report.tables)
    given = {}
    if storage.endpoint_url and report.output.startswith("s3://"):
        given = {"aws_endpoint": storage.endpoint_url, "aws_allow_http": "true"}
    if storage.region:
        given["aws_region"] = storage.region
    options = ""
    if given:
        options = f", storage_options={json.dumps(given, ensure_ascii=False)}"
    table = f"DeltaTable({json.dumps(report.tables[name], ensure_ascii=False)}{options})"
    code = (
        "from deltalake import DeltaTable, QueryBuilder as Q; "
        f'print(Q().register("t", {table}).execute("select * from t limit 5").read_all())'
    )
    return f"python -c {shlex.quote(code)}"
