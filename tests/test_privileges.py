"""What task definitions ask of the machine: privileges, devices, swap, and namespaces that containers share."""

import pathlib
import platform

import pytest

import images
import tasks
from instances import register, run, running, set_up, start, stop, stopped
from neargate import wait_until
from tasks import container

GROUP = "/ecs/privileges"


def sh(name, script, **more):
    return container(name, command=["sh", "-c", script], group=GROUP, memory=32, **more)


def lines(gate, task, name):
    return tasks.messages(gate, GROUP, f"ecs/{name}/{task['taskArn'].rsplit('/', 1)[1]}")


def test_a_privileged_container_and_a_device(gate, layout):
    set_up(gate, layout)
    powers = "mount -t tmpfs none /tmp && echo mounts; test -b /dev/loop0 && echo devices; grep NoNewPrivs /proc/self/status"
    root = sh("root", powers, privileged=True, dockerSecurityOptions=["no-new-privileges", "label:type:svirt_t"])
    device = {"hostPath": "/dev/zero", "containerPath": "/dev/other", "permissions": ["read"]}
    linux = {"devices": [device], "maxSwap": 16, "swappiness": 10}
    plain = sh("plain", "head -c 3 /dev/other | wc -c; ls /dev/loop0", essential=False, linuxParameters=linux)
    register(gate, "bridge", root, plain, family="powers")
    task = stopped(gate, run(gate, "powers"))
    assert task["stopCode"] == "EssentialContainerExited", tasks.why(task)
    said = lines(gate, task, "root")
    assert said[:2] == ["mounts", "devices"] and said[2].split() == ["NoNewPrivs:", "1"], said


def test_a_privileged_container_needs_the_operators_word(make_gate, layout):
    gate = make_gate("--allow-privileged=false")
    gate.start()
    set_up(gate, layout)
    for field, more, of_task in [
        ("privileged", {"privileged": True}, {}),
        ("linuxParameters.devices", {"linuxParameters": {"devices": [{"hostPath": "/dev/fuse"}]}}, {}),
        ("pidMode", {}, {"pidMode": "host"}),
        ("ipcMode", {}, {"ipcMode": "host"}),
    ]:
        register(gate, "bridge", sh("app", "true", **more), family="powers", **of_task)
        task = stopped(gate, run(gate, "powers"))
        assert task["stopCode"] == "TaskFailedToStart"
        assert f"{field} would reach the host itself" in task["stoppedReason"], task["stoppedReason"]


def test_containers_of_a_task_see_each_other(gate, layout):
    set_up(gate, layout)
    first = sh("first", "echo mark > /dev/shm/mark; exec sleep 1234", stopTimeout=2)
    script = "until [ -e /dev/shm/mark ]; do sleep 0.1; done; ps | grep -c 'sleep 123[4]'; cat /dev/shm/mark; exec sleep 99"
    second = sh("second", script, stopTimeout=2)
    register(gate, "bridge", first, second, family="shared", pidMode="task", ipcMode="task")
    arn = run(gate, "shared")
    task = running(gate, arn)
    said = wait_until(lambda: lines(gate, task, "second") if len(lines(gate, task, "second")) == 2 else None, 10)
    assert said == ["1", "mark"]
    stop(gate, arn)


def test_a_fargate_task_shares_processes(gate, layout):
    images.push(gate, layout, "busybox")
    app = container("app", command=["sleep", "1234"], stopTimeout=2, essential=False)
    script = "until ps | grep -q 'sleep 123[4]'; do sleep 0.1; done; echo seen"
    side = container("side", command=["sh", "-c", script], group=GROUP)
    tasks.register(gate, side, app, pidMode="task")
    task = tasks.ended(gate, tasks.run(gate))
    assert lines(gate, task, "side") == ["seen"]


def test_the_hosts_processes(gate, layout):
    set_up(gate, layout)
    pid = gate.process.pid
    assert pathlib.Path(f"/proc/{pid}").exists()
    app = sh("app", f"test -d /proc/{pid} && echo seen")
    register(gate, "bridge", app, family="host", pidMode="host", ipcMode="host")
    task = stopped(gate, run(gate, "host"))
    assert task["containers"][0].get("exitCode") == 0, tasks.why(task)
    assert lines(gate, task, "app") == ["seen"]


def test_what_a_machine_has_not_is_not_placed_there(gate, layout):
    set_up(gate, layout)
    ecs = gate.client("ecs")
    gpu = sh("app", "true", resourceRequirements=[{"type": "GPU", "value": "1"}])
    register(gate, "bridge", gpu, family="gpu")
    answer = start(gate, "gpu")
    assert [f["reason"] for f in answer["failures"]] == ["RESOURCE:GPU"], answer
    other = "ARM64" if platform.machine() == "x86_64" else "X86_64"
    elsewhere = {"cpuArchitecture": other, "operatingSystemFamily": "LINUX"}
    register(gate, "bridge", sh("app", "true"), family="other", runtimePlatform=elsewhere)
    answer = start(gate, "other")
    assert [f["reason"] for f in answer["failures"]] == ["ATTRIBUTE"], answer
    tasks.register(gate, container(command=["true"]), runtimePlatform=elsewhere)
    with pytest.raises(ecs.exceptions.PlatformTaskDefinitionIncompatibilityException):
        tasks.run(gate)
