"""What a container finds of itself at 169.254.170.2, and what it does not find of another one."""

import json

import pytest

import images
import tasks
from neargate import wait_until
from tasks import container
from test_instance_networks import CLUSTER, set_up
from test_names import SHELL, answers, run

GROUP = "/ecs/metadata"


def asked(address, path="", variable="ECS_CONTAINER_METADATA_URI_V4"):
    return json.loads(run(address, f"wget -q -O- ${variable}{path}"))


@pytest.fixture
def fargate(gate, layout):
    images.push(gate, layout, "busybox")
    app = container(
        command=["sh", "-c", SHELL], group=GROUP, stopTimeout=2, dockerLabels={"team": "blue"}, memory=128
    )
    side = container("side", command=["sleep", "600"], essential=False, stopTimeout=2)
    tasks.register(gate, app, side)
    arns = [tasks.run(gate) for _ in range(2)]
    addresses = [tasks.address(tasks.wait_for(gate, arn, "RUNNING")) for arn in arns]
    for address in addresses:
        wait_until(lambda: answers(address), what="the task listens")
    return arns, addresses


def test_a_fargate_task_finds_itself(gate, fargate):
    (arn, _), (address, other) = fargate
    task, described = asked(address, "/task"), tasks.describe(gate, arn)
    assert task["TaskARN"] == arn and task["Cluster"] == described["clusterArn"]
    assert (task["Family"], task["Revision"], task["LaunchType"]) == ("test", "1", "FARGATE")
    assert (task["DesiredStatus"], task["KnownStatus"]) == ("RUNNING", "RUNNING")
    assert task["Limits"] == {"CPU": 0.25, "Memory": 512}
    assert task["AvailabilityZone"] == described["availabilityZone"]
    own = asked(address)
    assert own == next(one for one in task["Containers"] if one["Name"] == "app")
    shown = next(one for one in described["containers"] if one["name"] == "app")
    assert (own["DockerId"], own["ContainerARN"]) == (shown["runtimeId"], shown["containerArn"])
    assert own["ImageID"] == shown["imageDigest"] and own["Labels"]["team"] == "blue"
    assert own["LogOptions"]["awslogs-group"] == GROUP
    (network,) = own["Networks"]
    assert (network["NetworkMode"], network["IPv4Addresses"]) == ("awsvpc", [address])
    environment = run(address, "env")
    for line in ["AWS_EXECUTION_ENV=AWS_ECS_FARGATE", "AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1"]:
        assert line in environment
    assert "Networks" in asked(address, variable="ECS_CONTAINER_METADATA_URI")
    stats = asked(address, "/task/stats")
    assert stats[own["DockerId"]]["memory_stats"]["usage"] > 0
    assert asked(address, "/stats")["cpu_stats"]["cpu_usage"]["total_usage"] > 0
    assert asked(address, "/stats")["networks"]["eth0"]["rx_bytes"] > 0

    # Another task has no use for an id that it got to know.
    uri = run(address, "echo $ECS_CONTAINER_METADATA_URI_V4").strip()
    assert "404" in run(other, f"wget -q -O- {uri} 2>&1")
    assert "404" in run(address, "wget -q -O- http://169.254.170.2/v4/0123456789abcdef 2>&1")


def test_the_same_ids_answer_after_a_kill(gate, fargate):
    _, (address, _) = fargate
    before = asked(address)
    gate.kill()
    gate.start()
    after = wait_until(lambda: answer(address), what="the endpoint answers")
    assert after == before


def answer(address):
    try:
        return asked(address)
    except json.JSONDecodeError:
        return None


@pytest.mark.parametrize("mode", ["bridge", "host"])
def test_a_task_on_an_instance_finds_itself(gate, layout, mode):
    (_,) = set_up(gate, layout)
    probe = "wget -q -O- $ECS_CONTAINER_METADATA_URI_V4/task && echo && env | grep AWS_EXECUTION_ENV"
    # Port 80 of the instance is its tasks', whatever is asked at the endpoint's.
    ports = {"portMappings": [{"containerPort": 80, "hostPort": 80}]}
    server = container(command=["sh", "-c", SHELL], memory=64, stopTimeout=2, **ports)
    gate.client("ecs").register_task_definition(family="server", networkMode=mode, containerDefinitions=[server])
    prober = container(command=["sh", "-c", probe], memory=64, group=GROUP)
    gate.client("ecs").register_task_definition(family="probe", networkMode=mode, containerDefinitions=[prober])

    def start(family):
        (task,) = gate.client("ecs").run_task(cluster=CLUSTER, taskDefinition=family, launchType="EC2")["tasks"]
        return task["taskArn"]

    def described(arn):
        return gate.client("ecs").describe_tasks(cluster=CLUSTER, tasks=[arn])["tasks"][0]

    server = start("server")
    wait_until(lambda: described(server)["lastStatus"] == "RUNNING", what="the server runs")
    arn = start("probe")
    task = wait_until(lambda: (t := described(arn))["lastStatus"] == "STOPPED" and t, what="the probe ends")
    assert task["containers"][0].get("exitCode") == 0, tasks.why(task)
    lines = tasks.messages(gate, GROUP, f"ecs/app/{arn.rsplit('/')[-1]}")
    said = json.loads(lines[0])
    assert (said["TaskARN"], said["LaunchType"], said["Cluster"]) == (arn, "EC2", CLUSTER)
    (network,) = said["Containers"][0]["Networks"]
    assert network["NetworkMode"] == mode
    assert lines[1] == "AWS_EXECUTION_ENV=AWS_ECS_EC2"
