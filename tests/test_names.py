"""Names in VPCs: AmazonProvidedDNS at the VPC's base + 2, in a process that outlives Neargate, and the
API at the same address."""

import os
import signal
import socket
import struct
import threading
import urllib.request

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

import images
import tasks
from neargate import command_line, edges_of, exported, wait_until
from tasks import container

#: A task that runs what is posted to it.
SHELL = (
    "mkdir -p /www/cgi-bin; printf '#!/bin/sh\\necho; head -c $CONTENT_LENGTH | sh 2>&1\\n' > /www/cgi-bin/sh;"
    " chmod +x /www/cgi-bin/sh; exec httpd -f -p 80 -h /www"
)
WORLD = "192.0.2.80"


class Names:
    """The server that the host asks, on loopback as a stub resolver is: it knows `known.example` alone."""

    def __init__(self, directory):
        self.resolv_conf = directory / "resolv.conf"
        self.resolv_conf.write_text("nameserver 127.0.0.53\nsearch corp.example\n")
        self.socket = socket.socket(type=socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.53", 53))
        self.asked = []
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            question, peer = self.socket.recvfrom(2048)
            if not question:
                return
            end = question.index(b"\0", 12) + 5
            name = question[12 : end - 4].lower()
            self.asked.append(name)
            known = name == b"\5known\7example\0"
            answered = int(known and question[end - 4 : end - 2] == b"\0\1")
            head = question[:2] + struct.pack(">HHHHH", 0x8180 | (0 if known else 3), 1, answered, 0, 0)
            answer = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton(WORLD)
            self.socket.sendto(head + question[12:end] + answer * answered, peer)

    def close(self):
        # A socket that is waited on stays open.
        self.socket.sendto(b"", self.socket.getsockname())
        self.thread.join()
        self.socket.close()


@pytest.fixture
def names(tmp_path):
    names = Names(tmp_path)
    yield names
    names.close()


@pytest.fixture
def named(make_gate, names, layout):
    """A Neargate with two tasks: the gate, and the addresses of the tasks."""
    gate = make_gate("--resolv-conf", str(names.resolv_conf))
    gate.start()
    images.push(gate, layout, "busybox")
    tasks.register(gate, container(command=["sh", "-c", SHELL], stopTimeout=2))
    arns = [tasks.run(gate) for _ in range(2)]
    addresses = [tasks.address(tasks.wait_for(gate, arn, "RUNNING")) for arn in arns]
    for address in addresses:
        wait_until(lambda: answers(address), what="the task listens")
    return gate, addresses


def answers(address):
    try:
        return run(address, "echo here") == "here\n"
    except OSError:
        return False


def run(address, script):
    return urllib.request.urlopen(f"http://{address}/cgi-bin/sh", script.encode(), timeout=30).read().decode()


def resolved(address, name):
    """What the task finds out of a name: an address, or what is wrong."""
    said = run(address, f"nslookup -type=a {name}")
    for wrong in ("NXDOMAIN", "SERVFAIL", "refused", "timed out"):
        if wrong in said:
            return wrong
    _, _, answer = said.partition("Name:")
    found = [line.split()[-1] for line in answer.splitlines() if line.startswith("Address")]
    return found[0] if found else said


def private_name(address):
    return f"ip-{address.replace('.', '-')}.ec2.internal"


def edge(gate):
    [pid] = edges_of(gate.instance) or [0]
    return pid


def test_what_tasks_are_told(named, names):
    gate, (one, two) = named
    assert run(one, "cat /etc/resolv.conf") == "search ec2.internal\nnameserver 172.31.0.2\n"
    assert resolved(one, private_name(one)) == one
    assert resolved(one, private_name(two)) == two
    assert resolved(two, private_name("172.31.0.99")) == "NXDOMAIN"
    assert private_name(two) in run(one, f"nslookup {two}")
    # By the search list, and by the other address of the resolver.
    short = private_name(two).split(".")[0]
    assert two in run(one, f"ping -c 1 -W 5 {short}")
    assert two in run(one, f"nslookup {private_name(two)} 169.254.169.253")
    # The host's servers know the rest; nobody's search list is theirs.
    assert resolved(one, "known.example") == WORLD
    assert resolved(two, "unknown.example") == "NXDOMAIN"
    assert not any(b"corp" in name or b"internal" in name for name in names.asked)
    # AWS's own hosts are here.
    for host in ("ecs.us-east-1.amazonaws.com", "000000000000.dkr.ecr.eu-west-1.amazonaws.com"):
        assert resolved(one, host) == "172.31.0.2"


def test_names_that_the_api_says_and_vpcs_without(named):
    gate, (one, _) = named
    ec2 = gate.client("ec2")
    arn = tasks.run(gate, public=True)
    tasks.wait_for(gate, arn, "RUNNING")
    all_of_them = ec2.describe_network_interfaces()["NetworkInterfaces"]
    [public] = [i for i in all_of_them if i.get("Association")]
    name = public["Association"]["PublicDnsName"]
    assert resolved(one, name) == public["PrivateIpAddress"]
    assert name in run(one, f"nslookup {public['Association']['PublicIp']}")
    for interface in all_of_them:
        assert resolved(one, interface["PrivateDnsName"]) == interface["PrivateIpAddress"]

    # With the interface its names go.
    gate.client("ecs").stop_task(task=arn)
    wait_until(lambda: resolved(one, public["PrivateDnsName"]) == "NXDOMAIN", what="the name is gone")

    vpc = public["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsSupport={"Value": False})
    quickly = "nslookup -timeout=1 -retry=1 known.example"
    wait_until(lambda: WORLD not in run(one, quickly), what="there is no resolver")
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsSupport={"Value": True})
    wait_until(lambda: resolved(one, "known.example") == WORLD, what="there is one again")


def test_a_task_calls_the_api_by_awss_own_name(named):
    gate, (one, _) = named
    url = f"http://ecs.us-east-1.amazonaws.com:{gate.port}/"
    target = "AmazonEC2ContainerServiceV20141113.ListClusters"
    headers = {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1"}

    def call(headers):
        given = " ".join(f"--header '{name}: {value}'" for name, value in headers.items())
        return run(one, f"wget -S -q -O - {given} --post-data '{{}}' {url}")

    # On loopback this test needs no proof; in a VPC everybody does.
    refused = call(headers)
    assert "403" in refused or "400" in refused, refused
    assert "clusterArns" not in refused
    access, secret = real_keys(gate)
    request = AWSRequest("POST", url, headers=headers, data="{}")
    SigV4Auth(Credentials(access, secret), "ecs", "us-east-1").add_auth(request)
    assert "cluster/default" in call(dict(request.headers))


def real_keys(gate):
    values = exported(gate.cli("env").stdout)
    strip = lambda name: values[name].strip("'\";")  # noqa: E731
    return strip("AWS_ACCESS_KEY_ID"), strip("AWS_SECRET_ACCESS_KEY")


def test_names_outlive_neargate_and_their_process(named):
    gate, (one, two) = named
    first = edge(gate)
    gate.kill()
    assert resolved(one, private_name(two)) == two
    assert resolved(one, "known.example") == WORLD
    gate.start()
    assert edge(gate) == first, "the next Neargate finds it"
    # What starts now is known to it, too.
    new = tasks.address(tasks.wait_for(gate, tasks.run(gate), "RUNNING"))
    wait_until(lambda: resolved(one, private_name(new)) == new, what="the new task has a name")
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: edge(gate) not in (0, first), what="another is started")
    wait_until(lambda: resolved(one, private_name(two)) == two, what="names are answered again")
    # Without Neargate it goes on until `neargate down`.
    second = edge(gate)
    gate.stop()
    assert resolved(two, private_name(one)) == one
    gate.destroy()
    assert command_line(second) == "", "it runs on"


def test_awss_names_may_be_left_to_the_internet(make_gate, names, layout):
    gate = make_gate("--resolv-conf", str(names.resolv_conf), "--aws-names", "false")
    gate.start()
    images.push(gate, layout, "busybox")
    tasks.register(gate, container(command=["sh", "-c", SHELL], stopTimeout=2))
    address = tasks.address(tasks.wait_for(gate, tasks.run(gate), "RUNNING"))
    wait_until(lambda: answers(address), what="the task listens")
    assert resolved(address, "ecs.us-east-1.amazonaws.com") == "NXDOMAIN"
    assert b"\3ecs\x09us-east-1\x09amazonaws\3com\0" in names.asked
