"""ECS Exec: programs on terminals in containers, over Session Manager's data channels."""

import os
import pathlib
import pty
import shutil
import socket
import stat
import subprocess
import sys

import pytest
import websocket

import images
import session_manager_plugin as plugin
import tasks
from neargate import refused, wait_until
from session_manager_plugin import Session
from tasks import container

DISABLED = (
    "The execute command failed because execute command was not enabled when the task was run or the execute "
    "command agent isn\N{RIGHT SINGLE QUOTATION MARK}t running. Wait and try again or run a new task with execute "
    "command enabled and try again."
)


@pytest.fixture
def task(gate, layout):
    """A task with one container, of a user who is not root."""
    images.push(gate, layout, "busybox")
    tasks.register(gate, container(command=["sleep", "600"], user="1000:1000", stopTimeout=2))
    arn = tasks.run(gate, enableExecuteCommand=True)
    tasks.wait_for(gate, arn, "RUNNING")
    return arn


def begin(gate, task, command="sh", **more):
    return gate.client("ecs").execute_command(task=task, command=command, interactive=True, **more)


def session(gate, task, command="sh", **more):
    begun = begin(gate, task, command, **more)["session"]
    return Session(begun, gate.authority if gate.tls else None).open().shake_hands()


def test_a_program_runs_on_a_terminal_in_the_container(gate, task):
    described = tasks.describe(gate, task)
    (app,) = described["containers"]
    (agent,) = app["managedAgents"]
    assert described["enableExecuteCommand"] is True
    assert (agent["name"], agent["lastStatus"]) == ("ExecuteCommandAgent", "RUNNING")
    assert agent["lastStartedAt"] == described["startedAt"]

    begun = begin(gate, task)
    assert (begun["containerName"], begun["interactive"]) == ("app", True)
    assert (begun["taskArn"], begun["clusterArn"]) == (task, described["clusterArn"])
    assert begun["containerArn"] == app["containerArn"]
    assert begun["session"]["sessionId"].startswith("ecs-execute-command-")
    assert begun["session"]["streamUrl"].startswith(f"ws://localhost:{gate.port}/v1/data-channel/ecs-execute-command-")

    shell = Session(begun["session"]).open().shake_hands()
    assert (shell.type, shell.properties["linux"]["commands"]) == ("InteractiveCommands", "sh")
    shell.size(132, 43)
    shell.type_text("stty -echo; PS1=; echo rea''dy\r")
    shell.until("ready\r\n")
    shell.type_text("id -u; tty; stty size; echo $TERM; cat /proc/1/comm; grep -c . /proc/self/cgroup; echo do''ne\r")
    shown = shell.until("done\r\n")
    assert shown.split("\r\n")[:5] == ["0", "/dev/pts/0", "43 132", "xterm-256color", "sleep"], shown
    shell.size(80, 24)
    shell.type_text("stty size; exit 3\r")
    assert shell.to_the_end() == ("24 80\r\n", "")


def test_a_commands_words_are_split_as_a_shell_does(gate, task):
    shown, said = session(gate, task, """sh -c 'echo "$0 and $1"' one "two  three" """).to_the_end()
    assert (shown, said) == ("one and two  three\r\n", "")
    shown, said = session(gate, task, "/bin/bash").to_the_end()
    assert shown == "" and "Unable to start command: Failed to start pty: " in said and "/bin/bash" in said


def test_it_is_confined_as_the_container(gate, task):
    lines = "grep -E '^(CapEff|CapBnd|Seccomp|NoNewPrivs):' /proc/self/status; mount -t tmpfs none /tmp; ls /proc | grep -c '^[0-9]'"
    shown, _ = session(gate, task, f'sh -c "{lines}"').to_the_end()
    caps, bound, nnp, seccomp, refusal, seen = shown.split("\r\n")[:6]
    assert caps.split() == ["CapEff:", "00000000a80425fb"], shown
    assert bound.split()[1] == caps.split()[1] and seccomp.split()[1] == "2", shown
    assert "denied" in refusal or "not permitted" in refusal, shown
    assert int(seen) < 8, "only the container's processes are there"


def test_several_go_on_at_once_and_each_ends_alone(gate, task):
    shells = [session(gate, task, "cat") for _ in range(3)]
    for number, shell in enumerate(shells):
        shell.type_text(f"line {number}\r")
    for number, shell in enumerate(shells):
        shell.until(f"line {number}\r\nline {number}\r\n")
    shells[0].flag(plugin.TERMINATE_SESSION)
    assert shells[0].to_the_end()[1] == ""
    shells[1].type_text("\x04")
    assert shells[1].to_the_end() == ("", "")
    gate.client("ecs").stop_task(task=task)
    assert shells[2].to_the_end()[1] == ""
    wait_until(lambda: tasks.describe(gate, task)["lastStatus"] == "STOPPED", what="the task has stopped")
    assert refused(gate.client("ecs").execute_command, task=task, command="sh", interactive=True) == (
        "InvalidParameterException", DISABLED,
    )


def test_what_is_lost_is_sent_again_and_a_session_outlives_its_connection(gate, task):
    shell = session(gate, task, "sh -c 'read a; echo one; read b; echo $a $b; read c; echo $c; exec cat'")
    # Nothing is acknowledged for a while.
    shell.deaf = 3
    shell.type_text("x\r")
    shell.until("one\r\n")
    assert len(shell.repeated) == 3 and len(set(shell.repeated)) < 3, shell.repeated
    # Out of order and twice, as a network does it.
    late, early = (plugin.pack("input_stream_data", shell.sent + n, plugin.OUTPUT, text) for n, text in ((1, b"z\r"), (0, b"y\r")))
    for message in (late, early, late, early):
        shell.socket.send_binary(message)
    shell.sent += 2
    shown = shell.until("x y\r\n")
    while shown.count("z\r\n") < 2:
        shown += shell.output().decode()

    # The connection breaks; what is shown meanwhile comes with the next one.
    ssm = gate.client("ssm")
    (shown,) = ssm.describe_sessions(State="Active")["Sessions"]
    assert (shown["SessionId"], shown["Status"]) == (shell.id, "Connected")
    shell.socket.sock.shutdown(socket.SHUT_RDWR)
    status = lambda: ssm.describe_sessions(State="Active")["Sessions"][0]["Status"]
    wait_until(lambda: status() == "Disconnected", what="the session knows that its client is away")
    old = shell.token
    shell.token = ssm.resume_session(SessionId=shell.id)["TokenValue"]
    assert shell.token != old
    shell.open()
    shell.type_text("again\r")
    shell.until("again\r\nagain\r\n")
    ssm.terminate_session(SessionId=shell.id)
    assert shell.to_the_end()[1] == ""
    wait_until(lambda: ssm.describe_sessions(State="Active")["Sessions"] == [], what="it is over")
    (over,) = ssm.describe_sessions(State="History", Filters=[{"key": "SessionId", "value": shell.id}])["Sessions"]
    assert (over["Status"], over["DocumentName"]) == ("Terminated", "AmazonECS-ExecuteInteractiveCommand")
    assert ssm.resume_session(SessionId=shell.id).get("TokenValue") is None


def test_much_output_and_much_input_come_whole(gate, task):
    shell = session(gate, task, "sh -c 'stty -echo raw; echo ready; head -c 300000 | md5sum; seq 1 60000'")
    shell.until("ready")
    for _ in range(300):
        shell.type_text("x" * 1000)
    want = subprocess.run(["md5sum"], input=b"x" * 300000, capture_output=True).stdout.decode().split()[0]
    shown, _ = shell.to_the_end()
    assert want in shown
    assert shown.split("-\n", 1)[1] == "".join(f"{n}\n" for n in range(1, 60001))


def test_a_token_is_good_once_and_for_its_session(gate, task):
    begun = begin(gate, task)["session"]
    for token in ("", "x" * 96, begun["tokenValue"][:-1]):
        stranger = Session({**begun, "tokenValue": token}).open()
        assert not stranger.socket.recv()
    shell = Session(begun).open().shake_hands()
    again = Session(begun).open()
    assert not again.socket.recv()
    shell.type_text("exit\r")
    shell.to_the_end()
    with pytest.raises(websocket.WebSocketBadStatusException):
        Session(begun).open()
    other = begin(gate, task)["session"]
    third = begin(gate, task)["session"]
    assert not Session({**other, "tokenValue": third["tokenValue"]}).open().socket.recv()


def test_refusals(gate, task):
    execute = gate.client("ecs").execute_command
    assert refused(execute, task=task, command="sh", interactive=False) == (
        "InvalidParameterException", "Interactive is the only mode supported currently.",
    )
    assert refused(execute, cluster="no", task=task.split("/")[-1], command="sh", interactive=True)[0] == "ClusterNotFoundException"
    assert refused(execute, task="0" * 32, command="sh", interactive=True)[0] == "InvalidParameterException"
    assert refused(execute, task=task, command="sh", container="no", interactive=True)[0] == "InvalidParameterException"
    assert refused(execute, task=task, command="'", interactive=True)[0] == "InvalidParameterException"
    tasks.register(gate, container(command=["sleep", "600"], stopTimeout=2), container("b", command=["sleep", "600"], stopTimeout=2))
    two = tasks.run(gate)
    tasks.wait_for(gate, two, "RUNNING")
    assert refused(execute, task=two, command="sh", interactive=True)[0] == "InvalidParameterException"
    assert refused(execute, task=two, command="sh", container="b", interactive=True) == ("InvalidParameterException", DISABLED)
    assert "managedAgents" not in tasks.describe(gate, two)["containers"][0]
    start = gate.client("ssm").start_session
    assert refused(start, Target="i-0123456789abcdef0")[0] == "TargetNotConnected"
    assert refused(start, Target="ecs:default_x_y", DocumentName="Mine")[0] == "InvalidDocument"


def test_a_service_has_it_in_its_new_tasks(gate, layout):
    images.push(gate, layout, "busybox")
    tasks.register(gate, container(command=["sleep", "600"], stopTimeout=2))
    ecs = gate.client("ecs")
    made = ecs.create_service(
        serviceName="web", taskDefinition="test", desiredCount=1, launchType="FARGATE",
        networkConfiguration=tasks.network(gate), enableExecuteCommand=False,
    )["service"]
    assert made["enableExecuteCommand"] is False
    updated = ecs.update_service(service="web", enableExecuteCommand=True, forceNewDeployment=True)["service"]
    assert updated["enableExecuteCommand"] is True

    def enabled():
        arns = ecs.list_tasks(serviceName="web")["taskArns"]
        described = ecs.describe_tasks(tasks=arns)["tasks"] if arns else []
        return next((t for t in described if t["enableExecuteCommand"] and t["lastStatus"] == "RUNNING"), None)

    task = wait_until(enabled, what="a new task runs")
    assert session(gate, task["taskArn"], "echo hello").to_the_end() == ("hello\r\n", "")


def test_sessions_are_written_down_as_the_cluster_says(gate, layout):
    images.push(gate, layout, "busybox")
    logs, s3, ecs = gate.client("logs"), gate.client("s3"), gate.client("ecs")
    tasks.register(gate, container(command=["sleep", "600"], stopTimeout=2, group="/ecs/app"))
    ecs.create_cluster(clusterName="default")
    arn = tasks.run(gate, enableExecuteCommand=True)
    tasks.wait_for(gate, arn, "RUNNING")

    def text_in(group, stream):
        try:
            events = logs.get_log_events(logGroupName=group, logStreamName=stream)["events"]
        except logs.exceptions.ResourceNotFoundException:
            return None
        return "".join(event["message"] for event in events)

    first = session(gate, arn, "echo by default")
    first.to_the_end()
    text = wait_until(lambda: text_in("/ecs/app", first.id), what="it is in the container's own group")
    assert "by default" in text and 'COMMAND_EXIT_CODE="0"' in text

    logs.create_log_group(logGroupName="/audit")
    s3.create_bucket(Bucket="audit-bucket")
    override = {"logging": "OVERRIDE", "logConfiguration": {
        "cloudWatchLogGroupName": "/audit", "s3BucketName": "audit-bucket", "s3KeyPrefix": "exec",
    }}
    ecs.update_cluster(cluster="default", configuration={"executeCommandConfiguration": override})
    second = session(gate, arn, "sh -c 'echo as told; exit 9'")
    second.to_the_end()
    text = wait_until(lambda: text_in("/audit", second.id), what="it is in the group")
    assert "as told" in text and 'COMMAND_EXIT_CODE="9"' in text

    def stored():
        listed = s3.list_objects_v2(Bucket="audit-bucket").get("Contents", [])
        return [entry["Key"] for entry in listed]

    assert wait_until(stored, what="it is in the bucket") == [f"exec/{second.id}.log"]
    body = s3.get_object(Bucket="audit-bucket", Key=f"exec/{second.id}.log")["Body"].read()
    assert body.decode() == text

    ecs.update_cluster(cluster="default", configuration={"executeCommandConfiguration": {"logging": "NONE"}})
    third = session(gate, arn, "echo for nobody")
    third.to_the_end()
    assert text_in("/ecs/app", third.id) is None and len(stored()) == 1


def test_what_passes_is_encrypted_under_the_clusters_key(gate, task):
    kms, ecs = gate.client("kms"), gate.client("ecs")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    ecs.update_cluster(cluster="default", configuration={"executeCommandConfiguration": {"kmsKeyId": key}})
    shell = Session(begin(gate, task, "sh -c 'read a; echo in clear: $a'")["session"])
    shell.kms, shell.target = kms, f"ecs:default_{task.split('/')[-1]}_{tasks.describe(gate, task)['containers'][0]['runtimeId']}"
    shell.open().shake_hands()
    assert shell.key == key
    shell.type_text("typed\r")
    assert shell.to_the_end() == ("typed\r\nin clear: typed\r\n", "")
    # A key of another session is of no use.
    shell = Session(begin(gate, task, "sh")["session"])
    shell.kms, shell.target = kms, "ecs:default_other_other"
    shell.open()
    with pytest.raises(plugin.Closed, match="Unable to retrieve data key"):
        shell.shake_hands()
    # A client that cannot.
    shell = Session(begin(gate, task, "sh")["session"]).open()
    with pytest.raises(plugin.Closed, match="Unsupported action KMSEncryption"):
        shell.shake_hands()


def test_the_command_of_our_own(gate, task):
    def run(*words, **options):
        command = gate.command("exec")[:2] + ["--endpoint", gate.url, *words]
        return subprocess.run(command, env=gate.env, capture_output=True, text=True, timeout=60, **options)

    done = run(task, "--", "sh", "-c", "echo 'two  words'; exit 7", stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (7, "two  words\n"), done.stderr
    done = run("test", "--container", "app", "--", "cat", input="typed\n")
    assert done.returncode == 0 and done.stdout.count("typed\n") == 2, done
    done = run(task, "--", "/bin/bash", stdin=subprocess.DEVNULL)
    assert done.returncode == 1 and "Unable to start command" in done.stderr
    done = run("nothing", stdin=subprocess.DEVNULL)
    assert done.returncode == 1 and "there is no service, family or task" in done.stderr


def test_a_port_of_the_container_is_forwarded(gate, layout):
    images.push(gate, layout, "busybox")
    serve = "mkdir /tmp/w; echo from inside > /tmp/w/index.html; httpd -f -p 127.0.0.1:8080 -h /tmp/w"
    tasks.register(gate, container(command=["sh", "-c", serve], stopTimeout=2))
    arn = tasks.run(gate, enableExecuteCommand=True)
    runtime_id = tasks.wait_for(gate, arn, "RUNNING")["containers"][0]["runtimeId"]
    target = f"ecs:default_{arn.split('/')[-1]}_{runtime_id}"
    ssm = gate.client("ssm")

    def forward(document, **parameters):
        begun = ssm.start_session(Target=target, DocumentName=document, Parameters=parameters)
        return Session(begun).open().shake_hands()

    # The server may not listen yet: then the session ends.
    def listening():
        port = forward("AWS-StartPortForwardingSession", portNumber=["8080"], localPortNumber=["9"])
        assert (port.type, port.properties["portNumber"], port.properties["localPortNumber"]) == ("Port", "8080", "9")
        port.type_text("GET / HTTP/1.0\r\n\r\n")
        try:
            port.until("from inside")
        except AssertionError:
            return None
        return port

    port = wait_until(listening, what="the server answers")
    # Its connection has ended: what is sent next opens another one.
    port.flag(plugin.DISCONNECT_TO_PORT)
    port.type_text("GET / HTTP/1.0\r\n\r\n")
    port.until("from inside")
    port.flag(plugin.TERMINATE_SESSION)
    assert port.to_the_end()[1] == ""

    remote = forward("AWS-StartPortForwardingSessionToRemoteHost", host=["127.0.0.1"], portNumber=["8080"])
    remote.type_text("GET / HTTP/1.0\r\n\r\n")
    remote.until("from inside")
    closed = forward("AWS-StartPortForwardingSession", portNumber=["1"])
    assert "Connection to destination port failed" in closed.to_the_end()[1]


@pytest.fixture
def plugin_on_path(tmp_path):
    """The name that the aws CLI looks for: this client, or AWS's own where the machine has it."""
    path = tmp_path / "bin"
    path.mkdir()
    program = path / "session-manager-plugin"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {plugin.__file__} "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return path


def with_the_cli(gate, path, task, *more, stdin=subprocess.DEVNULL):
    command = [sys.executable, "-m", "awscli", "ecs", "execute-command", "--task", task, "--interactive", *more]
    env = {**gate.env, "PATH": f"{path}:{os.environ['PATH']}"}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, stdin=stdin)


def test_the_aws_cli_with_this_client_as_its_plugin(gate, task, plugin_on_path):
    done = with_the_cli(gate, plugin_on_path, task, "--command", "sh -c 'echo from the cli'")
    assert done.returncode == 0, done.stderr
    assert "from the cli" in done.stdout and "Exiting session with sessionId: ecs-execute-command-" in done.stdout


@pytest.mark.skipif(not shutil.which("session-manager-plugin"), reason="AWS's plugin is not installed")
def test_the_aws_cli_with_awss_own_plugin(gate, task):
    path = pathlib.Path(shutil.which("session-manager-plugin")).parent
    # It ends with its input.
    terminal, other_end = pty.openpty()
    try:
        command = "sh -c 'stty size; echo from the cli; seq 1 5000'"
        done = with_the_cli(gate, path, task, "--command", command, stdin=other_end)
    finally:
        os.close(terminal)
        os.close(other_end)
    assert done.returncode == 0, done.stderr
    assert "from the cli" in done.stdout and "5000" in done.stdout, done.stdout
    assert "Exiting session with sessionId: ecs-execute-command-" in done.stdout


def test_a_killed_neargate_takes_its_sessions_along(own_gate, layout):
    gate = own_gate
    images.push(gate, layout, "busybox")
    tasks.register(gate, container(command=["sleep", "600"], stopTimeout=2))
    arn = tasks.run(gate, enableExecuteCommand=True)
    tasks.wait_for(gate, arn, "RUNNING")
    shell = session(gate, arn, "sh -c 'echo here; exec sleep 4321'")
    shell.until("here")
    sleeping = lambda: subprocess.run(["pgrep", "-fx", "sleep 4321"], capture_output=True).stdout
    assert sleeping()
    gate.kill()
    wait_until(lambda: not sleeping(), what="the program has ended")
    gate.start()
    tasks.wait_for(gate, arn, "RUNNING")
    assert session(gate, arn, "echo back").to_the_end() == ("back\r\n", "")
