"""Calls of the JSON protocol over one kept connection: what a client costs is kept out of the figures."""

import http.client
import json
import time

from neargate import REGION

TARGETS = {"ecs": "AmazonEC2ContainerServiceV20141113", "logs": "Logs_20140328"}


def headers(operation, service="ecs"):
    """Nothing verifies a signature on loopback; the credential's scope names region and service."""
    return {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": f"{TARGETS[service]}.{operation}",
        "X-Amz-Date": "20260101T000000Z",
        "Authorization": f"AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/{service}/aws4_request, "
        f"SignedHeaders=host;x-amz-date, Signature={'0' * 64}",
    }


# The server ends a connection that has been idle for 30 s.
KEPT_SECONDS = 20


class Calls:
    def __init__(self, port, service="ecs"):
        self.service = service
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self.connection.connect()
        self.used = time.monotonic()

    def call(self, operation, **members):
        if time.monotonic() - self.used > KEPT_SECONDS:
            self.connection.close()
        self.connection.request("POST", "/", json.dumps(members).encode(), headers(operation, self.service))
        response = self.connection.getresponse()
        body = response.read()
        self.used = time.monotonic()
        if response.status != 200:
            raise RuntimeError(f"{operation}: {response.status} {body[:500]!r}")
        return json.loads(body) if body else {}
