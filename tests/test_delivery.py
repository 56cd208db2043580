"""The whole way of a change, by git alone: pushed, built, put into ECR, deployed to staging, approved, deployed
to production."""

import base64
import json
import pathlib
import shutil
import subprocess

import pytest

import images
import tasks
from neargate import ACCOUNT, ROLE, wait_until
from tasks import container
from test_codecommit import commit, git
from test_codepipeline import ROLE as PIPELINE
from test_codepipeline import action, image_of, reached, runs, service
from test_iam_enforcement import allow, policy
from test_sts import enforcing  # noqa: F401: a fixture

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


def client(gate, layout, tmp_path):
    """An image that builds: busybox and the docker client of this machine."""
    docker = shutil.which("docker")
    if not docker or subprocess.run(["ldd", docker], capture_output=True).returncode == 0:
        pytest.skip("no docker client that runs without libraries")
    images.push(gate, layout, "busybox")
    extra = images.layer({"bin/docker": (pathlib.Path(docker).read_bytes(), 0o755)})
    images.push(gate, images.busybox(tmp_path / "layout", extra_layers=[extra]), "client")
    return images.aws_name("client")


def pipeline(gate, role=None):
    """Source, build, staging, a person's word, production."""
    code = {"RepositoryName": "web", "BranchName": "main"}
    version = json.dumps([{"name": "VERSION", "value": "#{src.CommitId}"}])
    build = {"ProjectName": "web", "EnvironmentVariables": version}

    def to(name):
        configuration = {"ClusterName": "default", "ServiceName": name}
        return {"name": name, "actions": [action(f"To-{name}", "Deploy", "ECS", configuration, inputs=["image"])]}

    stages = (
        {"name": "Source", "actions": [action("Code", "Source", "CodeCommit", code, outputs=["code"], namespace="src")]},
        {"name": "Build", "actions": [action("Image", "Build", "CodeBuild", build, inputs=["code"], outputs=["image"])]},
        to("staging"),
        {"name": "Ask", "actions": [action("Human", "Approval", "Manual", {})]},
        to("production"),
    )
    return gate.client("codepipeline").create_pipeline(
        pipeline={
            "name": "web",
            "roleArn": role or PIPELINE,
            "pipelineType": "V2",
            "artifactStore": {"type": "S3", "location": "artifacts"},
            "stages": list(stages),
        }
    )


def walk(gate, client, tmp_path, roles, credentials=()):
    """The whole way, twice; `roles` are those of the pipeline, of the build and of the tasks."""
    of_pipeline, of_build, of_tasks = roles
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
        serviceRole=of_build,
    )
    ecs.create_cluster(clusterName="default")
    for name in ("staging", "production"):
        tasks.register(gate, container(command=COMMAND, group=f"/{name}", stopTimeout=2), family=name, executionRoleArn=of_tasks)
        service(gate, name)
    repository = tmp_path / "web"
    git(tmp_path, "init", "-q", "web")
    for path, text in {"buildspec.yml": BUILDSPEC, "Dockerfile": DOCKERFILE, "page": "one\n"}.items():
        first = commit(repository, path, text)
    git(repository, *credentials, "push", "-q", url, "HEAD:refs/heads/main")
    pipeline(gate, of_pipeline)
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
    git(repository, *credentials, "push", "-q", url, "HEAD:refs/heads/main")
    wait_until(lambda: image_of(gate, "staging") == f"{REGISTRY}/web:{second}", 120, "the second version is staged")
    gate.client("codepipeline").delete_pipeline(name="web")
    for name in ("staging", "production"):
        ecs.delete_service(service=name, force=True)
    wait_until(lambda: ecs.list_tasks()["taskArns"] == [], 60, "the tasks are gone")


def test_a_push_is_built_staged_approved_and_in_production(gate, layout, tmp_path):
    walk(gate, client(gate, layout, tmp_path), tmp_path, (None, ROLE, ROLE))


#: What AWS's documentation gives the roles of a pipeline, of a project and of tasks, for what they do here.
OF_PIPELINE = [
    allow("codecommit:GetBranch", "codecommit:GetCommit", "codecommit:GetRepository", "codecommit:UploadArchive",
          "codecommit:GetUploadArchiveStatus", "codecommit:CancelUploadArchive"),
    allow("s3:GetObject", "s3:GetObjectVersion", "s3:GetBucketVersioning", "s3:PutObject"),
    allow("codebuild:BatchGetBuilds", "codebuild:StartBuild"),
    allow("ecs:DescribeServices", "ecs:DescribeTaskDefinition", "ecs:DescribeTasks", "ecs:ListTasks",
          "ecs:RegisterTaskDefinition", "ecs:TagResource", "ecs:UpdateService"),
    allow("iam:PassRole", on=f"arn:aws:iam::{ACCOUNT}:role/tasks",
          Condition={"StringEquals": {"iam:PassedToService": ["ecs.amazonaws.com", "ecs-tasks.amazonaws.com"]}}),
]
OF_BUILD = [
    allow("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"),
    allow("s3:PutObject", "s3:GetObject", "s3:GetObjectVersion", "s3:GetBucketAcl", "s3:GetBucketLocation"),
    allow("ecr:GetAuthorizationToken", "ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"),
]
OF_TASKS = [
    allow("ecr:GetAuthorizationToken", "ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage",
          "logs:CreateLogStream", "logs:PutLogEvents"),
    # The test's containers have their groups made (`awslogs-create-group`).
    allow("logs:CreateLogGroup"),
]


def test_the_same_with_roles_that_may_no_more_than_they_must(enforcing, layout, tmp_path):  # noqa: F811
    gate = enforcing
    iam = gate.client("iam")
    roles = []
    for name, service, rights in (
        ("pipeline", "codepipeline", OF_PIPELINE),
        ("build", "codebuild", OF_BUILD),
        ("tasks", "ecs-tasks", OF_TASKS),
    ):
        trust = {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sts:AssumeRole"}
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))["Role"]
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy(*rights))
        roles.append(role["Arn"])
    iam.create_user(UserName="ann")
    pushes = policy(allow("codecommit:GitPull", "codecommit:GitPush"))
    iam.put_user_policy(UserName="ann", PolicyName="git", PolicyDocument=pushes)
    made = iam.create_service_specific_credential(UserName="ann", ServiceName="codecommit.amazonaws.com")
    made = made["ServiceSpecificCredential"]
    pair = base64.b64encode(f"{made['ServiceUserName']}:{made['ServicePassword']}".encode()).decode()
    login = ("-c", f"http.extraHeader=Authorization: Basic {pair}")
    walk(gate, client(gate, layout, tmp_path), tmp_path, roles, login)
