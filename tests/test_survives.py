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
