import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.decode import DecodeOperator
from operators.signatures import HEAD_BYTES, sniff
from operators.sources.listing import list_items
from schemas.inputs import InputSpec
from schemas.item import Item, PendingTask
from schemas.job import MediaSpec, StorageSpec
from schemas.media import MediaKind
from tests.media import clips, pictures


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("JPEG", "jpeg"),
        ("PNG", "png"),
        ("WEBP", "webp"),
        ("GIF", "gif"),
        ("BMP", "bmp"),
        ("TIFF", "tiff"),
    ],
)
def test_images_are_known_by_their_content(form: str, name: str) -> None:
    found = sniff(pictures.encoded(pictures.quadrants(), form)[:HEAD_BYTES])
    assert found is not None
    assert (found.name, found.kind, found.allowed) == (name, MediaKind.IMAGE, True)


@pytest.mark.parametrize(
    ("clip", "name"),
    [
        ("h264", "mp4"),
        ("prores mov", "mov"),
        ("vp8 webm", "webm"),
        ("h264 mkv", "matroska"),
        ("h264 ts", "mpegts"),
        ("mjpeg avi", "avi"),
    ],
)
def test_videos_are_known_by_their_content(clip: str, name: str) -> None:
    found = sniff(clips.make(clips.CLIPS[clip])[:HEAD_BYTES])
    assert found is not None
    assert (found.name, found.kind, found.allowed) == (name, MediaKind.VIDEO, True)


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "jpegxl"),
        (b"8BPS\x00\x01", "psd"),
        (b"OggS\x00\x02", "ogg"),
        (b"\x00\x10\x00\x00\x12\xaf\x01\x00", "flic"),
    ],
)
def test_what_is_known_but_not_decoded(head: bytes, name: str) -> None:
    found = sniff(head + bytes(200))
    assert found is not None
    assert (found.name, found.allowed) == (name, False)


@pytest.mark.parametrize(
    ("brands", "name"), [(b"mif1miafavif", "avif"), (b"mif1heic", "heic"), (b"msf1", "heic")]
)
def test_a_brand_that_two_formats_share_is_told_by_the_others(brands: bytes, name: str) -> None:
    size = 16 + len(brands)
    head = size.to_bytes(4, "big") + b"ftyp" + brands[:4] + bytes(4) + brands
    found = sniff(head + b"\x00\x00\x00\x20avif" + bytes(100))
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize("text", [b"BMW is a brand", b"hello", b"", b"<html>", b"#EXTM3U\n"])
def test_text_is_no_medium(text: bytes) -> None:
    assert sniff(text * 20) is None


@given(st.binary(max_size=HEAD_BYTES))
def test_any_bytes_get_an_answer(head: bytes) -> None:
    found = sniff(head)
    assert found is None or found.kind in MediaKind


def test_a_wrong_suffix_costs_an_image_nothing(tmp_path) -> None:
    held = {
        "a.heic": "JPEG",
        "b.jpg": "HEIF",
        "c.png": "AVIF",
        "d.avif": "PNG",
        "e.gif": "WEBP",
    }
    for name, form in held.items():
        (tmp_path / name).write_bytes(pictures.encoded(pictures.quadrants(), form))
    listing = list_items(InputSpec(uris=(str(tmp_path),)), StorageSpec())
    tasks = (PendingTask("caption", "f" * 32),)
    items = [Item(one.item_id, one.kind, one.item_version, one.media, tasks) for one in listing]
    operator = DecodeOperator(StorageSpec(), MediaSpec(), 10**6, 10**6)
    operator.setup()
    decoded = list(operator.decoded(items))
    operator.close()
    assert [one.frames and one.frames.source_format for one in decoded] == [
        form.lower().replace("heif", "heic") for form in held.values()
    ]
