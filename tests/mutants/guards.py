"""What is removed, and which tests must notice."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Guard:
    """A limit, fence or check in the source.

    Attributes:
        what: It guards, in a few words.
        file: Where it is.
        there: Its text, which the file has once.
        gone: What stands there without it.
        tests: That must fail then.
    """

    what: str
    file: str
    there: str
    gone: str
    tests: tuple[str, ...]


GUARDS = (
    Guard(
        "a run that was followed commits no more",
        "pipeline/output_table.py",
        "if held > self._lease.number:",
        "if False:",
        ("tests/pipeline/test_lease.py",),
    ),
    Guard(
        "a commit whose reply got lost is not made twice",
        "pipeline/output_table.py",
        "if self._was_applied(deadline):",
        "if False:",
        ("tests/pipeline/test_output_table.py", "tests/pipeline/test_commit.py"),
    ),
    Guard(
        "a table made for other answers is left alone",
        "pipeline/output_table.py",
        "if others:",
        "if False:",
        ("tests/pipeline/test_output_format.py",),
    ),
    Guard(
        "a run waits for the end of another",
        "pipeline/lease.py",
        "        _require_end(leases, last, before)\n",
        "        pass\n",
        ("tests/pipeline/test_lease.py",),
    ),
    Guard(
        "who takes over shuts out of every table",
        "pipeline/upkeep.py",
        "        shut_out(output, storage, run_id, lease)\n",
        "",
        ("tests/pipeline/test_fencing.py",),
    ),
    Guard(
        "another machine of the same name is another one",
        "pipeline/lease.py",
        ' or self.machine not in ("", this_machine())',
        "",
        ("tests/pipeline/test_lease.py",),
    ),
    Guard(
        "of two that take a lease at once one is refused",
        "pipeline/lease.py",
        "_bytes(holder), if_absent=True)",
        "_bytes(holder))",
        ("tests/pipeline/test_lease.py", "tests/pipeline/test_store_check.py"),
    ),
    Guard(
        "tables of a later version are refused",
        "pipeline/output_format.py",
        "if version > SCHEMA_VERSION:",
        "if False:",
        ("tests/pipeline/test_output_format.py",),
    ),
    Guard(
        "an id stands for one item",
        "pipeline/planning.py",
        "                refuse_repeated_ids(database)\n",
        "",
        ("tests/pipeline/test_plan.py", "tests/pipeline/test_odd_items.py"),
    ),
    Guard(
        "what could not be listed is not gone",
        "pipeline/plan.py",
        "whole=not plan.damaged_shards",
        "whole=True",
        ("tests/pipeline/test_gone.py",),
    ),
    Guard(
        "an empty listing deletes nothing",
        "pipeline/gone.py",
        'if policy == "delete" and leaving and not listed:',
        "if False:",
        ("tests/pipeline/test_gone.py",),
    ),
    Guard(
        "what an item is owed is part of being a twin",
        "pipeline/twins.py",
        'owed = "list_transform(tasks, lambda t: [t.name, t.fingerprint])"',
        'owed = "[]"',
        ("tests/pipeline/test_plan.py",),
    ),
    Guard(
        "twins are confirmed by what they show",
        "operators/looks.py",
        "        digest.update(one)\n",
        "        pass\n",
        ("tests/operators/test_decode.py",),
    ),
    Guard(
        "answers of earlier runs are confirmed by what is shown",
        "pipeline/firsts.py",
        'if elder["digest"] == digest:',
        "if True:",
        ("tests/pipeline/test_run_twins.py",),
    ),
    Guard(
        "what people have set is not taken for an answer of the model's",
        "pipeline/elders.py",
        "AND locked IS NULL ",
        "",
        ("tests/pipeline/test_elders.py",),
    ),
    Guard(
        "an answer that was taken from a picture alike goes no further",
        "pipeline/elders.py",
        "AND coalesce(copy_distance, 0) = 0",
        "",
        ("tests/pipeline/test_elders.py",),
    ),
    Guard(
        "pictures in other colours do not look alike",
        "operators/looks.py",
        "return int(np.abs(own.astype(np.int16) - others).max()) <= TINT_TOLERANCE",
        "return True",
        ("tests/operators/test_looks.py",),
    ),
    Guard(
        "an item that kills is tried alone no more often than it may",
        "pipeline/blame.py",
        "return died >= self.deaths_alone",
        "return died > self.deaths_alone",
        ("tests/pipeline/test_suspicion.py",),
    ),
    Guard(
        "what is in hand is known to the run after",
        "pipeline/board.py",
        "if self._pen.writes:",
        "if False:",
        ("tests/pipeline/test_traces.py",),
    ),
    Guard(
        "commits may not overwrite each other by the environment's leave",
        "pipeline/delta.py",
        "if value.lower() not in _NO:",
        "if False:",
        ("tests/pipeline/test_commit.py",),
    ),
    Guard(
        "what people have set stays",
        "pipeline/locks.py",
        "    if LOCKED not in rows.column_names:\n",
        "    if True:\n",
        ("tests/pipeline/test_edits.py",),
    ),
    Guard(
        "results come before failures are taken away",
        "pipeline/plan.py",
        "WHERE r.item_version = f.item_version AND r.fingerprint = f.fingerprint",
        "WHERE false",
        ("tests/pipeline/test_plan.py",),
    ),
    Guard(
        "too many failures end a run",
        "pipeline/budget.py",
        "return items.failed / seen > budget",
        "return False",
        ("tests/pipeline/test_layout.py",),
    ),
    Guard(
        "an answer without image tokens is none",
        "operators/talks.py",
        "if completion.image_tokens != expected:",
        "if False:",
        ("tests/operators/test_annotate.py",),
    ),
    Guard(
        "a cut answer is none",
        "operators/talks.py",
        'if completion.finish_reason == "length":',
        "if False:",
        ("tests/operators/test_annotate.py",),
    ),
    Guard(
        "other pixels are not taken for those prepared before",
        "operators/talks.py",
        "if frames is self.decoded.frames and not self.repairs:",
        "if True:",
        ("tests/operators/test_annotate.py", "tests/contracts/test_task.py"),
    ),
    Guard(
        "images have a limit of pixels",
        "operators/images/limits.py",
        "if width * height > max_source_pixels:",
        "if False:",
        ("tests/operators/test_image_limits.py",),
    ),
    Guard(
        "images are refused by the memory that decoding would take",
        "operators/images/limits.py",
        "if needed > self.decode_bytes:",
        "if False:",
        ("tests/operators/test_image_limits.py",),
    ),
    Guard(
        "frames of a GIF have a limit of pixels, too",
        "operators/images/limits.py",
        "Image._decompression_bomb_check = _refuse_bombs",
        "pass",
        ("tests/operators/test_image_limits.py",),
    ),
    Guard(
        "the tiles of a TIFF have a limit of pixels, too",
        "operators/images/limits.py",
        "        check_size(tile, kind, max_source_pixels)",
        "        pass",
        ("tests/operators/test_image_limits.py",),
    ),
    Guard(
        "a JPEG has a limit of scans",
        "operators/images/limits.py",
        "if count > MAX_SCANS:",
        "if False:",
        ("tests/operators/test_image_limits.py",),
    ),
    Guard(
        "what a PNG says beside its pixels is not inflated without end",
        "operators/images/png_chunks.py",
        "return len(inflated) <= MAX_INFLATED_BYTES",
        "return True",
        ("tests/operators/test_image_limits.py",),
    ),
    Guard(
        "a TIFF that lacks strips is not shown black",
        "operators/images/opening.py",
        "if there < width * height:",
        "if False:",
        ("tests/operators/test_image_limits.py",),
    ),
    Guard(
        "image formats that the job does not name are not read",
        "operators/images/opening.py",
        "if kind.name not in formats:",
        "if False:",
        ("tests/operators/test_images.py",),
    ),
    Guard(
        "an animation has a limit of frames",
        "operators/images/animation.py",
        "if number == MAX_FRAMES:",
        "if False:",
        ("tests/operators/test_animations.py",),
    ),
    Guard(
        "containers that the job does not name are not opened",
        "operators/video/decode.py",
        "if found.name not in allowed.containers:",
        "if False:",
        ("tests/operators/video/test_formats.py", "tests/operators/video/test_decode.py"),
    ),
    Guard(
        "codecs that the job does not name are not run",
        "operators/video/opened.py",
        "if name not in self._allowed.codecs:",
        "if False:",
        ("tests/operators/video/test_formats.py", "tests/operators/video/test_decode.py"),
    ),
    Guard(
        "videos have a limit of pixels, and of bytes",
        "operators/video/frame_memory.py",
        "if pixels <= min(by_bytes, MAX_VIDEO_PIXELS):",
        "if True:",
        ("tests/operators/video/test_decode.py",),
    ),
    Guard(
        "an MP4's compressed index is not inflated without end",
        "operators/video/iso_claims.py",
        "if _number(found[2]) > MOST_INFLATED_BYTES:",
        "if False:",
        ("tests/operators/video/test_claims.py",),
    ),
    Guard(
        "an MP4's edit list does not multiply its samples without end",
        "operators/video/iso_claims.py",
        "if edits > USUAL_EDITS and edits * min(samples, size) > MOST_EDITED:",
        "if False:",
        ("tests/operators/video/test_claims.py",),
    ),
    Guard(
        "colours that only Dolby Vision knows are not shown as others",
        "operators/video/colours.py",
        "    _check_dolby_vision(frame)\n    frame",
        "    frame",
        ("tests/operators/video/test_colours.py",),
    ),
    Guard(
        "of items that may take a run with them one is worked on at a time",
        "pipeline/board.py",
        "if self._sole not in (None, stage):",
        "if False:",
        ("tests/pipeline/test_traces.py",),
    ),
    Guard(
        "an object that was replaced is not read for the one that was listed",
        "operators/storage/s3.py",
        '            arguments["IfMatch"] = f\'"{version}"\'\n',
        "            pass\n",
        ("tests/contracts/test_store.py",),
    ),
    Guard(
        "decoding has a time limit",
        "operators/decode.py",
        "if time.monotonic() > self._deadline:",
        "if False:",
        ("tests/operators/test_decode.py",),
    ),
)
