"""kill -9 at any moment: nothing acknowledged is lost, nothing half-made is seen or left behind."""

import os
import random
import signal
import subprocess
import threading
import time

import botocore.config
import botocore.exceptions
import pytest

import images
import tasks
from images import sha256
from neargate import processes_of, shims_of, wait_until
from registry import Registry
from tasks import container

GROUP = "/ecs/test"
#: Clients that say at once what happened, instead of trying again.
ONCE = botocore.config.Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=20)
SEED = int(os.environ.get("NEARGATE_SEED", time.time()))


@pytest.fixture
def dice(record_property):
    print(f"NEARGATE_SEED={SEED}")
    return random.Random(SEED)


def size_of(directory):
    total = 0
    for path, _, files in os.walk(directory):
        for name in files:
            try:
                total += os.stat(os.path.join(path, name)).st_size
            except FileNotFoundError:
                pass
    return total


def heavy(directory, name, layers=3, size=4_000_000, base=()):
    """A layout whose layers are random, so that they must all be moved."""
    layout = images.Layout(directory / name)
    own = [images.layer({f"{name}-{n}": os.urandom(size)}) for n in range(layers)]
    return layout.write(layout.image([*base, *own]))


def test_a_push_killed_at_any_point(own_gate, tmp_path, dice):
    gate = own_gate
    uri = gate.client("ecr").create_repository(repositoryName="big")["repository"]["repositoryUri"]
    registry = Registry(gate, "big")
    killed = 0
    for n in range(8):
        layout = heavy(tmp_path, f"big{n}", size=1_500_000)
        digests = [f"sha256:{p.name}" for p in (layout / "blobs/sha256").iterdir()]
        enough = size_of(gate.data / "blobs") + dice.randrange(size_of(layout / "blobs"))
        copy = ["skopeo", "--insecure-policy", "copy", "--dest-tls-verify=false", f"oci:{layout}", f"docker://{uri}:v{n}"]
        push = subprocess.Popen(copy, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: push.poll() is not None or size_of(gate.data / "blobs") >= enough)
        gate.kill()
        acknowledged = push.wait(timeout=60) == 0
        killed += not acknowledged
        gate.start()
        for digest in digests:
            blob = registry.send("GET", f"blobs/{digest}")
            assert sha256(blob.body) == digest if blob.status == 200 else blob.status == 404
        # The image is there with all its parts, or not at all.
        there = registry.send("GET", f"manifests/v{n}")
        assert there.status == 200 or not acknowledged
        if there.status == 200:
            images.skopeo("copy", "--src-tls-verify=false", f"docker://{uri}:v{n}", f"dir:{tmp_path}/there{n}")
        assert os.listdir(gate.data / "blobs/tmp") == []
        # And a second push makes it whole, byte by byte.
        images.skopeo(*copy[2:])
        images.skopeo("copy", "--src-tls-verify=false", f"docker://{uri}:v{n}", f"oci:{tmp_path}/back{n}")
        assert sorted(f"sha256:{p.name}" for p in (tmp_path / f"back{n}/blobs/sha256").iterdir()) == sorted(digests)
    assert killed


def test_an_acknowledged_chunk_survives(own_gate):
    gate = own_gate
    gate.client("ecr").create_repository(repositoryName="web")
    registry = Registry(gate, "web")
    data = os.urandom(1_000_000)
    location = registry.begin()
    for start in range(0, len(data), 250_000):
        reply = registry.send("PATCH", location, data[start : start + 250_000],
                              Content_Range=f"{start}-{start + 249_999}")
        assert reply.status == 202
        gate.kill()
        gate.start()
        assert registry.send("GET", location).headers["Range"] == f"0-{start + 249_999}"
    assert registry.finish(location, sha256(data)).status == 201
    gate.kill()
    gate.start()
    assert registry.send("GET", f"blobs/{sha256(data)}").body == data


def test_a_pull_killed_at_any_point(own_gate, tmp_path, dice):
    gate = own_gate
    base = [images.busybox_layer()]
    for n in range(5):
        name = f"big{n}"
        images.push(gate, heavy(tmp_path, name, layers=4, size=6_000_000, base=base), name)
        tasks.register(gate, container(image=images.aws_name(name), command=["true"]), family=name)
    unpacked = 24_000_000 + len(base[0])
    for n in range(5):
        before = size_of(gate.data / "images")
        enough = before + dice.randrange(1, unpacked)
        arn = tasks.run(gate, f"big{n}")

        def far_enough():
            return size_of(gate.data / "images") >= enough or tasks.describe(gate, arn)["lastStatus"] == "STOPPED"

        wait_until(far_enough)
        gate.kill()
        gate.start()
        tasks.ended(gate, arn)
        assert os.listdir(gate.data / "images/tmp") == []
    wait_until(lambda: os.listdir(gate.data / "images/trash") == [])


def test_run_task_killed_at_any_point(own_gate, layout, dice):
    gate = own_gate
    images.push(gate, layout, "busybox")
    tasks.register(gate, container(command=["true"]))
    network = tasks.network(gate)
    acknowledged = []

    def call(ecs):
        while True:
            try:
                answer = ecs.run_task(taskDefinition="test", launchType="FARGATE", networkConfiguration=network)
            except botocore.exceptions.BotoCoreError:
                return
            acknowledged.extend(t["taskArn"] for t in answer["tasks"])

    for _ in range(5):
        threads = [threading.Thread(target=call, args=(gate.client("ecs", config=ONCE),)) for _ in range(2)]
        enough = len(acknowledged) + dice.randrange(1, 12)
        for thread in threads:
            thread.start()
        wait_until(lambda: len(acknowledged) >= enough)
        gate.kill()
        for thread in threads:
            thread.join()
        gate.start()
    assert len(set(acknowledged)) == len(acknowledged)
    for arn in acknowledged:
        tasks.ended(gate, arn)
    # A call that was never answered may have been carried out: then wholly.
    pages = gate.client("ecs").get_paginator("list_tasks")
    every = {a for s in ("RUNNING", "STOPPED") for p in pages.paginate(desiredStatus=s) for a in p["taskArns"]}
    assert every >= set(acknowledged)
    for arn in every - set(acknowledged):
        tasks.ended(gate, arn)


def test_stop_task_is_not_forgotten(own_gate, layout):
    gate = own_gate
    images.push(gate, layout, "busybox")
    tasks.register(gate, container(command=["sh", "-c", "trap 'exit 6' TERM; while :; do sleep 0.05; done"]))
    for _ in range(3):
        arn = tasks.run(gate)
        tasks.wait_for(gate, arn, "RUNNING")
        gate.client("ecs").stop_task(task=arn, reason="enough")
        gate.kill()
        gate.start()
        task = tasks.ended(gate, arn, 6)
        assert task["stoppedReason"] == "enough" and task["stopCode"] == "UserInitiated"


def test_twenty_kills_lose_nothing(own_gate, layout):
    """A task logs, a client writes logs and resources, all the time; neargate is killed 20 times."""
    gate = own_gate
    images.push(gate, layout, "busybox")
    script = "trap 'echo end $i; exit 5' TERM; i=0; while :; do echo $i; i=$((i+1)); usleep 5000; done"
    tasks.register(gate, container(command=["sh", "-c", script], group=GROUP))
    arn = tasks.run(gate)
    stream = f"ecs/app/{arn.rsplit('/', 1)[1]}"
    tasks.wait_for(gate, arn, "RUNNING")
    logs, ecs = gate.client("logs", config=ONCE), gate.client("ecs", config=ONCE)
    logs.create_log_group(logGroupName="api")
    logs.create_log_stream(logGroupName="api", logStreamName="one")
    lines, clusters, over = [], [], threading.Event()

    def write(one, acknowledged):
        n = 0
        while not over.is_set():
            try:
                one(n)
                acknowledged.append(n)
            except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
                over.wait(0.02)
            n += 1

    def put(n):
        event = {"timestamp": int(time.time() * 1000), "message": str(n)}
        logs.put_log_events(logGroupName="api", logStreamName="one", logEvents=[event])

    writers = [
        threading.Thread(target=write, args=(put, lines)),
        threading.Thread(target=write, args=(lambda n: ecs.create_cluster(clusterName=f"c{n}"), clusters)),
    ]
    for writer in writers:
        writer.start()
    try:
        for _ in range(20):
            enough = len(lines) + 3, len(clusters) + 3
            wait_until(lambda: len(lines) >= enough[0] and len(clusters) >= enough[1])
            gate.kill()
            gate.start()
    finally:
        over.set()
        for writer in writers:
            writer.join()
    assert tasks.describe(gate, arn)["lastStatus"] == "RUNNING"
    gate.client("ecs").stop_task(task=arn)
    tasks.ended(gate, arn, 5)
    counted = every_message(gate, GROUP, stream)
    last = int(counted[-1].removeprefix("end "))
    assert counted[:-1] == [str(n) for n in range(len(counted) - 1)]
    assert last in (len(counted) - 1, len(counted) - 2)
    written = [int(m) for m in every_message(gate, "api", "one")]
    assert sorted(set(lines) - set(written)) == [] and len(set(written)) == len(written)
    pages = gate.client("ecs").get_paginator("list_clusters").paginate()
    names = {a.rsplit("/", 1)[1] for p in pages for a in p["clusterArns"]}
    assert {f"c{n}" for n in clusters} <= names


def every_message(gate, group, stream):
    pages = gate.client("logs").get_paginator("filter_log_events").paginate(
        logGroupName=group, logStreamNames=[stream])
    return [e["message"] for page in pages for e in page["events"]]


def test_a_killed_down_can_be_repeated(own_gate, layout):
    gate = own_gate
    images.push(gate, layout, "busybox")
    tasks.register(gate, container(command=["sleep", "1000"]))
    for _ in range(3):
        tasks.wait_for(gate, tasks.run(gate), "RUNNING")
    gate.stop()
    down = subprocess.Popen(gate.command("down"), stderr=subprocess.DEVNULL)
    down.kill()
    down.wait()
    assert gate.cli("down").returncode == 0


def test_a_flood_of_lines_across_kills(own_gate, layout):
    gate = own_gate
    images.push(gate, layout, "busybox")
    lines = 60_000
    tasks.register(gate, container(command=["sh", "-c", f"seq 1 {lines}; sleep 0.2; echo end"], group=GROUP))
    arn = tasks.run(gate)
    stream = f"ecs/app/{arn.rsplit('/', 1)[1]}"
    for enough in (1, 20_000, 40_000):
        wait_until(lambda: stored(gate, stream) >= enough)
        gate.kill()
        gate.start()
    tasks.ended(gate, arn)
    messages = every_message(gate, GROUP, stream)
    assert messages == [*(str(n) for n in range(1, lines + 1)), "end"]


def stored(gate, stream):
    """The newest line's number; none before the stream exists."""
    try:
        page = gate.client("logs").get_log_events(logGroupName=GROUP, logStreamName=stream, limit=1)
    except botocore.exceptions.ClientError:
        return 0
    return int(page["events"][-1]["message"].replace("end", "999999")) if page["events"] else 0


def test_everything_killed_at_once(own_gate, layout):
    """As when the machine's memory runs out: neargate, shims and containers, all in one moment."""
    gate = own_gate
    images.push(gate, layout, "busybox")
    tasks.register(gate, container(command=["sleep", "1000"], group=GROUP))
    arns = [tasks.run(gate) for _ in range(3)]
    for arn in arns:
        tasks.wait_for(gate, arn, "RUNNING")
    gate.kill()
    for pid in (*shims_of(gate.data), *processes_of(gate.instance)):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    gate.start()
    for arn in arns:
        task = tasks.wait_for(gate, arn, "STOPPED")
        assert "exitCode" not in task["containers"][0] or task["containers"][0]["exitCode"] == 137
        assert task["stoppedReason"]
    wait_until(lambda: gate.leftovers() == [])
    tasks.register(gate, container(command=["true"]))
    tasks.ended(gate, tasks.run(gate))


def test_deletes_killed_at_any_point(own_gate, dice):
    """A repository that is deleted is gone with all its images, or there with all of them."""
    gate = own_gate
    ecr = gate.client("ecr")
    for n in range(4):
        name = f"repo{n}"
        ecr.create_repository(repositoryName=name)
        registry = Registry(gate, name)
        digests = [registry.tiny(f"v{i}", f"{name} {i}".encode()) for i in range(12)]
        done = []

        def delete():
            try:
                gate.client("ecr", config=ONCE).delete_repository(repositoryName=name, force=True)
                done.append(True)
            except botocore.exceptions.BotoCoreError:
                pass

        deleting = threading.Thread(target=delete)
        deleting.start()
        deleting.join(dice.random() * 0.02)
        gate.kill()
        deleting.join()
        gate.start()
        names = [r["repositoryName"] for r in ecr.describe_repositories()["repositories"]]
        assert not (done and name in names)
        if name in names:
            for digest in digests:
                assert registry.send("GET", f"manifests/{digest}").status == 200
        else:
            ecr.create_repository(repositoryName=name)
            assert ecr.list_images(repositoryName=name)["imageIds"] == []
            assert registry.send("GET", f"manifests/{digests[0]}").status == 404
