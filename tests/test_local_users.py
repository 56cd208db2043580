"""On loopback root and one group need no proof; every other user of the host signs, whatever way he comes."""

import json
import os
import socket
import struct
import subprocess

import pytest

from neargate import REGION, exported, refused

NOBODY, TASK = 65534, "AmazonEC2ContainerServiceV20141113"


def as_user(uid, *command, gid=65534, **options):
    groups = ["--clear-groups", "--regid", str(gid)]
    return subprocess.run(["setpriv", "--reuid", str(uid), *groups, *command], capture_output=True, text=True, timeout=60, **options)


def curl(gate, uid, path="/", *more, address=None):
    """Status and body of a request of that user."""
    url = (address or gate.url) + path
    done = as_user(uid, "curl", "-s", "-m", "20", "-w", "\n%{http_code}", *more, url)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


def ecs(operation):
    return ["-X", "POST", "-H", f"X-Amz-Target: {TASK}.{operation}", "-H", "Content-Type: application/x-amz-json-1.1", "-d", "{}"]


def code(body):
    return json.loads(body)["__type"]


def test_other_users_must_sign(gate):
    assert curl(gate, 0, "/", *ecs("CreateCluster"))[0] == 200, "root"
    for credentials in ([], ["-H", "Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/ecs/aws4_request, "
                                   "SignedHeaders=host;x-amz-date, Signature=0", "-H", "X-Amz-Date: 20260101T000000Z"]):
        status, body = curl(gate, NOBODY, "/", *ecs("ListClusters"), *credentials)
        expected = "UnrecognizedClientException" if credentials else "MissingAuthenticationTokenException"
        assert (status, code(body)) == (400, expected)
    # Nothing else is open either.
    for method, path, expected in [
        ("GET", "/?Action=DescribeVpcs&Version=2016-11-15", 400), ("POST", "/_neargate/reset", 403),
        ("GET", "/_neargate/usage", 403), ("GET", "/_neargate/instances", 403), ("POST", "/_neargate/instances", 403),
        ("GET", "/_neargate/events", 403), ("GET", "/v2/", 401), ("GET", "/v2/_catalog", 401),
        ("POST", "/v2/x/blobs/uploads/", 401),
    ]:
        status, body = curl(gate, NOBODY, path, "-X", method)
        assert status == expected, (path, body)
    assert json.loads(curl(gate, NOBODY, "/health")[1]) == {"status": "ok"}
    assert "services" in json.loads(curl(gate, 0, "/health")[1])
    assert gate.client("ecs").list_clusters()["clusterArns"], "nothing was reset"


def test_the_keys_open_it_to_any_user(gate):
    env = exported(gate.cli("env").stdout)
    keys = env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]
    user = f"{keys[0]}:{keys[1]}"
    status, body = curl(gate, NOBODY, "/", *ecs("ListClusters"), "--aws-sigv4", f"aws:amz:{REGION}:ecs", "-u", user)
    assert status == 200, body
    status, body = curl(gate, NOBODY, "/", *ecs("ListClusters"), "--aws-sigv4", f"aws:amz:{REGION}:ecs", "-u", f"{keys[0]}:wrong")
    assert (status, code(body)) == (400, "InvalidSignatureException")
    for kept in (gate.data / "credentials", gate.data):
        assert as_user(NOBODY, "cat", str(kept)).returncode != 0
    assert as_user(NOBODY, "curl", "-s", "--unix-socket", f"/run/neargate/{gate.instance}/operator.sock", "http://x/v1/nodes").returncode != 0


def test_members_of_the_group_need_no_proof(make_gate):
    gate = make_gate("--trusted-group", "daemon")
    gate.start()
    assert curl(gate, 1, "/", *ecs("ListClusters"))[0] == 200, "daemon's primary group"
    assert curl(gate, 2, "/", *ecs("ListClusters"))[0] == 400, "bin"


def test_every_way_to_loopback_is_the_users_own(gate):
    """IPv4 in IPv6, another address of the host, and a socket that is closed before it is heard."""
    mapped = f"http://[::ffff:127.0.0.1]:{gate.port}"
    assert curl(gate, NOBODY, "/", *ecs("ListClusters"), address=mapped)[0] == 400
    assert curl(gate, 0, "/", *ecs("ListClusters"), address=mapped)[0] == 200
    assert curl(gate, NOBODY, "/", *ecs("ListClusters"), "--interface", "127.0.0.9")[0] == 400
    # The kernel calls a socket that nobody holds any more root's.
    body = b'{"clusterName":"orphan"}'
    request = (f"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: {TASK}.CreateCluster\r\n"
               f"Content-Type: application/x-amz-json-1.1\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            for n in range(300):
                s = socket.create_connection(("127.0.0.1", gate.port))
                if n % 2:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                s.sendall(request)
                s.close()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    listed = gate.client("ecs").list_clusters()["clusterArns"]
    assert not any("orphan" in arn for arn in listed)


@pytest.fixture
def elsewhere():
    """A network namespace of its own, with a way to this one."""
    commands = [
        "ip netns add ngtest", "ip link add ngt0 type veth peer name ngt1 netns ngtest", "ip addr add 198.51.100.1/30 dev ngt0",
        "ip link set ngt0 up", "ip -n ngtest addr add 198.51.100.2/30 dev ngt1", "ip -n ngtest link set ngt1 up",
    ]
    for command in commands:
        subprocess.run(command.split(), check=True)
    yield "198.51.100.1"
    subprocess.run(["ip", "netns", "del", "ngtest"], check=True)
    subprocess.run(["ip", "link", "del", "ngt0"], check=False, capture_output=True)


def test_root_of_another_network_namespace_is_nobody(make_gate, elsewhere):
    """As in a task: its sockets are not this namespace's, and so have no owner here."""
    gate = make_gate()
    gate.start()
    with open("/proc/sys/net/ipv4/conf/ngt0/route_localnet", "w") as file:
        file.write("1")
    rule = ("table ip ngtest { chain in { type nat hook prerouting priority dstnat\n"
            f"iif ngt0 tcp dport 4566 dnat to 127.0.0.1:{gate.port}\n}}\n}}\n")
    subprocess.run(["nft", "-f", "-"], input=rule, text=True, check=True)
    try:
        command = ["ip", "netns", "exec", "ngtest", "curl", "-s", "-m", "20", "-w", "\n%{http_code}", *ecs("ListClusters")]
        done = subprocess.run([*command, f"http://{elsewhere}:4566/"], capture_output=True, text=True)
        body, _, status = done.stdout.rpartition("\n")
        assert (int(status), code(body)) == (400, "MissingAuthenticationTokenException")
    finally:
        subprocess.run(["nft", "delete", "table", "ip", "ngtest"], check=True)


def test_an_unsigned_get_changes_nothing(gate):
    vpc = gate.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    tag = f"/?Action=CreateTags&Version=2016-11-15&ResourceId.1={vpc}&Tag.1.Key=k&Tag.1.Value=v"
    credential = "&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a/20260101/us-east-1/ec2/aws4_request" \
                 "&X-Amz-Date=20260101T000000Z&X-Amz-SignedHeaders=host&X-Amz-Signature=0"
    for path in (tag, tag + credential):
        status, body = curl(gate, 0, path)
        assert status == 400 and "MissingAuthenticationToken" in body, body
    assert "Tags" not in gate.client("ec2").describe_vpcs()["Vpcs"][0] or not gate.client("ec2").describe_vpcs()["Vpcs"][0]["Tags"]
    assert curl(gate, 0, "/?Action=DescribeVpcs&Version=2016-11-15")[0] == 200


def test_another_account_is_refused_in_our_registry(gate):
    gate.client("ecr").create_repository(repositoryName="victim")
    mine = gate.client("ecr").describe_repositories()["repositories"][0]["registryId"]
    other = gate.client("ecr", account="999999999999")
    for call, more in [("describe_repositories", {}), ("list_images", {"repositoryName": "victim"}),
                       ("delete_repository", {"repositoryName": "victim", "force": True})]:
        assert refused(getattr(other, call), registryId=mine, **more)[0] == "AccessDeniedException"
