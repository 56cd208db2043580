"""A registry that is not ours: serves one OCI layout under any repository name, over plain HTTP."""

import base64
import collections
import http.server
import json
import threading

from images import sha256


class OtherRegistry:
    def __init__(self, layout, tag="1", login=None):
        #: `name:password` that everybody must show; `None`: it is open to all.
        self.login = login
        index = json.loads((layout / "index.json").read_text())
        self.tags = {tag: index["manifests"][0]["digest"]}
        self.blobs = {f"sha256:{p.name}": p.read_bytes() for p in (layout / "blobs/sha256").iterdir()}
        self.asked = collections.Counter()
        #: Digest to how often its transfer breaks off half-way.
        self.break_off = collections.Counter()
        #: Digest to bytes that are sent instead.
        self.lies = {}
        handler = type("Handler", (Handler,), {"registry": self})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def host(self):
        return f"127.0.0.1:{self.port}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        registry = self.registry
        registry.asked[self.path] += 1
        if registry.login and not self.is_login(registry.login):
            body = b'{"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}'
            return self.answer(401, body, "application/json")
        name = self.path.rsplit("/", 1)[-1]
        digest = registry.tags.get(name, name)
        data = registry.blobs.get(digest)
        if self.path in ("/v2", "/v2/"):
            return self.answer(200, b"{}", "application/json")
        if data is None:
            return self.answer(404, b'{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "unknown"}]}', "application/json")
        kind = json.loads(data).get("mediaType") if "/manifests/" in self.path else "application/octet-stream"
        data = registry.lies.get(digest, data)
        first = 0
        if asked := self.headers.get("Range"):
            first = int(asked.removeprefix("bytes=").split("-")[0])
        self.answer(206 if first else 200, data, kind, digest, first)

    def is_login(self, login):
        shown = self.headers.get("Authorization", "")
        return shown == "Basic " + base64.b64encode(login.encode()).decode()

    def answer(self, status, data, kind, digest=None, first=0):
        part = data[first:]
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="other"')
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Docker-Content-Digest", digest or sha256(data))
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.registry.break_off[digest] > 0:
            self.registry.break_off[digest] -= 1
            self.wfile.write(part[: len(part) // 2])
            self.close_connection = True
            self.connection.close()
            return
        self.wfile.write(part)
