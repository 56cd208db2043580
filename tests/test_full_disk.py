"""A full disk: every call says so, running tasks go on, and when there is space again all is as before."""

import errno
import os
import subprocess
import time

import botocore.config
import botocore.exceptions
import pytest

import images
import neargate
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


def test_a_task_that_fills_the_disk_ends_and_nobody_else_suffers(gate, disk):
    tasks.register(gate, container(command=["sh", "-c", "trap 'exit 7' TERM; while :; do usleep 20000; done"]))
    bystander = tasks.run(gate)
    tasks.wait_for(gate, bystander, "RUNNING")
    before = used(disk)
    # The file has no name: nothing shows it but the process that has it open.
    fill = "exec 3>/tmp/fill; rm /tmp/fill; cat /dev/zero >&3; sleep 600"
    tasks.register(gate, container(command=["sh", "-c", fill], group=GROUP), family="filler")
    task = tasks.wait_for(gate, tasks.run(gate, "filler"), "STOPPED")
    assert "ephemeral storage" in task["stoppedReason"], tasks.why(task)
    assert task["containers"][0]["exitCode"] == 137, tasks.why(task)
    wait_until(lambda: used(disk) < before + (12 << 20), what="the space is given back")
    wait_until(lambda: attempt(gate.client("ecs").create_cluster, clusterName="after") is None, what="writes work")
    assert tasks.describe(gate, bystander)["lastStatus"] == "RUNNING"
    gate.client("ecs").stop_task(task=bystander)
    tasks.ended(gate, bystander, 7)


def test_a_task_that_fills_its_own_disk_is_told_so_and_its_host_is_not(make_gate, layout):
    gate = make_gate()
    gate.start()
    images.push(gate, layout, "busybox")
    # Room that is set aside takes nothing of the host's disk, and counts in the task's.
    script = """
        df -k / | awk 'END { print $2 }'
        fallocate -l 15G /one && fallocate -l 15G /two
        echo $?
        rm -f /one /two; echo fits > /three && cat /three
    """
    mounted = {"volumes": [{"name": "scratch", "host": {}}]}
    app = container(command=["sh", "-c", script], group=GROUP,
                    mountPoints=[{"sourceVolume": "scratch", "containerPath": "/scratch"}])
    tasks.register(gate, app, family="own", ephemeralStorage={"sizeInGiB": 21}, **mounted)
    arn = tasks.run(gate, "own")
    tasks.ended(gate, arn)
    lines = tasks.messages(gate, GROUP, f"ecs/app/{arn.rsplit('/', 1)[1]}")
    if int(lines[0]) > 22 << 20:
        pytest.skip("this machine makes tasks no disks of their own")
    assert int(lines[0]) > 20 << 20
    assert any("No space left on device" in line for line in lines), lines
    assert lines[-2:] == ["1", "fits"], lines
    wait_until(lambda: arn.rsplit("/", 1)[1] not in open("/proc/self/mounts").read(), what="the disk is gone")


def test_what_ends_things_works_on_a_full_disk(gate, disk):
    """Somebody else has filled it: tasks go on, and can be stopped; what they wrote is given back."""
    write = "trap 'exit 7' TERM; dd if=/dev/zero of=/tmp/own bs=1M count=40 2>/dev/null; while :; do usleep 20000; done"
    tasks.register(gate, container(command=["sh", "-c", write], group=GROUP))
    before = used(disk)
    first, second = tasks.run(gate), tasks.run(gate)
    wait_until(lambda: used(disk) > before + (75 << 20), what="the tasks have written")
    ecs = gate.client("ecs", config=ONCE)
    service = dict(taskDefinition="test", launchType="FARGATE", networkConfiguration=tasks.network(gate))
    ecs.create_service(serviceName="idle", desiredCount=0, **service)
    disk.fill()
    fill_store(ecs)
    assert [tasks.describe(gate, arn)["lastStatus"] for arn in (first, second)] == ["RUNNING"] * 2
    ecs.stop_task(task=first)
    tasks.ended(gate, first, 7)
    wait_until(lambda: room(disk) > 30 << 20, what="an ended task's files are given back")
    disk.fill()
    fill_store(ecs)
    ecs.update_service(service="idle", desiredCount=0)
    ecs.delete_service(service="idle", force=True)
    ecs.deregister_task_definition(taskDefinition="test:1")
    gate.stop()
    done = gate.cli("down")
    assert done.returncode == 0, done.stderr
    assert "stopped 1 task" in done.stderr
    wait_until(lambda: room(disk) > 30 << 20, what="space is given back")
    gate.start()
    tasks.ended(gate, second, 137)
    disk.fill()
    fill_store(ecs)
    gate.reset()
    assert ecs.list_clusters()["clusterArns"] == []


def test_a_push_that_does_not_fit_is_refused_early(gate, disk):
    registry = Registry(gate, "busybox")
    kept = {"begun": registry.begin(), "half": registry.begin()}
    assert registry.send("PATCH", kept["half"], os.urandom(4_000_000)).status == 202
    left = 8_000_000 + room(disk) - room_for_pushes(disk)
    with open(disk.filler, "wb") as filler:
        filler.truncate(0)
        os.posix_fallocate(filler.fileno(), 0, room(disk) - left)
    before = used(disk)
    big = os.urandom(12_000_000)
    # What says how large it is, is not even begun; what does not say so ends before the reserve.
    reply = registry.send("POST", f"blobs/uploads/?digest={sha256(big)}", big)
    assert reply.status in (500, 503, 507) and "space" in reply.message, (reply.status, reply.body)
    reply = registry.send("PATCH", kept["half"], iter([big[n : n + 100_000] for n in range(0, len(big), 100_000)]))
    assert reply.status in (500, 503, 507) and "space" in reply.message, (reply.status, reply.body)
    assert used(disk) <= before, "what did not fit is not kept"
    assert registry.send("GET", kept["half"]).status == 404
    small = os.urandom(1_000_000)
    assert registry.finish(kept["begun"], sha256(small), small).status == 201
    disk.free()
    assert registry.send("POST", f"blobs/uploads/?digest={sha256(big)}", big).status == 201


def test_lost_state_is_never_replaced_unasked(gate, disk, tmp_path):
    tasks.register(gate, container(command=["sleep", "600"]))
    arn = tasks.run(gate)
    tasks.wait_for(gate, arn, "RUNNING")
    gate.kill()
    state = gate.data / "state.redb"
    whole = state.read_bytes()
    for spoil in (lambda: state.write_bytes(b""), state.unlink, lambda: state.write_bytes(whole[: len(whole) // 2])):
        spoil()
        for refused in (gate.cli("up"), gate.cli("down")):
            assert refused.returncode == 1
            assert str(state) in refused.stderr and "--new-state" in refused.stderr, refused.stderr
            assert len(refused.stderr.strip().splitlines()) == 1, refused.stderr
        assert neargate.shims_of(gate.data), "the task goes on"
    state.write_bytes(whole)
    gate.start()
    assert tasks.describe(gate, arn)["lastStatus"] == "RUNNING"
    gate.kill()
    state.write_bytes(b"")
    gate.flags.append("--new-state")
    gate.start()
    wait_until(lambda: not neargate.shims_of(gate.data), what="tasks that nobody knows are stopped")
    assert gate.client("ecs").list_clusters()["clusterArns"] == []


def room(disk):
    stat = os.statvfs(disk.directory)
    return stat.f_bavail * stat.f_frsize


def room_for_pushes(disk):
    """Without the reserve, a sixteenth of so small a disk."""
    stat = os.statvfs(disk.directory)
    return room(disk) - stat.f_blocks * stat.f_frsize // 16


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
