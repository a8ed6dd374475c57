"""The command line of `infra.demo.catalogue`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from infra.demo.catalogue import draw_catalogue
from schemas.failure import InfrastructureError, UsageError


def main(arguments: list[str]) -> int:
    """Draw or upload; returns the exit code."""
    if arguments and arguments[0] == "--out":
        arguments = ["draw", *arguments]
    chosen = _parser().parse_args(arguments)
    try:
        if chosen.command == "upload":
            _upload(chosen)
        else:
            drawn = draw_catalogue(chosen.out, chosen.number)
            print(f"{'drawn' if drawn else 'already there'}: {chosen.out}")
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    except InfrastructureError as error:
        print(error, file=sys.stderr)
        return 3
    return 0


def _upload(chosen: argparse.Namespace) -> None:
    from infra.demo.upload import upload_folder

    count = upload_folder(
        chosen.out / "media",
        endpoint_url=chosen.endpoint_url,
        bucket=chosen.bucket,
        prefix=chosen.prefix,
    )
    print(f"{count} files uploaded to s3://{chosen.bucket}/{chosen.prefix}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra.demo.catalogue")
    commands = parser.add_subparsers(dest="command", required=True)
    draw = commands.add_parser("draw", help="draw and encode the catalogue")
    upload = commands.add_parser("upload", help="upload what the bucket lacks")
    for command in (draw, upload):
        command.add_argument("--out", type=Path, required=True, help="the catalogue's folder")
    draw.add_argument("--number", type=int, default=0, help="which catalogue, 0 to 999")
    upload.add_argument("--endpoint-url", help="the S3 server; AWS itself by default")
    upload.add_argument("--bucket", required=True)
    upload.add_argument("--prefix", default="catalogue/")
    return parser
