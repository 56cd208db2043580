"""The cluster API through boto3 and the aws CLI: container instances, attributes, capacity providers,
account settings, tags, task protection, agents, the deletion of task definitions."""

import json
import subprocess

import botocore.exceptions
import pytest

import images
import tasks
from neargate import ACCOUNT, BINARY, REGION, refused, wait_until
from people import auto_scaling_group
from tasks import container

ARN = f"arn:aws:ecs:{REGION}:{ACCOUNT}"
GHOST = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="session")
def layout(tmp_path_factory):
    return images.busybox(tmp_path_factory.mktemp("layout") / "busybox")


@pytest.fixture
def ecs(gate):
    return gate.client("ecs")


def neargate(gate, *args):
    done = subprocess.run([BINARY, *args], env=gate.env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Slices:
    """Slices of this host as container instances of one Neargate."""

    def __init__(self, gate):
        self.gate = gate
        self.added = []

    def add(self, *args):
        neargate(self.gate, "instance", "add", *args)
        ecs = self.gate.client("ecs")

        def connected():
            arns = ecs.list_container_instances()["containerInstanceArns"]
            if not arns:
                return None
            shown = ecs.describe_container_instances(containerInstances=arns)["containerInstances"]
            new = [i for i in shown if i["ec2InstanceId"] not in self.added and i["agentConnected"]]
            return new[0] if new else None

        instance = wait_until(connected, 60, "the instance is there")
        self.added.append(instance["ec2InstanceId"])
        return instance

    def remove(self):
        for id in self.added:
            subprocess.run([BINARY, "instance", "rm", id, "--force"], env=self.gate.env, capture_output=True, timeout=120)


@pytest.fixture
def instances(gate):
    slices = Slices(gate)
    yield slices.add
    slices.remove()


def identity(id, zone="us-east-1a"):
    return json.dumps(
        {"instanceId": id, "instanceType": "t3.micro", "availabilityZone": zone, "imageId": "ami-1", "region": REGION}
    )


RESOURCES = [
    {"name": "CPU", "type": "INTEGER", "integerValue": 2048},
    {"name": "MEMORY", "type": "INTEGER", "integerValue": 3900},
    {"name": "PORTS", "type": "STRINGSET", "stringSetValue": ["22", "2375", "2376", "51678", "51679"]},
    {"name": "PORTS_UDP", "type": "STRINGSET", "stringSetValue": []},
]


def agent(ecs, id, **more):
    """Registers an instance whose agent is not ours, and never connects."""
    return ecs.register_container_instance(
        instanceIdentityDocument=identity(id),
        instanceIdentityDocumentSignature="none",
        totalResources=RESOURCES,
        versionInfo={"agentVersion": "1.98.0", "agentHash": "x", "dockerVersion": "none"},
        attributes=[{"name": "com.amazonaws.ecs.capability.docker-remote-api.1.18"}, {"name": "stack", "value": "blue"}],
        **more,
    )["containerInstance"]


def define(ecs, family="bridge", port=0, **more):
    return ecs.register_task_definition(
        family=family,
        networkMode="bridge",
        containerDefinitions=[
            {
                "name": "app",
                "image": images.aws_name("busybox"),
                "cpu": 128,
                "memory": 64,
                "command": ["sleep", "1000"],
                "portMappings": [{"containerPort": 80, "hostPort": port}],
                "stopTimeout": 2,
            }
        ],
        **more,
    )["taskDefinition"]


def test_instances_are_registered_described_listed_and_gone(gate, ecs):
    ecs.create_cluster()
    one = agent(ecs, "i-0a", tags=[{"key": "team", "value": "a"}])
    assert one["containerInstanceArn"].startswith(f"{ARN}:container-instance/default/")
    assert one["agentConnected"] is False
    assert one["status"] == "ACTIVE"
    assert {r["name"] for r in one["registeredResources"]} == {"CPU", "MEMORY", "PORTS", "PORTS_UDP"}
    again = agent(ecs, "i-0a", containerInstanceArn=one["containerInstanceArn"])
    assert again["containerInstanceArn"] == one["containerInstanceArn"]
    two = agent(ecs, "i-0b")
    both = {one["containerInstanceArn"], two["containerInstanceArn"]}
    assert set(ecs.list_container_instances()["containerInstanceArns"]) == both
    pages = ecs.get_paginator("list_container_instances").paginate(PaginationConfig={"PageSize": 1})
    assert {a for p in pages for a in p["containerInstanceArns"]} == both
    blue = ecs.list_container_instances(filter="attribute:stack == blue and ec2InstanceId in [i-0a]")
    assert blue["containerInstanceArns"] == [one["containerInstanceArn"]]
    shown = ecs.describe_container_instances(
        containerInstances=[one["containerInstanceArn"].rsplit("/", 1)[1], GHOST],
        include=["TAGS", "CONTAINER_INSTANCE_HEALTH"],
    )
    assert shown["containerInstances"][0]["tags"] == [{"key": "team", "value": "a"}]
    assert shown["containerInstances"][0]["healthStatus"]["overallStatus"] == "INSUFFICIENT_DATA"
    assert shown["failures"] == [{"arn": f"{ARN}:container-instance/default/{GHOST}", "reason": "MISSING"}]
    assert ecs.describe_clusters()["clusters"][0]["registeredContainerInstancesCount"] == 2
    assert refused(ecs.delete_cluster, cluster="default")[0] == "ClusterContainsContainerInstancesException"
    gone = ecs.deregister_container_instance(containerInstance=one["containerInstanceArn"])
    assert gone["containerInstance"]["status"] == "INACTIVE"
    assert ecs.list_container_instances()["containerInstanceArns"] == [two["containerInstanceArn"]]
    assert agent(ecs, "i-0a")["containerInstanceArn"] != one["containerInstanceArn"]
    code, message = refused(ecs.update_container_agent, containerInstance=two["containerInstanceArn"])
    assert code == "NoUpdateAvailableException", message


def test_the_aws_cli_sees_the_same(gate, ecs):
    ecs.create_cluster()
    arn = agent(ecs, "i-0a")["containerInstanceArn"]
    gate.aws("ecs", "put-attributes", "--attributes", f"name=disk,value=ssd,targetId={arn}")
    listed = gate.aws("ecs", "list-attributes", "--target-type", "container-instance", "--attribute-name", "disk")
    assert listed["attributes"] == [{"name": "disk", "value": "ssd", "targetId": arn}]
    listed = gate.aws("ecs", "list-container-instances", "--filter", "attribute:disk == ssd")
    assert listed["containerInstanceArns"] == [arn]
    state = ["ecs", "update-container-instances-state", "--container-instances", arn, "--status"]
    assert gate.aws(*state, "DRAINING")["containerInstances"][0]["status"] == "DRAINING"
    assert gate.aws("ecs", "list-container-instances", "--status", "DRAINING")["containerInstanceArns"] == [arn]
    assert gate.aws(*state, "ACTIVE")["failures"] == []
    settings = gate.aws("ecs", "list-account-settings", "--effective-settings")["settings"]
    assert {"taskLongArnFormat", "containerInsights", "fargateFIPSMode"} <= {s["name"] for s in settings}
    providers = gate.aws("ecs", "describe-capacity-providers")["capacityProviders"]
    assert [p["name"] for p in providers] == ["FARGATE", "FARGATE_SPOT"]
    assert gate.aws("ecs", "discover-poll-endpoint")["endpoint"].startswith("http")
    failed = gate.aws("ecs", "describe-container-instances", "--container-instances", "x", check=False)
    assert "InvalidParameterException" in failed.stderr


def test_bad_input_is_refused(gate, ecs):
    ecs.create_cluster()
    arn = agent(ecs, "i-0a")["containerInstanceArn"]
    target = {"targetId": arn, "targetType": "container-instance"}
    invalid = "InvalidParameterException"
    eleven = [GHOST] * 11
    for call, arguments, code in [
        (ecs.describe_container_instances, {"containerInstances": []}, invalid),
        (ecs.describe_container_instances, {"containerInstances": [GHOST] * 101}, invalid),
        (ecs.describe_container_instances, {"containerInstances": ["../../x"]}, invalid),
        (ecs.describe_container_instances, {"containerInstances": [arn.replace("/default/", "/other/")]}, invalid),
        (ecs.describe_container_instances, {"containerInstances": [arn], "cluster": "no"}, "ClusterNotFoundException"),
        (ecs.list_container_instances, {"filter": "attribute:x =="}, invalid),
        (ecs.list_container_instances, {"maxResults": 101}, invalid),
        (ecs.list_container_instances, {"nextToken": "%%"}, invalid),
        (ecs.update_container_instances_state, {"containerInstances": eleven, "status": "DRAINING"}, invalid),
        (ecs.update_container_instances_state, {"containerInstances": [arn], "status": "DEREGISTERING"}, invalid),
        (ecs.deregister_container_instance, {"containerInstance": GHOST}, invalid),
        (ecs.register_container_instance, {"instanceIdentityDocument": "{}"}, invalid),
        (ecs.register_container_instance, {}, invalid),
        (ecs.put_attributes, {"attributes": [{"name": "a b", **target}]}, invalid),
        (ecs.put_attributes, {"attributes": [{"name": "ecs.os-type", "value": "x", **target}]}, invalid),
        (ecs.put_attributes, {"attributes": [{"name": "a", **target}] * 11}, invalid),
        (ecs.put_attributes, {"attributes": [{"name": "a", **target, "targetId": GHOST}]}, "TargetNotFoundException"),
        (ecs.start_task, {"taskDefinition": "x", "containerInstances": []}, invalid),
        (ecs.start_task, {"taskDefinition": "x", "containerInstances": [GHOST]}, "ClientException"),
        (ecs.create_capacity_provider, {"name": "aws-x", "autoScalingGroupProvider": {"autoScalingGroupArn": "g"}}, "ClientException"),
        (ecs.create_capacity_provider, {"name": "x"}, invalid),
        (ecs.delete_capacity_provider, {"capacityProvider": "FARGATE"}, "ClientException"),
        (ecs.put_account_setting, {"name": "containerInsights", "value": "maybe"}, invalid),
        (ecs.put_account_setting, {"name": "taskLongArnFormat", "value": "disabled"}, invalid),
        (ecs.list_account_settings, {"value": "enabled"}, invalid),
        (ecs.update_task_protection, {"cluster": "default", "tasks": [GHOST], "protectionEnabled": True, "expiresInMinutes": 2881}, invalid),
        (ecs.update_task_protection, {"cluster": "default", "tasks": eleven, "protectionEnabled": True}, invalid),
        (ecs.submit_task_state_change, {"task": GHOST, "status": "STOPPED"}, invalid),
        (ecs.list_tasks, {"containerInstance": GHOST}, invalid),
        (ecs.list_tasks, {"serviceName": "none"}, "ServiceNotFoundException"),
        (ecs.tag_resource, {"resourceArn": f"{ARN}:service/web", "tags": [{"key": "a", "value": "b"}]}, invalid),
        (ecs.tag_resource, {"resourceArn": f"{ARN}:container-instance/default/{GHOST}", "tags": []}, "ResourceNotFoundException"),
    ]:
        assert refused(call, **arguments)[0] == code, (call, arguments)


def test_capacity_providers_and_the_clusters_that_use_them(gate, ecs):
    group = auto_scaling_group(gate, "g")
    nobody = {"autoScalingGroupArn": group.replace("Name/g", "Name/h")}
    error = refused(ecs.create_capacity_provider, name="mine", autoScalingGroupProvider=nobody)
    assert error == (
        "ClientException",
        "The specified Auto Scaling group ARN is invalid. Specify a valid Auto Scaling group ARN and try again.",
    )
    made = ecs.create_capacity_provider(
        name="mine",
        autoScalingGroupProvider={"autoScalingGroupArn": group, "managedScaling": {"status": "ENABLED"}},
        tags=[{"key": "a", "value": "b"}],
    )["capacityProvider"]
    assert made["status"] == "ACTIVE"
    assert made["autoScalingGroupProvider"]["managedScaling"]["targetCapacity"] == 100
    cluster = ecs.create_cluster(
        clusterName="c",
        capacityProviders=["FARGATE", "FARGATE_SPOT", "mine"],
        defaultCapacityProviderStrategy=[
            {"capacityProvider": "FARGATE", "base": 1, "weight": 1},
            {"capacityProvider": "FARGATE_SPOT", "weight": 3},
        ],
    )["cluster"]
    assert cluster["defaultCapacityProviderStrategy"][1] == {"capacityProvider": "FARGATE_SPOT", "base": 0, "weight": 3}
    assert refused(ecs.delete_capacity_provider, capacityProvider="mine")[0] == "ClientException"
    change = {"cluster": "c", "capacityProviders": ["FARGATE"], "defaultCapacityProviderStrategy": []}
    cluster = ecs.put_cluster_capacity_providers(**change)["cluster"]
    assert cluster["capacityProviders"] == ["FARGATE"]
    tags = ecs.list_tags_for_resource(resourceArn=made["capacityProviderArn"])["tags"]
    assert tags == [{"key": "a", "value": "b"}]
    gone = ecs.delete_capacity_provider(capacityProvider=made["capacityProviderArn"])["capacityProvider"]
    assert (gone["status"], gone["updateStatus"]) == ("INACTIVE", "DELETE_COMPLETE")
    bad = {**change, "capacityProviders": ["mine"]}
    assert refused(ecs.put_cluster_capacity_providers, **bad)[0] == "InvalidParameterException"


def test_account_settings(gate, ecs):
    ecs.put_account_setting_default(name="containerInsights", value="enabled")
    cluster = ecs.create_cluster(clusterName="c")["cluster"]
    assert cluster["settings"] == [{"name": "containerInsights", "value": "enabled"}]
    user = f"arn:aws:iam::{ACCOUNT}:user/u"
    ecs.put_account_setting(name="containerInsights", value="enhanced", principalArn=user)
    own = ecs.list_account_settings(name="containerInsights", principalArn=user)["settings"]
    assert [(s["value"], s["principalArn"], s["type"]) for s in own] == [("enhanced", user, "user")]
    left = ecs.delete_account_setting(name="containerInsights", principalArn=user)["setting"]
    assert left["value"] == "enabled"
    pages = ecs.get_paginator("list_account_settings").paginate(effectiveSettings=True)
    assert sum(len(page["settings"]) for page in pages) == 11


def test_a_task_definition_goes_with_its_last_task(gate, ecs, layout):
    images.push(gate, layout, "busybox")
    arn = tasks.register(gate, container(command=["sleep", "1000"], stopTimeout=2))["taskDefinitionArn"]
    task = tasks.run(gate)
    tasks.wait_for(gate, task, "RUNNING")
    early = ecs.delete_task_definitions(taskDefinitions=[arn])
    assert early["taskDefinitions"] == [] and early["failures"][0]["arn"] == arn
    ecs.deregister_task_definition(taskDefinition=arn)
    marked = ecs.delete_task_definitions(taskDefinitions=[arn])["taskDefinitions"]
    assert marked[0]["status"] == "DELETE_IN_PROGRESS"
    assert ecs.list_task_definitions(status="DELETE_IN_PROGRESS")["taskDefinitionArns"] == [arn]
    assert ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]["status"] == "DELETE_IN_PROGRESS"
    ecs.stop_task(task=task)
    tasks.wait_for(gate, task, "STOPPED")

    def gone():
        try:
            ecs.describe_task_definition(taskDefinition=arn)
        except botocore.exceptions.ClientError:
            return True

    wait_until(gone, 30, "the task definition is gone")
    assert ecs.list_task_definition_families()["families"] == []


def test_protection_is_for_tasks_of_services(gate, ecs, layout):
    images.push(gate, layout, "busybox")
    tasks.register(gate, container(command=["sleep", "1000"], stopTimeout=2))
    task = tasks.run(gate)
    answer = ecs.update_task_protection(cluster="default", tasks=[task, GHOST], protectionEnabled=True)
    assert answer["protectedTasks"] == []
    assert [f["reason"] for f in answer["failures"]] == ["TASK_NOT_VALID", "MISSING"]
    assert ecs.submit_task_state_change(task=task, status="STOPPED")["acknowledgment"] == "ACK"
    tasks.wait_for(gate, task, "RUNNING")
    statistics = ecs.describe_clusters(include=["STATISTICS"])["clusters"][0]["statistics"]
    assert {"name": "runningFargateTasksCount", "value": "1"} in statistics


def test_tasks_on_a_slice_of_this_host(gate, ecs, layout, instances):
    images.push(gate, layout, "busybox")
    instance = instances("--type", "t3.micro", "--attribute", "stack=blue")
    arn = instance["containerInstanceArn"]
    assert {"name": "stack", "value": "blue"} in instance["attributes"]
    define(ecs, port=18080)
    started = ecs.start_task(taskDefinition="bridge", containerInstances=[arn, GHOST], startedBy="me")
    assert [f["reason"] for f in started["failures"]] == ["MISSING"]
    task = started["tasks"][0]["taskArn"]
    assert started["tasks"][0]["launchType"] == "EC2"
    assert started["tasks"][0]["containerInstanceArn"] == arn
    tasks.wait_for(gate, task, "RUNNING")
    shown = ecs.describe_container_instances(containerInstances=[arn])["containerInstances"][0]
    assert (shown["runningTasksCount"], shown["pendingTasksCount"]) == (1, 0)
    left = {r["name"]: r for r in shown["remainingResources"]}
    all = {r["name"]: r for r in shown["registeredResources"]}
    assert left["CPU"]["integerValue"] == all["CPU"]["integerValue"] - 128
    assert left["MEMORY"]["integerValue"] == all["MEMORY"]["integerValue"] - 64
    assert set(left["PORTS"]["stringSetValue"]) - set(all["PORTS"]["stringSetValue"]) == {"18080"}
    twice = ecs.start_task(taskDefinition="bridge", containerInstances=[arn])
    assert [f["reason"] for f in twice["failures"]] == ["RESOURCE:PORTS"]
    assert ecs.list_tasks(containerInstance=arn, launchType="EC2")["taskArns"] == [task]
    assert ecs.list_tasks(launchType="FARGATE")["taskArns"] == []
    assert refused(ecs.deregister_container_instance, containerInstance=arn) == (
        "InvalidParameterException",
        "Found running tasks on the instance.",
    )
    # Draining: what runs goes on, nothing new comes.
    ecs.update_container_instances_state(containerInstances=[arn], status="DRAINING")
    define(ecs, family="other")
    refusal = ecs.start_task(taskDefinition="other", containerInstances=[arn])
    assert [f["reason"] for f in refusal["failures"]] == ["DRAINING"]
    assert tasks.describe(gate, task)["lastStatus"] == "RUNNING"
    ecs.deregister_container_instance(containerInstance=arn, force=True)
    stopped = tasks.wait_for(gate, task, "STOPPED")
    assert stopped["stoppedReason"] == "Container instance deregistration forced by user"

    def inactive():
        shown = ecs.describe_container_instances(containerInstances=[arn])["containerInstances"]
        return not shown or shown[0]["status"] == "INACTIVE"

    wait_until(inactive, 30, "the instance is INACTIVE")


def test_tasks_of_a_capacity_provider_go_to_its_instances(gate, ecs, layout, instances):
    images.push(gate, layout, "busybox")
    auto_scaling_group(gate, "group")
    ecs.create_capacity_provider(name="mine", autoScalingGroupProvider={"autoScalingGroupArn": "group"})
    ecs.create_cluster(capacityProviders=["mine"], defaultCapacityProviderStrategy=[{"capacityProvider": "mine", "weight": 1}])
    instances()
    define(ecs)
    assert refused(ecs.run_task, taskDefinition="bridge") == (
        "InvalidParameterException",
        "No Container Instances were found in your capacity provider.",
    )
    mine = instances("--capacity-provider", "mine")
    assert mine["capacityProviderName"] == "mine"
    task = ecs.run_task(taskDefinition="bridge")["tasks"][0]
    assert task["containerInstanceArn"] == mine["containerInstanceArn"]
    assert (task["capacityProviderName"], task["launchType"]) == ("mine", "EC2")
    tasks.wait_for(gate, task["taskArn"], "RUNNING")
    empty = {"cluster": "default", "capacityProviders": [], "defaultCapacityProviderStrategy": []}
    assert refused(ecs.put_cluster_capacity_providers, **empty)[0] == "ResourceInUseException"
    ecs.stop_task(task=task["taskArn"])
    tasks.wait_for(gate, task["taskArn"], "STOPPED")
    assert ecs.put_cluster_capacity_providers(**empty)["cluster"]["capacityProviders"] == []


def test_a_forced_deregistration_is_finished_after_kill_9(own_gate, layout):
    gate = own_gate
    images.push(gate, layout, "busybox")
    ecs = gate.client("ecs")
    slices = Slices(gate)
    arn = slices.add()["containerInstanceArn"]
    define(ecs)
    started = ecs.start_task(taskDefinition="bridge", containerInstances=[arn])
    task = started["tasks"][0]["taskArn"]
    tasks.wait_for(gate, task, "RUNNING")
    ecs.deregister_container_instance(containerInstance=arn, force=True)
    gate.kill()
    gate.start()
    stopped = tasks.wait_for(gate, task, "STOPPED")
    assert stopped["stoppedReason"] == "Container instance deregistration forced by user"

    def inactive():
        shown = ecs.describe_container_instances(containerInstances=[arn])["containerInstances"]
        return shown[0]["status"] == "INACTIVE"

    wait_until(inactive, 30, "the instance is INACTIVE")
    slices.remove()
