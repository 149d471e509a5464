"""The container's health check: exit 0 when `/readyz` answers 200, else 1 with what the service says is missing.

A service with a certificate is asked by TLS, and the certificate is not verified: it is made out to the name that
clients use and not to 127.0.0.1, nothing can stand between this process and the loopback address of its own container,
and no secret is sent.
"""

import http.client
import os
import ssl
import sys

# Shorter than the timeout that the Dockerfile gives the check, so that the reason is printed before it is killed.
TIMEOUT_SECONDS = 4.0


def main() -> int:
    """Asks the service in this container, past any proxy of the environment; returns the exit status."""
    connection = connect(int(os.environ.get("QACONV_PORT", "8000")))
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


def connect(port: int) -> http.client.HTTPConnection:
    """A connection that is not opened yet, by TLS where the service has a certificate."""
    if not os.environ.get("QACONV_TLS_CERTIFICATE"):
        return http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS, context=context)


if __name__ == "__main__":
    sys.exit(main())
