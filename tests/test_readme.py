"""README's tour, line by line as it stands there, with the aws CLI a Debian user has."""

import os
import pathlib
import re
import socket
import subprocess

import pytest

from neargate import BINARY, ROOT


def commands(begin="## A tour", end="## Services, from one file"):
    """The shell blocks of a part of the README: the tour, if no other is named."""
    text = (ROOT / "README.md").read_text()
    return re.findall(r"```sh\n(.*?)```", text[text.index(begin) : text.index(end)], re.S)


def test_the_tour(make_gate, tmp_path):
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 4566)) == 0:
            pytest.skip("port 4566 is in use")
    gate = make_gate()
    gate.port = 4566
    gate.start()
    # `aws` as Debian has it, where it has one.
    path = f"/usr/bin:{os.environ['PATH']}" if os.path.exists("/usr/bin/aws") else f"{ROOT}/.venv/bin:{os.environ['PATH']}"
    env = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    env |= {"PATH": path, "AWS_PAGER": "", "NEARGATE_DATA": str(gate.data), "HOME": str(tmp_path)}
    blocks = [block.replace("target/release/neargate", BINARY).replace("/tmp/tour", f"{tmp_path}/tour") for block in commands()]
    # A person pauses here; a script waits for the log line.
    blocks[-1] = blocks[-1].replace(
        "aws logs tail", 'until aws logs tail /ecs/web | grep -q response; do sleep 0.2; done\naws logs tail')
    more = commands("## Services, from one file", "## Running it")
    # A script has no aliases of its own.
    assert "alias neargate=target/release/neargate\n" in more[0]
    more[0] = more[0].replace("alias neargate=target/release/neargate\n", f'neargate() {{ {BINARY} "$@"; }}\n')
    blocks += [block.replace("/tmp/tour", f"{tmp_path}/tour") for block in more]
    script = pathlib.Path(tmp_path / "tour.sh")
    script.write_text("set -xeuo pipefail\n" + "\n".join(blocks) + "\necho the end\n")
    done = subprocess.run(["bash", script], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"Account": "000000000000"' in done.stdout
    assert "hello from Fargate" in done.stdout
    assert "response:200" in done.stdout
    assert "web is steady after" in done.stderr and "web-ec2 is steady after" in done.stderr
    assert "hello /v2/credentials/" in done.stdout
    assert "notes/one" in done.stdout
    assert "->80" in done.stdout and "CPU %" in done.stdout
    assert done.stdout.endswith("the end\n")
