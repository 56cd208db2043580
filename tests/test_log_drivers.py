"""Log drivers: what containers write arrives where their definitions say, at receivers that nobody here wrote
where there are such: rsyslog of Debian, and a reader of Fluentd's forward protocol from PyPI."""

import gzip
import io
import json
import pathlib
import subprocess
import sys

import msgpack
import pytest
from fluentbit_server.fluentbit_transport import FluentbitTransport

import images
import tasks
from neargate import ROLE, command_line, processes_of, wait_until
from tasks import container, messages
from test_instance_networks import CLUSTER, register, run, running, set_up, stop, stopped

# A log router's end of the socket: what it takes in it says in hexadecimal, a line a piece.
ROUTER = r"""
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void stop(int signal) { _exit(signal == SIGTERM ? 0 : 1); }

int main(void) {
  struct sockaddr_un at = {.sun_family = AF_UNIX};
  struct pollfd fds[16];
  unsigned char bytes[4096];
  int count = 1;
  signal(SIGTERM, stop);
  signal(SIGPIPE, SIG_IGN);
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (int i = 0; i < 2; i++) printf("secret %s\n", getenv(i ? "apikey_1" : "apikey_0") ? getenv(i ? "apikey_1" : "apikey_0") : "-");
  strcpy(at.sun_path, "/var/run/fluent.sock");
  fds[0].fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (bind(fds[0].fd, (struct sockaddr *)&at, sizeof at) || listen(fds[0].fd, 16)) return 1;
  for (;;) {
    for (int i = 0; i < count; i++) fds[i].events = POLLIN;
    poll(fds, count, -1);
    if (fds[0].revents && count < 16) fds[count++].fd = accept(fds[0].fd, NULL, NULL);
    for (int i = 1; i < count; i++) {
      if (!(fds[i].revents & (POLLIN | POLLHUP))) continue;
      int length = read(fds[i].fd, bytes, sizeof bytes);
      if (length <= 0) { close(fds[i].fd); fds[i] = fds[--count]; continue; }
      printf("%d ", fds[i].fd);
      for (int b = 0; b < length; b++) printf("%02x", bytes[b]);
      printf("\n");
    }
  }
}
"""


@pytest.fixture(scope="session")
def router(tmp_path_factory):
    """An image with the router's end of the socket."""
    directory = tmp_path_factory.mktemp("router")
    (directory / "router.c").write_text(ROUTER)
    made = directory / "router"
    subprocess.run(["cc", "-static", "-O1", "-o", made, directory / "router.c"], check=True)
    files = images.layer({"bin/router": (made.read_bytes(), 0o755)})
    return images.busybox(directory / "image", extra_layers=[files])


def records(data):
    """The records of a stream of the forward protocol, with their tags and times."""
    transport = FluentbitTransport(None)
    taken = []
    for message in msgpack.Unpacker(io.BytesIO(data), raw=True):
        taken += transport.forward_mode(message)
    return [
        (event.tag.decode(), event.timestamp, {k.decode(): v.decode() for k, v in event.record.items()})
        for event in taken
    ]


def awslogs(**options):
    return {f"awslogs-{name.replace('_', '-')}": value for name, value in options.items()}


def routed(name, command, options, **more):
    log = {"logDriver": "awsfirelens", "options": options, **more.pop("log", {})}
    return container(name, command=["sh", "-c", command], logConfiguration=log, **more)


def events(gate, arn, name, group="/ecs/test"):
    return messages(gate, group, f"ecs/{name}/{arn.rsplit('/', 1)[1]}")


# awslogs


def test_events_of_several_lines(gate, layout):
    images.push(gate, layout, "busybox")
    lines = ["2026-11-30 10:00:00 one", " at a", " at b", "2026-11-30 10:00:01 two", "2026-11-30 10:00:02 three", " c"]
    command = "; ".join(f"echo '{line}'" for line in lines)
    by_date = container("dated", command=["sh", "-c", f"{command}; sleep 600"], group="/ecs/test", stopTimeout=2)
    by_date["logConfiguration"]["options"].update(awslogs(datetime_format="%Y-%m-%d %H:%M:%S"))
    by_pattern = container("matched", command=["sh", "-c", command], group="/ecs/test", essential=False)
    by_pattern["logConfiguration"]["options"].update(awslogs(multiline_pattern="^2026"), mode="non-blocking")
    by_pattern["logConfiguration"]["options"]["max-buffer-size"] = "4m"
    tasks.register(gate, by_date, by_pattern)
    arn = tasks.run(gate)
    tasks.wait_for(gate, arn, "RUNNING")
    whole = ["2026-11-30 10:00:00 one\n at a\n at b\n", "2026-11-30 10:00:01 two\n", "2026-11-30 10:00:02 three\n c\n"]
    for name in ("dated", "matched"):
        # The last one ends with a moment of silence, or with its container.
        wait_until(lambda name=name: events(gate, arn, name) == whole, 20, f"{name} says whole events")


def test_no_event_is_lost_or_torn_by_kill_9(own_gate, layout):
    gate = own_gate
    images.push(gate, layout, "busybox")
    script = "i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo E $i; echo ' more'; sleep 0.1; done; sleep 600"
    app = container(command=["sh", "-c", script], group="/ecs/test", stopTimeout=2)
    app["logConfiguration"]["options"].update(awslogs(multiline_pattern="^E "))
    tasks.register(gate, app)
    arn = tasks.run(gate)
    wait_until(lambda: len(events(gate, arn, "app")) >= 3, what="some events are there")
    gate.kill()
    gate.start()
    whole = [f"E {i}\n more\n" for i in range(1, 41)]
    wait_until(lambda: len(events(gate, arn, "app")) >= 40, what="all events are there")
    assert events(gate, arn, "app") == whole


def test_a_pattern_that_is_none(gate, layout):
    images.push(gate, layout, "busybox")
    app = container(command=["true"], group="/ecs/test")
    app["logConfiguration"]["options"].update(awslogs(multiline_pattern="^("))
    tasks.register(gate, app)
    arn = tasks.run(gate)
    task = wait_until(lambda: (t := tasks.describe(gate, arn))["lastStatus"] == "STOPPED" and t, what="it stops")
    assert task["stoppedReason"].startswith(
        "ResourceInitializationError: failed to validate logger args: awslogs could not parse multiline pattern key"
    )


# FireLens


def firelens_task(gate, router, layout):
    images.push(gate, layout, "busybox")
    images.push(gate, router, "router")
    gate.client("ssm").put_parameter(Name="/log/key", Value="k3y-of-the-receiver", Type="SecureString")
    log_router = container(
        "router",
        images.aws_name("router"),
        ["sh", "-c", "cat /fluent-bit/etc/fluent-bit.conf; exec router"],
        group="/ecs/test",
        firelensConfiguration={"type": "fluentbit", "options": {"config-file-type": "file", "config-file-value": "/x.conf"}},
    )
    script = "echo host $FLUENT_HOST $FLUENT_PORT; echo to stderr >&2; exec sleep 600"
    script = f"trap 'echo last words; exit 0' TERM; {script.replace('exec sleep 600', 'sleep 600 & wait')}"
    app = routed(
        "app",
        script,
        {"Name": "datadog", "Host": "intake.example", "exclude-pattern": "^healthy", "log-driver-buffer-limit": "2097152"},
        log={"secretOptions": [{"name": "apikey", "valueFrom": "/log/key"}]},
    )
    # The app comes first in the definition, and starts second all the same.
    tasks.register(gate, app, log_router)
    return tasks.run(gate)


def taken(gate, arn):
    """What the router has taken in."""
    lines = [line.split(" ") for line in events(gate, arn, "router")]
    pieces = [bytes.fromhex(line[1]) for line in lines if len(line) == 2 and line[0].isdigit()]
    return records(b"".join(pieces))


def test_firelens(gate, router, layout):
    arn = firelens_task(gate, router, layout)
    task = tasks.wait_for(gate, arn, "RUNNING")
    task_id = arn.rsplit("/", 1)[1]
    wait_until(lambda: len(taken(gate, arn)) >= 2, 20, "the router takes two lines")
    for tag, time, record in taken(gate, arn):
        assert tag == f"app-firelens-{task_id}"
        assert record["container_name"] == "app" and record["container_id"].startswith(task_id)
        # The reader takes nanoseconds for microseconds.
        assert abs(time - task["createdAt"].timestamp()) < 2000
    said = {(record["source"], record["log"]) for _, _, record in taken(gate, arn)}
    assert said == {("stdout", "host 127.0.0.1 24224"), ("stderr", "to stderr")}
    config = "\n".join(line for line in events(gate, arn, "router") if not line.split(" ")[0].isdigit())
    assert "k3y-of-the-receiver" not in config.split("secret")[0]
    assert "secret k3y-of-the-receiver" in config
    for part in (
        "[INPUT]\n    Name forward\n    Mem_Buf_Limit 25MB\n    unix_path /var/run/fluent.sock\n",
        "[INPUT]\n    Name forward\n    Listen 127.0.0.1\n    Port 24224\n",
        "[FILTER]\n    Name   grep\n    Match app-firelens*\n    Exclude log ^healthy\n",
        f"    Record ecs_cluster default\n    Record ecs_task_arn {arn}\n    Record ecs_task_definition test:1\n",
        "@INCLUDE /x.conf\n",
        "[OUTPUT]\n    Name datadog\n    Match app-firelens*\n    Host intake.example\n    apikey ${apikey_0}\n",
    ):
        assert part in config, config
    # The app's last words come before the router's end.
    gate.client("ecs").stop_task(task=arn)
    task = wait_until(lambda: (t := tasks.describe(gate, arn))["lastStatus"] == "STOPPED" and t, what="it stops")
    assert {c["name"]: c["exitCode"] for c in task["containers"]} == {"app": 0, "router": 0}
    wait_until(lambda: taken(gate, arn)[-1][2]["log"] == "last words", what="the router took the last words")


def test_what_no_router_can_be_told(gate, router, layout):
    images.push(gate, layout, "busybox")
    log_router = container("router", command=["sleep", "600"], firelensConfiguration={"type": "fluentbit"}, stopTimeout=2)
    tasks.register(gate, routed("app", "sleep 600", {"Host": "x"}), log_router)
    arn = tasks.run(gate)
    task = wait_until(lambda: (t := tasks.describe(gate, arn))["lastStatus"] == "STOPPED" and t, what="it stops")
    assert "missing output key Name which is required for firelens configuration of type fluentbit" in task["stoppedReason"]


def test_a_configuration_from_s3(gate, router, layout):
    (instance,) = set_up(gate, layout)
    images.push(gate, router, "router")
    s3 = gate.client("s3")
    s3.create_bucket(Bucket="router-config")
    s3.put_object(Bucket="router-config", Key="extra.conf", Body=b"[FILTER]\n    Name stdout\n    Match *\n")

    def define(key):
        options = {"config-file-type": "s3", "config-file-value": f"arn:aws:s3:::router-config/{key}"}
        log_router = container(
            "router",
            images.aws_name("router"),
            ["sh", "-c", "cat /fluentd/etc/fluent.conf /fluentd/etc/external.conf; echo uid $FLUENT_UID; exec router"],
            group="/ecs/test",
            memory=64,
            firelensConfiguration={"type": "fluentd", "options": options},
        )
        app = routed("app", "echo $FLUENT_HOST:$FLUENT_PORT; sleep 600", {"@type": "null"}, memory=32, stopTimeout=2)
        gate.client("ecs").register_task_definition(
            family="web",
            networkMode="bridge",
            requiresCompatibilities=["EC2"],
            executionRoleArn=ROLE,
            containerDefinitions=[log_router, app],
        )

    define("extra.conf")
    arn = run(gate)
    task = running(gate, arn)
    wait_until(lambda: taken(gate, arn), 20, "the router takes a line")
    config = "\n".join(events(gate, arn, "router"))
    for part in ("    bind 0.0.0.0\n", "@include /fluentd/etc/external.conf\n", "Name stdout\n", "uid 0\n"):
        assert part in config, config
    assert f"        ec2_instance_id {instance}\n" in config
    (_, _, record), *_ = taken(gate, arn)
    host, port = record["log"].split(":")
    assert host.count(".") == 3 and port == "24224"
    assert record["container_name"].startswith("/ecs-web-1-app-")
    assert record["container_id"] == task["containers"][1]["runtimeId"]
    stop(gate, arn)
    define("missing.conf")
    task = stopped(gate, run(gate))
    assert task["stoppedReason"].startswith(
        "ResourceInitializationError: unable to download firelens s3 config file: unable to download s3 config"
        " missing.conf from bucket router-config: NoSuchKey"
    )


# Other drivers


@pytest.fixture
def inside(gate, layout):
    """Runs a program in the network of an instance, as a daemon on it would run."""
    set_up(gate, layout)
    register(gate, "host", container("anchor", command=["sleep", "97531"], memory=16, stopTimeout=2), family="anchor")
    running(gate, run(gate, "anchor"))
    (anchor,) = [pid for pid in processes_of(gate.instance) if command_line(pid).startswith("sleep 97531")]
    programs = []

    def start(*command):
        program = subprocess.Popen(["nsenter", f"--net=/proc/{anchor}/ns/net", *map(str, command)])
        programs.append(program)
        return program

    yield start
    for program in programs:
        program.kill()
        program.wait()


# Takes what comes to a port into a file, and answers a request of HTTP.
TAKER = r"""
import socket, sys, threading
kind, port, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
out = open(path, "ab", buffering=0)
if kind == "udp":
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", port))
    open(path + ".ready", "w")
    while True:
        data = s.recv(65536)
        out.write(len(data).to_bytes(4, "big") + data)
s = socket.create_server(("127.0.0.1", port))
open(path + ".ready", "w")
def serve(c):
    while data := c.recv(65536):
        out.write(data)
        if kind == "http":
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
while True:
    threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
"""


def take(inside, tmp_path, kind, port):
    path = tmp_path / f"{kind}-{port}"
    inside(sys.executable, "-c", TAKER, kind, port, path)
    wait_until(lambda: pathlib.Path(f"{path}.ready").exists(), what="somebody listens")
    return path


def written(path):
    return path.read_bytes() if path.exists() else b""


def logged(driver, options=None, command="echo out; echo err >&2", name="app", **more):
    log = {"logDriver": driver}
    if options:
        log["options"] = options
    return container(name, command=["sh", "-c", command], memory=32, logConfiguration=log, **more)


def test_syslog_at_rsyslog(gate, inside, tmp_path):
    taken = tmp_path / "taken"
    config = tmp_path / "rsyslog.conf"
    config.write_text(
        f"""
module(load="imudp") module(load="imtcp")
input(type="imudp" port="5514" address="127.0.0.1") input(type="imtcp" port="5515" address="127.0.0.1")
template(name="all" type="string" string="%syslogfacility-text%|%syslogseverity-text%|%app-name%|%msg%\\n")
action(type="omfile" file="{taken}" template="all")
"""
    )
    inside("rsyslogd", "-n", "-f", config, "-i", tmp_path / "pid")
    udp = {"syslog-address": "udp://127.0.0.1:5514", "syslog-facility": "local3", "tag": "{{.Name}}"}
    tcp = {"syslog-address": "tcp://127.0.0.1:5515", "syslog-format": "rfc5424micro", "tag": "web"}

    def listens():
        """Docker's driver does not start a container without a receiver by TCP."""
        register(gate, "bridge", logged("syslog", tcp))
        return stopped(gate, run(gate))["containers"][0].get("exitCode") == 0

    wait_until(listens, 60, "rsyslog listens")
    register(gate, "bridge", logged("syslog", udp, command="echo 'a b'; echo err >&2"))
    assert stopped(gate, run(gate))["containers"][0]["exitCode"] == 0

    def all_there():
        lines = written(taken).decode().splitlines()
        by_udp = [line for line in lines if line.startswith("local3|")]
        by_tcp = [line for line in lines if line.startswith("daemon|")]
        return len(by_udp) == 2 and len(by_tcp) == 2 and (sorted(by_udp), sorted(by_tcp))

    by_udp, by_tcp = wait_until(all_there, 20, "rsyslog has all lines")
    assert [line.split("|")[1] for line in by_udp] == ["err", "info"]
    assert by_udp[1].split("|")[2].startswith("ecs-web-") and by_udp[1].endswith("| a b")
    assert by_tcp == ["daemon|err|web|err", "daemon|info|web|out"]


def test_fluentd_gelf_and_splunk(gate, inside, tmp_path):
    fluentd, graylog = take(inside, tmp_path, "tcp", 24224), take(inside, tmp_path, "udp", 12201)
    splunk = take(inside, tmp_path, "http", 8088)
    secret = {"name": "splunk-token", "valueFrom": "/log/token"}
    gate.client("ssm").put_parameter(Name="/log/token", Value="7b1c", Type="SecureString")
    hec = logged("splunk", {"splunk-url": "http://127.0.0.1:8088", "splunk-source": "web", "tag": "{{.ImageName}}"}, name="hec")
    hec["logConfiguration"]["secretOptions"] = [secret]
    gate.client("ecs").register_task_definition(
        family="web",
        networkMode="bridge",
        requiresCompatibilities=["EC2"],
        executionRoleArn=ROLE,
        containerDefinitions=[
            logged("fluentd", {"tag": "docker.web", "labels": "team"}, name="forward", dockerLabels={"team": "blue"}),
            logged("gelf", {"gelf-address": "udp://127.0.0.1:12201", "env": "STAGE"}, name="graylog", environment=[{"name": "STAGE", "value": "prod"}]),
            hec,
        ],
    )
    task = stopped(gate, run(gate))
    assert [c.get("exitCode") for c in task["containers"]] == [0, 0, 0], tasks.why(task)
    lines = wait_until(lambda: len(r := records(written(fluentd))) == 2 and r, 20, "Fluentd has both")
    assert {(tag, r["source"], r["log"], r["team"]) for tag, _, r in lines} == {
        ("docker.web", "stdout", "out", "blue"),
        ("docker.web", "stderr", "err", "blue"),
    }

    def documents():
        data, found = written(graylog), []
        while data:
            length = int.from_bytes(data[:4], "big")
            found.append(json.loads(gzip.decompress(data[4 : 4 + length])))
            data = data[4 + length :]
        return len(found) == 2 and found

    found = wait_until(documents, 20, "Graylog has both")
    assert {(d["short_message"], d["level"], d["_STAGE"], d["version"]) for d in found} == {
        ("out", 6, "prod", "1.1"),
        ("err", 3, "prod", "1.1"),
    }
    request = wait_until(lambda: (w := written(splunk)).count(b'"line"') == 2 and w.decode(), 20, "Splunk has both")
    assert request.startswith("OPTIONS /services/collector/event/1.0 ")
    assert "POST /services/collector/event/1.0 " in request and request.lower().count("authorization: splunk 7b1c") >= 2
    assert '"line":"out"' in request and '"source":"stderr"' in request and '"source":"web"' in request


def test_nobody_listens(gate, inside):
    register(gate, "bridge", logged("fluentd", {"fluentd-address": "127.0.0.1:24999"}))
    task = stopped(gate, run(gate))
    assert task["containers"][0]["reason"] == (
        "CannotStartContainerError: failed to create task for container: failed to initialize logging driver:"
        " dial tcp 127.0.0.1:24999: connect: connection refused"
    )
    # One that connects later starts without it, and is held up by nothing.
    options = {"fluentd-address": "127.0.0.1:24999", "fluentd-async": "true"}
    register(gate, "bridge", logged("fluentd", options))
    assert stopped(gate, run(gate))["containers"][0]["exitCode"] == 0
    register(gate, "bridge", logged("syslog", {"syslog-colour": "red"}))
    assert "unknown log opt 'syslog-colour' for syslog log driver" in stopped(gate, run(gate))["containers"][0]["reason"]
    # Receivers among the host's files are not a slice's.
    register(gate, "bridge", logged("syslog"))
    assert "/dev/log is on the host" in stopped(gate, run(gate))["containers"][0]["reason"]
    register(gate, "bridge", logged("journald"))
    failure = gate.client("ecs").run_task(cluster=CLUSTER, taskDefinition="web", launchType="EC2")["failures"]
    assert failure[0]["reason"] == "ATTRIBUTE"
    register(gate, "bridge", logged("json-file", {"max-size": "1m", "max-file": "2"}))
    assert stopped(gate, run(gate))["containers"][0]["exitCode"] == 0


def test_a_mode_says_whether_a_container_waits(gate, inside, tmp_path):
    """30 MB to a receiver that is not there."""
    command = "yes $(printf %0400d 0) | head -c 30000000"
    options = {"fluentd-address": "127.0.0.1:24224", "fluentd-async": "true", "tag": "t"}
    quick = logged("fluentd", {**options, "mode": "non-blocking", "max-buffer-size": "2m"}, command)
    register(gate, "bridge", quick)
    assert stopped(gate, run(gate))["containers"][0]["exitCode"] == 0
    register(gate, "bridge", logged("fluentd", {**options, "mode": "blocking"}, command))
    arn = run(gate)
    running(gate, arn)
    task_id = arn.rsplit("/", 1)[1]
    log = wait_until(lambda: list(gate.data.glob(f"**/{task_id}/app/log")), what="it has a log")[0]
    wait_until(lambda: log.stat().st_blocks * 512 > 16 << 20, what="its buffer is full")
    assert tasks.describe(gate, arn, cluster=CLUSTER)["lastStatus"] == "RUNNING"
    receiver = take(inside, tmp_path, "tcp", 24224)
    assert stopped(gate, arn)["containers"][0]["exitCode"] == 0
    lines = [record["log"] for _, _, record in records(written(receiver))]
    assert sum(len(line) + 1 for line in lines) >= 30_000_000
