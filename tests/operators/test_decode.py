import os
import pickle
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import operators.decode
from operators import fetch
from operators.decode import DecodeOperator, in_tables
from operators.sources.listing import list_items
from schemas.failure import FailureCode, Stage
from schemas.inputs import InputSpec
from schemas.item import (
    DecodedItem,
    Item,
    Medium,
    PendingTask,
)
from schemas.item_tables import (
    DECODED_SCHEMA,
    items_to_plan,
    plan_to_items,
    table_to_decoded,
)
from schemas.job import MediaSpec, StorageSpec, VideoSampling
from schemas.media import MediaKind
from tests.media import clips, pictures

TASKS = (PendingTask("caption", "f" * 32),)
H264 = clips.make(clips.CLIPS["h264"])
JPEG = pictures.encoded(pictures.quadrants(), "JPEG")

Make = Callable[..., DecodeOperator]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[DecodeOperator] = []

    def _make(fetch_threads: int = 8, **media) -> DecodeOperator:
        spec = MediaSpec(video=VideoSampling(max_frames=4), **media)
        made.append(DecodeOperator(StorageSpec(), spec, 10**6, 10**6, fetch_threads))
        made[-1].setup()
        return made[-1]

    yield _make
    for operator in made:
        operator.close()


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).write_bytes(data)


def plan(folder: Path) -> pa.Table:
    listing = list_items(InputSpec(uris=(str(folder),)), StorageSpec())
    return items_to_plan(
        [Item(i.item_id, i.kind, i.item_version, i.media, TASKS) for i in listing]
    )


def by_name(table: pa.Table) -> dict[str, DecodedItem]:
    assert table.schema == DECODED_SCHEMA
    return {Path(one.item.item_id).name: one for one in table_to_decoded(table)}


def code_of(decoded: DecodedItem) -> FailureCode:
    assert decoded.failure is not None
    assert decoded.frames is None
    return decoded.failure.code


def test_images_and_videos_are_decoded_in_order(tmp_path, make: Make) -> None:
    names = [f"{number:02}.{'mp4' if number % 4 == 0 else 'jpg'}" for number in range(20)]
    write(tmp_path, {name: H264 if name.endswith("mp4") else JPEG for name in names})
    batch, operator = plan(tmp_path), make()
    decoded = by_name(operator(batch))
    assert list(decoded) == names
    for name, one in decoded.items():
        assert one.failure is None
        assert one.frames is not None
        assert len(one.frames.shapes) == (4 if name.endswith("mp4") else 1)
        assert one.item.tasks == TASKS
    assert operator.stats.items == 20
    assert operator.stats.failed == 0
    assert operator.stats.bytes_fetched == 5 * len(H264) + 15 * len(JPEG)
    assert operator.stats.decode_s > 0


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_small_tables_add_up_to_the_batch(tmp_path, make: Make, rows: int) -> None:
    write(tmp_path, {f"{number:02}.jpg": JPEG for number in range(10)})
    tables = list(in_tables(make().decoded(plan_to_items(plan(tmp_path))), rows))
    assert [table.num_rows for table in tables[:-1]] == [rows] * (len(tables) - 1)
    assert pa.concat_tables(tables).equals(make()(plan(tmp_path)))


def test_an_empty_batch_gives_an_empty_table(make: Make) -> None:
    assert make()(items_to_plan([])).equals(DECODED_SCHEMA.empty_table())


def test_what_is_read_ahead_is_bounded(tmp_path, make: Make, monkeypatch) -> None:
    write(tmp_path, {f"{number:02}.jpg": JPEG for number in range(30)})
    fetched = []
    original = fetch.Fetcher._fetch

    def counting(self, item, abandoned):
        fetched.append(item.item_id)
        return original(self, item, abandoned)

    monkeypatch.setattr(fetch.Fetcher, "_fetch", counting)
    decoded = make(fetch_threads=3).decoded(plan_to_items(plan(tmp_path)))
    next(decoded)
    assert len(fetched) <= 4
    decoded.close()


def test_an_abandoned_batch_leaves_no_file_open(tmp_path, make: Make, monkeypatch) -> None:
    monkeypatch.setattr(fetch, "WHOLE_BYTES", 100)
    write(tmp_path, {f"{number:02}.mp4": H264 for number in range(12)})
    before = len(os.listdir("/proc/self/fd"))
    decoded = make().decoded(plan_to_items(plan(tmp_path)))
    next(decoded)
    decoded.close()
    assert len(os.listdir("/proc/self/fd")) <= before


def test_a_video_from_a_file_decodes_as_one_from_memory(tmp_path, make: Make, monkeypatch):
    write(tmp_path, {"a.mp4": H264})
    in_memory = make()(plan(tmp_path))
    monkeypatch.setattr(fetch, "WHOLE_BYTES", 100)
    operator = make()
    assert operator(plan(tmp_path)).equals(in_memory)
    assert operator.stats.bytes_fetched == len(H264)


def test_every_bad_file_fails_alone_and_by_name(tmp_path, make: Make) -> None:
    expected = {
        "audio.mp4": FailureCode.NO_VIDEO_STREAM,
        "bomb.png": FailureCode.TOO_LARGE,
        "cut.jpg": FailureCode.TRUNCATED,
        "cut.mp4": FailureCode.TRUNCATED,
        "empty.jpg": FailureCode.EMPTY_FILE,
        "empty.mp4": FailureCode.EMPTY_FILE,
        "image.mp4": FailureCode.NOT_MEDIA,
        "no-frames.mp4": FailureCode.NO_FRAMES,
        "text.jpg": FailureCode.NOT_MEDIA,
        "text.mp4": FailureCode.NOT_MEDIA,
        "video.jpg": FailureCode.NOT_MEDIA,
    }
    noise = np.random.default_rng(0).integers(0, 255, (99, 99, 3), dtype=np.uint8)
    photo = pictures.encoded(pictures.Image.fromarray(noise), "JPEG")
    contents = (
        *(clips.audio_only(), pictures.png_bomb(), photo[:2000], H264[:3000], b"", b""),
        *(JPEG, clips.without_frames(), b"text\n" * 99, b"text\n" * 99, H264),
    )
    write(tmp_path, dict(zip(expected, contents, strict=True)) | {"good.jpg": JPEG})
    decoded = by_name(make()(plan(tmp_path)))
    assert decoded.pop("good.jpg").failure is None
    assert {name: code_of(one) for name, one in decoded.items()} == expected
    assert all(one.failure.stage is Stage.DECODE for one in decoded.values())
    assert "mp4, a video" in decoded["video.jpg"].failure.message
    assert "jpeg, an image" in decoded["image.mp4"].failure.message


def test_what_happens_to_files_between_plan_and_decode(tmp_path, make: Make) -> None:
    write(tmp_path, dict.fromkeys(("gone.jpg", "kept.jpg", "new.jpg"), JPEG))
    batch = plan(tmp_path)
    (tmp_path / "gone.jpg").unlink()
    (tmp_path / "new.jpg").write_bytes(JPEG + b"more")
    decoded = by_name(make()(batch))
    assert code_of(decoded["gone.jpg"]) is FailureCode.MISSING_OBJECT
    assert code_of(decoded["new.jpg"]) is FailureCode.CHANGED_OBJECT
    assert decoded["kept.jpg"].failure is None


@pytest.mark.parametrize("known_size", [True, False])
@pytest.mark.parametrize("name", ["a.jpg", "a.mp4"])
def test_too_large_a_file_is_not_read(tmp_path, make: Make, name: str, known_size) -> None:
    write(tmp_path, {name: bytes(5000)})
    kind = MediaKind.IMAGE if name.endswith("jpg") else MediaKind.VIDEO
    medium = Medium(str(tmp_path / name), 5000 if known_size else None, None)
    batch = items_to_plan([Item(medium.uri, kind, "1", (medium,), TASKS)])
    operator = make(max_file_bytes=4999)
    assert code_of(by_name(operator(batch))[name]) is FailureCode.TOO_LARGE
    assert operator.stats.bytes_fetched == 0


def test_several_images_of_one_item_share_a_buffer(tmp_path, make: Make) -> None:
    small = pictures.encoded(pictures.quadrants(16, 8), "PNG")
    write(tmp_path, {"a.jpg": JPEG, "b.png": small})
    media = tuple(Medium(str(tmp_path / name), None, None) for name in ("a.jpg", "b.png"))
    batch = items_to_plan([Item("pair", MediaKind.IMAGES, "1", media, TASKS)])
    (one,) = table_to_decoded(make()(batch))
    assert one.frames is not None
    assert one.frames.shapes == ((32, 64), (8, 16))
    second = np.frombuffer(one.frames.pixels, np.uint8)[one.frames.offsets()[1] :]
    assert pictures.corners(second.reshape(8, 16, 3)) == list(pictures.QUADRANTS)


def test_decoding_stops_at_its_time_limit(tmp_path, make: Make) -> None:
    write(tmp_path, {"slow.mp4": H264, "slow.jpg": JPEG})
    decoded = by_name(make(timeout_s=1e-9)(plan(tmp_path)))
    assert code_of(decoded["slow.mp4"]) is FailureCode.DECODE_TIMEOUT
    assert code_of(decoded["slow.jpg"]) is FailureCode.DECODE_TIMEOUT


def test_what_nobody_foresaw_is_one_items_failure(tmp_path, make: Make, monkeypatch) -> None:
    write(tmp_path, {"a.jpg": JPEG, "b.mp4": H264})

    def broken(*_, **__):
        raise ZeroDivisionError("seven by nought")

    monkeypatch.setattr(operators.decode, "decode_image", broken)
    decoded = by_name(make()(plan(tmp_path)))
    assert code_of(decoded["a.jpg"]) is FailureCode.UNEXPECTED
    assert "ZeroDivisionError: seven by nought" in decoded["a.jpg"].failure.message
    assert decoded["b.mp4"].failure is None


def test_it_ships_as_plain_values_and_needs_its_setup(tmp_path) -> None:
    operator = DecodeOperator(StorageSpec(), MediaSpec(), 10**6, 10**6)
    shipped = pickle.loads(pickle.dumps(operator))  # noqa: S301 - as Ray ships it
    write(tmp_path, {"a.jpg": JPEG})
    with pytest.raises(RuntimeError, match="setup"):
        shipped(plan(tmp_path))
    shipped.setup()
    assert by_name(shipped(plan(tmp_path)))["a.jpg"].failure is None
    threads = threading.active_count()
    shipped.close()
    shipped.close()
    assert threading.active_count() < threads


def test_what_may_show_the_same_as_others_gets_a_digest_of_it(tmp_path, make: Make) -> None:
    # Bitmaps, so that they are of one size.
    same = pictures.encoded(pictures.quadrants(), "BMP")
    darker = pictures.encoded(pictures.quadrants().point(lambda value: value // 2), "BMP")
    assert len(same) == len(darker)
    write(tmp_path, {"a.bmp": same, "b.bmp": same, "c.bmp": darker})
    listing = list(list_items(InputSpec(uris=(str(tmp_path),)), StorageSpec()))
    items = [
        Item(
            i.item_id, i.kind, i.item_version, i.media, TASKS, content_key=None if alone else 7
        )
        for alone in (False, True)
        for i in listing
    ]
    decoded = table_to_decoded(make()(items_to_plan(items)))
    a, b, c, *without = [one.digest for one in decoded]
    assert a is not None
    assert a == b != c
    assert without == [None, None, None]
