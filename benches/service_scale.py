"""A service from nothing to a hundred running tasks beside as many `docker run -d`, the time until
a killed task is replaced, and the memory that a hundred take."""

import concurrent.futures
import os
import pathlib
import signal
import time

import images
import tasks
from fargate import POLL_SECONDS, Fargate
from peers import Docker, Registry
from report import Table, median
from samples import stamp_layout
from start_up import is_shim_or_zygote, memory_mib, processes

SERVICE = "scale"
SLEEP = ["/bin/busybox", "sleep", "100000"]
# As many as docker's users start at once (`docker compose` does so, too).
WAYS = 8


class Service:
    """Neargate's side: one ECS service."""

    name = "neargate service"

    def __init__(self, place, layout):
        self.gate = place.neargate("service")
        self.fargate = Fargate(self.gate)
        self.calls = self.fargate.calls()
        images.push(self.gate, layout, "stamp")
        container = tasks.container(image=images.aws_name("stamp"), command=SLEEP, stopTimeout=2)
        tasks.register(self.gate, container, family=SERVICE)
        self.calls.call(
            "CreateService", serviceName=SERVICE, taskDefinition=SERVICE, desiredCount=0,
            launchType="FARGATE", networkConfiguration=self.fargate.network,
        )
        self.scale(1)  # the image is there from now on
        self.scale(0)

    def counts(self):
        service = self.calls.call("DescribeServices", services=[SERVICE])["services"][0]
        return service["runningCount"], service["pendingCount"]

    def scale(self, count):
        """Seconds from the call until just so many tasks run."""
        begun = time.monotonic()
        self.calls.call("UpdateService", service=SERVICE, desiredCount=count)
        self.until(lambda: self.counts() == (count, 0))
        seconds = time.monotonic() - begun
        if count == 0:
            self.until(lambda: not self.live())
        return seconds

    def live(self):
        """ARNs of tasks that have not stopped."""
        arns = []
        for status in ("RUNNING", "STOPPED"):
            found = self.calls.call("ListTasks", serviceName=SERVICE, desiredStatus=status)["taskArns"]
            for some in (found[i:i + 100] for i in range(0, len(found), 100)):
                described = self.calls.call("DescribeTasks", tasks=some)["tasks"]
                arns += [t["taskArn"] for t in described if t["lastStatus"] != "STOPPED"]
        return arns

    def until(self, condition, seconds=300):
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise RuntimeError(f"not within {seconds} s: {self.counts()}")
            time.sleep(POLL_SECONDS)

    def replace(self):
        """Seconds from the kill of a task's process until another task runs in its stead."""
        before = set(self.live())
        arn = sorted(before)[0]
        [pid] = container_processes(arn.rsplit("/", 1)[1])
        begun = time.monotonic()
        os.kill(pid, signal.SIGKILL)

        def replaced():
            new = set(self.live()) - before
            if not new:
                return False
            found = self.calls.call("DescribeTasks", tasks=list(new))["tasks"]
            return any(t["lastStatus"] == "RUNNING" for t in found)

        self.until(replaced)
        return time.monotonic() - begun

    def memory(self):
        return memory_mib([self.gate.process.pid]), memory_mib(processes(is_shim_or_zygote))


def container_processes(name):
    """Host pids of what runs in a cgroup whose path has `name`."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if name in (entry / "cgroup").read_text():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


class Containers:
    """Docker's side: as many containers, that start again when they end."""

    name = "docker run -d"

    def __init__(self, place, image):
        self.docker = Docker(place)
        self.image = image
        self.docker.pull(image)

    def one(self, _=None):
        limits = ["--cpus", "0.25", "--memory", "512m", "--restart", "always"]
        return self.docker.cli("run", "-d", *limits, self.image, *SLEEP).strip()

    def scale(self, count):
        begun = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(WAYS) as pool:
            made = list(pool.map(self.one, range(count)))
        running = self.docker.cli("ps", "-q").split()
        assert len(running) == count, len(running)
        return time.monotonic() - begun, made

    def remove(self, made):
        self.docker.cli("rm", "-f", *made)

    def pid(self, container):
        return int(self.docker.cli("inspect", "-f", "{{.State.Pid}}", container))

    def replace(self, container):
        old = self.pid(container)
        begun = time.monotonic()
        os.kill(old, signal.SIGKILL)
        while self.pid(container) in (0, old):
            time.sleep(POLL_SECONDS)
        return time.monotonic() - begun

    def memory(self):
        daemons = {"dockerd", "containerd"}
        engine = processes(lambda argv: argv[0].rsplit("/", 1)[-1] in daemons)
        shims = processes(lambda argv: argv[0].rsplit("/", 1)[-1].startswith("containerd-shim"))
        return memory_mib(engine), memory_mib(shims)


def run(place):
    layout = stamp_layout(place)
    registry = Registry(place)
    image = f"{registry.host}/stamp:latest"
    images.skopeo("copy", "--dest-tls-verify=false", f"oci:{layout}", f"docker://{image}")
    ours, theirs = Service(place, layout), Containers(place, image)
    count = place.count(100, 5)
    scaled, replaced, memory = ({"ours": [], "theirs": []} for _ in range(3))
    for turn in range(place.count(3, 1)):
        scaled["ours"].append(ours.scale(count))
        if turn == 0:
            time.sleep(2)  # idle, not just started
            memory["ours"] = ours.memory()
            replaced["ours"] = [ours.replace() * 1e3 for _ in range(place.count(10, 2))]
        ours.scale(0)
        seconds, made = theirs.scale(count)
        scaled["theirs"].append(seconds)
        if turn == 0:
            time.sleep(2)
            memory["theirs"] = theirs.memory()
            replaced["theirs"] = [theirs.replace(c) * 1e3 for c in made[:place.count(10, 2)]]
        theirs.remove(made)

    table = Table(
        f"A service of {count} tasks",
        [
            (f"0 to {count} running", "s", "low"), ("a killed one runs again", "ms", "low"),
            ("control plane and node RSS", "MiB", "low"), ("PSS", "MiB", "low"),
            (f"{count} shims RSS", "MiB", "low"), ("{count} shims PSS".format(count=count), "MiB", "low"),
        ],
        [
            f"{theirs.docker.version()}. neargate: UpdateService to runningCount, by DescribeServices every 10 ms; a "
            f"killed task is replaced by a new one with a new network interface. docker: {WAYS} `docker run -d` at a "
            "time to the last one's return; a killed container is started again in place (`--restart always`).",
        ],
    )
    for name, key in ((ours.name, "ours"), (theirs.name, "theirs")):
        engine, shims = memory[key]
        table.row(name, median(scaled[key]), median(replaced[key]), *engine, *shims)
    table.samples = {"scale_s": scaled, "replace_ms": replaced}
    yield table
