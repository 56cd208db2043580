"""Pull and unpack of a large image from a registry on loopback. Each contender pulls the same
image, whose every layer it has not seen before."""

import os
import shutil
import time

import images
from fargate import Fargate
from peers import Containerd, Docker, Podman, Registry
from report import Table, median
from samples import BigImages

MIB = 1 << 20


class Task:
    """Neargate pulls because a task names the image; ECS says when the pull began and ended."""

    name = "neargate"

    def __init__(self, place):
        self.fargate = Fargate(place.neargate())
        self.calls = self.fargate.calls()
        self.to_process = []

    def pull(self, image):
        self.fargate.register("big", image, "/stamp")
        begun = time.time_ns()
        arn = self.fargate.run(self.calls, "big")
        self.to_process.append((self.fargate.stamp(arn) - begun) / 1e9)
        task = self.fargate.describe(self.calls, arn)
        return task["pullStoppedAt"] - task["pullStartedAt"]


class Peer:
    def __init__(self, peer):
        self.peer = peer
        self.name = f"{peer.name} pull" if peer.name != "ctr" else "ctr images pull"

    def pull(self, image):
        begun = time.monotonic()
        self.peer.pull(image)
        return time.monotonic() - begun


def run(place):
    registry = Registry(place)
    big = BigImages(place, place.count(460, 60) * MIB)
    peers = [Docker(place), Containerd(place), Podman(place)]
    contenders = [Task(place), *map(Peer, peers)]
    times = {c.name: [] for c in contenders}
    for turn in range(place.count(5, 1)):
        layout = big.layout(turn)
        image = f"{registry.host}/big:{turn}"
        images.skopeo("copy", "--dest-tls-verify=false", f"oci:{layout}", f"docker://{image}")
        shutil.rmtree(layout)
        for i in range(len(contenders)):
            contender = contenders[(turn + i) % len(contenders)]
            os.sync()
            times[contender.name].append(contender.pull(image))

    table = Table(
        f"Pull and unpack: {big.LAYERS + 1} gzip layers, {big.packed_bytes / MIB:.0f} MiB packed, "
        f"{big.raw_bytes / MIB:.0f} MiB and {big.files:,} files unpacked",
        [("median", "s", "low"), ("fastest", "s", "low"), ("slowest", "s", "low")],
        [
            ", ".join(peer.version() for peer in peers) + f"; from {registry.version()} on loopback, one disk for all.",
            f"neargate: pullStoppedAt - pullStartedAt; from RunTask to the task's running process "
            f"{median(contenders[0].to_process):.2f} s. Peers: the command's wall time.",
            "The registry's files are in the page cache (just written) and dirty pages are synced before "
            "each pull; what a contender leaves unsynced is not counted. No tree is deleted between pulls.",
        ],
    )
    for c in contenders:
        table.row(c.name, median(times[c.name]), min(times[c.name]), max(times[c.name]))
    table.samples = {"pull_s": times, "neargate_runtask_to_process_s": contenders[0].to_process}
    yield table
