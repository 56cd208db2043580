"""`neargate publish`: a port of this host that follows the tasks of a service."""

import socket
import urllib.request

import images
import tasks
from neargate import wait_until
from people import add_instances, as_json, neargate
from tasks import container

SERVE = "hostname > /tmp/index.html; exec httpd -f -p 80 -h /tmp"


def page(port):
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=3).read().decode().strip()
    except OSError:
        return None


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def service(gate, name, count=1, **more):
    gate.client("ecs").create_service(serviceName=name, taskDefinition=name, desiredCount=count, **more)


def test_a_port_follows_the_tasks_of_its_service(own_gate, layout):
    gate = own_gate
    images.push(gate, layout, "busybox")
    ecs, ec2 = gate.client("ecs"), gate.client("ec2")
    ecs.create_cluster(clusterName="default")
    # A group that lets nobody in: what the operator publishes is reached all the same.
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    closed = ec2.create_security_group(GroupName="closed", Description="closed", VpcId=vpc)["GroupId"]
    tasks.register(gate, container(command=["sh", "-c", SERVE], stopTimeout=2, portMappings=[{"containerPort": 80}]), family="web")
    network = tasks.network(gate)
    network["awsvpcConfiguration"]["securityGroups"] = [closed]
    service(gate, "web", 2, launchType="FARGATE", networkConfiguration=network)
    port = free_port()
    said = neargate(gate, "publish", f"{port}:web").stdout
    assert f"0.0.0.0:{port} leads to the service web" in said
    names = set()
    wait_until(lambda: len(names.add(page(port)) or names - {None}) == 2, what="both tasks answer in turn")

    # It follows a task that is replaced, and Neargate's end.
    for arn in ecs.list_tasks(serviceName="web")["taskArns"]:
        ecs.stop_task(task=arn)
    wait_until(lambda: page(port) not in {None, *names}, what="a new task answers")
    gate.kill()
    gate.start()
    wait_until(lambda: page(port), what="the port is there again")
    [shown] = as_json(gate, "publish")
    assert shown["service"] == "web" and shown["problem"] is None

    assert "no service" in neargate(gate, "publish", f"{port}:typo", code=1).stderr
    neargate(gate, "unpublish", str(port))
    wait_until(lambda: page(port) is None, what="nobody listens")
    assert "not published" in neargate(gate, "unpublish", str(port), code=1).stderr


def test_a_port_leads_to_tasks_on_an_instances_ports(gate, layout):
    images.push(gate, layout, "busybox")
    add_instances(gate)
    gate.client("ecs").register_task_definition(
        family="bridge", networkMode="bridge", requiresCompatibilities=["EC2"],
        containerDefinitions=[container(
            command=["sh", "-c", SERVE], memory=64, stopTimeout=2,
            portMappings=[{"containerPort": 80, "hostPort": 0}])],
    )
    service(gate, "bridge", launchType="EC2")
    port = free_port()
    neargate(gate, "publish", f"127.0.0.1:{port}:bridge:app:80")
    wait_until(lambda: page(port), what="the task answers")
    # Somebody else's port is said to be so.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        other = taken.getsockname()[1]
        neargate(gate, "publish", f"127.0.0.1:{other}:bridge")
        problem = lambda: [p["problem"] for p in as_json(gate, "publish") if p["listen"].endswith(f":{other}")][0]
        assert "cannot listen" in wait_until(problem, what="it says why it does not listen")
        neargate(gate, "unpublish", str(other))
    neargate(gate, "unpublish", str(port))
