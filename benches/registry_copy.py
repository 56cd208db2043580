"""Push to and pull from our ECR beside Debian's docker-registry on the same disk: with skopeo, and
with bare HTTP, which leaves the client's own cost out."""

import hashlib
import http.client
import os
import shutil
import time

import images
from peers import Registry
from report import Table, median
from samples import random_layout

MIB = 1 << 20


class Ecr:
    name = "neargate ECR"

    def __init__(self, place):
        self.gate = place.neargate()
        created = self.gate.client("ecr").create_repository(repositoryName="copy")
        self.uri = created["repository"]["repositoryUri"]
        self.port = self.gate.port
        # Bare HTTP goes by address; the Host header names account, region and repository.
        self.host, self.repository = self.uri.split("/", 1)


class Peer:
    def __init__(self, registry):
        self.name = registry.name
        self.port, self.host, self.repository = registry.port, registry.host, "copy"
        self.uri = f"{registry.host}/copy"


def put(target, data, digest):
    """A monolithic upload; answers its seconds."""
    connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=120)
    begun = time.monotonic()
    connection.request("POST", f"/v2/{target.repository}/blobs/uploads/", headers={"Host": target.host})
    response = connection.getresponse()
    response.read()
    assert response.status == 202, response.status
    location = response.headers["Location"]
    path = "/" + location.split("/", 3)[3] if "://" in location else location
    path += ("&" if "?" in path else "?") + f"digest={digest}"
    head = {"Host": target.host, "Content-Type": "application/octet-stream"}
    connection.request("PUT", path, data, head)
    response = connection.getresponse()
    response.read()
    assert response.status == 201, response.status
    return time.monotonic() - begun


def get(target, digest, size):
    connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=120)
    buffer = memoryview(bytearray(MIB))
    begun, left = time.monotonic(), size
    connection.request("GET", f"/v2/{target.repository}/blobs/{digest}", headers={"Host": target.host})
    response = connection.getresponse()
    assert response.status == 200, response.status
    while count := response.readinto(buffer):
        left -= count
    assert left == 0
    return time.monotonic() - begun


def copy(*args):
    os.sync()
    begun = time.monotonic()
    images.skopeo("copy", *args)
    return time.monotonic() - begun


def run(place):
    registry = Registry(place)
    targets = [Ecr(place), Peer(registry)]
    layers, layer_mib = place.count(3, 2), place.count(100, 10)
    size = layers * layer_mib * MIB
    kinds = ("push", "pull", "put", "get")
    rates = {kind: {t.name: [] for t in targets} for kind in kinds}
    for turn in range(place.count(7, 1)):
        layout = random_layout(place.path() / f"layout-{turn}", layer_mib * MIB, layers)
        blob = os.urandom(size)
        digest = "sha256:" + hashlib.sha256(blob).hexdigest()
        for i in range(len(targets)):
            t = targets[(turn + i) % len(targets)]
            seconds = copy("--dest-tls-verify=false", f"oci:{layout}", f"docker://{t.uri}:{turn}")
            rates["push"][t.name].append(size / MIB / seconds)
            out = place.path() / "pulled"
            seconds = copy("--src-tls-verify=false", f"docker://{t.uri}:{turn}", f"dir:{out}")
            rates["pull"][t.name].append(size / MIB / seconds)
            shutil.rmtree(out)
            os.sync()
            rates["put"][t.name].append(size / MIB / put(t, blob, digest))
            rates["get"][t.name].append(size / MIB / get(t, digest, size))
        shutil.rmtree(layout)

    table = Table(
        f"ECR: copy of {layers} x {layer_mib} MiB incompressible layers; bare HTTP: one blob of {size // MIB} MiB",
        [
            ("skopeo push", "MiB/s", "high"), ("skopeo pull", "MiB/s", "high"),
            ("HTTP PUT", "MiB/s", "high"), ("HTTP GET", "MiB/s", "high"),
        ],
        [
            f"{registry.version()}, {images.skopeo('--version').strip()}. Medians; new content in every "
            "turn; reads come from the page cache for both.",
        ],
    )
    for t in targets:
        table.row(t.name, *(median(rates[kind][t.name]) for kind in kinds))
    table.samples = {f"{kind}_mib_per_s": found for kind, found in rates.items()}
    yield table
