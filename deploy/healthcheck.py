"""The container's health check: exit 0 when `/readyz` answers 200, else 1 with what the service says is missing."""

import http.client
import os
import sys

# Shorter than the timeout that the Dockerfile gives the check, so that the reason is printed before it is killed.
TIMEOUT_SECONDS = 4.0


def main() -> int:
    """Asks the service in this container, past any proxy of the environment; returns the exit status."""
    connection = http.client.HTTPConnection(
        "127.0.0.1", int(os.environ.get("QACONV_PORT", "8000")), timeout=TIMEOUT_SECONDS
    )
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        body = response.read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        print(f"no answer from port {connection.port}: {error!r}")
        return 1
    finally:
        connection.close()
    print(f"{response.status} {body}")
    return 0 if response.status == http.HTTPStatus.OK else 1


if __name__ == "__main__":
    sys.exit(main())
