"""Nodes of other hosts: joining over mutual TLS, running tasks, surviving kills and partitions."""

import json
import os
import pathlib
import random
import subprocess
import time

import pytest

import images
import tasks
from hosts import CONTROL, Node, Wire, connected, nodes, operator, token
from neargate import wait_until
from session_manager_plugin import Session
from tasks import container

GROUP = "/ecs/nodes"
SLEEP = ["sleep", "1000"]


@pytest.fixture
def wire():
    made = Wire()
    yield made
    made.remove()


@pytest.fixture
def control(make_gate, wire):
    """Makes a control plane that nodes can join: `control(lease="60s")`."""

    def make(lease="60s"):
        port = random.randrange(10_000, 30_000)
        gate = make_gate("--node-listen", f"{CONTROL}:{port}", "--node-lease", lease)
        gate.node_address = f"{CONTROL}:{port}"
        gate.start()
        return gate

    return make


@pytest.fixture
def make_node(wire, tmp_path_factory):
    made = []

    def make(gate):
        made.append(Node(gate, wire.host(), tmp_path_factory.mktemp("node")))
        return made[-1]

    yield make
    for node in made:
        node.destroy()


def definition(gate, family="ec2", command=SLEEP, memory=64, **more):
    """For the launch type EC2."""
    one = container(command=command, memory=memory, group=GROUP, stopTimeout=2)
    gate.client("ecs").register_task_definition(family=family, containerDefinitions=[one], networkMode="host", **more)


def run_on_cluster(gate, cluster="edge", family="ec2", count=1):
    answer = gate.client("ecs").run_task(cluster=cluster, taskDefinition=family, launchType="EC2", count=count)
    assert answer["failures"] == [], answer["failures"]
    return [task["taskArn"] for task in answer["tasks"]]


def wait_for(gate, arn, status, cluster="edge", seconds=60):
    def reached():
        task = tasks.describe(gate, arn, cluster=cluster)
        if task["lastStatus"] == status:
            return task
        assert task["lastStatus"] != "STOPPED", tasks.why(task)
        return None

    return wait_until(reached, seconds, f"the task is {status}")


@pytest.fixture
def edge(control, make_node, layout):
    """A control plane with a cluster `edge` and one node in it: `edge(lease="60s")`."""

    def make(lease="60s", count=1):
        gate = control(lease)
        images.push(gate, layout, "busybox")
        gate.client("ecs").create_cluster(clusterName="edge")
        definition(gate)
        made = [make_node(gate) for _ in range(count)]
        for node in made:
            node.join(token(gate, "--cluster", "edge"))
        return gate, *made

    return make


def test_a_node_joins_and_runs_tasks(edge):
    gate, node = edge()
    assert node.id.startswith("i-") and list(nodes(gate)) == [node.id]
    ecs = gate.client("ecs")
    [arn] = ecs.list_container_instances(cluster="edge")["containerInstanceArns"]
    [instance] = ecs.describe_container_instances(cluster="edge", containerInstances=[arn])["containerInstances"]
    assert (instance["ec2InstanceId"], instance["agentConnected"], instance["status"]) == (node.id, True, "ACTIVE")

    count = "for i in 1 2 3 4 5; do echo line $i; done; exit 3"
    definition(gate, "count", ["sh", "-c", count])
    [task] = run_on_cluster(gate, family="count")
    ended = wait_for(gate, task, "STOPPED")
    assert ended["containers"][0]["exitCode"] == 3 and ended["containerInstanceArn"] == arn
    stream = f"ecs/app/{task.rsplit('/', 1)[1]}"
    assert tasks.messages(gate, GROUP, stream) == [f"line {i}" for i in range(1, 6)]
    wait_until(lambda: not node.leftovers(), 20, "nothing is left on the node")

    # Its certificate is enough from now on.
    node.stop()
    wait_until(lambda: not connected(gate), 20, "the node is away")
    [instance] = ecs.describe_container_instances(cluster="edge", containerInstances=[arn])["containerInstances"]
    assert instance["agentConnected"] is False
    node.start()
    [task] = run_on_cluster(gate)
    wait_for(gate, task, "RUNNING")
    assert len(node.shims()) == 1
    ecs.stop_task(cluster="edge", task=task)
    wait_for(gate, task, "STOPPED")


def test_fargate_on_both_hosts(control, make_node, layout):
    gate = control()
    images.push(gate, layout, "busybox")
    node = make_node(gate)
    node.join(token(gate))
    assert node.id.startswith("node-")
    tasks.register(gate, container(command=SLEEP, stopTimeout=2))
    arns = [tasks.run(gate) for _ in range(4)]
    for arn in arns:
        tasks.wait_for(gate, arn, "RUNNING")
    assert len(node.shims()) == 2, "spread over both"
    for arn in arns:
        gate.client("ecs").stop_task(task=arn)
    for arn in arns:
        tasks.wait_for(gate, arn, "STOPPED")
    assert not node.shims()


def test_kill_9_of_the_agent(edge):
    gate, node = edge()
    [task] = run_on_cluster(gate)
    started = wait_for(gate, task, "RUNNING")["startedAt"]
    before = node.containers()
    node.kill()
    wait_until(lambda: not connected(gate), 20, "the control plane notices")
    assert node.containers() == before
    node.start()
    assert node.containers() == before
    described = tasks.describe(gate, task, cluster="edge")
    assert (described["lastStatus"], described["startedAt"]) == ("RUNNING", started)
    # One that ends while nobody looks is reported with its exit code.
    definition(gate, "short", ["sh", "-c", "sleep 2; exit 9"])
    [short] = run_on_cluster(gate, family="short")
    wait_for(gate, short, "RUNNING")
    node.kill()
    wait_until(lambda: len(node.shims()) == 1, 30, "it ends")
    node.start()
    assert wait_for(gate, short, "STOPPED")["containers"][0]["exitCode"] == 9


def test_kill_9_of_the_control_plane(edge):
    gate, one, two = edge(count=2)
    arns = run_on_cluster(gate, count=4)
    for arn in arns:
        wait_for(gate, arn, "RUNNING")
    before = [one.containers(), two.containers()]
    count = "i=0; while [ $i -lt 300 ]; do echo $i; i=$((i+1)); usleep 10000; done"
    definition(gate, "count", ["sh", "-c", count])
    [counting] = run_on_cluster(gate, family="count")
    wait_for(gate, counting, "RUNNING")
    for _ in range(2):
        gate.kill()
        gate.start()
        one.connected()
        two.connected()
    assert wait_for(gate, counting, "STOPPED")["containers"][0]["exitCode"] == 0
    pages = gate.client("logs").get_paginator("filter_log_events").paginate(logGroupName=GROUP)
    lines = [int(e["message"]) for page in pages for e in page["events"]]
    assert lines == list(range(300)), "every line once"
    assert [one.containers(), two.containers()] == before
    assert all(tasks.describe(gate, arn, cluster="edge")["lastStatus"] == "RUNNING" for arn in arns)


def test_a_short_partition_changes_nothing(edge):
    gate, node = edge()
    [task] = run_on_cluster(gate)
    wait_for(gate, task, "RUNNING")
    before = node.containers()
    node.host.unplug()
    wait_until(lambda: not connected(gate), 40, "the control plane notices")
    node.host.plug()
    node.connected()
    described = tasks.describe(gate, task, cluster="edge")
    assert (described["lastStatus"], described["desiredStatus"]) == ("RUNNING", "RUNNING")
    assert node.containers() == before
    gate.client("ecs").stop_task(cluster="edge", task=task)
    wait_for(gate, task, "STOPPED")


def test_a_partition_longer_than_the_lease(edge):
    gate, node = edge(lease="2s")
    [task] = run_on_cluster(gate)
    wait_for(gate, task, "RUNNING")
    before = node.containers()
    node.host.unplug()

    def given_up():
        described = tasks.describe(gate, task, cluster="edge")
        return described if described["desiredStatus"] == "STOPPED" else None

    described = wait_until(given_up, 60, "the task is asked to stop")
    assert described["lastStatus"] == "RUNNING", "nobody saw it stop"
    assert described["stopCode"] == "TerminationNotice"
    assert described["stoppedReason"] == f"Host EC2 (instance {node.id}) terminated."
    assert node.containers() == before, "and nobody could tell it"
    node.host.plug()
    ended = wait_for(gate, task, "STOPPED")
    assert ended["stoppedReason"] == f"Host EC2 (instance {node.id}) terminated."
    wait_until(lambda: not node.leftovers(), 20, "nothing is left on the node")


def test_a_lost_node_after_a_restart_of_the_control_plane(edge):
    gate, node = edge(lease="2s")
    [task] = run_on_cluster(gate)
    wait_for(gate, task, "RUNNING")
    node.host.unplug()
    gate.kill()
    gate.start()
    wait_until(lambda: tasks.describe(gate, task, cluster="edge")["desiredStatus"] == "STOPPED", 60)
    node.host.plug()
    wait_for(gate, task, "STOPPED")


def test_removal(edge):
    gate, node = edge()
    [task] = run_on_cluster(gate)
    wait_for(gate, task, "RUNNING")
    removed = operator(gate, "rm", node.id)
    assert removed.returncode == 0, removed.stderr
    ended = wait_for(gate, task, "STOPPED")
    assert ended["stoppedReason"].startswith("Container instance deregistration forced by user")
    assert nodes(gate) == {}
    assert gate.client("ecs").list_container_instances(cluster="edge")["containerInstanceArns"] == []
    wait_until(lambda: not node.shims(), 40, "the node stops its tasks")
    assert operator(gate, "rm", node.id).returncode == 1
    again = operator(gate, "rm", "i-0123456789abcdef0")
    assert again.returncode == 1 and "There is no node" in again.stderr


def test_the_range_stays_while_hosts_have_joined_with_it(control, make_node):
    gate = control()
    node = make_node(gate)
    node.join(token(gate))
    gate.stop()
    another = ["--vpc-cidr", "10.98.0.0/16"]
    refused = gate.cli("up", *another)
    assert refused.returncode == 1 and "other hosts have joined with 172.31.0.0/16" in refused.stderr, refused.stderr
    gate.start()
    removed = operator(gate, "rm", node.id)
    assert removed.returncode == 0, removed.stderr
    gate.stop()
    gate.flags = [*gate.flags, *another]
    gate.start()
    [vpc] = gate.client("ec2").describe_vpcs()["Vpcs"]
    assert vpc["CidrBlock"] == "10.98.0.0/16"


def test_who_may_not_join(control, make_node, make_gate):
    gate = control()
    gate.client("ecs").create_cluster(clusterName="edge")
    node = make_node(gate)

    def refused(made, why, *more, url=None):
        done = node.joining(made, *more, url=url)
        assert done.returncode == 1 and why in done.stderr, done.stderr
        assert not (node.data / "node/identity.json").exists()

    good = token(gate, "--cluster", "edge")
    refused("nonsense", "not a join token")
    # The right authority, another secret; and the other way round.
    flipped = "B" if good[-3] == "A" else "A"
    refused(good[:-3] + flipped + good[-2:], "unknown, expired or used")
    refused(good[:10] + ("B" if good[10] == "A" else "A") + good[11:], "UnknownIssuer")
    refused(good, "another cluster", "--cluster", "other")
    refused(good, "another kind", "--kind", "external")
    refused(good, "does not answer", url=f"https://{CONTROL}:1")
    expiring = token(gate, "--cluster", "edge", "--ttl", "1ms")
    refused(expiring, "unknown, expired or used")

    node.join(good)
    other = make_node(gate)
    used = other.joining(good)
    assert used.returncode == 1 and "unknown, expired or used" in used.stderr
    twice = node.joining(good)
    assert twice.returncode == 1 and "already" in twice.stderr

    missing = operator(gate, "token", "--cluster", "nowhere")
    assert missing.returncode == 1 and "no cluster nowhere" in missing.stderr
    assert operator(gate, "token", "--kind", "ec2").returncode == 1
    assert operator(gate, "token", "--ttl", "25h").returncode == 1


def test_a_certificate_that_has_ended(edge):
    gate, node = edge()
    [task] = run_on_cluster(gate)
    wait_for(gate, task, "RUNNING")
    node.stop()
    first, identity = node.id, node.identity
    identity["certificate"]["not_after"] = identity["since"]
    (node.data / "node/identity.json").write_text(json.dumps(identity))
    node.spawn("run")
    wait_until(lambda: "certificate of this node has ended" in node.log(), 20, "it says why it stays away")
    assert f"neargate node rm {first}" in node.log() and f"neargate node join {node.url}" in node.log()
    assert connected(gate) == set() and len(node.shims()) == 1, "its tasks go on"
    node.stop()

    # As it says. It is another node, and stops what was the first one's.
    assert operator(gate, "rm", first).returncode == 0
    node.join(token(gate, "--cluster", "edge"))
    assert node.id != first and connected(gate) == {node.id}
    wait_until(lambda: not node.shims(), 30, "the first one's task ends")
    [task] = run_on_cluster(gate)
    wait_for(gate, task, "RUNNING")


def test_an_answer_to_join_that_got_lost(control, make_node):
    """The same key may use its token again: it is the same node then."""
    gate = control()
    node = make_node(gate)
    made = token(gate)
    node.join(made)
    node.stop()
    kept = node.identity
    (node.data / "node/join-key").write_text(kept["key"])
    os.remove(node.data / "node/identity.json")
    node.join(made)
    assert node.id == kept["node_id"] and list(nodes(gate)) == [node.id]


def test_certificates_of_another_control_plane(control, make_node, tmp_path):
    """A node whose control plane was replaced by another one at the same address."""
    gate = control()
    node = make_node(gate)
    node.join(token(gate))
    node.stop()
    gate.stop()
    os.rename(gate.data / "authority.json", tmp_path / "authority.json")
    gate.start()
    node.spawn("run")
    wait_until(lambda: "no control plane" in node.log(), 20, "the node refuses it")
    assert connected(gate) == set()
    # And the other way round: a certificate of another authority, for the right server.
    node.stop()
    stranger = make_node(gate)
    stranger.join(token(gate))
    stranger.stop()
    identity = stranger.identity
    identity["certificate"]["der"], identity["key"] = node.identity["certificate"]["der"], node.identity["key"]
    (stranger.data / "node/identity.json").write_text(json.dumps(identity))
    stranger.spawn("run")
    wait_until(lambda: "ended" in stranger.log() or "no control plane" in stranger.log(), 20)
    assert stranger.process.poll() is None and connected(gate) == set()


def inside(instance, arn, *command):
    """Runs a command in the network of a task."""
    namespace = f"/run/neargate/{instance}/net/netns/{arn.rsplit('/', 1)[1]}"
    done = subprocess.run(["nsenter", f"--net={namespace}", "--", *command], capture_output=True, text=True, timeout=30)
    return done.stdout + done.stderr if done.returncode else done.stdout or "ok"


def test_tasks_of_different_hosts_reach_each_other(control, make_node, layout):
    gate = control()
    images.push(gate, layout, "busybox")
    one, two = make_node(gate), make_node(gate)
    one.join(token(gate))
    two.join(token(gate))
    payload = "yes 0123456789abcdef | head -c 200000 > /tmp/index.html"
    tasks.register(gate, container(command=["sh", "-c", f"{payload}; exec httpd -f -p 8080 -h /tmp"], stopTimeout=2))
    subnets = [s["SubnetId"] for s in gate.client("ec2").describe_subnets()["Subnets"]][:2]
    ecs = gate.client("ecs")
    arns = []
    for subnet in subnets * 3:
        network = {"awsvpcConfiguration": {"subnets": [subnet]}}
        answer = ecs.run_task(taskDefinition="test", launchType="FARGATE", networkConfiguration=network)
        arns.append(answer["tasks"][0]["taskArn"])
    places = {}
    for arn in arns:
        task = tasks.wait_for(gate, arn, "RUNNING")
        instances = [gate.instance, one.instance, two.instance]
        [instance] = [i for i in instances if os.path.exists(f"/run/neargate/{i}/net/netns/{arn.rsplit('/', 1)[1]}")]
        places[arn] = (instance, tasks.address(task))
    assert len({instance for instance, _ in places.values()}) == 3, places

    def reach(source, target):
        address = places[target][1]
        got = inside(places[source][0], source, "wget", "-q", "-T", "10", "-t", "1", "-O", "-", f"http://{address}:8080/")
        return len(got) == 200_000

    wait_until(lambda: all(reach(arn, arn) for arn in arns), 30, "the servers listen")
    for source in arns:
        for target in arns:
            assert reach(source, target), (places[source], places[target])
    # Everybody's router is that of his own host.
    routers = {}
    for arn in arns:
        for line in inside(places[arn][0], arn, "ip", "neigh").splitlines():
            words = line.split()
            if words[0].endswith(".1") and "lladdr" in words:
                routers.setdefault(places[arn][0], set()).add(words[words.index("lladdr") + 1])
    assert len(routers) == 3
    assert len(set.union(*routers.values())) == sum(len(found) for found in routers.values()), routers

    # A removed host is no peer any more; the others still are.
    assert operator(gate, "rm", two.id).returncode == 0
    left = [arn for arn in arns if places[arn][0] != two.instance]
    wait_until(lambda: two.host.address not in flooded(one), 20, "it is forgotten")
    assert CONTROL in flooded(one)
    for source in left:
        for target in left:
            assert reach(source, target), (places[source], places[target])
    for arn in left:
        ecs.stop_task(task=arn)
    for arn in left:
        tasks.wait_for(gate, arn, "STOPPED")


def test_bridge_mode_on_a_real_host(edge):
    gate, node = edge()
    serve = ["sh", "-c", "mkdir /www; hostname >/www/x; exec httpd -f -p 80 -h /www"]
    mappings = [{"containerPort": 80, "hostPort": 8080}, {"containerPort": 80}]
    web = container(command=serve, memory=32, portMappings=mappings, stopTimeout=2)
    gate.client("ecs").register_task_definition(family="web", containerDefinitions=[web], networkMode="bridge")
    [arn] = run_on_cluster(gate, family="web")
    task = wait_for(gate, arn, "RUNNING")
    ports = [b["hostPort"] for b in task["containers"][0]["networkBindings"]]
    assert ports[0] == 8080 and ports[1] >= 32768
    name = task["containers"][0]["runtimeId"][:12]

    def page(port):
        answer = subprocess.run(
            ["curl", "-sf", "-m", "5", f"http://{node.host.address}:{port}/x"], capture_output=True, text=True
        )
        return answer.stdout.strip()

    for port in ports:
        # From another host, and from itself.
        wait_until(lambda: page(port) == name, 20, f"{port} answers")
        assert node.host.run("curl", "-sf", "-m", "5", f"http://127.0.0.1:{port}/x").strip() == name
    node.kill()
    assert page(ports[1]) == name
    node.start()
    assert page(ports[1]) == name
    gate.client("ecs").stop_task(cluster="edge", task=arn)
    wait_for(gate, arn, "STOPPED")
    wait_until(lambda: not node.leftovers(), 20, "nothing is left on the node")
    node.stop()
    assert "neargate" not in node.host.run("nft", "list", "tables")
    assert "neargate0" not in node.host.run("ip", "-o", "link")


def flooded(node):
    """Where the VPCs of a node send what has no known place."""
    vpcs = pathlib.Path(f"/run/neargate/{node.instance}/net/vpc").iterdir()
    shown = [node.host.run("nsenter", f"--net={vpc}", "bridge", "fdb", "show") for vpc in vpcs]
    lines = "".join(shown).splitlines()
    return {line.split()[line.split().index("dst") + 1] for line in lines if line.startswith("00:00:00:00:00:00")}


@pytest.mark.parametrize("hosts", [1, 2])
def test_a_bridge_container_reaches_a_task_with_an_interface(edge, hosts):
    gate, *joined = edge(count=hosts)
    here, there = joined[0], joined[-1]
    ecs = gate.client("ecs")
    shown = ecs.list_container_instances(cluster="edge")["containerInstanceArns"]
    shown = ecs.describe_container_instances(cluster="edge", containerInstances=shown)["containerInstances"]
    instances = {i["ec2InstanceId"]: i for i in shown}

    def start(node, family, **more):
        on = [instances[node.id]["containerInstanceArn"]]
        answer = ecs.start_task(cluster="edge", taskDefinition=family, containerInstances=on, **more)
        assert answer["failures"] == []
        return answer["tasks"][0]["taskArn"]

    # More than a packet, and than what VXLAN leaves of one.
    serve = ["sh", "-c", "yes 0123456789abcdef | head -c 200000 > /tmp/x; exec httpd -f -p 8080 -h /tmp"]
    web = container(command=serve, memory=32, stopTimeout=2)
    ecs.register_task_definition(family="web", containerDefinitions=[web], networkMode="awsvpc")
    [subnet] = [a["value"] for a in instances[there.id]["attributes"] if a["name"] == "ecs.subnet-id"]
    server = start(there, "web", networkConfiguration={"awsvpcConfiguration": {"subnets": [subnet]}})
    address = tasks.address(wait_for(gate, server, "RUNNING"))
    fetch = f"until timeout 3 wget -q -O /tmp/x http://{address}:8080/x; do sleep 0.2; done; test $(wc -c < /tmp/x) = 200000"
    client = container(command=["sh", "-c", fetch], memory=32, stopTimeout=2)
    ecs.register_task_definition(family="client", containerDefinitions=[client], networkMode="bridge")
    ended = wait_for(gate, start(here, "client"), "STOPPED")
    assert ended["containers"][0]["exitCode"] == 0, tasks.why(ended)
    ecs.stop_task(cluster="edge", task=server)
    wait_for(gate, server, "STOPPED")


def test_a_service_leaves_a_lost_node_and_its_old_task_ends_later(edge):
    gate, one, two = edge(lease="2s", count=2)
    ecs = gate.client("ecs")
    ecs.create_service(cluster="edge", serviceName="web", taskDefinition="ec2", launchType="EC2", desiredCount=1)

    def running():
        arns = ecs.list_tasks(cluster="edge", serviceName="web", desiredStatus="RUNNING")["taskArns"]
        found = ecs.describe_tasks(cluster="edge", tasks=arns)["tasks"] if arns else []
        return [task for task in found if task["lastStatus"] == "RUNNING"]

    [old] = wait_until(running, 60, "the service runs")
    lost, other = (one, two) if one.shims() else (two, one)
    lost.host.unplug()
    [new] = wait_until(lambda: [t for t in running() if t["taskArn"] != old["taskArn"]], 90, "it is replaced")
    assert len(other.shims()) == 1 and len(lost.shims()) == 1
    lost.host.plug()
    ended = wait_for(gate, old["taskArn"], "STOPPED")
    assert ended["stoppedReason"] == f"Host EC2 (instance {lost.id}) terminated."
    wait_until(lambda: not lost.leftovers(), 20, "nothing is left on the node that was lost")
    assert [task["taskArn"] for task in running()] == [new["taskArn"]]


def test_kill_9_of_the_agent_in_the_middle_of_a_deployment(edge):
    gate, node = edge()
    ecs = gate.client("ecs")
    command = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"]
    definition(gate, "web", command)
    ecs.create_service(
        cluster="edge", serviceName="web", taskDefinition="web", launchType="EC2", desiredCount=4,
        deploymentConfiguration={"minimumHealthyPercent": 50, "maximumPercent": 150})

    def there():
        arns = ecs.list_tasks(cluster="edge", serviceName="web", desiredStatus="RUNNING")["taskArns"]
        found = ecs.describe_tasks(cluster="edge", tasks=arns)["tasks"] if arns else []
        return sorted((task["taskDefinitionArn"].rsplit(":", 1)[1], task["lastStatus"]) for task in found)

    def state():
        [service] = ecs.describe_services(cluster="edge", services=["web"])["services"]
        return [deployment["rolloutState"] for deployment in service["deployments"]]

    wait_until(lambda: there() == [("1", "RUNNING")] * 4 and state() == ["COMPLETED"], 60, "the service runs")
    for revision, enough in (("2", 0), ("3", 1), ("4", 3)):
        definition(gate, "web", command)
        ecs.update_service(cluster="edge", service="web", taskDefinition="web")
        wait_until(lambda: there().count((revision, "RUNNING")) >= enough)
        began = time.monotonic()
        node.kill()
        node.start()
        wait_until(lambda: there() == [(revision, "RUNNING")] * 4 and state() == ["COMPLETED"], 60, "it is complete")
        print(f"the agent killed after {enough} of 4: complete after {time.monotonic() - began:.2f} s")
        wait_until(lambda: len(node.shims()) == 4, 20, "no task runs twice")


def test_a_pull_goes_on_after_kill_9_of_the_control_plane(edge, tmp_path):
    gate, node = edge()
    big = images.layer({"big": random.Random(1).randbytes(60 << 20)})
    images.push(gate, images.busybox(tmp_path / "big", extra_layers=[big]), "big")
    image = images.aws_name("big")
    one = container(image=image, command=SLEEP, memory=64, stopTimeout=2)
    gate.client("ecs").register_task_definition(family="big", containerDefinitions=[one], networkMode="host")
    # A slow wire, so that there is a middle to be killed in.
    node.host.slow("80mbit")
    [task] = run_on_cluster(gate, family="big")
    wait_until(lambda: any((node.data / "images/tmp").iterdir()), 30, "the pull has begun")
    gate.kill()
    gate.start()
    wait_for(gate, task, "RUNNING")


def test_a_reset_keeps_the_nodes(edge):
    gate, here, away = edge(count=2)
    arns = run_on_cluster(gate, count=2)
    for arn in arns:
        wait_for(gate, arn, "RUNNING")
    away.host.unplug()
    wait_until(lambda: connected(gate) == {here.id}, 40, "one is away")
    gate.reset()
    # Placement is random: the one that is away may have both tasks, or none.
    assert not here.shims()
    away.host.plug()
    wait_until(lambda: not away.shims(), 60, "the other stops its task when it comes back")
    ecs = gate.client("ecs")
    ecs.create_cluster(clusterName="edge")
    wait_until(lambda: len(ecs.list_container_instances(cluster="edge")["containerInstanceArns"]) == 2, 30)


def run_enabled(gate, command):
    """A task on the node that sessions may be begun with, and its target."""
    definition(gate, "open", ["sh", "-c", command])
    answer = gate.client("ecs").run_task(
        cluster="edge", taskDefinition="open", launchType="EC2", enableExecuteCommand=True
    )
    arn = answer["tasks"][0]["taskArn"]
    runtime_id = wait_for(gate, arn, "RUNNING")["containers"][0]["runtimeId"]
    return arn, f"ecs:edge_{arn.split('/')[-1]}_{runtime_id}"


def shell_in(gate, arn, command="sh"):
    begun = gate.client("ecs").execute_command(cluster="edge", task=arn, command=command, interactive=True)
    return Session(begun["session"]).open().shake_hands()


def test_sessions_reach_into_containers_of_another_host(edge):
    gate, node = edge()
    serve = "mkdir /tmp/w; echo from afar > /tmp/w/index.html; httpd -f -p 127.0.0.1:8099 -h /tmp/w"
    arn, target = run_enabled(gate, serve)
    shell = shell_in(gate, arn)
    shell.size(123, 45)
    shell.type_text("stty size; hostname; exit 7\n")
    shown, said = shell.to_the_end()
    assert "45 123" in shown and said == "", (shown, said)
    much = shell_in(gate, arn, "sh -c 'seq 1 20000'").to_the_end()[0]
    assert much.split() == [str(n) for n in range(1, 20001)]
    shown, said = shell_in(gate, arn, "/no/such/program").to_the_end()
    assert "Unable to start command: Failed to start pty" in said

    def forward(port):
        begun = gate.client("ssm").start_session(
            Target=target, DocumentName="AWS-StartPortForwardingSession", Parameters={"portNumber": [port]}
        )
        return Session(begun).open().shake_hands()

    def listening():
        port = forward("8099")
        port.type_text("GET / HTTP/1.0\r\n\r\n")
        try:
            port.until("from afar")
        except AssertionError:
            return None
        return port

    wait_until(listening, what="the server answers").close()
    assert "Connection to destination port failed" in forward("1").to_the_end()[1]


def test_a_session_ends_with_either_of_its_hosts(edge):
    gate, node = edge()
    arn, _ = run_enabled(gate, "sleep 1000")

    def sleeping():
        return subprocess.run(["pgrep", "-fx", "sleep 4322"], capture_output=True).stdout

    shell = shell_in(gate, arn, "sh -c 'echo here; exec sleep 4322'")
    shell.until("here")
    assert sleeping()
    node.kill()
    assert shell.to_the_end() == ("", "")
    wait_until(lambda: not sleeping(), what="the program has ended")
    node.start()
    shell = wait_until(lambda: begun(gate, arn), what="the node lets somebody in again")
    shell.until("here")
    gate.kill()
    wait_until(lambda: not sleeping(), what="the program has ended")
    gate.start()


def begun(gate, arn):
    """A session whose program has started; `None`: the node is not connected yet."""
    try:
        return shell_in(gate, arn, "sh -c 'echo here; exec sleep 4322'")
    except gate.client("ecs").exceptions.ClientError as error:
        assert "not connected" in str(error), error
        return None
