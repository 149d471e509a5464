"""The file of API keys: strict JSON, replaced whole by one writer at a time, so that a reader never sees half of it.

It holds hashes, from which no key can be had: that others may read it, as they may a container's secret, does no harm.
Whoever may write it can let anyone in: a file that others than its owner may write is refused.
"""

import fcntl
import json
import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from service.access.api_key import ApiKey, KeyDescription, fingerprint_secret
from service.access.scope import Scope

# Some thousands of keys. More is another kind of file.
_MAX_BYTES = 2**20
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_HOW_TO_MAKE_ONE = "make one with `qaconv-service keys create`"


class KeyFileError(ValueError):
    """The key file cannot be used. The message says why and what to do, and quotes nothing of the file's values."""


@dataclass(frozen=True, slots=True)
class FileStamp:
    """Tells one state of a file from another without reading it."""

    inode: int
    modified_ns: int
    changed_ns: int
    size: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        """The stamp of a file with this status."""
        return cls(status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)


@dataclass(frozen=True, slots=True)
class KeyFileContent:
    """The keys of a file, and the state that it was read in."""

    keys: tuple[ApiKey, ...]
    stamp: FileStamp


@dataclass(slots=True)
class EditedKeys:
    """Keys that an editor changes; what they are in the end is written."""

    keys: list[ApiKey] = field(default_factory=list)


def read_key_file(path: Path) -> KeyFileContent:
    """All keys of a file, in its order.

    Raises:
        KeyFileError: it is not there, cannot be read, may be written by others, or is not a key file.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            _check_status(path, status)
            content = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise KeyFileError(f"the key file {path} is not there: {_HOW_TO_MAKE_ONE}") from None
    except OSError as error:
        raise KeyFileError(f"the key file {path} cannot be read: {error.strerror or error}") from None
    return KeyFileContent(_parse(path, content), FileStamp.of(status))


@contextmanager
def edit_key_file(path: Path, *, may_be_new: bool = False) -> Iterator[EditedKeys]:
    """Holds the file's lock, gives its keys, and writes what they have become when the block ends without an error.

    Args:
        path: of the file; a symbolic link is followed.
        may_be_new: begin with no keys where there is no file.

    Raises:
        KeyFileError: the file cannot be read or written.
    """
    path = path.resolve()
    try:
        with _locked(path):
            edited = EditedKeys()
            if path.exists() or not may_be_new:
                edited.keys = list(read_key_file(path).keys)
            yield edited
            _write(path, edited.keys)
    except OSError as error:
        raise KeyFileError(f"the key file {path} cannot be written: {error.strerror or error}") from error


def _check_status(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise KeyFileError(f"the key file {path} is no file: {_HOW_TO_MAKE_ONE}")
    if status.st_mode & _WRITABLE_BY_OTHERS:
        mode = stat.S_IMODE(status.st_mode)
        raise KeyFileError(
            f"the key file {path} has mode {mode:04o}: others than its owner may write keys into it; chmod 600 it"
        )
    if status.st_size > _MAX_BYTES:
        raise KeyFileError(f"the key file {path} has {status.st_size} bytes, at most {_MAX_BYTES} are read")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    # A file of its own: the key file itself is replaced, and a lock on it would stay with the old one.
    lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _write(path: Path, keys: Sequence[ApiKey]) -> None:
    content = _File(version=1, keys=[_StoredKey.of(key) for key in keys]).model_dump_json(indent=2) + "\n"
    _parse(path, content.encode())  # What could not be read again is not written.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # with mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            _keep_owner_and_mode(path, file.fileno())
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _keep_owner_and_mode(path: Path, descriptor: int) -> None:
    """An administrator who edits the file leaves it to the service that could read it before."""
    try:
        before = path.stat()
    except FileNotFoundError:
        return
    if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
        os.fchown(descriptor, before.st_uid, before.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(before.st_mode))


def _parse(path: Path, content: bytes) -> tuple[ApiKey, ...]:
    try:
        # Read twice: pydantic's own reader takes the last of two members with one name, ours refuses them.
        json.loads(content, object_pairs_hook=_refuse_repeated_names)
        stored = _File.model_validate_json(content, strict=True).keys
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        raise KeyFileError(f"the key file {path} is damaged at {place}: {first['msg']}") from None
    except RecursionError:
        raise KeyFileError(f"the key file {path} is damaged: it is nested too deeply") from None
    except ValueError as error:
        # Of JSON's own errors the position is told, and not what stands there.
        raise KeyFileError(f"the key file {path} is no JSON: {error}") from None
    key_ids = [key.key_id for key in stored]
    if len(set(key_ids)) < len(key_ids):
        repeated = next(key_id for key_id in key_ids if key_ids.count(key_id) > 1)
        raise KeyFileError(f"the key file {path} has the key {repeated} twice: remove one")
    return tuple(key.to_key() for key in stored)


def _refuse_repeated_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("an object has a member twice")
    return members


def _require_printable(name: str) -> str:
    if not name.isprintable() or name != name.strip():
        raise ValueError("must be printable and not begin or end with a space")
    return name


KeyName = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_require_printable)]
CameraId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,128}$")]
ADMIN_IS_NOT_LIMITED = "a key with the scope admin erases for all cameras: it cannot be limited to some"


class _StoredKey(BaseModel):
    """A key as the file has it."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    key_id: str = Field(pattern=r"^[0-9a-f]{8}$")
    name: KeyName
    scopes: list[Scope] = Field(min_length=1)
    secret_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    requests_per_minute: int | None = Field(ge=1)
    created_at: AwareDatetime
    expires_at: AwareDatetime | None
    # Files from before there were such limits have no such member.
    camera_ids: list[CameraId] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _refuse_limited_admin(self) -> Self:
        if self.camera_ids is not None and Scope.ADMIN in self.scopes:
            raise ValueError(ADMIN_IS_NOT_LIMITED)
        return self

    @classmethod
    def of(cls, key: ApiKey) -> Self:
        about = key.description
        return cls(
            key_id=about.key_id,
            name=about.name,
            scopes=sorted(about.scopes),
            secret_sha256=key.secret_sha256.hex(),
            requests_per_minute=about.requests_per_minute,
            created_at=about.created_at,
            expires_at=about.expires_at,
            camera_ids=None if about.camera_ids is None else sorted(about.camera_ids),
        )

    def to_key(self) -> ApiKey:
        secret_sha256 = bytes.fromhex(self.secret_sha256)
        description = KeyDescription(
            self.key_id,
            self.name,
            frozenset(self.scopes),
            self.requests_per_minute,
            self.created_at,
            self.expires_at,
            fingerprint_secret(secret_sha256),
            None if self.camera_ids is None else frozenset(self.camera_ids),
        )
        return ApiKey(description, secret_sha256)


class _File(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    version: Literal[1]
    keys: list[_StoredKey]
