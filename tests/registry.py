"""Speaks the OCI distribution API by hand: what no well-behaved client would send, too."""

import http.client
import json
import urllib.parse

from images import CONFIG, LAYER, MANIFEST, sha256


class Reply:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def error(self):
        """The first OCI error code."""
        return json.loads(self.body)["errors"][0]["code"]

    @property
    def message(self):
        return json.loads(self.body)["errors"][0]["message"]


class Registry:
    def __init__(self, gate, repository):
        self.gate, self.repository = gate, repository

    def send(self, method, path, body=None, **headers):
        """`path` is below the repository, or whole if it begins with a slash."""
        path = path if path.startswith("/") else f"/v2/{self.repository}/{path}"
        connection = http.client.HTTPConnection("127.0.0.1", self.gate.port, timeout=60)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            return Reply(connection.getresponse())
        finally:
            connection.close()

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.gate.port, timeout=60)

    def begin(self):
        """The location of a new upload."""
        reply = self.send("POST", "blobs/uploads/")
        assert reply.status == 202, reply.body
        return reply.headers["Location"]

    def finish(self, location, digest, body=b""):
        return self.send("PUT", f"{location}?digest={urllib.parse.quote(digest)}", body)

    def blob(self, data):
        """Uploads a blob; answers its descriptor."""
        digest = sha256(data)
        reply = self.finish(self.begin(), digest, data)
        assert reply.status == 201, reply.body
        return {"digest": digest, "size": len(data)}

    def has(self, digest):
        return self.send("HEAD", f"blobs/{digest}").status == 200

    def manifest_of(self, config, layers, **more):
        return json.dumps({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, **config},
            "layers": [{"mediaType": LAYER, **layer} for layer in layers], **more,
        }).encode()

    def put(self, reference, manifest, media_type=MANIFEST):
        return self.send("PUT", f"manifests/{reference}", manifest, Content_Type=media_type)

    def tiny(self, tag, content=b"layer", **more):
        """Pushes an image of one small blob; answers its digest."""
        manifest = self.manifest_of(self.blob(b"{}"), [self.blob(content)], **more)
        reply = self.put(tag or sha256(manifest), manifest)
        assert reply.status == 201, reply.body
        return sha256(manifest)
