"""What pipelines do beside builds and services, by real clients: stacks, conditions, other pipelines, commands,
webhooks, notifications; and the command for people."""

import json
import subprocess
import urllib.error
import urllib.request

import images
from neargate import ACCOUNT, REGION, wait_until
from test_codepipeline import action, buckets, create, executions, reached, runs, source, zipped

TEMPLATE = """Parameters: {Name: {Type: String}}
Resources:
  Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: !Ref Name}}
Outputs:
  Made: {Value: !GetAtt Queue.QueueName}
"""


def people(gate, what, *more):
    """`neargate pipeline WHAT …` to its end."""
    place = ["--listen", f"{gate.host}:{gate.port}", "--data", str(gate.data)]
    command = [gate.binary, "pipeline", what, *more, *place]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def stack(name, mode, inputs=("app",), outputs=(), **more):
    configuration = {"ActionMode": mode, "StackName": "queue", **more.pop("configuration", {})}
    return action(name, "Deploy", "CloudFormation", configuration, inputs=inputs, outputs=outputs, **more)


def rule(name, provider, **configuration):
    kind = {"category": "Rule", "owner": "AWS", "provider": provider, "version": "1"}
    return {"name": name, "ruleTypeId": kind, "configuration": configuration}


def told(gate, queue):
    """Whatever came to the queue, as the topic's messages say it."""
    got = gate.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(json.loads(m["Body"])["Message"]) for m in got]


def test_a_stack_by_change_set_conditions_another_pipeline_and_who_is_told(gate):
    s3, sns, sqs = buckets(gate), gate.client("sns"), gate.client("sqs")
    s3.create_bucket(Bucket="site")
    s3.put_object(Bucket="code", Key="app.zip", Body=zipped(queue__yaml=TEMPLATE, index__html="<p>hello</p>"))
    topic = sns.create_topic(Name="told")["TopicArn"]
    inbox = sqs.create_queue(QueueName="inbox")["QueueUrl"]
    inbox_arn = sqs.get_queue_attributes(QueueUrl=inbox, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=inbox_arn)
    last = {"name": "Ask", "actions": [action("Human", "Approval", "Manual", {})]}
    create(gate, "other", source(PollForSourceChanges="false"), last)
    template = {"TemplatePath": "app::queue.yaml", "ChangeSetName": "next", "ParameterOverrides": '{"Name": "made"}'}
    execute = {"ChangeSetName": "next", "OutputFileName": "out.json"}
    publish = {"BucketName": "site", "Extract": "true", "ObjectKey": "#{stack.Made}"}
    stages = [
        source(PollForSourceChanges="false"),
        {
            "name": "Stack",
            "actions": [
                stack("Change", "CHANGE_SET_REPLACE", configuration=template),
                stack(
                    "Execute", "CHANGE_SET_EXECUTE", configuration=execute, inputs=[], outputs=["outputs"],
                    namespace="stack", runOrder=2,
                ),
            ],
        },
        {
            "name": "Site",
            "actions": [action("Put", "Deploy", "S3", publish, inputs=["app"])],
            "beforeEntry": {
                "conditions": [
                    {
                        "result": "FAIL",
                        "rules": [
                            rule("name", "VariableCheck", Variable="#{stack.Made}", Value="ma.e", Operator="MATCHES"),
                            rule("open", "DeploymentWindow", Cron="* * * ? * * *"),
                        ],
                    }
                ]
            },
            "onSuccess": {
                "conditions": [
                    {"result": "FAIL", "rules": [rule("never", "VariableCheck", Variable="a", Value="b", Operator="EQ")]}
                ]
            },
        },
        {"name": "Next", "actions": [action("Other", "Invoke", "CodePipeline", {"PipelineName": "other"}, namespace="next")]},
    ]
    create(gate, "web", *stages)
    arn = f"arn:aws:codepipeline:{REGION}:{ACCOUNT}:web"
    notify = gate.client("codestar-notifications")
    made = notify.create_notification_rule(
        Name="web", EventTypeIds=["codepipeline-pipeline-pipeline-execution-succeeded"], Resource=arn, DetailType="FULL",
        Targets=[{"TargetType": "SNS", "TargetAddress": topic}],
    )["Arn"]

    def active():
        return notify.describe_notification_rule(Arn=made)["Targets"][0]["TargetStatus"] == "ACTIVE"

    wait_until(active, what="EventBridge knows the notification rule")
    wait_until(lambda: executions(gate, "web")[0]["status"] == "Failed", what="the condition on success fails the stage")
    assert s3.get_object(Bucket="site", Key="made/index.html")["ContentType"] == "text/html"
    client = gate.client("codepipeline")
    rules = client.list_rule_executions(pipelineName="web")["ruleExecutionDetails"]
    assert {r["ruleName"]: r["status"] for r in rules} == {"never": "Failed", "open": "Succeeded", "name": "Succeeded"}
    shown = people(gate, "show", "web")
    assert "✗ Site  Failed" in shown.stdout and "before entry: open" in shown.stdout, shown
    execution = executions(gate, "web")[0]["pipelineExecutionId"]
    client.override_stage_condition(
        pipelineName="web", stageName="Site", pipelineExecutionId=execution, conditionType="ON_SUCCESS"
    )
    # The rule was there before the execution succeeded, but EventBridge's look at its rules may come later.
    wait_until(lambda: executions(gate, "web")[0]["status"] == "Succeeded", what="it goes on")
    [message] = wait_until(lambda: told(gate, inbox), what="the topic is told")
    assert message["notificationRuleArn"] == made and message["detail"]["pipeline"] == "web"
    assert message["detailType"] == "CodePipeline Pipeline Execution State Change"
    # The first execution of the other pipeline began with it, and the invoked one waits behind it.
    began = runs(gate, "web")["Other"]["externalExecutionId"]
    assert began in [e["pipelineExecutionId"] for e in executions(gate, "other")]
    wait_until(lambda: runs(gate, "other")["Human"].get("token"), what="a person is asked")
    answered = people(gate, "approve", "other", "--summary", "good")
    assert answered.returncode == 0, answered
    assert "other" in people(gate, "list").stdout
    client.delete_pipeline(name="other")
    delete = {"name": "Gone", "actions": [stack("Gone", "DELETE_ONLY", inputs=[])]}
    create(gate, "gone", source(PollForSourceChanges="false"), delete)
    reached(gate, "gone", "Gone", "Succeeded")
    assert all("made" not in url for url in sqs.list_queues().get("QueueUrls", []))
    notify.delete_notification_rule(Arn=made)
    events = gate.client("events")

    def forgotten():
        return not events.list_rules(NamePrefix="awscodestarnotifications-")["Rules"]

    wait_until(forgotten, what="EventBridge has forgotten it")
    for name in ("web", "gone"):
        client.delete_pipeline(name=name)


def call(url, body, headers=None):
    """The status that a webhook's caller gets."""
    headers = {"Content-Type": "application/json", **(headers or {})}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="POST")
    try:
        return urllib.request.urlopen(request).status
    except urllib.error.HTTPError as refused:
        return refused.code


def test_who_calls_a_webhook_starts_its_pipeline(gate):
    buckets(gate).put_object(Bucket="code", Key="app.zip", Body=zipped(a="b"))
    ask = {"name": "Ask", "actions": [action("Human", "Approval", "Manual", {})]}
    create(gate, "hooked", source(PollForSourceChanges="false"), ask)
    client = gate.client("codepipeline")
    definition = {
        "name": "hook",
        "targetPipeline": "hooked",
        "targetAction": "Code",
        "filters": [{"jsonPath": "$.push.branch", "matchEquals": "main"}, {"jsonPath": "$.key", "matchEquals": "{S3ObjectKey}"}],
        "authentication": "UNAUTHENTICATED",
        "authenticationConfiguration": {},
    }
    url = client.put_webhook(webhook=definition)["webhook"]["url"]
    assert call(url, {"push": {"branch": "other"}, "key": "app.zip"}) == 200
    assert call(url[:-2], {"push": {"branch": "main"}, "key": "app.zip"}) == 404
    assert len(executions(gate, "hooked")) == 1
    assert call(url, {"push": {"branch": "main"}, "key": "app.zip"}) == 200
    newest = executions(gate, "hooked")[0]
    assert newest["trigger"]["triggerType"] == "Webhook"
    [listed] = client.list_webhooks()["webhooks"]
    assert listed["lastTriggered"] and listed["url"] == url
    # With a secret, only who signs.
    definition |= {"authentication": "GITHUB_HMAC", "authenticationConfiguration": {"SecretToken": "s"}}
    assert client.put_webhook(webhook=definition)["webhook"]["definition"]["authenticationConfiguration"] == {
        "SecretToken": "****"
    }
    assert call(url, {"push": {"branch": "main"}, "key": "app.zip"}) == 403
    client.delete_webhook(name="hook")
    client.delete_pipeline(name="hooked")


def test_commands_need_no_project(make_gate, layout, tmp_path):
    config = tmp_path / "neargate.toml"
    config.write_text(f'[build_images]\n"*" = "{images.aws_name("busybox")}"\n')
    gate = make_gate("--config", str(config))
    gate.start()
    images.push(gate, layout, "busybox")
    s3 = buckets(gate)
    s3.create_bucket(Bucket="site")
    s3.put_object(Bucket="code", Key="app.zip", Body=zipped(name="world"))
    commands = action(
        "Say", "Compute", "Commands", {}, inputs=["app"], outputs=["said"], namespace="said", outputVariables=["WHO"],
        commands=["export WHO=$(cat name)", 'echo "$GREETING $WHO" > hello'],
        environmentVariables=[{"name": "GREETING", "value": "hello"}],
    )
    commands["outputArtifacts"] = [{"name": "said", "files": ["hello"]}]
    configuration = {"BucketName": "site", "Extract": "true", "ObjectKey": "#{said.WHO}"}
    publish = {"name": "Publish", "actions": [action("Put", "Deploy", "S3", configuration, inputs=["said"])]}
    create(gate, "says", source(), {"name": "Say", "actions": [commands]}, publish)
    reached(gate, "says", "Put", "Succeeded", 120)
    assert s3.get_object(Bucket="site", Key="world/hello")["Body"].read() == b"hello world\n"
    # It is no build of the customer's.
    assert gate.client("codebuild").list_builds()["ids"] == []
    assert "log-group:/aws/codepipeline/says" in runs(gate, "says")["Say"]["logStreamARN"]
    gate.client("codepipeline").delete_pipeline(name="says")
