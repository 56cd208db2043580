"""A task's network: its own address, other tasks, this host, names, and the world behind it."""

import socket
import subprocess
import urllib.request

import pytest

import images
import tasks
from internet import HOST, NAME, WORLD, Internet
from neargate import wait_until
from tasks import container

GROUP = "/ecs/net"


@pytest.fixture
def busybox(gate, layout):
    images.push(gate, layout, "busybox")
    return gate


@pytest.fixture
def internet():
    internet = Internet()
    yield internet
    internet.close()


def test_a_range_that_the_host_uses_is_left_to_it(make_gate, layout):
    """As on an EC2 instance of a default VPC. The range that was chosen stays."""
    ip("link", "add", "lan8", "type", "veth", "peer", "name", "lan9")
    try:
        ip("addr", "add", "172.31.5.6/20", "dev", "lan8")
        ip("link", "set", "lan8", "up")
        gate = make_gate()
        gate.start()
        assert "tasks get addresses in 172.30.0.0/16" in gate.log()
        [vpc] = gate.client("ec2").describe_vpcs()["Vpcs"]
        assert vpc["CidrBlock"] == "172.30.0.0/16"
        images.push(gate, layout, "busybox")
        tasks.register(gate, container(command=["httpd", "-f", "-p", "80"], stopTimeout=2))
        arn = tasks.run(gate)
        address = tasks.address(tasks.wait_for(gate, arn, "RUNNING"))
        assert address.startswith("172.30.")
        socket.create_connection((address, 80), 10).close()
        ip("link", "del", "lan8")
        gate.stop()
        gate.start()
        assert gate.client("ec2").describe_vpcs()["Vpcs"][0]["CidrBlock"] == "172.30.0.0/16"
        gate.stop()
        done = gate.cli("up", "--vpc-cidr", "10.99.0.0/16")
        assert done.returncode == 1 and "have addresses in 172.30.0.0/16" in done.stderr
        assert gate.cli("down").returncode == 0
        # Nobody has an address any more.
        gate.flags = ["--vpc-cidr", "10.99.0.0/16"]
        gate.start()
        subnets = gate.client("ec2").describe_subnets()["Subnets"]
        assert {s["CidrBlock"] for s in subnets} == {"10.99.0.0/20", "10.99.16.0/20", "10.99.32.0/20"}
    finally:
        subprocess.run(["ip", "link", "del", "lan8"], capture_output=True)


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def output(gate, script, code=0, public=False, **more):
    """What a task prints that runs this script."""
    tasks.register(gate, container(command=["sh", "-c", script], group=GROUP), **more)
    task = tasks.ended(gate, tasks.run(gate, public=public), code)
    return tasks.messages(gate, GROUP, f"ecs/app/{task['taskArn'].rsplit('/', 1)[1]}"), task


def test_the_world_behind_the_hosts_address(busybox, internet):
    lines, _ = output(busybox, f"timeout 20 wget -q -O - http://{WORLD}/", public=True)
    assert lines == [f"you are {HOST}"]
    # An internet gateway is a way out for public addresses alone.
    lines, _ = output(busybox, f"timeout 2 wget -q -O - http://{WORLD}/; echo over")
    assert "over" in lines and "you are" not in str(lines)


def test_names_are_resolved(busybox, internet):
    if not internet.nameservers:
        pytest.skip("this host's /etc/resolv.conf names no server that could be asked")
    lines, _ = output(busybox, f"timeout 20 nslookup -type=a {NAME}; cat /etc/resolv.conf", public=True)
    assert any(line.startswith("Address") and line.endswith(WORLD) for line in lines), lines
    assert "nameserver 172.31.0.2" in lines


def test_the_task_knows_its_own_name_and_address(busybox):
    script = "hostname; hostname -i; grep \"$(hostname)\" /etc/hosts; ip -4 -o addr show eth0; grep localhost /etc/hosts"
    lines, task = output(busybox, script)
    address = tasks.address(task)
    assert lines[0].startswith("ip-" + address.replace(".", "-"))
    assert lines[1].strip() == address
    assert address in lines[2]
    assert f" {address}/" in lines[3]
    assert lines[4].startswith("127.0.0.1")


def test_a_task_cannot_reach_what_only_this_host_may(busybox):
    """The API listens on loopback, where callers need no credentials."""
    gate = busybox
    tries = " ".join(f"http://{host}:{gate.port}/health" for host in ("127.0.0.1", "172.31.0.1", "172.31.16.1", "172.31.32.1"))
    lines, _ = output(gate, f"for url in {tries}; do timeout 2 wget -q -O - $url && echo reached $url; done; echo over")
    assert "over" in lines and not any("reached" in line for line in lines), lines


def test_an_address_is_free_again_after_its_task(busybox):
    gate = busybox
    tasks.register(gate, container(command=["true"]))
    arns = [tasks.run(gate) for _ in range(5)]
    for arn in arns:
        tasks.ended(gate, arn)
    assert gate.client("ec2").describe_network_interfaces()["NetworkInterfaces"] == []
    wait_until(lambda: gate.leftovers() == [])


def test_the_interface_of_a_running_task(busybox):
    gate = busybox
    serve = "echo here > /tmp/index.html; exec httpd -f -p 80 -h /tmp"
    tasks.register(gate, container(command=["sh", "-c", serve], stopTimeout=2))
    task = tasks.wait_for(gate, tasks.run(gate), "RUNNING")
    address = tasks.address(task)
    details = {d["name"]: d["value"] for d in task["attachments"][0]["details"]}
    interfaces = gate.client("ec2").describe_network_interfaces(
        NetworkInterfaceIds=[details["networkInterfaceId"]])["NetworkInterfaces"]
    assert interfaces[0]["PrivateIpAddress"] == address
    assert interfaces[0]["MacAddress"] == details["macAddress"]
    assert interfaces[0]["SubnetId"] == details["subnetId"]
    assert interfaces[0]["Status"] == "in-use"
    page = wait_until(lambda: fetch(f"http://{address}/"), what="the page is there")
    assert page == b"here\n"
    # A port nobody listens on is refused at once.
    with socket.socket() as s:
        s.settimeout(5)
        assert s.connect_ex((address, 81)) == 111


def fetch(url):
    try:
        return urllib.request.urlopen(url, timeout=5).read()
    except OSError:
        return None
