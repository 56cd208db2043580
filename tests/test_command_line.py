"""The command line: what it prints, what it refuses and with which remedy, and how it stops."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys

import pytest

import images
import tasks
from neargate import ACCOUNT, AWS, BINARY, REGION, Neargate, exported, shims_of, traces, wait_until
from tasks import container


def neargate(*arguments, env=None, wrapper=()):
    whole = {**os.environ, **(env or {})}
    return subprocess.run([*wrapper, BINARY, *arguments], capture_output=True, text=True, env=whole, timeout=60)


def one_line(done, code, *words):
    """It failed with this exit code, and with one line that holds the words."""
    assert done.returncode == code, done
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    for word in words:
        assert word in lines[0], lines[0]


def test_configuration_from_file_environment_and_flags(tmp_path):
    file = tmp_path / "neargate.toml"
    file.write_text('region = "eu-west-1"\naccount = "111122223333"\n[registries]\ninsecure = ["r.example:5000"]\n')
    shown = neargate("config", "--config", str(file), "--account", "444455556666",
                     env={"NEARGATE_REGION": "ap-south-1"}).stdout
    assert 'account = "444455556666"' in shown
    assert 'region = "ap-south-1"' in shown
    assert 'insecure = ["r.example:5000"]' in shown
    assert 'listen = "127.0.0.1:4566"' in shown and 'data = "/var/lib/neargate"' in shown
    again = tmp_path / "again.toml"
    again.write_text(shown)
    assert neargate("config", env={"NEARGATE_CONFIG": str(again)}).stdout == shown


def test_wrong_configuration(tmp_path):
    file = tmp_path / "neargate.toml"
    for text, *words in [
        ('lisen = "127.0.0.1:1"', '"lisen"', 'did you mean "listen"', str(file)),
        ("[registries]\nmirror = {}", 'did you mean "mirrors"'),
        ('account = "12"', str(file)),
        ('region = "nowhere"', str(file)),
        ("listen = 4566", str(file)),
        ('registry_domain = "example.com"', "amazonaws.com"),
    ]:
        file.write_text(text)
        for command in ("config", "up", "env", "ps"):
            done = neargate(command, "--config", str(file), "--data", str(tmp_path / "data"))
            assert done.returncode == 2, (text, done)
            for word in words:
                assert word in done.stderr, done.stderr
    assert not (tmp_path / "data").exists()
    done = neargate("config", "--config", "/nowhere.toml")
    one_line(done, 2, "cannot read the configuration /nowhere.toml")
    assert neargate("config", "--listen", "somewhere").returncode == 2
    assert neargate("config", "--account", "12").returncode == 2


@pytest.mark.parametrize("aws", [AWS, "/usr/bin/aws"])
def test_env_points_clients_at_it(gate, aws):
    """Also a CLI that does not read AWS_ENDPOINT_URL: Debian 12's."""
    if not os.path.exists(aws):
        pytest.skip(f"there is no {aws}")
    clean = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    clean["PATH"] = f"{os.path.dirname(aws)}:{clean['PATH']}"
    lines = gate.cli("env", env=clean).stdout
    for shell in ("sh", "bash"):
        script = 'eval "$LINES_OF_ENV" && aws sts get-caller-identity --query Account --output text'
        done = subprocess.run([shell, "-c", script], env={**clean, "LINES_OF_ENV": lines}, capture_output=True, text=True)
        assert done.stdout.strip() == "000000000000", (shell, lines, done.stderr)


def test_env_keeps_prefixes_off_the_host(gate):
    """No resolver knows `stream-127.0.0.1`; so these reach Neargate, which knows of nothing that they ask for."""
    printed = exported(gate.cli("env").stdout)
    program = f"""
import boto3
for service, call, given in (
    ("logs", "start_live_tail", dict(logGroupIdentifiers=["arn:aws:logs:{REGION}:{ACCOUNT}:log-group:g"])),
    ("servicediscovery", "discover_instances", dict(NamespaceName="n", ServiceName="s")),
):
    client = boto3.client(service)
    try:
        getattr(client, call)(**given)
    except client.exceptions.ClientError as refused:
        print(refused.response["Error"]["Code"])
"""
    done = subprocess.run([sys.executable, "-c", program], env={**os.environ, **printed}, capture_output=True, text=True)
    assert done.stdout.split() == ["ResourceNotFoundException", "NamespaceNotFound"], done.stderr


def without_names(**more):
    """The environment of somebody who has been told nothing."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "NEARGATE_"))} | more


def test_commands_find_the_one_that_runs(make_gate):
    """Its address, its directory and its keys, without being told; and nobody's once it is gone."""
    gate = make_gate("--enforce", "--region", "eu-west-1")
    gate.start()

    def said(*words, code=0, **env):
        done = subprocess.run([BINARY, *words], env=without_names(**env), capture_output=True, text=True, timeout=60)
        assert done.returncode == code, (words, done)
        return done

    access, sealed = (gate.data / "credentials").read_text().split()
    printed = exported(said("env").stdout)
    secret = printed["AWS_SECRET_ACCESS_KEY"]
    assert printed["AWS_ACCESS_KEY_ID"] == access and secret not in sealed, "nobody signs with what is in the file"
    for words in (["env"], ["env", "--data", str(gate.data)], ["env", "--listen", f"127.0.0.1:{gate.port}"]):
        lines = said(*words).stdout.splitlines()
        for name, value in {"AWS_ENDPOINT_URL": gate.url, "AWS_ACCESS_KEY_ID": access,
                            "AWS_SECRET_ACCESS_KEY": secret, "AWS_REGION": "eu-west-1"}.items():
            assert f"export {name}={value}" in lines
    assert f"set -gx AWS_ENDPOINT_URL {gate.url}" in said("env", "--shell", "fish").stdout
    assert "There are no running tasks." in said("ps").stderr
    assert "--node-listen" in said("node", "ls", code=1).stderr, "it was found"
    # What somebody says goes before what is found.
    assert "cannot reach Neargate at http://127.0.0.1:1:" in said("ps", code=1, AWS_ENDPOINT_URL="http://127.0.0.1:1").stderr
    assert "UnrecognizedClientException" in said(
        "ps", code=1, AWS_ACCESS_KEY_ID="AKIAWRONG", AWS_SECRET_ACCESS_KEY="no").stderr
    elsewhere = subprocess.run(["unshare", "--net", BINARY, "env"], env=without_names(), capture_output=True, text=True)
    one_line(elsewhere, 1, "in this network namespace", "--data ", str(gate.data))
    one_line(said("down", code=1), 1, gate.url, f"kill {gate.process.pid}")

    gate.kill()
    one_line(said("env", code=1), 1, "no Neargate runs", "neargate up")
    one_line(said("env", "--data", str(gate.data), code=1), 1, f"neargate up --data {gate.data}")
    assert "stopped 0 task(s)" in said("down").stderr, "the one that has ended is known"
    assert "stopped 0 task(s)" in said("down", "--data", str(gate.data)).stderr
    nowhere = str(gate.directory / "nowhere")
    one_line(said("down", "--data", nowhere, code=1), 1, f"no Neargate has run on {nowhere}")
    assert not os.path.exists(nowhere)


def test_leftovers_of_aws_lead_nowhere_else(gate):
    """Of a profile, of a session, of an endpoint of one service."""
    leftovers = {"AWS_PROFILE": "work", "AWS_SESSION_TOKEN": "old", "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:1",
                 "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true", "HOME": "/nowhere"}
    script = f'eval "$({BINARY} env)" && {AWS} sts get-caller-identity --query Account --output text'
    done = subprocess.run(["bash", "-euc", script], env=without_names(**leftovers), capture_output=True, text=True)
    assert done.stdout.strip() == "000000000000", done


def test_env_without_keys_yet(tmp_path):
    done = neargate("env", "--listen", "0.0.0.0:5000", "--data", str(tmp_path))
    one_line(done, 1, "has neargate up run?")


@pytest.fixture
def nobodys_binary(tmp_path_factory):
    """The binary where every user can run it."""
    here = pathlib.Path("/tmp/neargate-nobody")
    shutil.rmtree(here, ignore_errors=True)
    here.mkdir()
    shutil.copy(BINARY, here / "neargate")
    yield here / "neargate"
    shutil.rmtree(here)


def test_not_root(nobodys_binary, tmp_path):
    done = subprocess.run(
        ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", nobodys_binary, "up",
         "--data", "/tmp/neargate-nobody/data"], capture_output=True, text=True, timeout=60)
    one_line(done, 1, "root", "sudo")
    assert not pathlib.Path("/tmp/neargate-nobody/data").exists()


def test_no_cgroups(tmp_path):
    hide = "umount -R /sys/fs/cgroup && exec \"$@\""
    done = neargate("up", "--data", str(tmp_path / "data"),
                    wrapper=["unshare", "--mount", "--propagation", "private", "sh", "-c", hide, "sh"])
    one_line(done, 1, "cgroup", "mount")
    assert not (tmp_path / "data").exists()


def test_no_nft(tmp_path):
    (tmp_path / "bin").mkdir()
    done = neargate("up", "--data", str(tmp_path / "data"), env={"PATH": str(tmp_path / "bin")})
    one_line(done, 1, "nft", "apt-get install nftables")
    assert not (tmp_path / "data").exists()


def test_a_port_in_use(make_gate):
    gate = make_gate()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", gate.port))
        taken.listen()
        one_line(gate.cli("up"), 1, f"cannot listen on 127.0.0.1:{gate.port}", "--listen")


def test_a_second_neargate(own_gate, tmp_path):
    """Two on one data directory, or in one network namespace, would destroy each other's work."""
    same = Neargate(tmp_path / "same", data=own_gate.data)
    one_line(same.cli("up"), 1, "runs on", "already", own_gate.url, f"process {own_gate.process.pid}")
    other = Neargate(tmp_path / "other")
    (tmp_path / "other").mkdir()
    one_line(other.cli("up"), 1, "another Neargate runs here", own_gate.url, f"process {own_gate.process.pid}")
    done = own_gate.cli("down")
    assert done.returncode == 1 and len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert own_gate.client("ecs").list_clusters()["clusterArns"] == []


def test_a_directory_of_somebody_else(tmp_path):
    (tmp_path / "letter").write_text("dear")
    before = tmp_path.stat().st_mode
    one_line(neargate("up", "--data", str(tmp_path)), 1, "holds other things (letter)", "--data")
    assert tmp_path.stat().st_mode == before
    (tmp_path / "letter").unlink()
    os.chown(tmp_path, 65534, 65534)
    one_line(neargate("up", "--data", str(tmp_path)), 1, "belongs to another user", "--data")


def test_a_pipe_that_closes_early():
    for words in ("config", "env --listen 127.0.0.1:1", "--help"):
        assert os.system(f"bash -c 'set -o pipefail; {BINARY} {words} | true' 2>/dev/null") == 0, words


def test_a_log_of_its_own(make_gate):
    """In the data directory, of sentences."""
    gate = make_gate()
    gate.start()
    file = gate.data / "log/neargate.log"
    wait_until(lambda: f"Its log is {file}." in gate.log())
    line = wait_until(lambda: file.read_text().splitlines())[0]
    assert " info: agent starts (node local, tasks 0)" in line


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_keeps_tasks_and_down_stops_them(own_gate, layout, how):
    gate = own_gate
    images.push(gate, layout, "busybox")
    tasks.register(gate, container(command=["sh", "-c", "trap 'exit 5' TERM; while :; do sleep 0.1; done"]))
    arn = tasks.run(gate)
    tasks.wait_for(gate, arn, "RUNNING")
    gate.stop(how)
    assert gate.process.returncode == 0
    log = gate.log()
    assert "1 task(s) go on running" in log and f"neargate down --data {gate.data}" in log
    assert len(shims_of(gate.data)) == 1
    gate.start()
    assert tasks.describe(gate, arn)["lastStatus"] == "RUNNING"
    gate.stop(how)
    done = gate.cli("down")
    assert done.returncode == 0 and "stopped 1 task(s)" in done.stderr
    wait_until(lambda: not shims_of(gate.data))
    assert traces(gate.instance) == []
    gate.start()
    task = tasks.describe(gate, arn)
    assert task["lastStatus"] == "STOPPED" and task["containers"][0]["exitCode"] in (5, 137)
    assert "stopped 0 task(s)" in (gate.stop() or gate.cli("down")).stderr


def test_without_tasks_the_host_is_put_back(own_gate, layout):
    gate = own_gate
    images.push(gate, layout, "busybox")
    tasks.register(gate, container(command=["true"]))
    tasks.ended(gate, tasks.run(gate))
    assert traces(gate.instance)
    gate.stop()
    assert "Kept under" in gate.log() and "go on running" not in gate.log()
    assert traces(gate.instance) == []
