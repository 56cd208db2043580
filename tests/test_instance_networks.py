"""Network modes on container instances that are slices of this host: who reaches what, and what
DescribeTasks says of it."""

import subprocess
import urllib.request

import pytest

import images
import tasks
from instances import CLUSTER, add, address_of, cli, instances, register, run, running, set_up, start, stop, stopped
from neargate import traces, wait_until
from tasks import container

GROUP = "/ecs/instances"


@pytest.fixture
def one(gate, layout):
    """A cluster with one instance; its id."""
    (instance,) = set_up(gate, layout)
    return instance


def server(port, *mappings, name="web", **more):
    """Serves its host name."""
    script = f"mkdir /www; hostname >/www/x; exec httpd -f -p {port} -h /www"
    return container(
        name, command=["sh", "-c", script], memory=32, portMappings=list(mappings), stopTimeout=2, **more
    )


def ports(task):
    return [(b["containerPort"], b["hostPort"]) for c in task["containers"] for b in c["networkBindings"]]


def fetch(address, port):
    def answered():
        try:
            return urllib.request.urlopen(f"http://{address}:{port}/x", timeout=5).read().decode().strip()
        except OSError:
            return None

    return wait_until(answered, 20, f"{address}:{port} answers")


def test_bridge_mode_publishes_ports_on_the_instance(gate, one):
    fixed, picked = {"containerPort": 80, "hostPort": 8080}, {"containerPort": 80}
    register(gate, "bridge", server(80, fixed), server(80, picked, name="api"))
    task = running(gate, run(gate))
    (_, first), (_, second) = ports(task)
    assert first == 8080 and 32768 <= second <= 60999
    bind = task["containers"][0]["networkBindings"][0]
    assert bind == {"bindIP": "0.0.0.0", "containerPort": 80, "hostPort": 8080, "protocol": "tcp"}
    address = address_of(gate, one)
    by_name = {c["name"]: c for c in task["containers"]}
    for port, name in ((8080, "web"), (second, "api")):
        # Docker's: the first characters of the container's id.
        assert fetch(address, port) == by_name[name]["runtimeId"][:12]
        assert by_name[name]["networkInterfaces"] == []
    assert task["attachments"] == [] and task["launchType"] == "EC2"

    # A Fargate task beside it, in the VPC.
    tasks.register(gate, container(command=["wget", "-q", "-O", "-", f"http://{address}:8080/x"]), family="ask")
    tasks.ended(gate, tasks.run(gate, "ask"))


def test_a_port_is_one_tasks_at_a_time(gate, one):
    register(gate, "bridge", server(80, {"containerPort": 80, "hostPort": 8080}))
    first = run(gate)
    refused = start(gate)["failures"]
    assert [f["reason"] for f in refused] == ["RESOURCE:PORTS"]
    running(gate, first)
    stop(gate, first)
    again = wait_until(lambda: (start(gate)["tasks"] or [None])[0], what="the port is free again")
    running(gate, again["taskArn"])
    fetch(address_of(gate, one), 8080)


def test_host_mode_is_the_instances_own_network(gate, one):
    register(gate, "host", server(9000, {"containerPort": 9000}))
    task = running(gate, run(gate))
    assert ports(task) == [(9000, 9000)]
    address = address_of(gate, one)
    assert fetch(address, 9000) == f"ip-{address.replace('.', '-')}.ec2.internal"


def test_none_is_a_loopback_interface_only(gate, one):
    """Its log has a stream without a prefix, and a line that is no text."""
    script = "ls /sys/class/net; echo $AWS_EXECUTION_ENV; cat /etc/hostname | wc -c; printf '\\377\\303|\\n'"
    web = container("web", command=["sh", "-c", script], memory=32, group=GROUP)
    del web["logConfiguration"]["options"]["awslogs-stream-prefix"]
    register(gate, "none", web)
    task = stopped(gate, run(gate))
    (web,) = task["containers"]
    assert web["exitCode"] == 0, tasks.why(task)
    lines = tasks.messages(gate, GROUP, web["runtimeId"])
    assert lines == ["lo", "AWS_ECS_EC2", "13", "\ufffd\ufffd|"]


def test_awsvpc_tasks_have_interfaces_of_their_own(gate, one):
    register(gate, "awsvpc", server(80, {"containerPort": 80}))
    subnets = [s["SubnetId"] for s in gate.client("ec2").describe_subnets()["Subnets"]]
    network = {"awsvpcConfiguration": {"subnets": subnets}}
    # A t3.small has three interfaces, and one is the instance's own.
    for _ in range(2):
        answer = start(gate, networkConfiguration=network)
        assert answer["failures"] == []
        fetch(tasks.address(running(gate, answer["tasks"][0]["taskArn"])), 80)
    third = start(gate, networkConfiguration=network)
    assert [f["reason"] for f in third["failures"]] == ["RESOURCE:ENI"]


def test_copies_on_two_instances_have_ports_of_their_own(gate, layout):
    both = set_up(gate, layout, 2)
    register(gate, "bridge", server(80, {"containerPort": 80}))
    spread = [{"type": "spread", "field": "instanceId"}]
    answer = start(gate, count=4, placementStrategy=spread)
    assert answer["failures"] == []
    found = [running(gate, started["taskArn"]) for started in answer["tasks"]]
    where = {arn: address_of(gate, instance) for instance, arn in both.items()}
    names = {fetch(where[task["containerInstanceArn"]], ports(task)[0][1]) for task in found}
    assert len(names) == 4
    assert {task["containerInstanceArn"] for task in found} == set(both.values())


def test_ports_survive_kill_9_and_go_with_the_instance(own_gate, layout):
    gate = own_gate
    (one,) = set_up(gate, layout)
    register(gate, "bridge", server(80, {"containerPort": 80}))
    arn = run(gate)
    before = ports(running(gate, arn))
    address = address_of(gate, one)
    name = fetch(address, before[0][1])
    for _ in range(2):
        gate.kill()
        assert fetch(address, before[0][1]) == name
        gate.start()
        assert ports(running(gate, arn)) == before
        assert fetch(address, before[0][1]) == name
    cli(gate, "rm", one, "--force")
    wait_until(lambda: one not in cli(gate, "list"), what="the instance is gone")
    assert gate.leftovers() == []
    gate.stop()
    assert traces(gate.instance) == []


def test_what_reaches_the_host_needs_its_operators_word(make_gate, layout):
    gate = make_gate("--allow-privileged=false")
    gate.start()
    set_up(gate, layout)

    def end(at, add):
        linux = {"capabilities": {"add": add}}
        register(at, "bridge", container(command=["echo", "ran"], memory=32, linuxParameters=linux), family="powers")
        task = run(at, "powers")
        return wait_until(
            lambda: t if (t := tasks.describe(at, task, cluster=CLUSTER))["lastStatus"] == "STOPPED" else None,
            what="it has ended",
        )

    refused = end(gate, ["DAC_READ_SEARCH", "NET_ADMIN"])
    assert refused["stopCode"] == "TaskFailedToStart"
    names = "linuxParameters.capabilities.add: capabilities DAC_READ_SEARCH, NET_ADMIN would reach the host itself"
    assert names in refused["stoppedReason"] and "instance_allow" in refused["stoppedReason"]
    assert end(gate, ["SYS_PTRACE"])["stopCode"] == "EssentialContainerExited"
