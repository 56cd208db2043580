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

    # Version 2 knows who asks by its address.
    old = json.loads(run(address, "wget -q -O- http://169.254.170.2/v2/metadata"))
    assert old["TaskARN"] == arn and "LaunchType" not in old and "LogDriver" not in old["Containers"][0]
    one = json.loads(run(address, f"wget -q -O- http://169.254.170.2/v2/metadata/{own['DockerId']}"))
    assert one["Name"] == "app"
    assert own["DockerId"] in json.loads(run(address, "wget -q -O- http://169.254.170.2/v2/stats"))
    assert "ECS_AGENT_URI=http://169.254.170.2/api/" in environment
    assert own["Snapshotter"] == "overlayfs" and task["FaultInjectionEnabled"] is False
    assert task["ClockDrift"]["ClockSynchronizationStatus"] in ("SYNCHRONIZED", "NOT_SYNCHRONIZED")
    if room := task.get("EphemeralStorageMetrics"):
        assert room["Utilized"] < room["Reserved"] <= 20 << 10 < room["Reserved"] * 1.05
    gate.client("ecs").tag_resource(resourceArn=arn, tags=[{"key": "colour", "value": "green"}])
    assert asked(address, "/taskWithTags")["TaskTags"] == {"colour": "green"}
    assert "TaskTags" not in asked(address, "/task")

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


def test_a_task_protects_itself(gate, layout):
    images.push(gate, layout, "busybox")
    gate.client("iam").create_role(RoleName="worker", AssumeRolePolicyDocument=json.dumps({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }))
    app = container(command=["sh", "-c", SHELL], stopTimeout=2)
    tasks.register(gate, app, taskRoleArn="arn:aws:iam::000000000000:role/worker")
    tasks.register(gate, app, family="nobody")
    ecs = gate.client("ecs")
    ecs.create_service(serviceName="workers", taskDefinition="test", desiredCount=1, launchType="FARGATE",
                       networkConfiguration=tasks.network(gate))
    arn = wait_until(lambda: ecs.list_tasks(serviceName="workers")["taskArns"], what="it starts")[0]
    address = tasks.address(tasks.wait_for(gate, arn, "RUNNING"))
    wait_until(lambda: answers(address), what="the task listens")

    def protection(put=None, address=address):
        # Busybox's wget has no PUT.
        request = "GET" if put is None else "PUT"
        path = "/api/${ECS_AGENT_URI##*/}/task-protection/v1/state"
        headers = f"{request} {path} HTTP/1.0\\r\\nContent-Length: {len(put or '')}\\r\\n\\r\\n"
        text = (put or "").replace('"', '\\"')
        answer = run(address, f'printf "{headers}{text}" | nc -w 5 169.254.170.2 80')
        head, _, body = answer.replace("\r", "").partition("\n\n")
        return int(head.split()[1]), json.loads(body)

    off = {"ExpirationDate": None, "ProtectionEnabled": False, "TaskArn": arn}
    assert protection() == (200, {"protection": off})
    status, said = protection('{"ProtectionEnabled":true,"ExpiresInMinutes":60}')
    assert status == 200 and said["protection"]["ProtectionEnabled"] is True and said["protection"]["ExpirationDate"]
    (shown,) = ecs.get_task_protection(cluster="default", tasks=[arn])["protectedTasks"]
    assert shown["protectionEnabled"] is True
    status, said = protection('{"ProtectionEnabled":true,"Other":1}')
    assert (status, said["error"]["Code"]) == (400, "InvalidParameterException")
    assert protection('{"ExpiresInMinutes":60}')[1]["error"]["Message"].endswith("'ProtectionEnabled' field")
    assert protection('{"ProtectionEnabled":false}') == (200, {"protection": off})

    alone = tasks.run(gate, "nobody")
    other = tasks.address(tasks.wait_for(gate, alone, "RUNNING"))
    wait_until(lambda: answers(other), what="the task listens")
    status, said = protection(address=other)
    assert (status, said["error"]["Code"]) == (403, "AccessDeniedException")
    assert "no task IAM role credentials" in said["error"]["Message"]


@pytest.mark.parametrize("mode", ["bridge", "host"])
def test_a_task_on_an_instance_finds_itself(gate, layout, mode):
    (_,) = set_up(gate, layout)
    agent = {"bridge": "$(ip route | awk '/default/ {print $3}')", "host": "localhost"}[mode]
    probe = ("wget -q -O- $ECS_CONTAINER_METADATA_URI_V4/task && echo && env | grep AWS_EXECUTION_ENV && "
             f"wget -q -O- http://{agent}:51678/v1/metadata && echo && wget -q -O- http://{agent}:51678/v1/tasks")
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
    # What the agent tells of itself.
    about, found = json.loads(lines[2]), json.loads(lines[3])["Tasks"]
    assert (about["Cluster"], about["ContainerInstanceArn"]) == (CLUSTER, task["containerInstanceArn"])
    assert {(one["Arn"], one["Family"], one["Version"]) for one in found} == {
        (server, "server", "1"), (arn, "probe", "1")}
    assert next(one for one in found if one["Arn"] == arn)["Containers"][0]["Name"] == "app"
