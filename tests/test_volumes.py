"""Volumes of task definitions, and what containers find at their mount points."""

import pathlib
import uuid

import pytest

import images
import tasks
from instances import register, run, running, set_up, stop, stopped
from neargate import wait_until
from tasks import container

GROUP = "/ecs/volumes"


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """Busybox with a site that its image declares a volume."""
    layer = images.layer({"site/index": b"from the image\n"}, directories=[("site", 0o1777)])
    config = {"Cmd": ["/bin/sh"], "Env": ["PATH=/bin"], "Volumes": {"/site": {}}}
    return images.busybox(tmp_path_factory.mktemp("layout") / "site", config, [layer])


@pytest.fixture
def gate_with_images(gate, layout, site):
    images.push(gate, layout, "busybox")
    images.push(gate, site, "site")
    return gate


def lines(gate, task, name):
    return tasks.messages(gate, GROUP, f"ecs/{name}/{task['taskArn'].rsplit('/', 1)[1]}")


def sh(name, script, **more):
    return container(name, command=["sh", "-c", script], group=GROUP, **more)


def mount(volume, path, read_only=False):
    return {"sourceVolume": volume, "containerPath": path, "readOnly": read_only}


def after(*names):
    return [{"containerName": name, "condition": "SUCCESS"} for name in names]


def test_containers_of_a_task_share_a_volume(gate_with_images):
    gate = gate_with_images
    writer = sh("writer", "echo one > /out/file", mountPoints=[mount("scratch", "/out")], essential=False)
    reader = sh(
        "reader",
        "cat /in/file; touch /in/x 2>/tmp/why || echo read-only; stat -c %a:%u /in",
        mountPoints=[mount("scratch", "/in", read_only=True)],
        dependsOn=after("writer"),
    )
    tasks.register(gate, reader, writer, volumes=[{"name": "scratch", "host": {}}])
    task = tasks.wait_for(gate, tasks.run(gate), "STOPPED")
    said = lines(gate, task, "reader")
    assert said[0] == "one" and said[-2:] == ["read-only", "755:0"], said


def test_a_volume_has_what_the_image_declares_there(gate_with_images):
    gate = gate_with_images
    image = images.aws_name("site")
    app = sh("app", "echo more >> /site/index", image=image, mountPoints=[mount("site", "/site")], essential=False)
    web = sh("web", "cat /www/index; stat -c %a /www", mountPoints=[mount("site", "/www")], dependsOn=after("app"))
    tasks.register(gate, web, app, volumes=[{"name": "site"}])
    task = tasks.wait_for(gate, tasks.run(gate), "STOPPED")
    assert lines(gate, task, "web") == ["from the image", "more", "1777"]


def test_volumes_from_another_container(gate_with_images):
    gate = gate_with_images
    app = sh("app", "sleep 60", image=images.aws_name("site"), stopTimeout=2, essential=False)
    web = sh(
        "web",
        "cat /site/index; touch /site/x 2>/tmp/why || echo read-only",
        volumesFrom=[{"sourceContainer": "app", "readOnly": True}],
    )
    tasks.register(gate, web, app)
    task = tasks.ended(gate, tasks.run(gate))
    said = lines(gate, task, "web")
    assert said[0] == "from the image" and said[-1] == "read-only", said


def test_volumes_of_an_instance(gate, layout, site, tmp_path):
    """Of its host, of Docker's driver, and what stays when a task has ended."""
    set_up(gate, layout)
    name = f"shared-{uuid.uuid4().hex[:8]}"
    docker = {"scope": "shared", "autoprovision": True, "driver": "local"}
    memory = {"scope": "task", "driver": "local"}
    memory["driverOpts"] = {"type": "tmpfs", "device": "tmpfs", "o": "size=1m,mode=1777"}
    volumes = [
        {"name": "host", "host": {"sourcePath": str(tmp_path / "made" / "here")}},
        {"name": name, "dockerVolumeConfiguration": docker},
        {"name": "memory", "dockerVolumeConfiguration": memory},
    ]
    mounts = [mount("host", "/host"), mount(name, "/shared"), mount("memory", "/memory")]

    def end(script):
        register(gate, "bridge", sh("app", script, memory=32, mountPoints=mounts), family="volumes", volumes=volumes)
        task = stopped(gate, run(gate, "volumes"))
        assert task["containers"][0].get("exitCode") == 0, tasks.why(task)
        return lines(gate, task, "app")

    said = end("echo 1 >> /shared/x; echo 1 > /host/x; df -k /memory | tail -1; echo 1 > /memory/x")
    assert said[-1].split()[1] == "1024", said
    assert (tmp_path / "made" / "here" / "x").read_text() == "1\n"
    assert end("cat /shared/x; ls /memory; cat /host/x") == ["1", "1"]


def test_files_of_the_host_need_its_operators_word(make_gate, layout, tmp_path):
    gate = make_gate("--allow-privileged=false")
    gate.start()
    set_up(gate, layout)
    volumes = [{"name": "host", "host": {"sourcePath": str(tmp_path / "made")}}]
    app = sh("app", "echo ran", memory=32, mountPoints=[mount("host", "/host")])
    register(gate, "bridge", app, family="volumes", volumes=volumes)
    task = stopped(gate, run(gate, "volumes"))
    assert task["stopCode"] == "TaskFailedToStart"
    assert "volumes.host.sourcePath would reach the host itself" in task["stoppedReason"]
    assert "allow_privileged" in task["stoppedReason"]
    assert not (tmp_path / "made").exists()


def test_an_elastic_file_system_outlives_its_tasks(gate_with_images):
    gate = gate_with_images
    efs = {"fileSystemId": "fs-0123456789abcdef0", "transitEncryption": "ENABLED"}
    app = sh("app", "cat /data/sub/x; mkdir -p /data/sub; echo kept > /data/sub/x", mountPoints=[mount("efs", "/data")])
    tasks.register(gate, app, volumes=[{"name": "efs", "efsVolumeConfiguration": efs}])
    tasks.ended(gate, tasks.run(gate))
    reader = sh("app", "cat /data/x", mountPoints=[mount("efs", "/data", read_only=True)])
    below = {**efs, "rootDirectory": "/sub"}
    tasks.register(gate, reader, volumes=[{"name": "efs", "efsVolumeConfiguration": below}])
    assert lines(gate, tasks.ended(gate, tasks.run(gate)), "app") == ["kept"]
    # A directory that is not there is not made, as on AWS.
    missing = {**efs, "rootDirectory": "/none"}
    tasks.register(gate, reader, volumes=[{"name": "efs", "efsVolumeConfiguration": missing}])
    task = tasks.wait_for(gate, tasks.run(gate), "STOPPED")
    assert task["stoppedReason"].startswith("ResourceInitializationError: failed to invoke EFS utils commands"), task
    # An access point has a directory of its own, where any user may write.
    point = {**efs, "authorizationConfig": {"accessPointId": "fsap-0123456789abcdef0", "iam": "ENABLED"}}
    writer = sh("app", "ls /data; touch /data/own", mountPoints=[mount("efs", "/data")], user="web")
    tasks.register(gate, writer, volumes=[{"name": "efs", "efsVolumeConfiguration": point}])
    assert lines(gate, tasks.ended(gate, tasks.run(gate)), "app") == []


def test_a_block_volume_is_full_when_it_is(gate_with_images):
    gate = gate_with_images
    script = "df -k /data | tail -1; dd if=/dev/zero of=/data/x bs=1M count=2000 2>&1 | grep -o 'No space left on device'"
    app = sh("app", script, mountPoints=[mount("data", "/data")])
    tasks.register(gate, app, volumes=[{"name": "data", "configuredAtLaunch": True}])
    role = "arn:aws:iam::000000000000:role/ecsInfrastructureRole"
    ebs = {"roleArn": role, "sizeInGiB": 1, "filesystemType": "ext4", "volumeType": "gp3"}
    with pytest.raises(gate.client("ecs").exceptions.InvalidParameterException, match="'data' at launch"):
        tasks.run(gate)
    started = gate.client("ecs").run_task(
        taskDefinition="test",
        launchType="FARGATE",
        networkConfiguration=tasks.network(gate),
        volumeConfigurations=[{"name": "data", "managedEBSVolume": ebs}],
    )["tasks"][0]
    details = {d["name"]: d["value"] for d in started["attachments"][1]["details"]}
    assert details == {"roleArn": role, "volumeName": "data", "deleteOnTermination": "true"}
    task = tasks.ended(gate, started["taskArn"])
    said = lines(gate, task, "app")
    assert 900_000 < int(said[0].split()[1]) <= 1 << 20 and said[1] == "No space left on device", said
    (attachment,) = (a for a in task["attachments"] if a["type"] == "AmazonElasticBlockStorage")
    assert attachment["status"] == "DELETED"
    assert any(d["name"] == "volumeId" and d["value"].startswith("vol-") for d in attachment["details"])
    assert list((gate.data / "node" / "ebs").glob("*/*")) == []


def mounted(gate):
    """What is mounted on this host below the installation's directory."""
    table = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    return [line.split()[4] for line in table if line.split()[4].startswith(str(gate.data)) and "_data" in line]


def test_volumes_survive_kill_9_and_go_with_their_task(own_gate, layout):
    gate = own_gate
    set_up(gate, layout)
    memory = {"driver": "local", "driverOpts": {"type": "tmpfs", "device": "tmpfs", "o": "size=1m"}}
    name = f"shared-{uuid.uuid4().hex[:8]}"
    volumes = [
        {"name": "own", "dockerVolumeConfiguration": {"scope": "task", **memory}},
        {"name": name, "dockerVolumeConfiguration": {"scope": "shared", "autoprovision": True, **memory}},
    ]
    script = "echo kept > /own/x; echo up; until [ -e /shared/go ]; do sleep 0.1; done; cat /own/x; exec sleep 600"
    app = sh("app", script, memory=32, stopTimeout=2, mountPoints=[mount("own", "/own"), mount(name, "/shared")])
    register(gate, "bridge", app, family="kept", volumes=volumes)
    first = running(gate, run(gate, "kept"))
    wait_until(lambda: lines(gate, first, "app") == ["up"], 20, "it is up")
    assert len(mounted(gate)) == 2
    gate.kill()
    gate.start()
    assert len(mounted(gate)) == 2
    # Another task of the same machine has the same shared volume.
    other = sh("app", "touch /shared/go", memory=32, mountPoints=[mount(name, "/shared")])
    register(gate, "bridge", other, family="other", volumes=volumes[1:])
    stopped(gate, run(gate, "other"))
    wait_until(lambda: lines(gate, first, "app") == ["up", "kept"], 20, "it has seen the other")
    stop(gate, first["taskArn"])
    wait_until(lambda: mounted(gate) == [], 20, "nothing is mounted any more")


def test_a_service_gives_each_of_its_tasks_a_block_volume(gate_with_images):
    gate = gate_with_images
    ecs = gate.client("ecs")
    app = sh("app", "df /data | tail -1; exec sleep 600", mountPoints=[mount("data", "/data")], stopTimeout=2)
    tasks.register(gate, app, volumes=[{"name": "data", "configuredAtLaunch": True}])
    role = "arn:aws:iam::000000000000:role/ecsInfrastructureRole"
    given = [{"name": "data", "managedEBSVolume": {"roleArn": role, "sizeInGiB": 1, "filesystemType": "ext4"}}]
    ask = {"serviceName": "data", "taskDefinition": "test", "desiredCount": 2, "launchType": "FARGATE"}
    with pytest.raises(ecs.exceptions.InvalidParameterException, match="'data' at launch"):
        ecs.create_service(networkConfiguration=tasks.network(gate), **ask)
    service = ecs.create_service(
        networkConfiguration=tasks.network(gate), volumeConfigurations=given, **ask
    )["service"]
    assert service["deployments"][0]["volumeConfigurations"] == given

    def both():
        arns = ecs.list_tasks(serviceName="data", desiredStatus="RUNNING")["taskArns"]
        found = ecs.describe_tasks(tasks=arns)["tasks"] if arns else []
        return [t for t in found if t["lastStatus"] == "RUNNING"] if len(found) == 2 else []

    wait_until(lambda: len(both()) == 2, 30, "both run")
    attachments = [a for t in both() for a in t["attachments"] if a["type"] == "AmazonElasticBlockStorage"]
    assert [a["status"] for a in attachments] == ["ATTACHED"] * 2
    ids = {d["value"] for a in attachments for d in a["details"] if d["name"] == "volumeId"}
    assert len(ids) == 2
    ecs.update_service(service="data", desiredCount=0)
    wait_until(lambda: list((gate.data / "node" / "ebs").glob("*/*")) == [], 30, "the volumes are gone")
    ecs.delete_service(service="data", force=True)
