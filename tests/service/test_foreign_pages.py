"""Foreign web pages in a real browser, against a service without keys on this machine."""

import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from tests.service.conftest import StartService
from tests.service.running_service import RunningService

# Tries everything that a page may try without asking, and what it has to ask for, and writes what came of it.
PAGE = """<!doctype html><iframe name="target"></iframe><form id="form" method="post" target="target"
action="SERVICE/v1/detections" enctype="multipart/form-data"><input name="camera_id" value="foreign"></form><pre></pre>
<script>
const tell = (what, value) => document.querySelector("pre").append(`${what}=${value};`);
const read = (what, path, options) => fetch("SERVICE" + path, options)
    .then((answer) => tell(what, answer.type === "opaque" ? "opaque" : answer.status))
    .catch(() => tell(what, "refused"));
document.getElementById("form").submit();
const body = new FormData(); body.append("camera_id", "foreign");
const image = new Image(); image.onload = () => tell("image", "shown"); image.onerror = () => tell("image", "refused");
image.src = "SERVICE/v1/detections/any/image";
Promise.all([
    read("simple", "/v1/detections", {method: "POST", body}),
    read("blind", "/v1/detections", {method: "POST", body, mode: "no-cors"}),
    read("list", "/v1/gallery"),
    read("erase", "/v1/detections/any", {method: "DELETE"}),
]).then(() => tell("all", "done"));
</script>"""


@pytest.fixture(scope="module")
def chromium() -> str:
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("no chromium on the PATH: apt-get install chromium")
    return executable


@contextmanager
def page(content: str, port: int = 0) -> Iterator[int]:
    """A web server with this one page; gives its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(content.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def show(chromium: str, url: str, profile: Path, *flags: str) -> str:
    """The document that a browser makes of a page after a few seconds of its own time."""
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", *flags]
    shown = subprocess.run(
        [*command, "--virtual-time-budget=5000", "--dump-dom", url],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return shown.stdout


def outcomes(document: str) -> dict[str, str]:
    return dict(re.findall(r"(\w+)=(\w+);", document.partition("<pre>")[2].partition("</pre>")[0]))


def statuses(service: RunningService, method: str) -> set[str]:
    """What the service answered to such requests, by its own log, which knows no paths; those for readiness aside."""
    return set(re.findall(rf'"{method} (?!/readyz)\S+ (\d+)"', service.log))


# evil.localhost is another site than 127.0.0.1; another port of 127.0.0.1 is the same site and another origin.
@pytest.mark.parametrize("host", ["evil.localhost", "127.0.0.1"])
def test_a_foreign_page_reaches_nothing(chromium: str, start_service: StartService, tmp_path: Path, host: str) -> None:
    service = start_service()
    with page(PAGE.replace("SERVICE", service.url)) as port:
        seen = outcomes(show(chromium, f"http://{host}:{port}/", tmp_path / "profile"))
    # The blind one is answered 403 too, and Cross-Origin-Resource-Policy keeps even that from the page.
    tried = ("simple", "blind", "list", "erase", "image")
    assert seen == {**dict.fromkeys(tried, "refused"), "all": "done"}
    assert statuses(service, "POST") == {"403"}
    assert statuses(service, "GET") == {"403"}
    assert statuses(service, "OPTIONS") == {"403"}
    assert statuses(service, "DELETE") == set()


def test_a_page_whose_name_is_made_to_point_here_reads_nothing(
    chromium: str, running_service: RunningService, tmp_path: Path
) -> None:
    port = httpx.URL(running_service.url).port
    rebound = "--host-resolver-rules=MAP rebound.example 127.0.0.1"
    shown = show(chromium, f"http://rebound.example:{port}/v1/gallery", tmp_path / "profile", rebound)
    assert "/problems/forbidden" in shown
    assert "cameras" not in shown
    assert "cameras" in show(chromium, f"{running_service.url}/v1/gallery", tmp_path / "profile")


def test_an_allowed_page_reads_what_it_may(chromium: str, start_service: StartService, tmp_path: Path) -> None:
    with page("") as port:
        service = start_service(cors_origins=f'["http://console.localhost:{port}"]')
    content = PAGE.replace("SERVICE", service.url)
    with page(content, port):
        seen = outcomes(show(chromium, f"http://console.localhost:{port}/", tmp_path / "profile"))
    # The form lacks its crop: what is wrong with it is told to the page.
    assert (seen["simple"], seen["list"], seen["erase"]) == ("422", "200", "404")
