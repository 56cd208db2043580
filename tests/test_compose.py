"""`neargate compose`: a Compose file brought up, reached, changed and taken away."""

import http.client
import json
import subprocess

import pytest

import images
from neargate import BINARY, free_port, wait_until
from people import as_json, neargate
from tasks import answer_of

BASE = images.aws_name("busybox")

FILE = """
name: shop
x-stop: &stop {{stop_grace_period: 2s}}
services:
  web:
    build: {{context: web, args: {{GREETING: '${{GREETING:-hello}}'}}}}
    ports: ['127.0.0.1:{port}:80']
    depends_on: {{store: {{condition: service_healthy}}}}
    environment: [STORE=store]
    volumes: ['./page.sh:/files/page.sh:ro']
    <<: *stop
  store:
    image: {base}
    command: ['sh', '-c', 'mkdir -p /www; echo $$WORD > /www/index.html; exec httpd -f -p 80 -h /www']
    environment: {{WORD_FILE: /run/secrets/word}}
    secrets: [word]
    healthcheck: {{test: wget -q -O - http://127.0.0.1/, interval: 5s}}
    volumes: ['kept:/kept']
    <<: *stop
secrets: {{word: {{file: word.txt}}}}
volumes: {{kept: {{}}}}
"""

WEB = """FROM {base}
ARG GREETING
RUN echo "$GREETING" > /greeting
CMD ["sh", "/files/page.sh"]
"""

# By its bare name, as the file's services call one another.
PAGE = """mkdir -p /www
until wget -q -O /www/store http://$STORE/; do sleep 0.2; done
cat /greeting /www/store > /www/index.html
exec httpd -f -p 80 -h /www
"""


def page(url):
    """What the port leads to; `None` while it leads to nothing, or to somebody who is just ending."""
    try:
        return answer_of(url)
    except (OSError, http.client.HTTPException):
        return None


@pytest.fixture
def shop(gate, layout, tmp_path):
    images.push(gate, layout, "busybox")
    port = free_port()
    (tmp_path / "web").mkdir()
    (tmp_path / "compose.yaml").write_text(FILE.format(base=BASE, port=port))
    (tmp_path / "web/Dockerfile").write_text(WEB.format(base=BASE))
    (tmp_path / "page.sh").write_text(PAGE)
    (tmp_path / "word.txt").write_text("apples\n")

    def compose(*words, code=0):
        return neargate(gate, "compose", *words, "-f", str(tmp_path / "compose.yaml"), code=code, timeout=240)

    return gate, compose, tmp_path, f"http://127.0.0.1:{port}/"


def test_a_project_is_brought_up_changed_and_taken_away(shop):
    gate, compose, directory, url = shop
    done = compose("up")
    for said in ["made ECS::Service ServiceWeb", "leads to web", "the secret word is handed over in WORD"]:
        assert said in done.stderr, done.stderr
    for kind in ["ECS::Cluster", "EC2::VPC", "ServiceDiscovery::PrivateDnsNamespace", "Logs::LogGroup"]:
        assert kind in done.stdout, done.stdout
    wait_until(lambda: page(url) == b"hello\napples\n", what="the port leads to the page")
    rows = json.loads(compose("ps", "--output", "json").stdout)
    assert sorted(row["group"].removeprefix("service:") for row in rows) == ["store", "web"]
    before = {row["taskArn"] for row in rows}

    assert "all is as the file says" in compose("up").stderr
    assert {row["taskArn"] for row in as_json(gate, "ps", "--cluster", "compose-shop")} == before

    (directory / ".env").write_text("GREETING=good day\n")
    done = compose("up")
    assert "updated ECS::Service ServiceWeb" in done.stderr, done.stderr
    wait_until(lambda: page(url) == b"good day\napples\n", what="the new page is there")

    assert "shop" in neargate(gate, "compose", "ls").stdout
    compose("down", "--volumes")
    wait_until(lambda: page(url) is None, what="the port leads nowhere")
    assert as_json(gate, "publish") == []
    assert gate.client("ecs").list_clusters()["clusterArns"] == []
    vpcs = gate.client("ec2").describe_vpcs()["Vpcs"]
    assert [vpc["IsDefault"] for vpc in vpcs] == [True]
    assert gate.client("servicediscovery").list_namespaces()["Namespaces"] == []
    assert gate.client("secretsmanager").list_secrets()["SecretList"] == []
    assert gate.client("logs").describe_log_groups()["logGroups"] == []
    assert "is not up" in compose("down").stderr


def test_what_fails_is_said_and_taken_back(shop):
    gate, compose, directory, _ = shop
    (directory / "compose.yaml").write_text(
        f"name: broken\nservices:\n  app:\n    image: {BASE}\n    command: sh -c 'echo the key is missing; exit 3'\n")
    done = compose("up", code=1)
    assert "app exited with 3" in done.stderr, done.stderr
    assert "the key is missing" in done.stderr, done.stderr
    assert gate.client("ecs").list_clusters()["clusterArns"] == []


def test_what_cannot_be_mapped_is_refused_by_name(shop):
    gate, compose, directory, _ = shop
    file = directory / "compose.yaml"
    file.write_text("services:\n  app:\n    image: app\n    privileged: true\n    network_mode: host\n")
    done = compose("up", code=2)
    assert done.stderr.splitlines() == [
        f"{file}: line 4: services.app.privileged is not mapped: Fargate has no privileged containers",
        f"{file}: line 5: services.app.network_mode is not mapped: "
        "a task has an interface of its own in the project's VPC",
    ]
    file.write_text("services:\n  app: {image: app, ports: ['8080:80']}\n")
    done = subprocess.run([BINARY, "compose", "config", "-f", str(file)], capture_output=True, text=True)
    template = json.loads(done.stdout)
    assert template["Resources"]["ServiceApp"]["Type"] == "AWS::ECS::Service"
