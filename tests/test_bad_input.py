"""Bad input gets AWS's error, and nothing is left behind."""

import json
import subprocess
import sys
import urllib.error
import urllib.request

import botocore.exceptions
import pytest

import tasks
from neargate import BINARY, ROLE
from tasks import container

FARGATE = {"networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": "256", "memory": "512"}


def refused(call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        call(**arguments)
    detail = error.value.response["Error"]
    return detail["Code"], detail["Message"]


def test_unknown_names(gate):
    ecs = gate.client("ecs")
    assert refused(ecs.describe_tasks, cluster="nowhere", tasks=["0" * 32]) == (
        "ClusterNotFoundException", "Cluster not found.")
    ecs.create_cluster()
    assert refused(ecs.stop_task, task="0" * 32) == (
        "InvalidParameterException", "The referenced task was not found.")
    missing = ecs.describe_tasks(tasks=["0" * 32])
    assert missing["tasks"] == [] and missing["failures"][0]["reason"] == "MISSING"
    assert refused(ecs.describe_task_definition, taskDefinition="none") == (
        "ClientException", "Unable to describe task definition.")
    vpc = {"awsvpcConfiguration": {"subnets": ["subnet-0"]}}
    assert refused(
        ecs.run_task, taskDefinition="none", launchType="FARGATE", networkConfiguration=vpc
    ) == ("ClientException", "TaskDefinition not found.")


def test_run_task_refusals(gate):
    tasks.register(gate, container(image="busybox"))
    ecs = gate.client("ecs")
    net = tasks.network(gate)
    code, message = refused(ecs.run_task, taskDefinition="test", networkConfiguration=net)
    assert (code, message) == (
        "InvalidParameterException", "No Container Instances were found in your cluster.")
    code, message = refused(ecs.run_task, taskDefinition="test", launchType="FARGATE")
    assert message == "Network Configuration must be provided when networkMode 'awsvpc' is specified."
    unknown = {"awsvpcConfiguration": {"subnets": ["subnet-12345678"]}}
    code, message = refused(
        ecs.run_task, taskDefinition="test", launchType="FARGATE", networkConfiguration=unknown)
    assert code == "InvalidParameterException" and "subnet-12345678" in message
    for count in (0, 11):
        code, _ = refused(
            ecs.run_task, taskDefinition="test", launchType="FARGATE", networkConfiguration=net,
            count=count)
        assert code == "InvalidParameterException"
    assert ecs.list_tasks()["taskArns"] == []
    assert gate.client("ec2").describe_network_interfaces()["NetworkInterfaces"] == []


@pytest.mark.parametrize(
    "change, message",
    [
        ({"family": "a b"}, "Family contains invalid characters."),
        ({"cpu": "300"}, "No Fargate configuration exists for given values: 300 CPU, 512 memory. "
         "See the Amazon ECS documentation for the valid values."),
        ({"containerDefinitions": []}, "Container list cannot be empty."),
        ({"containerDefinitions": [{"name": "a", "image": "x"}] * 2},
         "Container names must be unique within a task definition."),
    ],
)
def test_task_definitions_that_are_refused(gate, change, message):
    definition = {
        "family": "test", "executionRoleArn": ROLE,
        "containerDefinitions": [{"name": "a", "image": "x"}], **FARGATE, **change,
    }
    assert refused(gate.client("ecs").register_task_definition, **definition) == (
        "ClientException", message)


def test_what_is_not_built_says_so(gate):
    code, message = refused(gate.client("ecs").list_daemon_task_definitions)
    assert code == "NotImplemented" and "ecs:ListDaemonTaskDefinitions" in message
    code, message = refused(gate.client("xray").list_retrieved_traces, RetrievalToken="t")
    assert code == "NotImplemented" and "xray:ListRetrievedTraces" in message
    code, message = refused(gate.client("route53").list_traffic_policies)
    assert code == "NotImplemented" and "route53:ListTrafficPolicies" in message


def raw(gate, method="POST", path="/", body=b"", **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        return 200, gate.http(method, path, body, headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


TARGET = "AmazonEC2ContainerServiceV20141113.ListClusters"
JSON = "application/x-amz-json-1.1"


@pytest.mark.parametrize(
    "body, code",
    [
        (b"{", "SerializationException"),
        (b"[]", "SerializationException"),
        (b'{"maxResults": "many"}', "SerializationException"),
        (b'{"maxResults": ' + b"[" * 10000 + b"]" * 10000 + b"}", "SerializationException"),
    ],
)
def test_malformed_json(gate, body, code):
    status, answer = raw(gate, body=body, X_Amz_Target=TARGET, Content_Type=JSON)
    assert status == 400 and json.loads(answer)["__type"].endswith(code)


def test_oversized_bodies(gate):
    status, _ = raw(gate, body=b" " * (9 << 20), X_Amz_Target=TARGET, Content_Type=JSON)
    assert status == 413


def test_an_operation_aws_does_not_have(gate):
    target = "AmazonEC2ContainerServiceV20141113.MakeCoffee"
    status, answer = raw(gate, body=b"{}", X_Amz_Target=target, Content_Type=JSON)
    assert status == 400 and json.loads(answer)["__type"] == "UnknownOperationException"


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
    ],
)
def test_browsers_cannot_drive_the_port(gate, headers):
    gate.client("ecs").create_cluster(clusterName="kept")
    form = {"Content_Type": "application/x-www-form-urlencoded", **headers}
    for path in ("/", "/_neargate/reset", "/v2/"):
        status, _ = raw(gate, path=path, body=b"Action=GetCallerIdentity&Version=2011-06-15", **form)
        assert status == 403, path
    assert len(gate.client("ecs").list_clusters()["clusterArns"]) == 1


def test_the_port_in_use(tmp_path):
    """By another program; in a network of its own, for no other Neargate may run in it."""
    taken = (
        "import socket, subprocess, sys; taken = socket.create_server(('127.0.0.1', 4566)); "
        "sys.exit(subprocess.call(sys.argv[1:]))"
    )
    alone = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable, "-c", taken]
    command = [*alone, BINARY, "up", "--data", str(tmp_path / "other")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert "in use" in done.stderr
