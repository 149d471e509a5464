"""Finding and loading the native library, and what is said where it cannot be."""

import ctypes.util
import logging
from pathlib import Path

import pytest

from model.gallery_scoring import installed_library, native_library
from model.gallery_scoring.native_library import NativeLibrary, NativeLibraryError


def test_a_file_that_is_no_library_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "gallery_scoring.so"
    path.write_bytes(b"not a library")
    with pytest.raises(NativeLibraryError, match=r"gallery_scoring.so cannot be loaded .*: install the package again"):
        NativeLibrary(path)


def test_another_library_is_refused() -> None:
    name = ctypes.util.find_library("m")
    if name is None:
        pytest.skip("no library of mathematics is found here")
    with pytest.raises(NativeLibraryError, match="cannot be loaded"):
        NativeLibrary(Path("/") / name)


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    if installed_library() is None:
        pytest.skip("no native scorer is installed here")
    monkeypatch.setattr(native_library, "_INTERFACE_VERSION", 99)
    with pytest.raises(NativeLibraryError, match="has interface 2, not 99: install the package again"):
        NativeLibrary(native_library.LIBRARY_PATH)


@pytest.mark.parametrize("content", [None, b"not a library"])
def test_without_a_usable_library_there_is_none_and_a_line_in_the_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes | None
) -> None:
    path = tmp_path / "gallery_scoring.so"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setattr(native_library, "LIBRARY_PATH", path)
    with caplog.at_level(logging.INFO):
        assert installed_library.__wrapped__() is None
    assert "scoring with torch" in caplog.text


def test_a_processor_that_is_too_old_gets_torch(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    library = installed_library()
    if library is None:
        pytest.skip("no native scorer is installed here")
    monkeypatch.setattr(library, "kernels", [])
    monkeypatch.setattr(native_library, "NativeLibrary", lambda _: library)
    with caplog.at_level(logging.INFO):
        assert installed_library.__wrapped__() is None
    assert "needs AVX2" in caplog.text


def test_which_kernels_there_are_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    library = installed_library()
    if library is None:
        pytest.skip("no native scorer is installed here")
    installed_library.cache_clear()
    with caplog.at_level(logging.INFO):
        assert installed_library() is installed_library()
    assert [record.getMessage() for record in caplog.records] == [
        "scoring with the native scorer, which has here: " + ", ".join(kernel.name for kernel in library.kernels)
    ]
