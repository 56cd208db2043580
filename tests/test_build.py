"""`neargate build`, and the Docker Engine API that a container's builder serves."""

import json
import os
import pathlib
import shutil
import subprocess

import pytest

import images
import tasks
from neargate import wait_until
from tasks import container

BASE = images.aws_name("busybox")
PATH = "ENV PATH=/bin\n"


def context(directory, files):
    for name, text in files.items():
        path = pathlib.Path(directory) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory


def build(gate, directory, *more):
    return gate.cli("build", *more, str(directory))


def built(gate, directory, *more):
    done = build(gate, directory, *more)
    assert done.returncode == 0, done.stderr
    return done


def said(gate, image, command=None):
    """What a task of the image says."""
    family = "built"
    tasks.register(gate, container(image=image, command=command, group="/built"), family=family)
    gate.client("ecs").create_cluster(clusterName="default")
    arn = tasks.run(gate, family)
    tasks.ended(gate, arn)
    stream = f"ecs/app/{arn.split('/')[-1]}"
    return wait_until(lambda: tasks.messages(gate, "/built", stream), what="its output is there")


def test_a_dockerfile_becomes_a_task(gate, layout, tmp_path):
    images.push(gate, layout, "busybox")
    here = context(
        tmp_path / "context",
        {
            "Dockerfile": f"""# syntax=docker/dockerfile:1
ARG BASE={BASE}
FROM $BASE AS build
WORKDIR /src
COPY . .
ARG GREETING=hello
RUN --mount=type=cache,target=/cache \\
    # a comment inside
    ls -A > list && echo "$GREETING $(id -u)" > greeting && touch /cache/x && mkdir -p /gone && echo 1 > /gone/file
RUN rm -r /gone && ln -s greeting link && chmod 4755 greeting

FROM $BASE
{PATH}COPY --from=build --chown=web:web /src/greeting /src/link /app/
COPY <<EOF /app/run
echo "from $HOME"
cat /app/greeting; cat /app/list || true
stat -c '%U %a' /app/greeting
EOF
COPY --from=build /src/list /app/list
HEALTHCHECK --interval=5s CMD true
CMD ["sh", "/app/run"]
""",
            ".dockerignore": "*.secret\n",
            "kept": "",
            "a.secret": "",
        },
    )
    one = built(gate, here, "-t", "app:v1", "--build-arg", "GREETING=good day")
    assert "app:v1@sha256:" in one.stdout
    name = images.aws_name("app", "v1")
    lines = said(gate, name)
    assert lines == ["from ", "good day 0", ".dockerignore", "Dockerfile", "kept", "list", "web 4755"]
    # The same again is known, and is the same image.
    two = built(gate, here, "-t", "app:v1", "--build-arg", "GREETING=good day")
    assert two.stdout == one.stdout
    assert "CACHED" in two.stderr and "ls -A" in two.stderr
    # Another file in the context is another outcome.
    (here / "new").write_text("x")
    three = built(gate, here, "-t", "app:v2", "--build-arg", "GREETING=good day")
    assert three.stdout.split("@")[1] != one.stdout.split("@")[1]
    # What was built is built from.
    context(here, {"Dockerfile": f"FROM {name}\nUSER web\nCMD [\"id\", \"-un\"]\n"})
    built(gate, here, "-t", "app:v3")
    assert said(gate, images.aws_name("app", "v3")) == ["web"]


def test_what_is_wrong_is_shown_with_its_line(gate, layout, tmp_path):
    images.push(gate, layout, "busybox")

    def refused(dockerfile, **files):
        here = context(tmp_path / "wrong", {"Dockerfile": dockerfile, **files})
        done = build(gate, here)
        assert done.returncode == 1, done.stderr
        return done.stderr

    text = refused(f"FROM {BASE}\nFOO bar\n")
    assert "   2 | >>> FOO bar" in text
    assert "dockerfile parse error on line 2: unknown instruction: FOO" in text
    text = refused(f"FROM {BASE}\n{PATH}RUN echo so far; exit 7\n")
    assert "so far" in text and "did not complete successfully: exit code: 7" in text
    assert ">>> RUN echo so far; exit 7" in text
    assert '"/missing": not found' in refused(f"FROM {BASE}\nCOPY missing /\n")
    assert "ghost" in refused("FROM 000000000000.dkr.ecr.us-east-1.amazonaws.com/ghost\n")
    # Links lead nowhere but in the context, and in the image.
    (tmp_path / "outside").write_text("secret")
    os.symlink(tmp_path / "outside", tmp_path / "wrong/link")
    assert '"/link": not found' in refused(f"FROM {BASE}\nCOPY link /x\n")
    assert '"/outside": not found' in refused(f"FROM {BASE}\nCOPY ../outside /x\n")
    planted = tmp_path / "planted"
    planted.mkdir()
    refused(f"FROM {BASE}\n{PATH}RUN ln -s {planted} /out\nCOPY Dockerfile /out/x\nRUN false\n")
    assert list(planted.iterdir()) == []


def test_a_run_is_confined_as_a_task_is(gate, layout, tmp_path):
    images.push(gate, layout, "busybox")
    here = context(
        tmp_path,
        {
            "Dockerfile": f"""FROM {BASE}
{PATH}RUN test $(ls /proc | grep -c '^[0-9]') -lt 9
RUN ! mount -t tmpfs none /tmp && ! mknod /dev/sda b 8 0 || ! cat /dev/sda
RUN test ! -e {tmp_path}/Dockerfile && grep Seccomp: /proc/self/status | grep -q 2
RUN --network=none test $(ls /sys/class/net | wc -l) = 1
RUN --mount=type=secret,id=key test $(wc -c < /run/secrets/key) = 12
RUN test ! -e /run/secrets/key
RUN --mount=type=bind,target=/context ls /context/Dockerfile && ! touch /context/x
RUN --mount=type=tmpfs,target=/t touch /t/x
RUN ls -d /t /context /run 2>/dev/null | wc -l | grep -q '^0$'
""",
            "key": "c29tZXRoaW5n",
        },
    )
    done = built(gate, here, "--secret", f"id=key,src={here}/key")
    assert "c29tZXRoaW5n" not in done.stderr
    found = subprocess.run(["grep", "-rl", "c29tZXRoaW5n", gate.data / "builder"], capture_output=True, text=True).stdout
    assert [f for f in found.split() if "/fs/" not in f] == []


@pytest.fixture
def engine(gate, layout, tmp_path):
    """`neargate builder` on a socket, and the docker client."""
    if not shutil.which("docker"):
        pytest.skip("docker is not installed (apt-get install docker.io)")
    images.push(gate, layout, "busybox")
    socket = tmp_path / "s"
    process = subprocess.Popen(
        [gate.binary, "builder", "--socket", socket, "--dir", gate.data / "engine", "--registry", f"127.0.0.1:{gate.port}"],
        stdout=subprocess.PIPE, text=True,
    )
    assert process.stdout.readline() == "ready\n"

    def docker(*arguments, check=True, **options):
        env = {**os.environ, "DOCKER_HOST": f"unix://{socket}", "DOCKER_BUILDKIT": "0", "DOCKER_CONFIG": str(tmp_path / "config")}
        done = subprocess.run(["docker", *arguments], env=env, capture_output=True, text=True, **options)
        assert done.returncode == 0 or not check, done.stderr + done.stdout
        return done

    yield docker
    process.terminate()
    assert process.wait(20) == 0


def test_the_docker_client_builds_and_pushes(gate, engine, tmp_path):
    docker = engine
    gate.client("ecr").create_repository(repositoryName="web")
    password = gate.aws("ecr", "get-login-password")
    host = "000000000000.dkr.ecr.us-east-1.amazonaws.com"
    assert "Login Succeeded" in docker("login", "-u", "AWS", "--password-stdin", host, input=password).stdout
    here = context(tmp_path / "context", {"Dockerfile": f"FROM {BASE}\n{PATH}RUN echo built > /made\nCMD cat /made\n"})
    text = docker("build", "-t", f"{host}/web:1", str(here)).stdout
    assert "Step 3/4 : RUN echo built > /made" in text and "Successfully tagged" in text
    assert "Using cache" in docker("build", "-t", f"{host}/web:1", str(here)).stdout
    assert docker("build", "-q", str(here)).stdout.startswith("sha256:")
    docker("tag", f"{host}/web:1", f"{host}/web:2")
    docker("push", f"{host}/web:2")
    assert said(gate, f"{host}/web:2") == ["built"]
    listed = [json.loads(line) for line in docker("images", "--format", "json").stdout.splitlines()]
    assert {image["Tag"] for image in listed if image["Repository"] == f"{host}/web"} == {"1", "2"}
    config = json.loads(docker("inspect", "--type", "image", f"{host}/web:1").stdout)[0]["Config"]
    assert config["Cmd"] == ["/bin/sh", "-c", "cat /made"]
    # Saved, forgotten, and loaded again.
    archive = tmp_path / "saved.tar"
    docker("save", "-o", str(archive), f"{host}/web:1")
    docker("rmi", f"{host}/web:1")
    assert docker("inspect", "--type", "image", f"{host}/web:1", check=False).returncode != 0
    assert f"Loaded image: {host}/web:1" in docker("load", "-i", str(archive)).stdout
    docker("pull", f"{host}/web:2")
    # What fails says so, and what is not served is named.
    context(here, {"Dockerfile": f"FROM {BASE}\n{PATH}RUN exit 3\n"})
    failed = docker("build", str(here), check=False)
    assert failed.returncode != 0 and "exit code: 3" in failed.stderr
    assert "is not served" in docker("run", "web", check=False).stderr


def test_a_container_has_a_builder_of_its_own(gate, layout, tmp_path):
    """A task without any privilege logs in, builds and pushes with an unchanged docker client."""
    docker = shutil.which("docker")
    if not docker or subprocess.run(["ldd", docker], capture_output=True).returncode == 0:
        pytest.skip("no docker client that runs without libraries")
    images.push(gate, layout, "busybox")
    client = images.layer({"bin/docker": (pathlib.Path(docker).read_bytes(), 0o755)})
    images.push(gate, images.busybox(tmp_path / "layout", extra_layers=[client]), "client")
    gate.client("ecr").create_repository(repositoryName="made")
    registry = BASE.split("/")[0]
    script = f"""
set -e
mkdir /w && cd /w
printf 'FROM {BASE}\\nENV PATH=/bin\\nRUN echo by a task > /made && head -c 1000 /dev/zero > /zero\\nCMD cat /made\\n' > Dockerfile
echo "$TOKEN" | docker login -u AWS --password-stdin {registry} 2>/dev/null
docker build -q -t {registry}/made:1 . >/dev/null 2>&1 || docker build -t {registry}/made:1 .
docker push -q {registry}/made:1
grep CapEff /proc/self/status
"""
    tasks.register(
        gate,
        container(
            image=images.aws_name("client"),
            command=["sh", "-c", script],
            group="/builds",
            dockerLabels={"neargate:docker": "build"},
            environment=[{"name": "TOKEN", "value": gate.aws("ecr", "get-login-password").strip()}, {"name": "HOME", "value": "/w"}],
        ),
        family="builds",
    )
    gate.client("ecs").create_cluster(clusterName="default")
    arn = tasks.run(gate, "builds")
    stopped = tasks.wait_for(gate, arn, "STOPPED")
    lines = wait_until(lambda: tasks.messages(gate, "/builds", f"ecs/app/{arn.split('/')[-1]}"), what="its output is there")
    assert stopped["containers"][0].get("exitCode") == 0, lines
    assert "Login Succeeded" in lines
    # Docker's default capabilities, and no more.
    assert lines[-1].split()[-1] == "00000000a80425fb"
    assert said(gate, f"{registry}/made:1") == ["by a task"]

    def builders():
        return subprocess.run(["pgrep", "-f", f"builder.*{gate.data}"], capture_output=True).returncode == 1

    wait_until(builders, what="the builder ends with its task")
