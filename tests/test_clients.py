"""The unmodified aws CLI and boto3 against every service that is served."""

from neargate import ACCOUNT


def test_the_cli_knows_who_it_is(gate):
    identity = gate.aws("sts", "get-caller-identity")
    assert identity["Account"] == ACCOUNT
    assert identity["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"


def test_an_access_key_of_twelve_digits_is_an_account(gate):
    assert gate.client("sts", account="123456789012").get_caller_identity()["Account"] == "123456789012"


def test_clusters(gate):
    made = gate.aws("ecs", "create-cluster", "--cluster-name", "web", "--tags", "key=a,value=b")
    assert made["cluster"]["status"] == "ACTIVE"
    assert made["cluster"]["clusterArn"] == f"arn:aws:ecs:us-east-1:{ACCOUNT}:cluster/web"
    assert gate.aws("ecs", "list-clusters")["clusterArns"] == [made["cluster"]["clusterArn"]]
    shown = gate.aws("ecs", "describe-clusters", "--clusters", "web", "none", "--include", "TAGS")
    assert shown["clusters"][0]["tags"] == [{"key": "a", "value": "b"}]
    assert shown["failures"][0]["reason"] == "MISSING"
    gone = gate.aws("ecs", "delete-cluster", "--cluster", "web")
    assert gone["cluster"]["status"] == "INACTIVE"
    assert gate.aws("ecs", "list-clusters")["clusterArns"] == []


def test_task_definition_revisions(gate):
    ecs = gate.client("ecs")
    register = lambda **more: ecs.register_task_definition(  # noqa: E731
        family="web", containerDefinitions=[{"name": "a", "image": "x", "memory": 64}], **more
    )["taskDefinition"]
    arns = [register()["taskDefinitionArn"] for _ in range(12)]
    assert arns[11].endswith("task-definition/web:12")
    assert ecs.list_task_definitions()["taskDefinitionArns"] == arns
    assert ecs.list_task_definitions(sort="DESC")["taskDefinitionArns"] == arns[::-1]
    first = ecs.list_task_definitions(maxResults=5)
    second = ecs.list_task_definitions(maxResults=100, nextToken=first["nextToken"])
    assert first["taskDefinitionArns"] + second["taskDefinitionArns"] == arns
    latest = ecs.describe_task_definition(taskDefinition="web")["taskDefinition"]
    assert latest["revision"] == 12
    assert ecs.deregister_task_definition(taskDefinition="web:12")["taskDefinition"]["status"] == "INACTIVE"
    assert ecs.describe_task_definition(taskDefinition="web")["taskDefinition"]["revision"] == 11
    assert ecs.list_task_definition_families()["families"] == ["web"]
    deleted = ecs.delete_task_definitions(taskDefinitions=["web:12", "web:11"])
    assert deleted["taskDefinitions"][0]["status"] == "DELETE_IN_PROGRESS"
    assert len(deleted["failures"]) == 1
    assert register()["revision"] == 13


def test_a_full_task_definition_comes_back_as_it_went(gate):
    given = {
        "name": "app", "image": "x", "cpu": 10, "memory": 128, "essential": True,
        "portMappings": [{"containerPort": 80, "hostPort": 80, "protocol": "tcp", "name": "http"}],
        "environment": [{"name": "A", "value": "b"}],
        "secrets": [{"name": "S", "valueFrom": "arn:aws:ssm:us-east-1:000000000000:parameter/s"}],
        "healthCheck": {"command": ["CMD", "true"], "interval": 5, "timeout": 3, "retries": 2},
        "ulimits": [{"name": "nofile", "softLimit": 1024, "hardLimit": 2048}],
        "linuxParameters": {"initProcessEnabled": True},
        "dockerLabels": {"l": "v"},
        "mountPoints": [{"sourceVolume": "v", "containerPath": "/v", "readOnly": False}],
        "volumesFrom": [], "systemControls": [],
    }
    volumes = [{"name": "v", "host": {}}]
    ecs = gate.client("ecs")
    answer = ecs.register_task_definition(
        family="full", containerDefinitions=[given], volumes=volumes, networkMode="awsvpc",
        taskRoleArn="arn:aws:iam::000000000000:role/task",
        executionRoleArn="arn:aws:iam::000000000000:role/execution",
    )["taskDefinition"]
    assert answer["containerDefinitions"] == [given]
    assert answer["volumes"] == volumes
    assert answer == ecs.describe_task_definition(taskDefinition="full")["taskDefinition"]


def test_the_default_vpc_is_there_in_every_region(gate):
    for region in ("us-east-1", "ap-southeast-2"):
        ec2 = gate.client("ec2", region)
        vpc = ec2.describe_vpcs(Filters=[{"Name": "isDefault", "Values": ["true"]}])["Vpcs"][0]
        assert vpc["CidrBlock"] == "172.31.0.0/16"
        subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc["VpcId"]]}])["Subnets"]
        assert {s["AvailabilityZone"] for s in subnets} == {f"{region}{z}" for z in "abc"}
        groups = ec2.describe_security_groups(GroupNames=["default"])["SecurityGroups"]
        assert groups[0]["VpcId"] == vpc["VpcId"]


def test_health(gate):
    assert '"status":"ok"' in gate.http("GET", "/health")
