"""Names of members, and archives of any bytes at all."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from operators.sources.range_file import RangeFile
from operators.sources.tar_samples import Damage, Sample, read_samples, split_name
from operators.storage import open_store
from schemas.job import StorageSpec


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("a/b.c/d.e.JPG", ("a/b.c/d", "e.jpg")),
        ("d.jpg", ("d", "jpg")),
        ("/d.jpg", ("/d", "jpg")),
        ("a/.jpg", None),
        ("a.b/c", None),
        ("c.", None),
        ("", None),
    ],
)
def test_a_name_is_split_at_its_base_names_first_dot(name, split):
    assert split_name(name) == split


@given(st.text(st.characters(codec=None)))
def test_every_key_can_be_written(name):
    split = split_name(name)
    if split is not None:
        assert split[0].encode()
        assert "." not in split[0].rpartition("/")[2]


def archive() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as written:
        for name in ("0.jpg", "0.json", "ö" * 90 + ".jpg", "2.txt"):
            entry = tarfile.TarInfo(name)
            entry.size = 700
            written.addfile(entry, io.BytesIO(b"{}".ljust(700)))
    return file.getvalue()


WHOLE = archive()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(place=st.integers(0, len(WHOLE) - 1), written=st.binary(max_size=600), cut=st.booleans())
def test_whatever_is_written_into_an_archive_ends_it_properly(tmp_path, place, written, cut):
    path = tmp_path / "a.tar"
    data = WHOLE[:place] + written + (b"" if cut else WHOLE[place + len(written) :])
    path.write_bytes(data)
    store = open_store(str(path), StorageSpec())
    samples: list[Sample] = []
    try:
        samples += read_samples(RangeFile(store, store.head(str(path))), with_columns=True)
    except Damage as damage:
        assert 0 <= damage.offset <= len(data)
    for sample in samples:
        for member in sample.members:
            assert 0 <= member.offset <= member.offset + member.size <= len(data)
