"""Faults that a task asks for of its own network, at `$ECS_AGENT_URI/fault/v1`."""

import json

import pytest

import images
import tasks
from neargate import wait_until
from tasks import container
from test_names import SHELL, answers, run


def start(gate, family):
    arn = tasks.run(gate, family)
    address = tasks.address(tasks.wait_for(gate, arn, "RUNNING"))
    wait_until(lambda: answers(address), what="the task listens")
    return arn, address


@pytest.fixture
def two(gate, layout):
    """A task that may have faults, and another one."""
    images.push(gate, layout, "busybox")
    app = container(command=["sh", "-c", SHELL], stopTimeout=2)
    tasks.register(gate, app, family="faulty", enableFaultInjection=True)
    tasks.register(gate, app, family="other")
    return start(gate, "faulty"), start(gate, "other")


def fault(address, kind, act, body=None):
    """Asks from inside the task; answers the status and what is said."""
    text = "" if body is None else json.dumps(body).replace('"', '\\"')
    length = 0 if body is None else len(json.dumps(body))
    path = f"/api/${{ECS_AGENT_URI##*/}}/fault/v1/{kind}/{act}"
    head = f"POST {path} HTTP/1.0\\r\\nContent-Length: {length}\\r\\n\\r\\n"
    answer = run(address, f'printf "{head}{text}" | nc -w 8 169.254.170.2 80')
    head, _, said = answer.replace("\r", "").partition("\n\n")
    return int(head.split()[1]), json.loads(said)


def reaches(address, other):
    """Does the other task's server answer, be it that there is no such page?"""
    said = run(address, f"timeout 3 wget -q -O- http://{other}/ 2>&1")
    return "404" in said


def test_a_task_breaks_its_own_network(gate, two):
    (arn, address), (plain, other) = two
    assert reaches(address, other)
    seen = json.loads(run(address, "wget -q -O- $ECS_CONTAINER_METADATA_URI_V4/task"))
    assert seen["FaultInjectionEnabled"] is True

    hole = {"Port": 80, "Protocol": "tcp", "TrafficType": "egress"}
    assert fault(address, "network-blackhole-port", "status", hole) == (200, {"Status": "not-running"})
    assert fault(address, "network-blackhole-port", "start", hole) == (200, {"Status": "running"})
    assert fault(address, "network-blackhole-port", "start", hole) == (200, {"Status": "running"})
    # The endpoint itself is still there, and so is who calls the task.
    assert fault(address, "network-blackhole-port", "status", hole) == (200, {"Status": "running"})
    assert not reaches(address, other) and answers(other)
    assert fault(address, "network-blackhole-port", "stop", hole) == (200, {"Status": "stopped"})
    assert fault(address, "network-blackhole-port", "status", hole) == (200, {"Status": "not-running"})
    assert reaches(address, other)
    assert fault(address, "network-blackhole-port", "start", {**hole, "SourcesToFilter": [other]})[0] == 200
    assert reaches(address, other)
    assert fault(address, "network-blackhole-port", "stop", hole)[0] == 200

    all_of_it = {"LossPercent": 100, "Sources": [f"{other}/32"]}
    assert fault(address, "network-packet-loss", "start", all_of_it) == (200, {"Status": "running"})
    assert not reaches(address, other)
    already = (409, {"Error": "There is already one network packet loss fault running"})
    assert fault(address, "network-packet-loss", "start", all_of_it) == already
    late = {"DelayMilliseconds": 1, "JitterMilliseconds": 0, "Sources": [other]}
    assert fault(address, "network-latency", "start", late) == already
    assert fault(address, "network-packet-loss", "status") == (200, {"Status": "running"})
    assert fault(address, "network-packet-loss", "stop") == (200, {"Status": "stopped"})
    assert fault(address, "network-packet-loss", "stop") == (200, {"Status": "stopped"})
    assert reaches(address, other)

    # Whether the kernel has netem is this host's own.
    status, said = fault(address, "network-latency", "start", {**late, "DelayMilliseconds": 3000})
    if status == 200:
        assert not reaches(address, other)
        assert fault(address, "network-latency", "stop") == (200, {"Status": "stopped"})
    else:
        assert status == 500 and said["Error"].startswith("internal error: tc"), said
    assert fault(address, "network-latency", "status") == (200, {"Status": "not-running"})
    assert reaches(address, other)

    refused = (400, {"Error": "required parameter Protocol is missing"})
    assert fault(address, "network-blackhole-port", "start", {"Port": 80}) == refused
    refused = (400, {"Error": f"enableFaultInjection is not enabled for task: {plain}"})
    assert fault(other, "network-blackhole-port", "start", hole) == refused


def test_a_fault_outlives_kill_9_and_goes_with_its_task(own_gate, layout):
    gate = own_gate
    images.push(gate, layout, "busybox")
    tasks.register(gate, container(command=["sh", "-c", SHELL], stopTimeout=2), enableFaultInjection=True)
    arn, address = start(gate, "test")
    hole = {"Port": 9999, "Protocol": "udp", "TrafficType": "ingress"}
    assert fault(address, "network-blackhole-port", "start", hole) == (200, {"Status": "running"})
    gate.kill()
    gate.start()
    wait_until(lambda: answers(address), what="the task is there")

    def known():
        status, said = fault(address, "network-blackhole-port", "status", hole)
        return status == 200 and said == {"Status": "running"}

    wait_until(known, what="the fault is known")
    assert fault(address, "network-blackhole-port", "stop", hole) == (200, {"Status": "stopped"})
