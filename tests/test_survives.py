"""kill -9 loses nothing."""

import os
import signal

import images
import tasks
from neargate import processes_of, wait_until
from tasks import container

GROUP = "/ecs/test"


def stream_of(arn):
    return f"ecs/app/{arn.rsplit('/', 1)[1]}"


def ready(gate, tmp_path):
    images.push(gate, images.busybox(tmp_path / "layout"), "busybox")


def counted(lines):
    return [int(line) for line in lines]


def test_tasks_go_on_and_no_line_is_lost(own_gate, tmp_path):
    gate = own_gate
    ready(gate, tmp_path)
    count = "i=0; while [ $i -lt 400 ]; do echo $i; i=$((i+1)); usleep 10000; done; exit 7"
    tasks.register(gate, container(command=["sh", "-c", count], group=GROUP))
    arn = tasks.run(gate)
    tasks.wait_for(gate, arn, "RUNNING")
    for _ in range(3):
        before = len(tasks.messages(gate, GROUP, stream_of(arn)))
        wait_until(lambda: len(tasks.messages(gate, GROUP, stream_of(arn))) > before)
        gate.kill()
        gate.start()
        assert tasks.describe(gate, arn)["lastStatus"] == "RUNNING"
    task = tasks.wait_for(gate, arn, "STOPPED")
    assert task["containers"][0]["exitCode"] == 7
    lines = gate.client("logs").get_paginator("filter_log_events").paginate(logGroupName=GROUP)
    lines = [e["message"] for page in lines for e in page["events"]]
    assert counted(lines) == list(range(400))


def test_a_task_that_died_meanwhile(own_gate, tmp_path):
    gate = own_gate
    ready(gate, tmp_path)
    tasks.register(gate, container(command=["sh", "-c", "echo up; sleep 2; exit 9"], group=GROUP))
    arn = tasks.run(gate)
    tasks.wait_for(gate, arn, "RUNNING")
    wait_until(lambda: tasks.messages(gate, GROUP, stream_of(arn)) == ["up"])
    pids = [p for p in processes_of(gate.instance) if "sleep" in command(p)]
    gate.kill()
    wait_until(lambda: not any(alive(p) for p in pids), what="the container ends")
    gate.start()
    task = tasks.wait_for(gate, arn, "STOPPED")
    assert task["containers"][0]["exitCode"] == 9
    assert task["stopCode"] == "EssentialContainerExited"


def test_a_killed_shim_leaves_nothing_behind(own_gate, tmp_path):
    gate = own_gate
    ready(gate, tmp_path)
    tasks.register(gate, container(command=["sleep", "1000"]))
    arn = tasks.run(gate)
    tasks.wait_for(gate, arn, "RUNNING")
    for pid in shims(gate):
        os.kill(pid, signal.SIGKILL)
    task = tasks.wait_for(gate, arn, "STOPPED")
    assert "exitCode" not in task["containers"][0]


def test_shims_come_from_another_zygote_when_theirs_was_killed(own_gate, tmp_path):
    gate = own_gate
    ready(gate, tmp_path)
    tasks.register(gate, container(command=["sleep", "1000"]))
    first = tasks.run(gate)
    tasks.wait_for(gate, first, "RUNNING")
    for pid in children(gate.process.pid, "neargate-zygote "):
        os.kill(pid, signal.SIGKILL)
    second = tasks.run(gate)
    tasks.wait_for(gate, second, "RUNNING")
    assert tasks.describe(gate, first)["lastStatus"] == "RUNNING"


def test_a_shim_is_small_and_its_container_is_not_held_to_that(own_gate, tmp_path):
    gate = own_gate
    ready(gate, tmp_path)
    look = "grep THP_enabled /proc/self/status; exec sleep 1000"
    tasks.register(gate, container(command=["sh", "-c", look], group=GROUP))
    arn = tasks.run(gate)
    tasks.wait_for(gate, arn, "RUNNING")
    said = wait_until(lambda: tasks.messages(gate, GROUP, stream_of(arn)))
    assert said[0].split() == ["THP_enabled:", "1"]
    [shim] = shims(gate)
    assert status(f"/proc/{shim}/status")["THP_enabled"] == 0
    # Its own, apart from what it shares with its zygote and the other shims.
    assert status(f"/proc/{shim}/smaps_rollup")["Private_Dirty"] < 1024


def status(path):
    """The numbers of such a file of the kernel, by name."""
    with open(path) as file:
        words = [line.split() for line in file]
    return {name[0].rstrip(":"): int(name[1]) for name in words if len(name) > 1 and name[1].isdigit()}


def children(parent, title):
    """Pids of a process's children whose command line begins so."""
    pids = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
    own = [pid for pid in pids if command(pid).startswith(title)]
    return [pid for pid in own if status(f"/proc/{pid}/status")["PPid"] == parent]


def test_restart_without_tasks_finds_everything(own_gate, tmp_path):
    gate = own_gate
    ready(gate, tmp_path)
    tasks.register(gate, container(command=["true"]))
    gate.client("ecs").create_cluster(clusterName="kept")
    gate.kill()
    gate.start()
    assert len(gate.client("ecs").list_clusters()["clusterArns"]) == 1
    task = tasks.wait_for(gate, tasks.run(gate), "STOPPED")
    assert task["containers"][0]["exitCode"] == 0


def shims(gate):
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and f" shim {gate.data}" in command(int(entry)):
            found.append(int(entry))
    assert found, "no shim found"
    return found


def command(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def alive(pid):
    return os.path.exists(f"/proc/{pid}")
