"""`neargate up` to its first answered call, and what it takes in memory when idle, beside dockerd."""

import http.client
import pathlib
import subprocess
import time

import images
from calls import Calls
from fargate import Fargate
from neargate import BINARY, Neargate
from peers import Docker, Registry
from place import end
from report import Table, median
from samples import stamp_layout

TASKS = 10


def neargate_up(place, name):
    """Seconds from the start of the process to its first answered call."""
    gate = Neargate(place.path(name))
    log = open(gate.directory / "neargate.log", "ab")
    command = [BINARY, "up", "--listen", f"127.0.0.1:{gate.port}", "--data", str(gate.data)]
    begun = time.monotonic()
    gate.process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        answered(lambda: Calls(gate.port).call("ListClusters"), gate.process)
        return time.monotonic() - begun
    finally:
        end(gate.process)


def docker_up(place):
    begun = time.monotonic()
    docker = Docker(place)  # its readiness is a call of the docker CLI
    return docker, time.monotonic() - begun


def answered(call, process):
    while True:
        try:
            return call()
        except (OSError, http.client.HTTPException):
            if process.poll() is not None:
                raise RuntimeError("the daemon ended") from None
            time.sleep(0.001)


def memory_mib(pids):
    """(RSS, PSS) in MiB, summed."""
    totals = {"Rss": 0, "Pss": 0}
    for pid in pids:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
            name, value = line.split(":")
            if name in totals:
                totals[name] += int(value.split()[0]) / 1024
    return totals["Rss"], totals["Pss"]


def processes(wanted):
    """Pids whose command line satisfies `wanted(argv)`."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                argv = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if wanted(argv):
                found.append(int(entry.name))
    return found


def is_shim(argv):
    return argv[1:2] == ["shim"]


def is_shim_or_zygote(argv):
    """The zygote has what the shims share: it is theirs to account for."""
    return is_shim(argv) or argv[1:2] == ["zygote"]


def neargate_memory(place, layout):
    gate = place.neargate("memory")
    time.sleep(2)  # idle, not just started
    idle = memory_mib([gate.process.pid])
    fargate = Fargate(gate)
    images.push(gate, layout, "stamp")
    fargate.register("idle", images.aws_name("stamp"), "/bin/busybox", "sleep", "100000")
    calls = fargate.calls()
    for arn in fargate.start(calls, "idle", TASKS):
        fargate.wait(calls, arn, "RUNNING")
    time.sleep(2)
    loaded = memory_mib([gate.process.pid])
    assert len(processes(is_shim)) == TASKS
    return idle, loaded, memory_mib(processes(is_shim_or_zygote))


def docker_memory(docker, image):
    def daemons():
        names = {"dockerd", "containerd"}
        return processes(lambda argv: argv[0].rsplit("/", 1)[-1] in names)

    time.sleep(2)
    idle = memory_mib(daemons())
    docker.pull(image)
    limits = ["--cpus", "1", "--memory", "2g"]
    made = [docker.cli("run", "-d", *limits, image, "/bin/busybox", "sleep", "100000").strip() for _ in range(TASKS)]
    time.sleep(2)
    loaded = memory_mib(daemons())
    shims = processes(lambda argv: argv[0].rsplit("/", 1)[-1].startswith("containerd-shim"))
    assert len(shims) == TASKS, shims
    taken = memory_mib(shims)
    docker.cli("rm", "-f", *made)
    return idle, loaded, taken


def run(place):
    layout = stamp_layout(place)
    registry = Registry(place)
    image = f"{registry.host}/stamp:latest"
    images.skopeo("copy", "--dest-tls-verify=false", f"oci:{layout}", f"docker://{image}")
    fresh, again, dockers = [], [], []
    docker = None
    for turn in range(place.count(7, 2)):
        fresh.append(neargate_up(place, f"fresh-{turn}") * 1e3)
        again.append(neargate_up(place, f"fresh-{turn}") * 1e3)
        if docker:
            end(docker.process)
        docker, seconds = docker_up(place)
        dockers.append(seconds * 1e3)
    ours = neargate_memory(place, layout)
    theirs = docker_memory(docker, image)

    table = Table(
        "Start and idle memory",
        [
            ("start to first answer", "ms", "low"), ("restart", "ms", "low"),
            ("idle RSS", "MiB", "low"), ("idle PSS", "MiB", "low"),
            (f"{TASKS} idle containers RSS", "MiB", "low"), ("PSS", "MiB", "low"),
            ("shim RSS", "MiB", "low"), ("shim PSS", "MiB", "low"),
        ],
        [
            f"{docker.version()} with the containerd that it starts. Start: a fresh data directory, to the answer of "
            "ListClusters (docker: of `docker version`, the CLI included); restart: the same directory again.",
            "The shims' figures are for one container, with its part of the zygote that they are forks of; the daemon's "
            "own with ten idle containers exclude them.",
        ],
    )
    for name, times, restart, memory in (
        ("neargate up", fresh, again, ours), ("dockerd", dockers[:1], dockers[1:], theirs),
    ):
        idle, loaded, shims = memory
        each = [value / TASKS for value in shims]
        table.row(name, median(times), median(restart), *idle, *loaded, *each)
    table.samples = {"fresh_ms": fresh, "restart_ms": again, "dockerd_ms": dockers}
    yield table
