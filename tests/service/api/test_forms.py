import tempfile

import httpx
import pytest
from fastapi import FastAPI, Request
from pydantic import Field

from service.api.fields import Identifier, ImageFile, UploadedFile
from service.api.forms import Form, FormLimits, describe_form, read_form
from service.api.problems import install_problem_handlers

pytestmark = pytest.mark.anyio
FILE = ("a.jpg", b"bytes", "image/jpeg")


class Example(Form):
    image: ImageFile
    camera_id: Identifier
    limit: int = 10
    camera_ids: list[Identifier] = Field(default=[])
    images: list[ImageFile] = Field(default=[])
    manifest: str | UploadedFile = ""
    mask: ImageFile | None = None


def client(limits: FormLimits | None = None) -> httpx.AsyncClient:
    application = FastAPI()
    install_problem_handlers(application)

    @application.post("/")
    async def echo(request: Request) -> dict[str, object]:
        form = await read_form(request, Example, limits)
        return {
            "image": [form.image.name, form.image.content.decode()],
            "camera_id": form.camera_id,
            "limit": form.limit,
            "camera_ids": form.camera_ids,
            "images": [image.name for image in form.images],
            "manifest": form.manifest if isinstance(form.manifest, str) else form.manifest.content.decode(),
            "mask": form.mask is not None,
        }

    return httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://service")


async def refusals(data: dict[str, object], files: list[tuple[str, object]]) -> dict[str, str]:
    """What is wrong with each field."""
    async with client() as asked:
        response = await asked.post("/", data=data, files=files)
    assert response.status_code == 422, response.text
    problem = response.json()
    assert all(error["message"] in problem["detail"] for error in problem["errors"])
    return {error["field"]: error["message"] for error in problem["errors"]}


async def test_a_whole_form() -> None:
    data = {"camera_id": "c1", "limit": "7", "camera_ids": ["a", "b"], "manifest": "[]"}
    files = [("image", FILE), ("images", ("1", b"x")), ("images", ("2", b"y")), ("mask", FILE)]
    async with client() as asked:
        response = await asked.post("/", data=data, files=files)
    assert response.json() == {
        "image": ["a.jpg", "bytes"],
        "camera_id": "c1",
        "limit": 7,
        "camera_ids": ["a", "b"],
        "images": ["1", "2"],
        "manifest": "[]",
        "mask": True,
    }


async def test_what_is_left_out_has_its_default() -> None:
    async with client() as asked:
        answer = (await asked.post("/", data={"camera_id": "c1"}, files=[("image", FILE)])).json()
    assert (answer["limit"], answer["camera_ids"], answer["images"], answer["mask"]) == (10, [], [], False)


async def test_a_field_may_take_text_and_files() -> None:
    async with client() as asked:
        answer = (await asked.post("/", data={"camera_id": "c"}, files=[("image", FILE), ("manifest", FILE)])).json()
    assert answer["manifest"] == "bytes"


async def test_everything_wrong_is_named_at_once() -> None:
    data = {"camera_id": "a b", "limit": "many", "camera_ids": ["ok", "no/no"], "unknown": "1"}
    found = await refusals(data, [("more", FILE)])
    assert set(found) == {"image", "camera_id", "limit", "camera_ids.1", "unknown", "more"}
    assert found["image"] == "is missing"
    assert found["unknown"] == found["more"] == "is not a field of this call"
    assert "'a b'" in found["camera_id"]
    assert "'many'" in found["limit"]


@pytest.mark.parametrize("value", ["", "a/b", "a b", "x" * 129, "é", "a\n"])
async def test_ids_are_of_their_alphabet(value: str) -> None:
    found = await refusals({"camera_id": value}, [("image", FILE)])
    assert set(found) == {"camera_id"}


async def test_single_fields_come_once() -> None:
    found = await refusals({"camera_id": ["a", "b"]}, [("image", FILE), ("image", FILE)])
    assert found == {"camera_id": "was sent more than once", "image": "was sent more than once"}


async def test_files_and_text_are_not_confused() -> None:
    found = await refusals({"image": "text"}, [("camera_id", FILE), ("camera_ids", FILE), ("limit", FILE)])
    assert set(found) == {"image", "camera_id", "camera_ids", "limit"}
    assert "is a file" in found["image"]
    assert "is text" in found["camera_id"]


async def test_a_urlencoded_form_is_a_form() -> None:
    async with client() as asked:
        response = await asked.post("/", data={"camera_id": "c"})
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == ["image"]


@pytest.mark.parametrize("kind", [None, "application/json", "text/plain", "multipart/mixed; boundary=x"])
async def test_another_kind_of_body_is_unsupported(kind: str | None) -> None:
    async with client() as asked:
        response = await asked.post("/", content=b"{}", headers={} if kind is None else {"Content-Type": kind})
    assert response.status_code == 415
    assert "multipart/form-data" in response.json()["detail"]


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=q", b"no boundary in here"),
        ("multipart/form-data; boundary=q", b"--q\r\nContent-Disposition: form-data\r\n\r\nx\r\n--q--"),
        ("multipart/form-data; boundary=q", b'--q\r\nContent-Disposition: form-data; name="camera_id"\r\n\r\nc'),
    ],
)
async def test_a_broken_form_is_malformed_or_lacks_what_was_lost(kind: str, content: bytes) -> None:
    async with client() as asked:
        response = await asked.post("/", content=content, headers={"Content-Type": kind})
    assert response.status_code in (400, 422)
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("data", "files"),
    [
        ({"camera_ids": ["a"] * 5}, []),
        ({"camera_id": "x" * 300}, []),
        ({}, [("images", FILE)] * 4),
    ],
)
async def test_a_form_beyond_its_limits_is_too_large(data: dict[str, object], files: list[tuple[str, object]]) -> None:
    async with client(FormLimits(max_files=3, max_texts=4, max_text_bytes=200)) as asked:
        response = await asked.post("/", data=data, files=files or [("image", FILE)])
    assert response.status_code == 413
    assert "at most 3 files and 4 text fields of at most 200 bytes" in response.json()["detail"]


def test_a_form_is_declared_by_its_name() -> None:
    body = describe_form(Example, "application/x-www-form-urlencoded")["requestBody"]
    assert body["required"] is True
    assert set(body["content"]) == {"multipart/form-data", "application/x-www-form-urlencoded"}
    assert body["content"]["multipart/form-data"]["schema"] == {"$ref": "#/components/schemas/Example"}


async def test_no_upload_touches_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parser would put parts of more than a megabyte into temporary files, and these are pictures of people."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a temporary file was made")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", refuse)
    large = ("a.jpg", b"x" * 5_000_000, "image/jpeg")
    async with client() as asked:
        response = await asked.post("/", data={"camera_id": "c1"}, files=[("image", large), ("images", large)])
    assert response.status_code == 200
    assert len(response.json()["image"][1]) == 5_000_000
