"""`clients/pytest-neargate`, installed as its users do, in a session of its own."""

import os
import subprocess
import sys

from neargate import BINARY, ROOT

USERS_TESTS = """
import os
import boto3

def test_one(neargate):
    boto3.client("sqs").create_queue(QueueName="orders")
    assert os.environ["AWS_ENDPOINT_URL"] == neargate.url
    assert len(neargate.client("sqs").list_queues()["QueueUrls"]) == 1

def test_another_begins_with_nothing(neargate):
    assert "QueueUrls" not in neargate.client("sqs").list_queues()
    assert "neargate is ready on " + neargate.url in neargate.log()
"""


def test_a_session_has_a_neargate_of_its_own(make_gate, tmp_path):
    # It stops the lane's own: a network namespace has room for one.
    site = tmp_path / "site"
    installed = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation",
         "--disable-pip-version-check", "--target", str(site), str(ROOT / "clients/pytest-neargate")],
        capture_output=True, text=True)
    assert installed.returncode == 0, installed.stderr
    (tmp_path / "test_users.py").write_text(USERS_TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "PYTEST_", "NEARGATE_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(tmp_path)],
        cwd=tmp_path, capture_output=True, text=True, timeout=180,
        env={**clean, "PYTHONPATH": str(site), "NEARGATE_BIN": BINARY})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
    left = subprocess.run(["pgrep", "-f", f"--data {tmp_path}"], capture_output=True, text=True)
    assert left.stdout == ""
