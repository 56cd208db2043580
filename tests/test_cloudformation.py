"""CloudFormation by real clients: a VPC, a load balancer and a Fargate service as one stack."""

import http.client
import json
import urllib.request

import pytest

import images
from images import aws_name
from neargate import refused, wait_until

SERVE = "mkdir -p /tmp/w; echo $TEXT > /tmp/w/index.html; exec httpd -f -p 80 -h /tmp/w"

WEB = """
AWSTemplateFormatVersion: "2010-09-09"
Description: A web service in a VPC of its own
Parameters:
  Text: {Type: String, Default: one}
  Image: {Type: String}
  Broken: {Type: String, Default: "no", AllowedValues: ["yes", "no"]}
Conditions:
  IsBroken: !Equals [!Ref Broken, "yes"]
Resources:
  Vpc:
    Type: AWS::EC2::VPC
    Properties: {CidrBlock: 10.77.0.0/16, EnableDnsSupport: true, EnableDnsHostnames: true, Tags: [{Key: Name, Value: !Ref AWS::StackName}]}
  Gateway: {Type: AWS::EC2::InternetGateway}
  Attachment:
    Type: AWS::EC2::VPCGatewayAttachment
    Properties: {VpcId: !Ref Vpc, InternetGatewayId: !Ref Gateway}
  Routes:
    Type: AWS::EC2::RouteTable
    Properties: {VpcId: !Ref Vpc}
  Out:
    Type: AWS::EC2::Route
    DependsOn: Attachment
    Properties: {RouteTableId: !Ref Routes, DestinationCidrBlock: 0.0.0.0/0, GatewayId: !Ref Gateway}
  SubnetA:
    Type: AWS::EC2::Subnet
    Properties: {VpcId: !Ref Vpc, CidrBlock: !Select [0, !Cidr [!GetAtt Vpc.CidrBlock, 2, 8]], AvailabilityZone: !Select [0, !GetAZs ""], MapPublicIpOnLaunch: true}
  SubnetB:
    Type: AWS::EC2::Subnet
    Properties: {VpcId: !Ref Vpc, CidrBlock: !Select [1, !Cidr [!GetAtt Vpc.CidrBlock, 2, 8]], AvailabilityZone: !Select [1, !GetAZs ""], MapPublicIpOnLaunch: true}
  RoutesA:
    Type: AWS::EC2::SubnetRouteTableAssociation
    Properties: {RouteTableId: !Ref Routes, SubnetId: !Ref SubnetA}
  RoutesB:
    Type: AWS::EC2::SubnetRouteTableAssociation
    Properties: {RouteTableId: !Ref Routes, SubnetId: !Ref SubnetB}
  Public:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupDescription: the load balancer
      VpcId: !Ref Vpc
      SecurityGroupIngress: [{IpProtocol: tcp, FromPort: 80, ToPort: 80, CidrIp: 0.0.0.0/0}]
  Tasks:
    Type: AWS::EC2::SecurityGroup
    Properties: {GroupDescription: the tasks, VpcId: !Ref Vpc}
  FromPublic:
    Type: AWS::EC2::SecurityGroupIngress
    Properties: {GroupId: !Ref Tasks, IpProtocol: tcp, FromPort: 80, ToPort: 80, SourceSecurityGroupId: !Ref Public}
  Balancer:
    Type: AWS::ElasticLoadBalancingV2::LoadBalancer
    Properties: {Scheme: internet-facing, Subnets: [!Ref SubnetA, !Ref SubnetB], SecurityGroups: [!Ref Public]}
  Group:
    Type: AWS::ElasticLoadBalancingV2::TargetGroup
    Properties:
      VpcId: !Ref Vpc
      Port: 80
      Protocol: HTTP
      TargetType: ip
      HealthCheckIntervalSeconds: 5
      HealthCheckTimeoutSeconds: 2
      HealthyThresholdCount: 2
      TargetGroupAttributes: [{Key: deregistration_delay.timeout_seconds, Value: "1"}]
  Listener:
    Type: AWS::ElasticLoadBalancingV2::Listener
    Properties:
      LoadBalancerArn: !Ref Balancer
      Port: 80
      Protocol: HTTP
      DefaultActions: [{Type: forward, TargetGroupArn: !Ref Group}]
  Cluster: {Type: AWS::ECS::Cluster}
  Logs:
    Type: AWS::Logs::LogGroup
    Properties: {RetentionInDays: 7}
  Execution:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: {Service: ecs-tasks.amazonaws.com}, Action: sts:AssumeRole}]
      ManagedPolicyArns: [!Sub "arn:${AWS::Partition}:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"]
  Definition:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Cpu: 256
      Memory: 512
      NetworkMode: awsvpc
      RequiresCompatibilities: [FARGATE]
      ExecutionRoleArn: !GetAtt Execution.Arn
      ContainerDefinitions:
        - Name: app
          Image: !Ref Image
          Command: [sh, -c, "SERVE"]
          StopTimeout: 2
          Environment: [{Name: TEXT, Value: !Ref Text}]
          PortMappings: [{ContainerPort: 80}]
          LogConfiguration:
            LogDriver: awslogs
            Options: {awslogs-group: !Ref Logs, awslogs-region: !Ref AWS::Region, awslogs-stream-prefix: app}
  Service:
    Type: AWS::ECS::Service
    DependsOn: Listener
    Properties:
      Cluster: !Ref Cluster
      TaskDefinition: !Ref Definition
      DesiredCount: 1
      LaunchType: FARGATE
      LoadBalancers: [{ContainerName: app, ContainerPort: 80, TargetGroupArn: !Ref Group}]
      NetworkConfiguration: {AwsvpcConfiguration: {AssignPublicIp: ENABLED, Subnets: [!Ref SubnetA, !Ref SubnetB], SecurityGroups: [!Ref Tasks]}}
  Late:
    Type: AWS::SQS::Queue
    Condition: IsBroken
    DependsOn: Service
    Properties: {VisibilityTimeout: 999999}
Outputs:
  Host: {Value: !GetAtt Balancer.DNSName}
  Cluster: {Value: !Ref Cluster, Export: {Name: !Sub "${AWS::StackName}-cluster"}}
""".replace("SERVE", SERVE)


def deploy(gate, path, *parameters):
    """It looks only every half minute whether the stack is there."""
    return gate.aws(
        "cloudformation", "deploy", "--stack-name", "web", "--template-file", str(path), "--capabilities", "CAPABILITY_IAM",
        "--no-fail-on-empty-changeset", "--parameter-overrides", f"Image={aws_name('busybox')}", *parameters,
    )


def update(gate, status, **parameters):
    given = [{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()]
    kept = [{"ParameterKey": k, "UsePreviousValue": True} for k in {"Text", "Image", "Broken"} - set(parameters)]
    gate.client("cloudformation").update_stack(
        StackName="web", UsePreviousTemplate=True, Capabilities=["CAPABILITY_IAM"], Parameters=[*given, *kept]
    )
    settled(gate, "web", status)


def described(gate, name="web"):
    return gate.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]


def outputs(gate):
    return {o["OutputKey"]: o["OutputValue"] for o in described(gate)["Outputs"]}


def get(host):
    """Status and body; `None` while nobody takes a connection."""
    connection = http.client.HTTPConnection(host, 80, timeout=5)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        return answer.status, answer.read().decode().strip()
    except OSError:
        return None
    finally:
        connection.close()


def physical(gate):
    found = gate.client("cloudformation").describe_stack_resources(StackName="web")["StackResources"]
    return {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in found}


def settled(gate, name, status):
    def reached():
        now = described(gate, name)["StackStatus"]
        if now.endswith("_IN_PROGRESS"):
            return None
        assert now == status, gate.client("cloudformation").describe_stack_events(StackName=name)["StackEvents"]
        return True

    wait_until(reached, 120, f"{name} is {status}")


def test_a_web_service_is_deployed_changed_taken_back_and_deleted(gate, layout, tmp_path):
    images.push(gate, layout, "busybox")
    path = tmp_path / "web.yaml"
    path.write_text(WEB)
    vpcs = len(gate.client("ec2").describe_vpcs()["Vpcs"])
    deploy(gate, path)
    host = outputs(gate)["Host"]
    wait_until(lambda: get(host) == (200, "one"), what="the service answers")

    # A change of one parameter leaves everything else alone.
    before = physical(gate)
    update(gate, "UPDATE_COMPLETE", Text="two")
    wait_until(lambda: get(host) == (200, "two"), what="the new text is served")
    after = physical(gate)
    assert {name for name in before if before[name] != after[name]} == {"Definition"}

    # Nothing to do is no error for `deploy`.
    assert "No changes to deploy" in deploy(gate, path, "Text=two")

    # What fails goes back to what was.
    update(gate, "UPDATE_ROLLBACK_COMPLETE", Text="three", Broken="yes")
    wait_until(lambda: get(host) == (200, "two"), what="the former text is served")
    assert physical(gate)["Definition"] == after["Definition"]

    gate.client("cloudformation").delete_stack(StackName="web")
    gate.client("cloudformation").get_waiter("stack_delete_complete").wait(StackName="web", WaiterConfig={"Delay": 1, "MaxAttempts": 180})
    assert len(gate.client("ec2").describe_vpcs()["Vpcs"]) == vpcs
    assert gate.client("elbv2").describe_load_balancers()["LoadBalancers"] == []
    assert gate.client("ecs").list_clusters()["clusterArns"] == []
    assert gate.client("cloudformation").list_exports()["Exports"] == []


QUEUES = {
    "Resources": {
        **{f"Q{i}": {"Type": "AWS::SQS::Queue"} for i in range(30)},
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}],
                },
                "Policies": [{
                    "PolicyName": "queues",
                    "PolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": [{"Fn::GetAtt": [f"Q{i}", "Arn"]} for i in range(30)]}],
                    },
                }],
            },
        },
        "Network": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.78.0.0/16"}},
    }
}


@pytest.mark.parametrize("seen", [1, 40])
def test_a_kill_in_the_middle_makes_nothing_twice(own_gate, seen):
    gate = own_gate
    cloud = gate.client("cloudformation")
    vpcs = len(gate.client("ec2").describe_vpcs()["Vpcs"])
    cloud.create_stack(StackName="many", TemplateBody=json.dumps(QUEUES), Capabilities=["CAPABILITY_IAM"])
    wait_until(lambda: len(cloud.describe_stack_events(StackName="many")["StackEvents"]) > seen, what="it has begun")
    gate.kill()
    gate.start()
    settled(gate, "many", "CREATE_COMPLETE")
    assert len(gate.client("sqs").list_queues()["QueueUrls"]) == 30
    assert len(gate.client("ec2").describe_vpcs()["Vpcs"]) == vpcs + 1
    cloud.delete_stack(StackName="many")
    gate.kill()
    gate.start()
    cloud.get_waiter("stack_delete_complete").wait(StackName="many", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    assert "QueueUrls" not in gate.client("sqs").list_queues()
    assert len(gate.client("ec2").describe_vpcs()["Vpcs"]) == vpcs


def test_what_is_not_there_is_said(gate):
    cloud = gate.client("cloudformation")
    assert refused(cloud.describe_stacks, StackName="none") == ("ValidationError", "Stack with id none does not exist")
    lambda_ = json.dumps({"Resources": {"F": {"Type": "AWS::Lambda::Function"}}})
    code, message = refused(cloud.create_stack, StackName="f", TemplateBody=lambda_)
    assert (code, message) == ("ValidationError", "Template format error: Unrecognized resource types: [AWS::Lambda::Function]")


INNER = json.dumps({
    "Parameters": {"Seconds": {"Type": "Number"}},
    "Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": {"Ref": "Seconds"}}}},
    "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["Queue", "Arn"]}}},
})

OUTER = """
Parameters: {Seconds: {Type: Number, Default: 30}, Topic: {Type: String}, Template: {Type: String}}
Resources:
  Handle: {Type: AWS::CloudFormation::WaitConditionHandle}
  Ready: {Type: AWS::CloudFormation::WaitCondition, Properties: {Handle: !Ref Handle, Timeout: 600}}
  Inner:
    Type: AWS::CloudFormation::Stack
    Properties: {TemplateURL: !Ref Template, Parameters: {Seconds: !Ref Seconds}}
  Thing:
    Type: Custom::Thing
    Properties: {ServiceToken: !Ref Topic, Queue: !GetAtt Inner.Outputs.Arn, Seconds: !Ref Seconds}
Outputs:
  Ready: {Value: !GetAtt Ready.Data}
  Thing: {Value: !GetAtt Thing.Said}
  Queue: {Value: !GetAtt Inner.Outputs.Arn}
"""


def put(url, body):
    request = urllib.request.Request(url, data=json.dumps(body).encode(), method="PUT", headers={"Content-Type": ""})
    return urllib.request.urlopen(request, timeout=10).status


def answered(gate, queue, kind):
    """Answers the next request of a custom resource, as its maker would."""
    sqs = gate.client("sqs")

    def asked():
        found = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages", [])
        return found[0] if found else None

    message = wait_until(asked, what=f"a custom resource is asked to {kind}")
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    request = json.loads(json.loads(message["Body"])["Message"])
    assert request["RequestType"] == kind
    said = f"{request['ResourceProperties']['Seconds']} {request['ResourceProperties']['Queue'].split(':')[2]}"
    answer = {"Status": "SUCCESS", "PhysicalResourceId": "thing", "Data": {"Said": said}}
    answer |= {name: request[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    assert put(request["ResponseURL"], answer) == 200


def test_a_stack_in_a_stack_a_custom_resource_and_a_signal(gate):
    cloud, s3 = gate.client("cloudformation"), gate.client("s3")
    s3.create_bucket(Bucket="templates-of-stacks")
    s3.put_object(Bucket="templates-of-stacks", Key="inner.json", Body=INNER)
    queue = gate.client("sqs").create_queue(QueueName="asked")["QueueUrl"]
    arn = gate.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = gate.client("sns").create_topic(Name="makers")["TopicArn"]
    gate.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    given = {"Topic": topic, "Template": "https://templates-of-stacks.s3.amazonaws.com/inner.json"}
    parameters = [{"ParameterKey": k, "ParameterValue": v} for k, v in given.items()]
    cloud.create_stack(StackName="outer", TemplateBody=OUTER, Parameters=parameters)

    def address():
        found = cloud.describe_stack_resources(StackName="outer")["StackResources"]
        handles = [r.get("PhysicalResourceId") for r in found if r["LogicalResourceId"] == "Handle"]
        return handles[0] if handles else None

    handle = wait_until(address, what="the handle has an address")
    assert put(handle, {"Status": "SUCCESS", "UniqueId": "one", "Data": "up", "Reason": "done"}) == 200
    answered(gate, queue, "Create")
    settled(gate, "outer", "CREATE_COMPLETE")
    said = {o["OutputKey"]: o["OutputValue"] for o in described(gate, "outer")["Outputs"]}
    assert (json.loads(said["Ready"]), said["Thing"]) == ({"one": "up"}, "30 sqs")
    nested = [s for s in cloud.describe_stacks()["Stacks"] if s.get("ParentId")]
    assert [s["StackStatus"] for s in nested] == ["CREATE_COMPLETE"]

    # A change goes through the inner stack, and nobody has changed anything behind its back.
    kept = [{"ParameterKey": k, "UsePreviousValue": True} for k in given]
    cloud.update_stack(
        StackName="outer", UsePreviousTemplate=True, Parameters=[*kept, {"ParameterKey": "Seconds", "ParameterValue": "31"}]
    )
    answered(gate, queue, "Update")
    settled(gate, "outer", "UPDATE_COMPLETE")
    assert {o["OutputKey"]: o["OutputValue"] for o in described(gate, "outer")["Outputs"]}["Thing"] == "31 sqs"

    cloud.delete_stack(StackName="outer")
    answered(gate, queue, "Delete")
    cloud.get_waiter("stack_delete_complete").wait(StackName="outer", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    assert [s for s in cloud.describe_stacks()["Stacks"] if s.get("ParentId")] == []
    assert gate.client("sqs").list_queues(QueueNamePrefix="outer-").get("QueueUrls", []) == []
    gate.client("sns").delete_topic(TopicArn=topic)
    gate.client("sqs").delete_queue(QueueUrl=queue)
    s3.delete_object(Bucket="templates-of-stacks", Key="inner.json")
    s3.delete_bucket(Bucket="templates-of-stacks")
