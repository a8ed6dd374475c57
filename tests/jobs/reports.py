"""A finished run's report, for tests of what is made of it."""

from __future__ import annotations

from pipeline.report import RunReport

REPORT = RunReport(
    run_id="r1",
    outcome="done",
    items_listed=60,
    items_skipped_names=1,
    items_current=10,
    items_given_up=0,
    items_without_task=0,
    items_planned=50,
    items_done=48,
    items_failed=2,
    rows_gone=0,
    rows_by_table={"captions": 48},
    failures_by_code={"not_media": 2},
    engine_start_s=31.0,
    annotate_s=5.0,
    items_per_s=10.0,
    output="s3://b/out",
    tables={"captions": "s3://b/out/captions", "failures": "s3://b/out/failures"},
    log_path="/tmp/x.log",
)
