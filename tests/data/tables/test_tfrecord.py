"""The framing of TFRecord files, against a plain CRC-32C and the builder's own framing (built files)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.base.errors import InputError
from benchkit.data.tables.formats.tfrecord import frame, is_tfrecord, masked_crc, read_records
from benchmarks.build_tfrecord import encode_record


def crc32c_plainly(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


@given(st.binary(max_size=80))
def test_checksum_is_a_masked_crc32c(data: bytes) -> None:
    assert crc32c_plainly(b"123456789") == 0xE3069283  # the check value of CRC-32C (RFC 3720 family)
    crc = crc32c_plainly(data)
    assert masked_crc(data) == (((crc >> 15) + (crc << 17)) % 2**32 + 0xA282EAD8) % 2**32


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=6))
def test_frames_are_read_back(tmp_path_factory: pytest.TempPathFactory, parts: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("frames") / "x"
    path.write_bytes(b"".join(map(frame, parts)))
    seen: list[bytes] = []
    records = list(read_records(path, seen.append))
    assert [data for _, _, data in records] == parts
    assert [number for number, _, _ in records] == list(range(1, len(parts) + 1))
    assert [offset for _, offset, _ in records] == [
        sum(len(part) + 16 for part in parts[:i]) for i in range(len(parts))
    ]
    assert b"".join(seen) == path.read_bytes()


def test_framing_is_that_of_the_builder() -> None:
    """Built: the same bytes from two implementations."""
    assert frame(json.dumps([1, "x"]).encode()) == encode_record([1, "x"])


def test_records_may_straddle_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    parts = [bytes([i]) * (7 * i % 40) for i in range(50)]
    path.write_bytes(b"".join(map(frame, parts)))
    for chunk in (1, 5, 16, 17, 100):
        monkeypatch.setattr("benchkit.data.tables.formats.tfrecord._CHUNK", chunk)
        assert [data for _, _, data in read_records(path)] == parts


def test_every_truncation_inside_a_record_is_found(tmp_path: Path) -> None:
    whole = b"".join(map(frame, (b"abc", b"", b"defghij")))
    ends = [19, 35, 58]
    path = tmp_path / "x"
    for cut in sorted(set(range(1, len(whole))) - set(ends)):
        path.write_bytes(whole[:cut])
        number = 1 + sum(cut > end for end in ends)
        start = [0, *ends][number - 1]
        with pytest.raises(InputError, match=rf"ends at byte {cut}, inside record {number} \(byte {start}\)"):
            list(read_records(path))


def test_every_flipped_byte_is_found(tmp_path: Path) -> None:
    whole = b"".join(map(frame, (b"abc", b"defghij")))
    path = tmp_path / "x"
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1 :])
        place = r"record 1.*byte 0\b" if at < 19 else r"record 2 \(byte 19\)"
        with pytest.raises(InputError, match=place):
            list(read_records(path))


def test_empty_and_foreign_files(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"")
    with pytest.raises(InputError, match="is empty"):
        list(read_records(path))
    path.write_bytes(b"arch,accuracy\nx,0.9\n")
    with pytest.raises(InputError, match="not a TFRecord file"):
        list(read_records(path))


def test_recognised_by_the_checksum_of_the_first_length(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(frame(b"abc"))
    assert is_tfrecord(path)
    path.write_bytes(frame(b"abc")[:11])
    assert not is_tfrecord(path)
    path.write_bytes(b"\x01" + frame(b"abc")[1:])
    assert not is_tfrecord(path)
    assert not is_tfrecord(tmp_path)
