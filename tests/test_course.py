"""The walk of docs/course.md, by its own commands: two applications, from an administrator to load and instances."""

import contextlib
import json
import os
import pathlib
import re
import subprocess
import threading

import pytest

import databases
import images
from balancing import Clients
from neargate import AWS, BINARY, ROOT, exported, free_port
from people import as_json

#: How long a part of the page may take.
PATIENCE = 150
#: What the program of an image is made of: whatever these import.
MODULES = "email.message, email.generator, email.policy, encodings.idna, http.server, json, signal, smtplib, ssl, subprocess, urllib.request"


def parts():
    """The page's parts that have commands: heading and blocks of each, in order."""
    text = (ROOT / "docs/course.md").read_text()
    for part in re.split(r"^#+ ", text, flags=re.M)[1:]:
        heading, _, rest = part.partition("\n")
        blocks = re.findall(r"^```sh\n(.*?)^```", rest, re.S | re.M)
        if blocks:
            yield heading, blocks


def python():
    """This host's Python, with what the applications import; psql of its PostgreSQL."""
    say = f"import {MODULES}, sys; print('\\n'.join(m.__file__ for m in sys.modules.values() if getattr(m, '__file__', None)))"
    program = os.path.realpath("/usr/bin/python3")
    said = subprocess.run([program, "-I", "-S", "-c", say], capture_output=True, text=True, check=True).stdout
    home = max(pathlib.Path("/usr/lib/postgresql").iterdir(), key=lambda p: int(p.name))
    programs = {"usr/bin/python3": program, "usr/bin/psql": str(home / "bin/psql")}
    files = {where: (pathlib.Path(path).read_bytes(), 0o755) for where, path in programs.items()}
    files |= {path.lstrip("/"): pathlib.Path(path).read_bytes() for path in said.split()}
    loaded = [path for path in said.split() if path.endswith(".so")]
    return files | databases.libraries([*programs.values(), *loaded])


class Shell:
    """One bash that is given the page's blocks in turn, and ends with the first command that fails."""

    def __init__(self, env, directory):
        self.bash = subprocess.Popen(
            ["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=env, cwd=directory, process_group=0,
        )
        self.run("a shell", ["set -euo pipefail"])

    def run(self, heading, blocks):
        """What the part prints."""
        late = threading.Timer(PATIENCE, self.end)
        late.start()
        said = []
        with contextlib.suppress(BrokenPipeError):
            self.bash.stdin.write("\n".join([*blocks, "echo; echo @@the end of this part", ""]))
            self.bash.stdin.flush()
        for line in self.bash.stdout:
            if line == "@@the end of this part\n":
                late.cancel()
                return "".join(said)
            said.append(line)
        late.cancel()
        raise AssertionError(f"{heading}: it ended\n{''.join(said)}")

    def end(self):
        """Ends it with whatever it has begun."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.bash.pid, 9)

    def close(self):
        self.end()
        self.bash.wait()
        self.bash.stdin.close()
        self.bash.stdout.close()


class Page(Clients):
    """Clients of one page of the load balancer's."""

    def __init__(self, host):
        self.host = host
        super().__init__(self, count=2, path="/usermgmt/health")


@pytest.fixture
def gate(make_gate, tmp_path):
    config = tmp_path / "neargate.toml"
    config.write_text(f'[rds_images]\npostgres = "{images.aws_name("postgres")}"\n')
    gate = make_gate("--enforce", "--smtp-listen", f"127.0.0.1:{free_port()}", "--config", str(config))
    gate.start()
    lines = exported(gate.cli("env").stdout)
    gate.keys = lines["AWS_ACCESS_KEY_ID"], lines["AWS_SECRET_ACCESS_KEY"]
    return gate


@pytest.fixture
def shell(gate, tmp_path):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "NEARGATE_"))}
    env |= {"PATH": f"{pathlib.Path(AWS).parent}:{env['PATH']}", "AWS_PAGER": "", "NEARGATE_DATA": str(gate.data), "HOME": str(tmp_path)}
    shell = Shell(env, ROOT)
    yield shell
    shell.close()


def test_the_course(gate, shell, tmp_path):
    images.push(gate, databases.postgres(tmp_path / "postgres"), "postgres")
    base = images.layer(python(), (), [("tmp", 0o1777)])
    made = images.Layout(tmp_path / "python")
    config = {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE=1"]}
    images.push(gate, made.write(made.image([images.busybox_layer(), base], config)), "python-psql")
    printed, clients, sees = {}, contextlib.ExitStack(), None
    with clients:
        for heading, blocks in parts():
            blocks = [block.replace("target/release/neargate", BINARY) for block in blocks]
            if heading == "Images":
                # Of Debian's packages by themselves, for want of an internet.
                blocks = blocks[1:]
            if heading == "On an instance":
                clients.close()
                assert sees.failures == [], sees.failures[:3]
                assert len(sees.seen) == 2, sees.seen
            printed[heading] = shell.run(heading, blocks)
            if heading == "Under load":
                [balancer] = gate.client("elbv2").describe_load_balancers()["LoadBalancers"]
                sees = clients.enter_context(Page(balancer["DNSName"]))
    assert '{"status": "UP", "version": "1"}' in printed["Both applications"]
    notified = [json.loads(line)["notified"]["by"] for line in found(printed, '"notified"')]
    assert notified == ["api.course.example", *2 * ["notifications.microservices.local:8096"]]
    wanted = ["Jane", "John"]
    [users] = [json.loads(line) for line in found({"": printed["Without the load balancer between them"]}, '[{"name"')]
    assert users == [{"name": name, "email": f"{name.lower()}@example.com"} for name in wanted]
    assert "Welcome, Jane" in printed["Both applications"]
    mails = [(m["subject"], m["recipients"][0]["address"]) for m in as_json(gate, "mail")]
    assert mails == [(f"Welcome, {name}", f"{name.lower()}@example.com") for name in ("Joan", "John", "Jane")]
    assert "Setting desired count to" in printed["What the load has made"]


def found(printed, begin):
    """The answers in JSON that have this, in all parts."""
    lines = "\n".join(printed.values()).splitlines()
    return [line for line in lines if begin in line and line[0] in "[{"]
