"""Container instances that are slices of this host: a cluster of EC2 on one machine."""

import urllib.request

import pytest

import images
import tasks
from neargate import wait_until
from people import add_instances, as_json, instances, neargate, registered
from tasks import container

PAGE = "echo it works > /index.html; exec httpd -f -p 80 -h /"


@pytest.fixture
def busybox(gate, layout):
    images.push(gate, layout, "busybox")
    return gate


def web(gate, family="web", **more):
    """A definition for EC2: bridge network, a port chosen by the instance."""
    return gate.client("ecs").register_task_definition(
        family=family,
        networkMode="bridge",
        requiresCompatibilities=["EC2"],
        executionRoleArn=tasks.ROLE,
        containerDefinitions=[
            container(
                command=["sh", "-c", PAGE], memory=64, cpu=128, stopTimeout=2,
                portMappings=[{"containerPort": 80, "hostPort": 0}],
            )
        ],
        **more,
    )["taskDefinition"]


def run(gate, **more):
    answer = gate.client("ecs").run_task(taskDefinition="web", launchType="EC2", **more)
    assert answer["failures"] == []
    return [t["taskArn"] for t in answer["tasks"]]


def url(gate, task):
    """Where a task answers, as `neargate ps` says."""
    row = next(r for r in as_json(gate, "ps") if r["taskArn"] == task)
    assert row["address"], row
    return f"http://{row['address']}:{row['ports'][0].split('-')[0]}/"


def page(address):
    return urllib.request.urlopen(address, timeout=10).read()


def test_instances_come_are_seen_and_go(gate):
    ids = add_instances(gate, "--count", "3", "--attribute", "stack=blue", "--type", "t3.micro")
    listed = {i["ec2InstanceId"]: i for i in instances(gate)}
    assert set(listed) == set(ids)
    assert {i["availabilityZone"] for i in listed.values()} == {f"us-east-1{z}" for z in "abc"}
    for id, instance in registered(gate).items():
        attributes = {a["name"]: a.get("value") for a in instance["attributes"]}
        assert instance["agentConnected"] and instance["status"] == "ACTIVE"
        assert attributes["stack"] == "blue"
        assert attributes["ecs.instance-type"] == "t3.micro"
        assert attributes["ecs.availability-zone"] == listed[id]["availabilityZone"]
        cpu = next(r for r in instance["registeredResources"] if r["name"] == "CPU")
        assert cpu["integerValue"] == 2048
    enis = gate.client("ec2").describe_network_interfaces(
        Filters=[{"Name": "attachment.instance-id", "Values": [ids[0]]}])["NetworkInterfaces"]
    assert [e["PrivateIpAddress"] for e in enis] == [listed[ids[0]]["privateIpAddress"]]
    assert enis[0]["Attachment"]["DeviceIndex"] == 0

    neargate(gate, "instance", "rm", ids[0][:8])
    wait_until(lambda: {i["ec2InstanceId"] for i in instances(gate)} == set(ids[1:]), what="one is gone")
    assert set(registered(gate)) == set(ids[1:])
    assert gate.client("ec2").describe_network_interfaces()["NetworkInterfaces"].__len__() == 2


def test_what_cannot_be_is_refused(gate):
    def said(*words):
        return neargate(gate, "instance", *words, code=1).stderr

    assert 'did you mean "t3.small"?' in said("add", "--type", "t3.smal")
    assert "it has us-east-1a, us-east-1b, us-east-1c" in said("add", "--az", "eu-west-1a")
    assert "ClusterNotFoundException" in said("add", "--cluster", "nowhere")
    assert "InvalidParameterException" in said("add", "--attribute", "ecs.os-type=windows")
    assert "between 1 and 100" in said("add", "--count", "101")
    assert "there is no instance" in said("rm", "i-0")
    assert "is not NAME=VALUE" in neargate(gate, "instance", "add", "--attribute", "x", code=2).stderr
    assert instances(gate) == []


def test_tasks_run_on_instances_and_answer_at_their_ports(busybox):
    gate = busybox
    ids = add_instances(gate, "--count", "2")
    web(gate)
    arns = run(gate, count=4, placementStrategy=[{"type": "spread", "field": "instanceId"}])
    for arn in arns:
        tasks.wait_for(gate, arn, "RUNNING")
    rows = {r["taskArn"]: r for r in as_json(gate, "ps")}
    placed = [rows[a]["ec2InstanceId"] for a in arns]
    assert sorted(placed) == sorted(ids * 2)
    addresses = [url(gate, arn) for arn in arns]
    assert len(set(addresses)) == 4
    for address in addresses:
        assert wait_until(lambda: page(address)) == b"it works\n"
    table = neargate(gate, "ps").stdout
    assert ids[0] in table and "->80" in table

    # It does not go while tasks run there; with force they are stopped first.
    refused = neargate(gate, "instance", "rm", ids[0], code=1).stderr
    assert "2 task(s) run on" in refused
    neargate(gate, "instance", "rm", ids[0], "--force")
    wait_until(lambda: [i["ec2InstanceId"] for i in instances(gate)] == [ids[1]], what="it is gone")
    for arn in arns:
        status = tasks.describe(gate, arn)["lastStatus"]
        assert status == ("STOPPED" if rows[arn]["ec2InstanceId"] == ids[0] else "RUNNING")
    assert set(registered(gate)) == {ids[1]}


def test_instances_and_their_tasks_outlive_kill_9(own_gate, layout):
    gate = own_gate
    images.push(gate, layout, "busybox")
    [id] = add_instances(gate)
    web(gate)
    [arn] = run(gate)
    tasks.wait_for(gate, arn, "RUNNING")
    address = url(gate, arn)
    assert wait_until(lambda: page(address)) == b"it works\n"
    before = registered(gate)[id]["containerInstanceArn"]
    started = tasks.describe(gate, arn)["startedAt"]
    gate.kill()
    assert page(address) == b"it works\n", "nobody is needed for a running task"
    gate.start()
    wait_until(lambda: instances(gate)[0]["state"] == "RUNNING", what="the instance is found again")
    wait_until(lambda: registered(gate)[id]["agentConnected"], what="its agent is connected")
    assert registered(gate)[id]["containerInstanceArn"] == before
    task = tasks.describe(gate, arn)
    assert task["lastStatus"] == "RUNNING" and task["startedAt"] == started
    assert page(address) == b"it works\n"
    [usage] = wait_until(lambda: as_json(gate, "top", "--once"), what="what the task uses is known again")
    assert usage["memoryBytes"] > 0 and usage["processes"] >= 1

    # `down` stops its tasks and takes the slice apart; the next start brings it back.
    gate.stop()
    assert "stopped 1 task" in gate.cli("down").stderr
    assert gate.leftovers() == []
    gate.start()
    wait_until(lambda: instances(gate)[0]["state"] == "RUNNING", what="the instance is back")
    wait_until(lambda: registered(gate)[id]["agentConnected"], what="its agent is connected")
    assert registered(gate)[id]["containerInstanceArn"] == before
    assert tasks.describe(gate, arn)["lastStatus"] == "STOPPED"
    [arn] = run(gate)
    tasks.wait_for(gate, arn, "RUNNING")
    assert wait_until(lambda: page(url(gate, arn))) == b"it works\n"


def test_kill_9_while_instances_come_and_go(own_gate):
    """Whatever was under way is finished after the start."""
    gate = own_gate
    ids = neargate(gate, "instance", "add", "--count", "4").stdout.split()
    gate.kill()
    gate.start()
    wait_until(lambda: len(registered(gate)) == 4, what="all four are registered")
    for id in ids[:2]:
        neargate(gate, "instance", "rm", id)
    gate.kill()
    gate.start()
    wait_until(lambda: {i["ec2InstanceId"] for i in instances(gate)} == set(ids[2:]), what="two are gone")
    wait_until(lambda: set(registered(gate)) == set(ids[2:]), what="two are registered")
    wait_until(lambda: all(i["state"] == "RUNNING" for i in instances(gate)), what="two run")
    assert gate.client("ec2").describe_network_interfaces()["NetworkInterfaces"].__len__() == 2
