"""A full disk: every call says so, running tasks go on, and when there is space again all is as before."""

import errno
import os
import subprocess
import time

import botocore.config
import botocore.exceptions
import pytest

import images
import tasks
from images import sha256
from neargate import wait_until
from registry import Registry
from tasks import container

GROUP = "/ecs/test"
ONCE = botocore.config.Config(retries={"total_max_attempts": 1})


class Disk:
    """A small file system of its own, which can be filled up. (Pulling leaves 256 MiB free.)"""

    def __init__(self, directory):
        self.directory = directory
        self.filler = directory / "filler"
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m", "neargate-test", directory], check=True)

    def fill(self):
        with open(self.filler, "ab", buffering=0) as filler:
            for size in (1 << 20, 4096):
                try:
                    while True:
                        filler.write(b"x" * size)
                except OSError as error:
                    assert error.errno == errno.ENOSPC

    def free(self):
        self.filler.unlink(missing_ok=True)

    def unmount(self):
        subprocess.run(["umount", "--lazy", self.directory], check=True)


@pytest.fixture
def disk(tmp_path):
    (tmp_path / "disk").mkdir()
    disk = Disk(tmp_path / "disk")
    yield disk
    disk.unmount()


@pytest.fixture
def gate(disk, make_gate, layout):
    gate = make_gate(data=disk.directory / "data")
    gate.start()
    images.push(gate, layout, "busybox")
    logs = gate.client("logs")
    logs.create_log_group(logGroupName="api")
    logs.create_log_stream(logGroupName="api", logStreamName="one")
    yield gate
    disk.free()


def attempt(call, **arguments):
    """`None` when the call was acknowledged, else the error's code, message and status."""
    try:
        call(**arguments)
    except botocore.exceptions.ClientError as error:
        detail = error.response["Error"]
        return detail["Code"], detail["Message"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    return None


def fill_store(ecs):
    """Creates clusters until that is refused; answers those that were acknowledged, and the refusal."""
    acknowledged = []
    for n in range(1000):
        name = f"c{n}-" + "x" * 200
        refusal = attempt(ecs.create_cluster, clusterName=name, tags=[{"key": "k", "value": "v" * 250}])
        if refusal:
            return acknowledged, refusal
        acknowledged.append(name)
    raise AssertionError("the store never ran out of space")


def test_every_call_says_so_and_recovers(gate, disk):
    logs, ecs, ecr = (gate.client(name, config=ONCE) for name in ("logs", "ecs", "ecr"))
    tasks.register(gate, container(command=["true"], group=GROUP))
    network = tasks.network(gate)
    disk.fill()

    clusters, refusal = fill_store(ecs)
    assert refusal[2] >= 500 and refusal[1], refusal
    refusal = attempt(ecs.run_task, taskDefinition="test", launchType="FARGATE", networkConfiguration=network)
    assert refusal and refusal[2] >= 500
    lines = []
    for n in range(200):
        message = f"{n} " + "x" * 10_000
        event = {"timestamp": 1000 * (n + 1) + now() - 1_000_000, "message": message}
        refusal = attempt(logs.put_log_events, logGroupName="api", logStreamName="one", logEvents=[event])
        if refusal:
            assert refusal[0] == "ServiceUnavailableException" and refusal[2] == 503
            break
        lines.append(message)
    assert refusal, "the log never ran out of space"
    registry = Registry(gate, "busybox")
    data = os.urandom(2_000_000)
    reply = registry.send("POST", f"blobs/uploads/?digest={sha256(data)}", data)
    assert reply.status in (500, 503, 507) and "space" in reply.message, (reply.status, reply.body)
    # What needs no space goes on.
    assert ecs.describe_task_definition(taskDefinition="test")["taskDefinition"]["revision"] == 1
    assert ecr.describe_images(repositoryName="busybox")["imageDetails"]
    assert '"ok"' in gate.http("GET", "/health")
    assert gate.alive()

    disk.free()
    wait_until(lambda: attempt(ecs.create_cluster, clusterName="again") is None, what="writes work again")
    wait_until(lambda: attempt(
        logs.put_log_events, logGroupName="api", logStreamName="one",
        logEvents=[{"timestamp": now(), "message": "again"}]) is None, what="logs work again")
    assert registry.send("POST", f"blobs/uploads/?digest={sha256(data)}", data).status == 201
    assert registry.send("GET", f"blobs/{sha256(data)}").body == data
    tasks.ended(gate, tasks.run(gate))
    for _ in range(2):
        pages = ecs.get_paginator("list_clusters").paginate()
        names = {a.rsplit("/", 1)[1] for p in pages for a in p["clusterArns"]}
        assert names >= {*clusters, "again"}
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName="api")
        assert [e["message"] for p in pages for e in p["events"]] == [*lines, "again"]
        gate.kill()
        gate.start()




def test_a_running_task_goes_on(gate, disk):
    script = "i=0; while [ ! -e /tmp/stop ]; do echo $i; i=$((i+1)); usleep 10000; done"
    script = f"trap 'exit 7' TERM; {script}"
    tasks.register(gate, container(command=["sh", "-c", script], group=GROUP))
    arn = tasks.run(gate)
    tasks.wait_for(gate, arn, "RUNNING")
    stream = f"ecs/app/{arn.rsplit('/', 1)[1]}"
    seen = wait_until(lambda: tasks.messages(gate, GROUP, stream))
    disk.fill()
    # A restart with a full disk finds everything, or says in one line why not.
    gate.kill()
    disk.free()
    gate.start()
    assert tasks.describe(gate, arn)["lastStatus"] == "RUNNING"
    wait_until(lambda: len(tasks.messages(gate, GROUP, stream)) > len(seen) + 10)
    assert tasks.messages(gate, GROUP, stream)[: len(seen)] == seen
    disk.fill()
    ecs = gate.client("ecs", config=ONCE)
    fill_store(ecs)
    disk.free()
    wait_until(lambda: attempt(ecs.create_cluster, clusterName="again") is None, what="writes work again")
    assert tasks.describe(gate, arn)["lastStatus"] == "RUNNING"
    gate.client("ecs").stop_task(task=arn)
    tasks.ended(gate, arn, 7)


def test_an_image_that_does_not_fit(gate, disk, tmp_path):
    """Also a bomb: some kilobytes that become gigabytes."""
    layout = images.Layout(tmp_path / "bomb")
    bomb = images.layer({"zeros": bytes(300 << 20)})
    images.push(gate, layout.write(layout.image([images.busybox_layer(), bomb])), "bomb")
    before = used(disk)
    tasks.register(gate, container(image=images.aws_name("bomb"), command=["true"]), family="bomb")
    task = tasks.wait_for(gate, tasks.run(gate, "bomb"), "STOPPED")
    assert task["stoppedReason"].startswith("CannotPullContainerError: "), task["stoppedReason"]
    assert "no space left" in task["stoppedReason"].lower(), task["stoppedReason"]
    wait_until(lambda: used(disk) < before + (12 << 20), what="the space is given back")
    tasks.register(gate, container(command=["true"]))
    tasks.ended(gate, tasks.run(gate))


def used(disk):
    stat = os.statvfs(disk.directory)
    return (stat.f_blocks - stat.f_bfree) * stat.f_frsize


def test_starting_with_a_full_disk(gate, disk):
    gate.client("ecs").create_cluster(clusterName="kept")
    gate.stop()
    disk.fill()
    before = len(gate.log())
    try:
        gate.start()
    except AssertionError:
        said = gate.log()[before:].strip()
        assert gate.process.returncode == 1
        assert len(said.splitlines()) == 1 and "space" in said, said
    else:
        # It runs, and serves what it has.
        assert len(gate.client("ecs").list_clusters()["clusterArns"]) == 1
        gate.kill()
    disk.free()
    gate.start()
    assert len(gate.client("ecs").list_clusters()["clusterArns"]) == 1


def now():
    return int(time.time() * 1000)
