"""The Debian package, made of the binary that is tested: what is in it, and what its scripts do."""

import gzip
import json
import os
import pathlib
import shutil
import subprocess

import pytest

from neargate import BINARY, ROOT

pytestmark = pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="needs Debian's dpkg-deb")


def out(*words, **more):
    return subprocess.run(list(map(str, words)), capture_output=True, text=True, check=True, **more).stdout


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    into = tmp_path_factory.mktemp("package")
    return pathlib.Path(out(ROOT / "tools/deb", BINARY, into, "none", cwd=ROOT).strip())


@pytest.fixture(scope="module")
def tree(package, tmp_path_factory):
    tree = tmp_path_factory.mktemp("tree")
    out("dpkg-deb", "--raw-extract", package, tree)
    return tree


def test_what_is_in_the_package(package, tree):
    fields = dict(line.split(": ", 1) for line in out("dpkg-deb", "--field", package).splitlines() if ": " in line)
    version = out(BINARY, "--version").split()[1]
    assert (fields["Package"], fields["Version"]) == ("neargate", version)
    assert "nftables" in fields["Depends"]
    listed = out("dpkg-deb", "--contents", package).splitlines()
    assert all(" root/root " in line for line in listed)
    assert out(tree / "usr/bin/neargate", "--version").split()[1] == version
    manual = gzip.decompress((tree / "usr/share/man/man1/neargate-up.1.gz").read_bytes()).decode()
    assert "Run all roles on this machine" in manual
    for file in ["bash-completion/completions/neargate", "zsh/vendor-completions/_neargate",
                 "fish/vendor_completions.d/neargate.fish"]:
        assert "neargate" in (tree / "usr/share" / file).read_text()
    assert (tree / "DEBIAN/conffiles").read_text() == "/etc/neargate/neargate.toml\n"
    licences = (tree / "usr/share/doc/neargate/licences.txt").read_text()
    assert "\ntokio " in licences and "not said" not in licences
    sbom = json.loads((tree / "usr/share/doc/neargate/sbom.json").read_text())
    assert {"redb", "hyper"} <= {c["name"] for c in sbom["components"]}
    assert not any(c["name"].startswith("neargate") for c in sbom["components"])


def test_its_configuration_and_service_are_understood(tree):
    config = out(tree / "usr/bin/neargate", "config", "--config", tree / "etc/neargate/neargate.toml")
    assert 'data = "/var/lib/neargate"' in config
    unit = (tree / "usr/lib/systemd/system/neargate.service").read_text()
    for line in ["Delegate=yes", "KillMode=process", "ExecStart=/usr/bin/neargate up --config /etc/neargate/neargate.toml"]:
        assert line in unit.splitlines()


@pytest.mark.parametrize("script, words, expected", [
    ("postinst", ["configure", ""], ["daemon-reload", "enable --quiet neargate.service", "start neargate.service"]),
    ("postinst", ["configure", "0.0.1"], ["daemon-reload", "try-restart neargate.service"]),
    ("prerm", ["upgrade", "0.0.2"], []),
    ("prerm", ["remove"], ["disable --quiet neargate.service", "stop neargate.service"]),
    ("postrm", ["purge"], ["daemon-reload"]),
])
def test_its_scripts_leave_tasks_and_state(tree, tmp_path, script, words, expected):
    """In a mount namespace, with a systemctl that only notes what it is told."""
    told = tmp_path / "told"
    fake = tmp_path / "systemctl"
    fake.write_text(f'#!/bin/sh\necho "$@" >>{told}\n')
    fake.chmod(0o755)
    run = f"""
mount -t tmpfs none /run && mkdir -p /run/systemd/system
mount -t tmpfs none /var/lib && mkdir -p /var/lib/neargate && touch /var/lib/neargate/state.redb
{tree}/DEBIAN/{script} {" ".join(f"'{word}'" for word in words)}
test -e /var/lib/neargate/state.redb
"""
    path = f"{tmp_path}:{os.environ['PATH']}"
    out("unshare", "--mount", "sh", "-ec", run, env={**os.environ, "PATH": path})
    assert (told.read_text().splitlines() if told.exists() else []) == expected
