import signal
import socket
import threading
import time

import httpx

from tests.service.conftest import StartService
from tests.service.drawn_crops import crop_file


def test_it_ends_on_ctrl_c_and_clients_that_went_away_did_no_harm(start_service: StartService) -> None:
    service = start_service()
    address = httpx.URL(service.url)
    for _ in range(3):
        _send_half_a_request(str(address.host), int(address.port or 0))
    assert httpx.get(f"{service.url}/readyz").status_code == 200
    service.process.send_signal(signal.SIGINT)
    assert service.process.wait(30) == 0
    assert "Traceback" not in service.log
    assert "ERROR" not in service.log
    assert service.log.count("listening on http://127.0.0.1:") == 1


def test_requests_in_flight_are_finished(start_service: StartService) -> None:
    service = start_service()
    statuses: list[int] = []

    def ingest() -> None:
        with httpx.Client(base_url=service.url) as client:
            for number in range(1000):
                data = {"camera_id": "c", "timestamp": str(number)}
                try:
                    response = client.put(f"/v1/detections/d{number}", data=data, files={"image": crop_file(number)})
                except httpx.TransportError:
                    return  # The service does not listen any more.
                statuses.append(response.status_code)

    clients = [threading.Thread(target=ingest) for _ in range(2)]
    for client in clients:
        client.start()
    while len(statuses) < 20:
        time.sleep(0.01)
    assert service.stop() == 0
    for client in clients:
        client.join(30)
    assert set(statuses) <= {200, 201}
    assert "Traceback" not in service.log


def _send_half_a_request(host: str, port: int) -> None:
    head = "PUT /v1/detections/x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=q\r\n"
    with socket.create_connection((host, port)) as connection:
        connection.sendall(f"{head}Content-Length: 1000\r\n\r\n--q\r\n".encode())
        time.sleep(0.1)
