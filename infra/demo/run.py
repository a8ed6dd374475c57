"""``make demo``: a real S3 server, a drawn catalogue, a small model, a whole run.

Nothing is simulated: the job is `jobs/catalog_tagging.yaml`, the model has MiniCPM-V
2.6's architecture, was trained to tell what is drawn, and runs on vLLM. Rows of each table are
printed, and the tables stay where the last lines say.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.demo import s3_background
from infra.demo.checkpoint.trained import MODEL
from infra.demo.s3_environment import ROOT
from infra.demo.s3_server import client_environment
from schemas.failure import InfrastructureError, UsageError

JOB = Path("jobs") / "catalog_tagging.yaml"
BUCKET = "tagline-demo"
INPUT_PREFIX = "catalogue/"
OUTPUT_PREFIX = "annotations/"
SHOWN_ROWS = {"captions": 6, "tags": 6, "video_summaries": 3}
"""How many of each table."""

Say = Callable[[str], None]


def main(arguments: list[str]) -> int:
    """Set the demo up as far as it is not, and run its job; returns Tagline's exit code."""
    parser = argparse.ArgumentParser(prog="python -m infra.demo.run")
    parser.add_argument("--state", type=Path, default=ROOT / ".demo", help="all it leaves")
    chosen = parser.parse_args(arguments)
    _use_demo_credentials()
    try:
        overrides = prepare(chosen.state.resolve())
    except UsageError as error:
        print(f"tagline demo: {error}", file=sys.stderr)
        return 2
    except InfrastructureError as error:
        print(f"tagline demo: {error}", file=sys.stderr)
        return 3
    code = run_job(overrides)
    if code == 0:
        show_rows(overrides)
    print("\nFor these lines: source .venv/bin/activate, and export the keys above.")
    return code


def prepare(state: Path) -> dict[str, str]:
    """Have server, catalogue and model in place.

    Args:
        state: Folder that holds all of it.

    Returns:
        What differs from the job file, by key path.

    Raises:
        InfrastructureError: If the server cannot be started or reached.
    """
    with _step("S3 server") as say:
        server, started = s3_background.start(state / "s3")
        say(f"{'started' if started else 'already runs'} at {server.endpoint_url}")
    with _step("Catalogue") as say:
        say(_have_catalogue(state / "catalogue"))
    with _step("Upload") as say:
        say(_have_uploaded(state / "catalogue" / "media", server.endpoint_url))
    with _step("Model") as say:
        megabytes = (MODEL / "model.safetensors").stat().st_size / 1e6
        say(f"{MODEL.relative_to(ROOT)}, {megabytes:.0f} MB, trained on pictures like these")
    return {
        "input.uris": f"s3://{BUCKET}/{INPUT_PREFIX}",
        "output.uri": f"s3://{BUCKET}/{OUTPUT_PREFIX}",
        "storage.endpoint_url": server.endpoint_url,
        "storage.path_style": "true",
        "model.path": str(MODEL),
    }


def run_job(overrides: dict[str, str]) -> int:
    """Run the job with Tagline's own command line; returns its exit code."""
    arguments = ["run", str(JOB)]
    for key, value in overrides.items():
        arguments += ["--set", f"{key}={value}"]
    keys = " ".join(f"{name}={value}" for name, value in client_environment().items())
    print(f"\n$ export {keys}")
    return _tagline(arguments)


def show_rows(overrides: dict[str, str]) -> None:
    """Print some rows of each table of results."""
    for table, rows in SHOWN_ROWS.items():
        arguments = ["show", overrides["output.uri"], "--table", table, "--limit", str(rows)]
        _tagline([*arguments, "--endpoint-url", overrides["storage.endpoint_url"]])


def _tagline(arguments: list[str]) -> int:
    """Run Tagline's own command line, as a user would type it; returns its exit code."""
    print(f"$ {' '.join(['.venv/bin/tagline', *arguments])}\n", flush=True)
    command = [sys.executable, "-m", "jobs.cli", *arguments]
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    print(flush=True)
    return code


def _use_demo_credentials() -> None:
    """Have every AWS client of this run use the demo's server and not the user's account."""
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
        os.environ.pop(name, None)
    os.environ.update(client_environment())


def _have_catalogue(folder: Path) -> str:
    from infra.demo.catalogue import catalogue_of, draw_catalogue

    drawn = draw_catalogue(folder)
    kinds = [item.truth()["kind"] for item in catalogue_of()]
    content = f"{kinds.count('image')} images and {kinds.count('video')} videos"
    return f"{content} {'drawn' if drawn else 'in place'} in {folder / 'media'}"


def _have_uploaded(media: Path, endpoint_url: str) -> str:
    from infra.demo.upload import upload_folder

    count = upload_folder(media, endpoint_url=endpoint_url, bucket=BUCKET, prefix=INPUT_PREFIX)
    place = f"s3://{BUCKET}/{INPUT_PREFIX}"
    return f"{count} files to {place}" if count else f"{place} has everything"


@contextmanager
def _step(name: str) -> Iterator[Say]:
    """Print one line when the step is done: its name, what it came to, its seconds."""
    begun = time.monotonic()
    yield lambda result: print(
        f"{name:<10} {result} ({time.monotonic() - begun:.1f} s)", flush=True
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
