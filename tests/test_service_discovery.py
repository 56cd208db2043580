"""Services that find each other by name: Cloud Map, ECS's service registries, and the resolver of the VPC."""

import pytest

import images
import tasks
from neargate import wait_until
from tasks import container
from test_load_balancers import aws
from test_names import SHELL, answers, run

#: Answers what it is, and ends when it is told to.
SERVER = "mkdir -p /www; echo notified > /www/index.html; trap 'exit 0' TERM; httpd -f -p 80 -h /www & wait"


@pytest.fixture
def town(make_gate, layout):
    """A Neargate with a task that looks names up: the gate and its address."""
    gate = make_gate()
    gate.start()
    images.push(gate, layout, "busybox")
    tasks.register(gate, container(command=["sh", "-c", SHELL], stopTimeout=2), family="users")
    tasks.register(gate, container(command=["sh", "-c", SERVER], stopTimeout=5), family="notifications")
    users = tasks.address(tasks.wait_for(gate, tasks.run(gate, family="users"), "RUNNING"))
    wait_until(lambda: answers(users), what="the task listens")
    return gate, users


def operation(gate, call, **arguments):
    """What an operation of Cloud Map made or changed, once it has succeeded."""
    client = gate.client("servicediscovery")
    made = getattr(client, call)(**arguments)["OperationId"]

    def done():
        found = client.get_operation(OperationId=made)["Operation"]
        assert found["Status"] != "FAIL", found
        return found["Status"] == "SUCCESS" and found["Targets"]

    return wait_until(done, what=call)


def looked_up(address, name, kind="a"):
    """The addresses that a task finds; none of a name that is not there."""
    said = run(address, f"nslookup -type={kind} {name}")
    _, _, answer = said.partition("Name:")
    return sorted(line.split()[-1] for line in answer.splitlines() if line.startswith("Address"))


def vpc(gate):
    return gate.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]


def addresses_of(gate, service):
    arns = gate.client("ecs").list_tasks(serviceName=service, desiredStatus="RUNNING")["taskArns"]
    all_of_them = gate.client("ecs").describe_tasks(tasks=arns)["tasks"] if arns else []
    return sorted(tasks.address(task) for task in all_of_them if task["lastStatus"] == "RUNNING")


def scale(gate, count):
    gate.client("ecs").update_service(service="notifications", desiredCount=count)


def test_users_call_notifications_by_name(town):
    gate, users = town
    namespace = operation(gate, "create_private_dns_namespace", Name="microservices.local", Vpc=vpc(gate))["NAMESPACE"]
    registry = aws(
        gate, "servicediscovery", "create-service", "--name", "notifications", "--namespace-id", namespace,
        "--dns-config", "DnsRecords=[{Type=A,TTL=1}]", "--health-check-custom-config", "FailureThreshold=1",
    )["Service"]
    name = "notifications.microservices.local"
    assert looked_up(users, name) == []
    made = gate.client("ecs").create_service(
        serviceName="notifications", taskDefinition="notifications", desiredCount=1, launchType="FARGATE",
        networkConfiguration=tasks.network(gate), serviceRegistries=[{"registryArn": registry["Arn"]}],
    )["service"]
    assert made["serviceRegistries"] == [{"registryArn": registry["Arn"]}]
    wait_until(lambda: looked_up(users, name), what="the name leads somewhere")
    assert looked_up(users, name) == addresses_of(gate, "notifications")
    assert wait_until(lambda: run(users, f"wget -q -O - http://{name}/ 2>&1").strip() == "notified", what="it answers")

    scale(gate, 4)
    wait_until(lambda: len(looked_up(users, name)) == 4, what="four addresses")
    wait_until(lambda: looked_up(users, name) == addresses_of(gate, "notifications"), what="all of them")
    found = gate.client("servicediscovery").list_instances(ServiceId=registry["Id"])["Instances"]
    shown = {i["Attributes"]["AWS_INSTANCE_IPV4"]: i["Attributes"] for i in found}
    assert sorted(shown) == addresses_of(gate, "notifications")
    one = next(iter(shown.values()))
    assert one["ECS_SERVICE_NAME"] == "notifications" and one["ECS_CLUSTER_NAME"] == "default"
    assert one["ECS_TASK_DEFINITION_FAMILY"] == "notifications" and one["REGION"] == "us-east-1"

    # A task that is stopped is found no longer before it ends.
    client = gate.client("ecs")
    arn = client.list_tasks(serviceName="notifications")["taskArns"][0]
    address = tasks.address(tasks.describe(gate, arn))
    scale(gate, 3)
    client.stop_task(task=arn)
    wait_until(lambda: address not in looked_up(users, name), 1, "the name does not lead to it")

    # What is not known here is asked elsewhere; a name of the zone is not.
    assert "NXDOMAIN" in run(users, "nslookup -type=a nobody.microservices.local")
    scale(gate, 0)
    wait_until(lambda: looked_up(users, name) == [], what="nobody is left")
    wait_until(lambda: gate.client("servicediscovery").get_service(Id=registry["Id"])["Service"]["InstanceCount"] == 0)
    client.delete_service(service="notifications", force=True)
    wait_until(lambda: deleted(gate, registry["Id"]), what="the registry is deleted")
    operation(gate, "delete_namespace", Id=namespace)
    assert gate.client("route53").list_hosted_zones()["HostedZones"] == []


def deleted(gate, registry):
    client = gate.client("servicediscovery")
    try:
        client.delete_service(Id=registry)
    except client.exceptions.ResourceInUse:
        return False
    return True


def test_a_kill_leaves_no_instance_behind(town):
    gate, users = town
    namespace = operation(gate, "create_private_dns_namespace", Name="m.local", Vpc=vpc(gate))["NAMESPACE"]
    discovery = gate.client("servicediscovery")
    registry = discovery.create_service(
        Name="notifications", NamespaceId=namespace, DnsConfig={"DnsRecords": [{"Type": "A", "TTL": 1}]}
    )["Service"]
    gate.client("ecs").create_service(
        serviceName="notifications", taskDefinition="notifications", desiredCount=2, launchType="FARGATE",
        networkConfiguration=tasks.network(gate), serviceRegistries=[{"registryArn": registry["Arn"]}],
    )
    name = "notifications.m.local"
    wait_until(lambda: len(looked_up(users, name)) == 2, what="two addresses")
    known = looked_up(users, name)
    scale(gate, 1)
    gate.kill()
    # Names go on without Neargate.
    assert looked_up(users, name) and set(looked_up(users, name)) <= set(known)
    gate.start()
    wait_until(lambda: len(looked_up(users, name)) == 1, what="one is left")
    wait_until(lambda: looked_up(users, name) == addresses_of(gate, "notifications"), what="the one that runs")
    assert len(discovery.list_instances(ServiceId=registry["Id"])["Instances"]) == 1
