"""From the call (`RunTask`, `docker run`, `ctr run`, `podman run`) to the container's own first
process, with the image already there; then how many a second, eight at a time."""

import concurrent.futures
import time

import images
from fargate import Fargate
from peers import Containerd, Docker, Podman, Registry
from report import Table, median, percentile
from samples import stamp_layout

WAYS = 8


class Task:
    """Neargate's side. The stamp comes from the task's log, after it ended."""

    name = "neargate RunTask"

    def __init__(self, place, layout):
        gate = place.neargate()
        self.fargate = Fargate(gate)
        images.push(gate, layout, "stamp")
        self.fargate.register("stamp", images.aws_name("stamp"), "/stamp")
        self.kept = [self.fargate.calls() for _ in range(WAYS)]

    def once(self):
        begun = time.time_ns()
        arn = self.fargate.run(self.kept[0], "stamp")
        ended = time.time_ns()
        return (self.fargate.stamp(arn) - begun) / 1e6, (ended - begun) / 1e6

    def worker(self, way, runs):
        for _ in range(runs):
            self.fargate.run(self.kept[way], "stamp")


class Peer:
    def __init__(self, peer, host, what):
        self.peer = peer
        self.name = f"{what}"
        self.image = f"{host}/stamp:latest"
        peer.pull(self.image)

    def once(self):
        begun = time.time_ns()
        out = self.peer.run(self.image, "/stamp")
        ended = time.time_ns()
        return (int(out) - begun) / 1e6, (ended - begun) / 1e6

    def worker(self, _way, runs):
        for _ in range(runs):
            self.peer.run(self.image, "/stamp")


def at_once(contender, runs):
    """Starts a second with eight callers, each waiting for its container's end."""
    with concurrent.futures.ThreadPoolExecutor(WAYS) as pool:
        begun = time.monotonic()
        for done in [pool.submit(contender.worker, way, runs) for way in range(WAYS)]:
            done.result()
        return WAYS * runs / (time.monotonic() - begun)


def burst(task, count):
    """Starts a second when all tasks are asked for at once, ten a call: up to the last process."""
    begun = time.time_ns()
    arns = [arn for _ in range(count // 10) for arn in task.fargate.start(task.kept[0], "stamp", 10)]
    for arn in arns:
        task.fargate.wait(task.kept[0], arn, "STOPPED")
    return len(arns) / ((max(task.fargate.stamp(arn) for arn in arns) - begun) / 1e9)


def run(place):
    layout = stamp_layout(place)
    registry = Registry(place)
    images.skopeo("copy", "--dest-tls-verify=false", f"oci:{layout}", f"docker://{registry.host}/stamp:latest")
    docker, containerd, podman = Docker(place), Containerd(place), Podman(place)
    contenders = [
        Task(place, layout),
        Peer(docker, registry.host, "docker run"),
        Peer(containerd, registry.host, "ctr run"),
        Peer(podman, registry.host, "podman run"),
    ]
    started, ended, rates = ({c.name: [] for c in contenders} for _ in range(3))
    for turn in range(1 + place.count(40, 4)):
        for i in range(len(contenders)):
            contender = contenders[(turn + i) % len(contenders)]
            start, end = contender.once()
            if turn > 0:  # the first is a warm-up
                started[contender.name].append(start)
                ended[contender.name].append(end)
    for turn in range(place.count(5, 1)):
        for i in range(len(contenders)):
            contender = contenders[(turn + i) % len(contenders)]
            rates[contender.name].append(at_once(contender, place.count(5, 1)))
    bursts = [burst(contenders[0], place.count(100, 10)) for _ in range(place.count(3, 1))]

    table = Table(
        "Task start, image already there",
        [
            ("call to process p50", "ms", "low"), ("p95", "ms", "low"),
            ("call to ended and removed p50", "ms", "low"), ("8-way", "starts/s", "high"),
        ],
        [
            f"{docker.version()}, {containerd.version()}, {podman.version()}; runc for all three. "
            "The same image (busybox and a static program that prints the time at which it runs), "
            "1 CPU and 2 GiB each.",
            "neargate, docker and podman make a network interface per container; `ctr run` gives none. "
            "neargate's task also logs to CloudWatch Logs.",
            f"8-way: each of eight callers waits for its container's end (neargate: STOPPED, polled every 10 ms). "
            f"neargate, all tasks asked for at once: {median(bursts):.0f} starts/s.",
        ],
    )
    for c in contenders:
        table.row(
            c.name, median(started[c.name]), percentile(started[c.name], 95),
            median(ended[c.name]), median(rates[c.name]),
        )
    table.samples = {"start_ms": started, "end_ms": ended, "starts_per_s": rates, "burst_starts_per_s": bursts}
    yield table
