"""CodePipeline by real clients: from an object in a bucket through staging and an approval to production."""

import io
import json
import zipfile

import images
import tasks
from neargate import ACCOUNT, wait_until
from tasks import container
from test_iam_enforcement import allow, policy
from test_sts import enforcing  # noqa: F401: a fixture

ROLE = f"arn:aws:iam::{ACCOUNT}:role/pipeline"


def zipped(**files):
    """A ZIP file of these texts, by their names."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "."), text)
    return out.getvalue()


def action(name, category, provider, configuration, inputs=(), outputs=(), **more):
    return {
        "name": name,
        "actionTypeId": {"category": category, "owner": "AWS", "provider": provider, "version": "1"},
        "configuration": configuration,
        "inputArtifacts": [{"name": n} for n in inputs],
        "outputArtifacts": [{"name": n} for n in outputs],
        **more,
    }


def source(**more):
    configuration = {"S3Bucket": "code", "S3ObjectKey": "app.zip", **more}
    return {"name": "Source", "actions": [action("Code", "Source", "S3", configuration, outputs=["app"])]}


def ecs_stage(name, service):
    configuration = {"ClusterName": "default", "ServiceName": service}
    return {"name": name, "actions": [action(f"To{name}", "Deploy", "ECS", configuration, inputs=["app"])]}


def create(gate, name, *stages):
    return gate.client("codepipeline").create_pipeline(
        pipeline={
            "name": name,
            "roleArn": ROLE,
            "pipelineType": "V2",
            "artifactStore": {"type": "S3", "location": "artifacts"},
            "stages": list(stages),
        }
    )["pipeline"]


def buckets(gate):
    s3 = gate.client("s3")
    for bucket in ("code", "artifacts"):
        s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket="code", VersioningConfiguration={"Status": "Enabled"})
    return s3


def executions(gate, name):
    """Newest first."""
    told = gate.client("codepipeline").list_pipeline_executions(pipelineName=name)
    return told["pipelineExecutionSummaries"]


def runs(gate, name):
    """Every action's state, and why it failed, by its name."""
    state = gate.client("codepipeline").get_pipeline_state(name=name)
    found = {}
    for stage in state["stageStates"]:
        for one in stage["actionStates"]:
            found[one["actionName"]] = one.get("latestExecution", {})
    return found


def reached(gate, name, action, status, seconds=120):
    def has():
        run = runs(gate, name)[action]
        if run.get("status") == status:
            return run
        assert status == "Failed" or run.get("status") != "Failed", run
        return None

    return wait_until(has, seconds, f"the action {action} is {status}")


def service(gate, name):
    gate.client("ecs").create_service(
        serviceName=name,
        taskDefinition=name,
        desiredCount=1,
        launchType="FARGATE",
        networkConfiguration=tasks.network(gate),
    )


def image_of(gate, name):
    """What the service's task definition runs."""
    ecs = gate.client("ecs")
    told = ecs.describe_services(services=[name])["services"][0]
    definition = ecs.describe_task_definition(taskDefinition=told["taskDefinition"])["taskDefinition"]
    return definition["containerDefinitions"][0]["image"]


def test_from_a_bucket_through_an_approval_to_production_across_a_kill(own_gate, layout):
    gate = own_gate
    for tag in ("old", "new"):
        images.push(gate, layout, "busybox", tag)
    gate.client("ecs").create_cluster(clusterName="default")
    command = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"]
    for name in ("staging", "production"):
        tasks.register(gate, container(image=images.aws_name("busybox", "old"), command=command), family=name)
        service(gate, name)
    s3 = buckets(gate)
    wanted = images.aws_name("busybox", "new")
    files = {"imagedefinitions__json": json.dumps([{"name": "app", "imageUri": wanted}])}
    version = s3.put_object(Bucket="code", Key="app.zip", Body=zipped(**files))["VersionId"]
    ask = {"name": "Ask", "actions": [action("Human", "Approval", "Manual", {"CustomData": "look at it"})]}
    create(gate, "web", source(), ecs_stage("Staging", "staging"), ask, ecs_stage("Production", "production"))
    reached(gate, "web", "ToStaging", "InProgress")
    gate.kill()
    gate.start()
    token = reached(gate, "web", "Human", "InProgress")["token"]
    assert image_of(gate, "staging") == wanted and image_of(gate, "production") != wanted
    ecs = gate.client("ecs")
    assert len(ecs.list_task_definitions(familyPrefix="staging")["taskDefinitionArns"]) == 2
    code = gate.client("codepipeline").get_pipeline_state(name="web")["stageStates"][0]["actionStates"][0]
    assert code["currentRevision"]["revisionId"] == version
    gate.aws(
        "codepipeline", "put-approval-result", "--pipeline-name", "web", "--stage-name", "Ask", "--action-name", "Human",
        "--token", token, "--result", "summary=good,status=Approved",
    )
    done = reached(gate, "web", "ToProduction", "Succeeded")
    assert done["externalExecutionId"].startswith("ecs-svc/")
    assert image_of(gate, "production") == wanted
    wait_until(lambda: executions(gate, "web")[0]["status"] == "Succeeded", what="the execution is over")
    assert len(executions(gate, "web")) == 1
    told = gate.client("codepipeline").list_action_executions(pipelineName="web")["actionExecutionDetails"]
    assert [(d["actionName"], d["status"]) for d in told] == [
        (name, "Succeeded") for name in ("ToProduction", "Human", "ToStaging", "Code")
    ]
    # A new version of the object starts the next one, which is rejected.
    s3.put_object(Bucket="code", Key="app.zip", Body=zipped(**files))
    wait_until(lambda: len(executions(gate, "web")) == 2, what="the new version is seen")
    newest = executions(gate, "web")[0]["pipelineExecutionId"]

    def asked_again():
        told = gate.client("codepipeline").list_action_executions(
            pipelineName="web", filter={"pipelineExecutionId": newest}
        )["actionExecutionDetails"]
        return [d for d in told if d["actionName"] == "Human"]

    wait_until(asked_again, 120, "the second execution asks")
    gate.client("codepipeline").put_approval_result(
        pipelineName="web",
        stageName="Ask",
        actionName="Human",
        token=runs(gate, "web")["Human"]["token"],
        result={"summary": "no", "status": "Rejected"},
    )
    wait_until(lambda: executions(gate, "web")[0]["status"] == "Failed", what="it was rejected")
    gate.client("codepipeline").delete_pipeline(name="web")
    for name in ("staging", "production"):
        ecs.delete_service(service=name, force=True)
    wait_until(lambda: ecs.list_tasks()["taskArns"] == [], 60, "the tasks are gone")


def test_a_role_that_may_not_fails_its_stage_until_it_may(enforcing):  # noqa: F811
    gate = enforcing
    iam = gate.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "codepipeline.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName="pipeline", AssumeRolePolicyDocument=policy(trust))
    s3 = buckets(gate)
    s3.create_bucket(Bucket="site")
    s3.put_object(Bucket="code", Key="app.zip", Body=zipped(index__html="<p>hello</p>"))
    configuration = {"BucketName": "site", "Extract": "true"}
    publish = {"name": "Publish", "actions": [action("Put", "Deploy", "S3", configuration, inputs=["app"])]}
    create(gate, "site", source(PollForSourceChanges="false"), publish)
    failed = reached(gate, "site", "Code", "Failed")["errorDetails"]
    assert failed["code"] == "PermissionError"
    rights = policy(allow("s3:*"))
    iam.put_role_policy(RoleName="pipeline", PolicyName="own", PolicyDocument=rights)
    wait_until(lambda: executions(gate, "site")[0]["status"] == "Failed", what="the execution failed")
    gate.client("codepipeline").retry_stage_execution(
        pipelineName="site",
        stageName="Source",
        pipelineExecutionId=executions(gate, "site")[0]["pipelineExecutionId"],
        retryMode="FAILED_ACTIONS",
    )
    reached(gate, "site", "Put", "Succeeded")
    assert s3.get_object(Bucket="site", Key="index.html")["Body"].read() == b"<p>hello</p>"


def test_a_push_to_a_branch_is_published(gate):
    code, s3 = gate.client("codecommit"), buckets(gate)
    s3.create_bucket(Bucket="site")
    code.create_repository(repositoryName="site")
    first = code.put_file(
        repositoryName="site", branchName="main", filePath="docs/index.html", fileContent=b"one", commitMessage="First"
    )["commitId"]
    branch = {"RepositoryName": "site", "BranchName": "main"}
    pull = {"name": "Source", "actions": [action("Code", "Source", "CodeCommit", branch, outputs=["app"], namespace="src")]}
    configuration = {"BucketName": "site", "Extract": "true", "ObjectKey": "#{src.BranchName}"}
    publish = {"name": "Publish", "actions": [action("Put", "Deploy", "S3", configuration, inputs=["app"])]}
    create(gate, "site", pull, publish)
    reached(gate, "site", "Put", "Succeeded")
    assert s3.get_object(Bucket="site", Key="main/docs/index.html")["Body"].read() == b"one"
    [revision] = executions(gate, "site")[0]["sourceRevisions"]
    assert (revision["revisionId"], revision["revisionSummary"]) == (first, "First")
    code.put_file(
        repositoryName="site",
        branchName="main",
        filePath="docs/index.html",
        fileContent=b"two",
        commitMessage="Second",
        parentCommitId=first,
    )

    def published():
        return s3.get_object(Bucket="site", Key="main/docs/index.html")["Body"].read() == b"two"

    wait_until(published, what="the second commit is published")
    gate.client("codepipeline").delete_pipeline(name="site")
