"""ECS tasks that really run: states, network, logs, exit codes, limits."""

import subprocess

import pytest

import images
import tasks
from neargate import REGION, wait_until
from tasks import container

GROUP = "/ecs/test"


@pytest.fixture(scope="session")
def layout(tmp_path_factory):
    return images.busybox(tmp_path_factory.mktemp("layout") / "busybox")


@pytest.fixture
def busybox(gate, layout):
    images.push(gate, layout, "busybox")
    return gate


def finish(gate, *containers, **more):
    """Runs a task to its end."""
    tasks.register(gate, *containers, **more)
    return tasks.wait_for(gate, tasks.run(gate), "STOPPED")


def test_a_web_server_runs_answers_logs_and_stops(busybox):
    gate = busybox
    script = "echo hello; mkdir /www; echo it works > /www/index.html; exec httpd -f -p 80 -h /www"
    tasks.register(gate, container(command=["sh", "-c", script], group=GROUP, stopTimeout=2))
    arn = tasks.run(gate, startedBy="me", tags=[{"key": "team", "value": "a"}])
    task = tasks.wait_for(gate, arn, "RUNNING")
    page = wait_until(lambda: tasks.answer_of(f"http://{tasks.address(task)}/"), 10, "the server listens")
    assert page == b"it works\n"
    assert task["startedBy"] == "me"
    assert task["launchType"] == "FARGATE"
    assert task["connectivity"] == "CONNECTED"
    assert task["containers"][0]["imageDigest"].startswith("sha256:")
    details = {d["name"]: d["value"] for d in task["attachments"][0]["details"]}
    assert details["privateIPv4Address"] == tasks.address(task)
    assert task["attachments"][0]["status"] == "ATTACHED"
    assert task["createdAt"] <= task["pullStartedAt"] <= task["pullStoppedAt"] <= task["startedAt"]
    stream = f"ecs/app/{arn.rsplit('/', 1)[1]}"
    assert wait_until(lambda: tasks.messages(gate, GROUP, stream)) == ["hello"]

    ecs = gate.client("ecs")
    assert ecs.list_tasks()["taskArns"] == [arn]
    stopping = ecs.stop_task(task=arn, reason="enough")["task"]
    assert stopping["desiredStatus"] == "STOPPED"
    ecs.get_waiter("tasks_stopped").config.delay = 1
    task = tasks.wait_for(gate, arn, "STOPPED")
    assert task["stopCode"] == "UserInitiated"
    assert task["stoppedReason"] == "enough"
    assert task["containers"][0]["exitCode"] in (137, 143)
    assert task["attachments"][0]["status"] == "DELETED"
    assert ecs.list_tasks()["taskArns"] == []
    assert ecs.list_tasks(desiredStatus="STOPPED")["taskArns"] == [arn]


def test_exit_codes_are_what_the_process_said(busybox):
    task = finish(busybox, container(command=["sh", "-c", "exit 3"]))
    assert task["containers"][0]["exitCode"] == 3
    assert task["stopCode"] == "EssentialContainerExited"
    assert task["stoppedReason"] == "Essential container in task exited"
    assert task["startedAt"] <= task["executionStoppedAt"] <= task["stoppedAt"]


def test_sigterm_first_then_sigkill(busybox):
    gate = busybox
    tasks.register(
        gate,
        container(
            command=["sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done"],
            stopTimeout=2,
            group=GROUP,
        ),
    )
    arn = tasks.run(gate)
    tasks.wait_for(gate, arn, "RUNNING")
    stream = f"ecs/app/{arn.rsplit('/', 1)[1]}"
    wait_until(lambda: "up" in tasks.messages(gate, GROUP, stream))
    gate.client("ecs").stop_task(task=arn)
    task = tasks.wait_for(gate, arn, "STOPPED")
    assert task["containers"][0]["exitCode"] == 137
    assert task["stoppedReason"] == "Task stopped by user"


def test_a_missing_image_stops_with_awss_words(gate):
    task = finish(gate, container(image=images.aws_name("nowhere")))
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith("CannotPullContainerError: ")
    assert "nowhere" in task["stoppedReason"]
    assert "startedAt" not in task
    assert "exitCode" not in task["containers"][0]


def test_an_image_for_another_architecture(gate, tmp_path):
    layout = images.Layout(tmp_path / "other")
    other = layout.image([images.busybox_layer()], architecture="s390x")
    images.push(gate, layout.write(layout.multi(other)), "other", all_platforms=True)
    task = finish(gate, container(image=images.aws_name("other")))
    assert task["stoppedReason"].startswith("CannotPullContainerError: ")


def test_out_of_memory(busybox):
    hog = "x=$(head -c 300000000 /dev/zero | tr '\\0' x); echo never"
    task = finish(busybox, container(command=["sh", "-c", hog], memory=64))
    assert task["containers"][0]["exitCode"] == 137
    assert task["containers"][0]["reason"].startswith("OutOfMemoryError")


def test_a_command_that_does_not_exist(busybox):
    task = finish(busybox, container(command=["/no/such/program"]))
    assert "CannotStartContainerError" in task["containers"][0]["reason"]
    assert task["stopCode"] == "TaskFailedToStart"


def test_environment_user_and_directory(busybox):
    gate = busybox
    script = "id -u; id -g; pwd; echo $A; echo $B; hostname"
    task = finish(
        gate,
        container(
            command=["sh", "-c", script],
            environment=[{"name": "A", "value": "one"}, {"name": "B", "value": "two words"}],
            user="web",
            workingDirectory="/tmp/here",
            group=GROUP,
        ),
    )
    stream = f"ecs/app/{task['taskArn'].rsplit('/', 1)[1]}"
    lines = tasks.messages(gate, GROUP, stream)
    assert lines[:5] == ["1000", "1000", "/tmp/here", "one", "two words"]
    assert lines[5].startswith("ip-172-31-")


def test_containers_of_a_task_share_their_network(busybox):
    gate = busybox
    serve = "echo shared > /tmp/index.html; exec httpd -f -p 8080 -h /tmp"
    server = container("server", command=["sh", "-c", serve], stopTimeout=2)
    fetch = "until wget -q -O - http://127.0.0.1:8080/; do sleep 0.1; done"
    client = container(
        "client",
        command=["sh", "-c", fetch],
        essential=True,
        group=GROUP,
        dependsOn=[{"containerName": "server", "condition": "START"}],
    )
    task = finish(gate, server, client)
    by_name = {c["name"]: c for c in task["containers"]}
    assert by_name["client"]["exitCode"] == 0
    assert by_name["server"]["exitCode"] in (137, 143)
    stream = f"ecs/client/{task['taskArn'].rsplit('/', 1)[1]}"
    assert tasks.messages(gate, GROUP, stream) == ["shared"]


def test_a_non_essential_container_may_end(busybox):
    gate = busybox
    tasks.register(
        gate,
        container("main", command=["sleep", "1000"], stopTimeout=2),
        container("helper", command=["true"], essential=False),
    )
    arn = tasks.run(gate)

    def helper_ended():
        by_name = {c["name"]: c for c in tasks.describe(gate, arn)["containers"]}
        return by_name["helper"].get("exitCode") == 0 and by_name["main"]["lastStatus"] == "RUNNING"

    wait_until(helper_ended)
    assert tasks.describe(gate, arn)["lastStatus"] == "RUNNING"


def test_tasks_reach_each_other(busybox):
    gate = busybox
    serve = "echo other > /tmp/index.html; exec httpd -f -p 80 -h /tmp"
    tasks.register(gate, container(command=["sh", "-c", serve]))
    one = tasks.wait_for(gate, tasks.run(gate), "RUNNING")
    fetch = f"until wget -q -O - http://{tasks.address(one)}/; do sleep 0.1; done"
    two = finish(gate, container(command=["sh", "-c", fetch], group=GROUP))
    stream = f"ecs/app/{two['taskArn'].rsplit('/', 1)[1]}"
    assert tasks.messages(gate, GROUP, stream) == ["other"]
    assert tasks.address(one) != tasks.address(two)


def test_cpu_and_memory_limits_are_the_kernels(busybox):
    gate = busybox
    tasks.register(gate, container(command=["sleep", "1000"], stopTimeout=2), cpu="512", memory="1024")
    arn = tasks.run(gate)
    tasks.wait_for(gate, arn, "RUNNING")
    task_id = arn.rsplit("/", 1)[1]
    found = subprocess.run(
        ["find", "/sys/fs/cgroup", "-type", "d", "-path", f"*neargate-{gate.instance}/{task_id}*"],
        capture_output=True, text=True, check=True,
    ).stdout.split()
    values = {}
    for directory in found:
        for name in ("cpu.cfs_quota_us", "cpu.max", "memory.limit_in_bytes", "memory.max"):
            try:
                with open(f"{directory}/{name}") as file:
                    values.setdefault(name, set()).add(file.read().strip())
            except OSError:
                pass
    assert "50000" in values.get("cpu.cfs_quota_us", {}) or "50000 100000" in values.get("cpu.max", {})
    limit = str(1024 * 1024 * 1024)
    assert limit in values.get("memory.limit_in_bytes", {}) or limit in values.get("memory.max", {})


def test_least_privilege(busybox):
    gate = busybox
    script = (
        "grep -E 'CapEff|Seccomp:' /proc/self/status; "
        "mount -t tmpfs none /tmp 2>/dev/null && echo mounted; "
        "ls /proc | grep -c '^[0-9]'; cat /proc/kcore 2>/dev/null | head -c 1 | wc -c; true"
    )
    task = finish(gate, container(command=["sh", "-c", script], group=GROUP))
    lines = tasks.messages(gate, GROUP, f"ecs/app/{task['taskArn'].rsplit('/', 1)[1]}")
    assert lines[0].split() == ["CapEff:", "00000000a80425fb"], lines
    assert lines[1].split() == ["Seccomp:", "2"]
    assert "mounted" not in lines
    assert int(lines[2]) < 8
    assert lines[3] == "0"


def test_every_region_has_its_own_tasks(busybox):
    gate = busybox
    elsewhere = gate.client("ecs", "eu-west-1")
    tasks.register(gate, container(command=["sleep", "1000"], stopTimeout=2))
    tasks.run(gate)
    elsewhere.create_cluster()
    assert elsewhere.list_tasks()["taskArns"] == []
    assert len(gate.client("ecs", REGION).list_tasks()["taskArns"]) == 1


def test_many_at_once(busybox):
    gate = busybox
    tasks.register(gate, container(command=["true"]))
    ecs = gate.client("ecs")
    arns = []
    for _ in range(2):
        answer = ecs.run_task(
            taskDefinition="test", launchType="FARGATE", count=10,
            networkConfiguration=tasks.network(gate),
        )
        arns += [t["taskArn"] for t in answer["tasks"]]
    assert len(set(arns)) == 20
    for arn in arns:
        assert tasks.wait_for(gate, arn, "STOPPED")["containers"][0]["exitCode"] == 0
