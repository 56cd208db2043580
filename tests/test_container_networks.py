"""What container definitions say of names and ports: links, dnsServers, dnsSearchDomains, disableNetworking,
containerPortRange; and proxyConfiguration. Each by real packets; commands run in the containers by ECS Exec."""

import pytest

import images
import tasks
from neargate import refused, wait_until
from session_manager_plugin import Session
from tasks import container
from test_instance_networks import CLUSTER, address_of, fetch, one, register, running, set_up  # noqa: F401

SLEEP = ["sh", "-c", "trap 'exit 0' TERM; sleep 600 & wait"]


def start(gate, family="web"):
    answer = gate.client("ecs").run_task(
        cluster=CLUSTER, taskDefinition=family, launchType="EC2", enableExecuteCommand=True
    )
    assert answer["failures"] == []
    return answer["tasks"][0]["taskArn"]


def inside(gate, task, name, command, cluster=CLUSTER):
    """What a command shows in a container."""
    begun = gate.client("ecs").execute_command(
        cluster=cluster, task=task, container=name, interactive=True, command=f"sh -c '{command}'"
    )["session"]
    shown, said = Session(begun).open().shake_hands().to_the_end()
    assert said == "", said
    return shown.replace("\r\n", "\n")


def bridged(name, command=None, **more):
    return container(name, command=command or SLEEP, memory=32, stopTimeout=2, **more)


def serving(text, *ports):
    """A web server on each port that says `text` and its port."""
    one_of = "mkdir -p /tmp/w{0}; echo {1} {0} > /tmp/w{0}/x; httpd -p {0} -h /tmp/w{0}; "
    return ["sh", "-c", "".join(one_of.format(port, text) for port in ports) + "exec sleep 600"]


def test_links_are_names_of_the_task_alone(gate, one):
    register(
        gate, "bridge",
        bridged("web", links=["db:database", "cache"]),
        bridged("db", serving("db", 80), portMappings=[{"containerPort": 80}], environment=[{"name": "COLOUR", "value": "red"}]),
        bridged("cache", hostname="store"),
        bridged("alone"),
    )
    arn = start(gate)
    running(gate, arn)
    hosts = inside(gate, arn, "web", "cat /etc/hosts")
    named = {line.split()[1]: line.split() for line in hosts.splitlines() if line.startswith("172.")}
    assert named["database"][1] == "database" and named["database"][-1] == "db", hosts
    assert named["cache"][1:] == ["cache", "store"], hosts
    said = wait_until(lambda: inside(gate, arn, "web", "wget -q -O- http://database/x"), what="the link answers")
    assert said == "db 80\n"
    environment = inside(gate, arn, "web", "env")
    address = named["database"][0]
    for line in (f"DATABASE_PORT_80_TCP=tcp://{address}:80", "DATABASE_NAME=/web/database", "DATABASE_ENV_COLOUR=red"):
        assert line in environment.splitlines(), environment
    assert "database" not in inside(gate, arn, "alone", "cat /etc/hosts")

    cycle = [bridged("a", links=["b"]), bridged("b", links=["a"])]
    definition = {"family": "cycle", "networkMode": "bridge", "containerDefinitions": cycle}
    code, message = refused(gate.client("ecs").register_task_definition, **definition)
    assert (code, message) == ("ClientException", "Container links should not have a cycle")


def test_dns_servers_and_search_domains_are_the_containers_own(gate, one):
    # The VPC's own server, and an address where there is none.
    server, nobody = "172.31.0.2", "192.0.2.1"
    register(
        gate, "bridge",
        bridged("own", dnsServers=[server, nobody], dnsSearchDomains=["corp.example", "b.example"]),
        bridged("lost", dnsServers=[nobody]),
        bridged("other"),
    )
    arn = start(gate)
    running(gate, arn)

    def lines(name):
        shown = inside(gate, arn, name, "cat /etc/resolv.conf").splitlines()
        return [line for line in shown if not line.startswith("options")]

    assert lines("own") == ["search corp.example b.example", f"nameserver {server}", f"nameserver {nobody}"]
    assert lines("lost")[-1] == f"nameserver {nobody}" and lines("lost")[:-1] == lines("other")[:-1]
    address = address_of(gate, one)
    ask = f"timeout 3 nslookup ip-{address.replace('.', '-')}.ec2.internal; true"
    wait_until(lambda: f"Address: {address}" in inside(gate, arn, "own", ask).replace("Address 1:", "Address:"), what="the server is asked")
    assert address not in inside(gate, arn, "lost", ask)


def test_a_container_without_networking_has_loopback_alone(gate, one):
    register(gate, "bridge", bridged("off", disableNetworking=True), bridged("on"))
    arn = start(gate)
    task = running(gate, arn)
    assert inside(gate, arn, "off", "ls /sys/class/net; env | grep -c METADATA; true") == "lo\n0\n"
    assert "eth0" in inside(gate, arn, "on", "ls /sys/class/net")
    by_name = {c["name"]: c for c in task["containers"]}
    assert by_name["off"]["networkBindings"] == []


def test_a_range_of_ports_is_published_in_a_row(gate, one):
    mappings = [{"containerPortRange": "9000-9002"}, {"containerPort": 80, "hostPort": 8080}]
    register(gate, "bridge", bridged("web", serving("range", 80, 9000, 9001, 9002), portMappings=mappings))
    arn = start(gate)
    task = running(gate, arn)
    single, row = sorted(task["containers"][0]["networkBindings"], key=lambda b: "hostPortRange" in b)
    assert single == {"bindIP": "0.0.0.0", "containerPort": 80, "hostPort": 8080, "protocol": "tcp"}
    first, last = map(int, row["hostPortRange"].split("-"))
    assert last == first + 2 and 32768 <= first <= 60999
    assert row == {"bindIP": "0.0.0.0", "protocol": "tcp", "containerPortRange": "9000-9002", "hostPortRange": f"{first}-{last}"}
    address = address_of(gate, one)
    for n in range(3):
        assert fetch(address, first + n) == f"range {9000 + n}"
    assert fetch(address, 8080) == "range 80"

    # Two tasks on one instance get rows of their own.
    register(gate, "bridge", bridged("web", serving("other", 9000, 9001, 9002), portMappings=mappings[:1]), family="two")
    other = running(gate, start(gate, "two"))["containers"][0]["networkBindings"][0]
    assert set(range(first, last + 1)).isdisjoint(range(*map(int, other["hostPortRange"].split("-"))))
    assert fetch(address, int(other["hostPortRange"].split("-")[1])) == "other 9002"


def test_a_range_of_ports_of_a_task_with_an_interface(gate, layout):
    images.push(gate, layout, "busybox")
    mappings = [{"containerPortRange": "9000-9001"}]
    tasks.register(gate, container(command=serving("range", 9000, 9001), portMappings=mappings, stopTimeout=2))
    task = tasks.wait_for(gate, tasks.run(gate), "RUNNING")
    assert task["containers"][0]["networkBindings"] == []
    assert [fetch(tasks.address(task), port) for port in (9000, 9001)] == ["range 9000", "range 9001"]


@pytest.fixture
def proxied(gate, layout):
    """A task with a proxy, and another one that it talks to."""
    images.push(gate, layout, "busybox")
    tasks.register(gate, container(command=serving("other", 80, 81), stopTimeout=2), family="other")
    other = tasks.address(tasks.wait_for(gate, tasks.run(gate, "other"), "RUNNING"))
    third = tasks.address(tasks.wait_for(gate, tasks.run(gate, "other"), "RUNNING"))
    properties = {
        "ProxyIngressPort": "15000", "ProxyEgressPort": "15001", "AppPorts": "80", "IgnoredUID": "1000",
        "EgressIgnoredPorts": "81", "EgressIgnoredIPs": f"169.254.170.2,169.254.169.254,{third}/32",
    }
    tasks.register(
        gate,
        container("app", command=serving("app", 80, 8000), stopTimeout=2),
        container("envoy", command=serving("proxy", 15000, 15001), stopTimeout=2, user="1000"),
        proxyConfiguration={
            "type": "APPMESH", "containerName": "envoy",
            "properties": [{"name": name, "value": value} for name, value in properties.items()],
        },
    )
    arn = tasks.run(gate, enableExecuteCommand=True)
    return arn, tasks.address(tasks.wait_for(gate, arn, "RUNNING")), other, third


def test_a_proxy_sees_what_the_task_sends_and_gets(gate, proxied):
    arn, address, other, third = proxied
    # What comes from outside for an app port.
    assert fetch(address, 80) == "proxy 15000"
    assert fetch(address, 8000) == "app 8000"
    for to in (other, third):
        assert fetch(to, 80) == "other 80"

    def asked(command, name="app"):
        return inside(gate, arn, name, command, "default").strip()

    assert asked(f"wget -q -O- http://{other}/x") == "proxy 15001"
    assert asked(f"wget -q -O- http://{other}/x", "envoy") == "proxy 15001", "ECS Exec is root, not the proxy"
    assert asked(f"su web -c \"wget -q -O- http://{other}/x\"", "envoy") == "other 80"
    assert asked(f"wget -q -O- http://{other}:81/x") == "other 81"
    assert asked(f"wget -q -O- http://{third}/x") == "other 80"
    assert asked("wget -q -O- http://127.0.0.1/x") == "app 80"
    assert asked(f"wget -q -O- http://{address}/x") == "app 80"
    assert "TaskARN" in asked("wget -q -O- $ECS_CONTAINER_METADATA_URI_V4/task")
