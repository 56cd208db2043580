"""The whole way of a change, by git alone: pushed, built, put into ECR, deployed to staging, approved, deployed
to production."""

import json
import pathlib
import shutil
import subprocess

import pytest

import images
import tasks
from neargate import ROLE, wait_until
from tasks import container
from test_codecommit import commit, git
from test_codepipeline import action, create, image_of, reached, runs, service

BASE = images.aws_name("busybox")
REGISTRY = BASE.split("/")[0]
#: As people have it, but that the build's image has no aws: the registry's password is a variable.
BUILDSPEC = """version: 0.2
phases:
  pre_build:
    commands:
      - echo "$TOKEN" | docker login -u AWS --password-stdin $REGISTRY
  build:
    commands:
      - docker build -t $REGISTRY/web:$VERSION .
  post_build:
    commands:
      - docker push $REGISTRY/web:$VERSION
      - printf '[{"name":"app","imageUri":"%s"}]' $REGISTRY/web:$VERSION > imagedefinitions.json
artifacts:
  files: imagedefinitions.json
"""
DOCKERFILE = f"""FROM {BASE}
ENV PATH=/bin
COPY page /page
RUN echo built >> /page
"""
#: The image that the services begin with has no page.
COMMAND = ["sh", "-c", "[ ! -e /page ] || cat /page; exec sleep 3600"]


@pytest.fixture
def client(gate, layout, tmp_path):
    """An image that builds: busybox and the docker client of this machine."""
    docker = shutil.which("docker")
    if not docker or subprocess.run(["ldd", docker], capture_output=True).returncode == 0:
        pytest.skip("no docker client that runs without libraries")
    images.push(gate, layout, "busybox")
    extra = images.layer({"bin/docker": (pathlib.Path(docker).read_bytes(), 0o755)})
    images.push(gate, images.busybox(tmp_path / "layout", extra_layers=[extra]), "client")
    return images.aws_name("client")


def pipeline(gate):
    """Source, build, staging, a person's word, production."""
    code = {"RepositoryName": "web", "BranchName": "main"}
    version = json.dumps([{"name": "VERSION", "value": "#{src.CommitId}"}])
    build = {"ProjectName": "web", "EnvironmentVariables": version}

    def to(name):
        configuration = {"ClusterName": "default", "ServiceName": name}
        return {"name": name, "actions": [action(f"To-{name}", "Deploy", "ECS", configuration, inputs=["image"])]}

    return create(
        gate,
        "web",
        {"name": "Source", "actions": [action("Code", "Source", "CodeCommit", code, outputs=["code"], namespace="src")]},
        {"name": "Build", "actions": [action("Image", "Build", "CodeBuild", build, inputs=["code"], outputs=["image"])]},
        to("staging"),
        {"name": "Ask", "actions": [action("Human", "Approval", "Manual", {})]},
        to("production"),
    )


def test_a_push_is_built_staged_approved_and_in_production(gate, client, tmp_path):
    ecs, code = gate.client("ecs"), gate.client("codecommit")
    url = code.create_repository(repositoryName="web")["repositoryMetadata"]["cloneUrlHttp"]
    gate.client("ecr").create_repository(repositoryName="web")
    gate.client("s3").create_bucket(Bucket="artifacts")
    token = gate.aws("ecr", "get-login-password").strip()
    gate.client("codebuild").create_project(
        name="web",
        source={"type": "CODEPIPELINE"},
        artifacts={"type": "CODEPIPELINE"},
        environment={
            "type": "LINUX_CONTAINER",
            "image": client,
            "computeType": "BUILD_GENERAL1_SMALL",
            "privilegedMode": True,
            "environmentVariables": [{"name": "TOKEN", "value": token}, {"name": "REGISTRY", "value": REGISTRY}],
        },
        serviceRole=ROLE,
    )
    ecs.create_cluster(clusterName="default")
    for name in ("staging", "production"):
        tasks.register(gate, container(command=COMMAND, group=f"/{name}", stopTimeout=2), family=name)
        service(gate, name)
    repository = tmp_path / "web"
    git(tmp_path, "init", "-q", "web")
    for path, text in {"buildspec.yml": BUILDSPEC, "Dockerfile": DOCKERFILE, "page": "one\n"}.items():
        first = commit(repository, path, text)
    git(repository, "push", "-q", url, "HEAD:refs/heads/main")
    pipeline(gate)
    reached(gate, "web", "To-staging", "Succeeded", 180)
    asked = wait_until(lambda: runs(gate, "web")["Human"].get("token"), what="a person is asked")
    assert image_of(gate, "staging") == f"{REGISTRY}/web:{first}"
    assert image_of(gate, "production") == BASE
    gate.client("codepipeline").put_approval_result(
        pipelineName="web", stageName="Ask", actionName="Human", token=asked, result={"summary": "yes", "status": "Approved"}
    )
    reached(gate, "web", "To-production", "Succeeded", 180)
    assert image_of(gate, "production") == f"{REGISTRY}/web:{first}"

    def said():
        found = [arn.rsplit("/", 1)[1] for arn in ecs.list_tasks(serviceName="production")["taskArns"]]
        return [tasks.messages(gate, "/production", f"ecs/app/{task}") for task in found]

    wait_until(lambda: said() == [["one", "built"]], what="the new version alone runs")
    # The next push begins by itself.
    second = commit(repository, "page", "two\n")
    git(repository, "push", "-q", url, "HEAD:refs/heads/main")
    wait_until(lambda: image_of(gate, "staging") == f"{REGISTRY}/web:{second}", 120, "the second version is staged")
    gate.client("codepipeline").delete_pipeline(name="web")
    for name in ("staging", "production"):
        ecs.delete_service(service=name, force=True)
    wait_until(lambda: ecs.list_tasks()["taskArns"] == [], 60, "the tasks are gone")
