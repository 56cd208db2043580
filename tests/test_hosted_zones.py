"""Hosted zones of Route 53, asked for by real resolvers' clients: on the host and in VPCs."""

import http.server
import socket
import struct
import subprocess
import threading

import pytest

import images
import tasks
from neargate import free_port, refused, wait_until
from tasks import container
from test_load_balancers import aws
from test_names import SHELL, answers
from test_service_discovery import looked_up, vpc


@pytest.fixture
def town(make_gate, layout):
    """A Neargate that answers its host, too: the gate, the port, and a task that looks names up."""
    port = free_port()
    gate = make_gate("--dns-listen", f"127.0.0.1:{port}")
    gate.start()
    images.push(gate, layout, "busybox")
    tasks.register(gate, container(command=["sh", "-c", SHELL], stopTimeout=2))
    address = tasks.address(tasks.wait_for(gate, tasks.run(gate), "RUNNING"))
    wait_until(lambda: answers(address), what="the task listens")
    return gate, port, address


def dig(port, name, kind=1):
    """The code of the answer and its IPv4 addresses, as the host hears them by UDP."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    question = labels + b"\0" + struct.pack(">HH", kind, 1)
    with socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.settimeout(5)
        udp.sendto(struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + question, ("127.0.0.1", port))
        said = udp.recv(4096)
    count = struct.unpack(">H", said[6:8])[0]
    at, found = 12 + len(question), []
    for _ in range(count):
        # A pointer to a name, or the name itself.
        at = at + 2 if said[at] >= 0xC0 else said.index(b"\0", at) + 1
        of, _, _, length = struct.unpack(">HHIH", said[at : at + 10])
        if of == 1:
            found.append(socket.inet_ntoa(said[at + 10 : at + 14]))
        at += 10 + length
    return said[3] & 15, sorted(found)


def change(gate, zone, *changes):
    """Makes changes, and waits until everybody was told."""
    client = gate.client("route53")
    batch = {"Changes": [{"Action": action, "ResourceRecordSet": given} for action, given in changes]}
    made = client.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)["ChangeInfo"]["Id"]
    wait_until(lambda: client.get_change(Id=made)["ChangeInfo"]["Status"] == "INSYNC", what="the change is in sync")


def record(name, *values, kind="A", **more):
    return {"Name": name, "Type": kind, "TTL": 1, "ResourceRecords": [{"Value": v} for v in values], **more}


def test_public_and_private_zones(town):
    gate, port, task = town
    client = gate.client("route53")
    public = aws(gate, "route53", "create-hosted-zone", "--name", "example.com", "--caller-reference", "public")["HostedZone"]["Id"]
    change(gate, public, ("CREATE", record("www.example.com", "192.0.2.1")), ("CREATE", record("*.example.com", "192.0.2.9")))
    wait_until(lambda: dig(port, "www.example.com") == (0, ["192.0.2.1"]), what="the host is told")
    assert dig(port, "x.y.example.com") == (0, ["192.0.2.9"])
    assert dig(port, "www.example.com", 28) == (0, [])
    assert looked_up(task, "www.example.com") == ["192.0.2.1"]
    assert aws(gate, "route53", "test-dns-answer", "--hosted-zone-id", public, "--record-name", "www.example.com", "--record-type", "A")["RecordData"] == ["192.0.2.1"]

    # A private zone of the same name hides it in its VPC, and is known nowhere else.
    private = client.create_hosted_zone(Name="example.com", CallerReference="private", VPC={"VPCRegion": "us-east-1", "VPCId": vpc(gate)})
    zone = private["HostedZone"]["Id"]
    change(gate, zone, ("CREATE", record("www.example.com", "10.0.0.1")))
    wait_until(lambda: looked_up(task, "www.example.com") == ["10.0.0.1"], what="the VPC is told")
    assert looked_up(task, "x.example.com") == []
    assert dig(port, "www.example.com") == (0, ["192.0.2.1"])

    # A batch that is half valid changes nothing.
    why = refused(
        client.change_resource_record_sets,
        HostedZoneId=public,
        ChangeBatch={
            "Changes": [
                {"Action": "CREATE", "ResourceRecordSet": record("new.example.com", "192.0.2.2")},
                {"Action": "DELETE", "ResourceRecordSet": record("none.example.com", "192.0.2.2")},
            ]
        },
    )
    assert why[0] == "InvalidChangeBatch" and "none.example.com" in why[1], why
    names = [s["Name"] for s in client.list_resource_record_sets(HostedZoneId=public)["ResourceRecordSets"]]
    assert names == ["example.com.", "example.com.", "\\052.example.com.", "www.example.com."]

    # Names go on without Neargate, and are right again after it came back.
    gate.kill()
    assert dig(port, "www.example.com") == (0, ["192.0.2.1"])
    gate.start()
    change(gate, public, ("UPSERT", record("www.example.com", "192.0.2.3")))
    wait_until(lambda: dig(port, "www.example.com") == (0, ["192.0.2.3"]), what="the change")
    change(gate, zone, ("DELETE", record("www.example.com", "10.0.0.1")))
    client.delete_hosted_zone(Id=zone)
    wait_until(lambda: looked_up(task, "www.example.com") == ["192.0.2.3"], what="the private zone is gone")


def test_an_alias_leads_to_a_load_balancer(town):
    gate, port, task = town
    subnets = [s["SubnetId"] for s in gate.client("ec2").describe_subnets()["Subnets"]][:2]
    made = gate.client("elbv2").create_load_balancer(Name="shop", Subnets=subnets)["LoadBalancers"][0]
    zone = gate.client("route53").create_hosted_zone(Name="example.com", CallerReference="1")["HostedZone"]["Id"]
    alias = {"HostedZoneId": made["CanonicalHostedZoneId"], "DNSName": made["DNSName"], "EvaluateTargetHealth": False}
    change(gate, zone, ("CREATE", {"Name": "example.com", "Type": "A", "AliasTarget": alias}))
    wait_until(lambda: len(dig(port, "example.com")[1]) == 2, what="the alias leads to both nodes")
    assert dig(port, "example.com") == dig(port, made["DNSName"].lower())
    assert looked_up(task, "example.com") == dig(port, "example.com")[1]


@pytest.fixture
def endpoint():
    """An HTTP server at a public address of this network namespace; what it answers can be set."""
    address = "198.19.255.254"
    subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(self.server.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer((address, 0), Handler)
    server.status = 200
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()
    subprocess.run(["ip", "address", "del", f"{address}/32", "dev", "lo"], check=True)


def test_a_failover_follows_a_health_check(town, endpoint):
    gate, port, _ = town
    client = gate.client("route53")
    address, at = endpoint.server_address
    config = {"Type": "HTTP", "IPAddress": address, "Port": at, "RequestInterval": 10, "FailureThreshold": 1}
    check = client.create_health_check(CallerReference="up", HealthCheckConfig=config)["HealthCheck"]["Id"]

    def seen():
        found = client.get_health_check_status(HealthCheckId=check)["HealthCheckObservations"]
        return found and found[0]["StatusReport"]["Status"]

    wait_until(lambda: seen() == "Success: HTTP Status Code 200", what="it is asked")
    zone = client.create_hosted_zone(Name="example.com", CallerReference="public")["HostedZone"]["Id"]
    first = record("www.example.com", address, SetIdentifier="a", Failover="PRIMARY", HealthCheckId=check)
    second = record("www.example.com", "192.0.2.2", SetIdentifier="b", Failover="SECONDARY")
    change(gate, zone, ("CREATE", first), ("CREATE", second))
    wait_until(lambda: dig(port, "www.example.com") == (0, [address]), what="the host is told")

    endpoint.status = 503
    wait_until(lambda: dig(port, "www.example.com") == (0, ["192.0.2.2"]), what="the second one answers")
    assert seen() == "Failure: HTTP Status Code 503"
    (failed,) = client.get_health_check_last_failure_reason(HealthCheckId=check)["HealthCheckObservations"]
    assert failed["StatusReport"]["Status"] == "Failure: HTTP Status Code 503"
    # It is known as failing after a restart, before it is asked again.
    gate.kill()
    gate.start()
    assert dig(port, "www.example.com") == (0, ["192.0.2.2"])

    endpoint.status = 200
    wait_until(lambda: dig(port, "www.example.com") == (0, [address]), what="the first one answers again")
    change(gate, zone, ("DELETE", first), ("DELETE", second))
    client.delete_health_check(HealthCheckId=check)
    assert refused(client.get_health_check, HealthCheckId=check)[0] == "NoSuchHealthCheck"
