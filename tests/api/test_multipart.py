"""The multipart body: one file under any name, whole, bounded, however it is cut into pieces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerwatch.api.errors import ApiError
from layerwatch.api.multipart import MAX_OVERHEAD_BYTES, Upload, read_upload
from layerwatch.vision import MAX_PICTURE_BYTES

JPEG = b"\xff\xd8\xff\xe0 a picture \r\n--almost a boundary\r\n\xff\xd9"
BOUNDARY = "b0undary"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def part(data: bytes, disposition: str | None = None, kind: str | None = None) -> bytes:
    head = ""
    if disposition is not None:
        head += f"Content-Disposition: {disposition}\r\n"
    if kind is not None:
        head += f"Content-Type: {kind}\r\n"
    return f"--{BOUNDARY}\r\n{head}\r\n".encode() + data + b"\r\n"


def body(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def read(
    data: bytes,
    *,
    content_type: str | None = CONTENT_TYPE,
    content_length: str | None = None,
    cuts: list[int] | None = None,
    held: list[int] | None = None,
) -> Upload:
    async def stream() -> AsyncIterator[bytes]:
        places = [0, *sorted(cuts or []), len(data)]
        for start, end in pairwise(places):
            yield data[start:end]

    hold = held.append if held is not None else (lambda size: None)
    return asyncio.run(read_upload(content_type, content_length, stream(), hold))


def refused(data: bytes, **options: object) -> ApiError:
    with pytest.raises(ApiError) as caught:
        read(data, **options)  # type: ignore[arg-type]
    assert caught.value.type == "OE_BAD_ARGS"
    return caught.value


FILE = part(JPEG, 'form-data; name="file"; filename="a.jpg"', "image/jpeg")
NOTE = part(b"hello", 'form-data; name="note"')


@pytest.mark.parametrize(
    ("disposition", "kind"),
    [
        ('form-data; name="file"; filename="a.jpg"', "image/jpeg"),
        ('form-data; name="anything"; filename="x"', None),
        ('form-data; name="file"', "image/jpeg"),
        ('form-data; name="file"', "application/octet-stream"),
        ('form-data; name="file"', None),
        ('form-data; name="file"', "text/plain"),
        ('form-data; name="file"; filename=""', "application/octet-stream"),
        ("form-data; name=\"file\"; filename*=UTF-8''%e2%82%ac.jpg", None),
        ("form-data", None),
        (None, "image/jpeg"),
        (None, None),
    ],
)
def test_names_and_types_of_the_file_may_be_anything_or_absent(
    disposition: str | None, kind: str | None
) -> None:
    assert read(body(part(JPEG, disposition, kind))).jpeg == JPEG


@pytest.mark.parametrize("order", [(FILE, NOTE), (NOTE, FILE)])
def test_plain_fields_beside_the_file_are_read_past(order: tuple[bytes, bytes]) -> None:
    assert read(body(*order)) == Upload(JPEG, camera="")


def test_the_field_camera_is_kept() -> None:
    camera = part("Küche".encode(), 'form-data; name="camera"')
    assert read(body(camera, FILE)).camera == "Küche"


@pytest.mark.parametrize("name", ["x" * 65, "a\nb", "\x00"])
def test_a_camera_name_that_cannot_be_one_is_refused(name: str) -> None:
    assert "camera" in refused(body(part(name.encode(), 'form-data; name="camera"'), FILE)).details


def test_two_files_are_refused() -> None:
    assert "more than one" in refused(body(FILE, FILE)).details


@pytest.mark.parametrize(
    "data",
    [
        body(),
        body(NOTE),
        body(part(b"", 'form-data; name="file"; filename=""', "application/octet-stream")),
    ],
)
def test_no_file_is_refused(data: bytes) -> None:
    assert "no file" in refused(data).details


def test_an_empty_file_is_a_file() -> None:
    """That it is no picture is for the decoder to say."""
    assert read(body(part(b"", 'form-data; name="file"; filename="a.jpg"'))).jpeg == b""


@pytest.mark.parametrize(
    "content_type",
    [None, "", "image/jpeg", "application/json", "multipart/form-data", "multipart/form-data; boundary=",
     "multipart/mixed; boundary=b0undary", f"multipart/form-data; boundary={'b' * 71}"],
)  # fmt: skip
def test_another_content_type_is_refused(content_type: str | None) -> None:
    refused(body(FILE), content_type=content_type)


@pytest.mark.parametrize("lost", [1, 5, len(JPEG), len(body(FILE)) - 3])
def test_a_body_that_ends_early_is_refused(lost: int) -> None:
    refused(body(FILE)[: -lost - 3])


def test_what_is_no_multipart_body_is_refused() -> None:
    refused(JPEG)


def test_a_file_of_exactly_the_limit_is_taken() -> None:
    assert len(read(body(part(b"\xff" * MAX_PICTURE_BYTES))).jpeg) == MAX_PICTURE_BYTES


def test_one_byte_more_is_too_large() -> None:
    assert refused(body(part(b"\xff" * (MAX_PICTURE_BYTES + 1)))).status == 413


def test_a_length_that_is_too_large_is_refused_before_anything_is_read() -> None:
    assert refused(b"", content_length=str(MAX_PICTURE_BYTES + MAX_OVERHEAD_BYTES + 1)).status == 413


def test_a_length_that_lies_does_not_help() -> None:
    assert refused(body(part(b"\xff" * (MAX_PICTURE_BYTES + 1))), content_length="100").status == 413


@pytest.mark.parametrize(
    "data",
    [
        body(FILE, part(b"x" * MAX_OVERHEAD_BYTES, 'form-data; name="note"')),
        body(FILE) + b"x" * MAX_OVERHEAD_BYTES,
        body(*[NOTE] * 40, FILE),
        body(part(JPEG, "form-data; name=" + "n" * 5000)),
        f"--{BOUNDARY}\r\n".encode() + b"A: b\r\n" * 100 + b"\r\n" + JPEG,
        f"--{BOUNDARY}\r\n".encode() + b"A" * 100_000,
        b"\r\n" * MAX_OVERHEAD_BYTES,
    ],
)
def test_what_stands_around_the_file_is_bounded(data: bytes) -> None:
    refused(data)


def test_line_ends_before_the_first_boundary_do_no_harm_and_junk_is_refused() -> None:
    assert read(b"\r\n" + body(FILE)).jpeg == JPEG
    refused(b"junk" + body(FILE))
    refused(b"\r\njunk" + body(FILE))


def test_every_byte_of_the_file_is_asked_for_before_it_is_kept() -> None:
    held: list[int] = []
    read(body(FILE), held=held, cuts=[100, 120])
    assert sum(held) == len(JPEG)


@given(st.lists(st.integers(0, len(body(NOTE, FILE, NOTE))), max_size=8))
def test_it_does_not_matter_where_the_stream_is_cut(cuts: list[int]) -> None:
    assert read(body(NOTE, FILE, NOTE), cuts=cuts).jpeg == JPEG


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=3))
def test_any_bytes_are_either_taken_or_refused(data: bytes, cuts: list[int]) -> None:
    try:
        read(data, cuts=[min(cut, len(data)) for cut in cuts])
    except ApiError as error:
        assert error.type == "OE_BAD_ARGS"


@given(st.binary(max_size=2000))
def test_any_file_comes_through_unchanged(data: bytes) -> None:
    if b"\r\n--" + BOUNDARY.encode() in b"\r\n" + data:
        return
    assert read(body(part(data, 'form-data; name="f"; filename="f"'))).jpeg == data
