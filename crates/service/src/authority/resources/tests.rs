//! What calls are about, by their inputs.

use super::*;
use neargate_base::{AccountId, Region};
use neargate_policy::actions::reference;

fn arns(prefix: &str, operation: &str, members: &[(&'static str, &[&str])]) -> Vec<String> {
    let scope = Scope {
        account: AccountId::default(),
        region: Region::default(),
    };
    let said = Said {
        top: members
            .iter()
            .map(|(name, values)| (*name, values.iter().map(|v| (*v).to_owned()).collect()))
            .collect(),
        deep: members
            .iter()
            .flat_map(|(name, values)| values.iter().map(|v| (vec![*name], *v)))
            .collect(),
    };
    let reference = reference(prefix).expect("a prefix");
    let named = named(prefix, operation, operation, reference, &scope, &said);
    named.into_iter().map(|n| n.arn).collect()
}

#[test]
fn names_become_arns() {
    for (call, members, expected) in [
        (
            "ecs:CreateCluster",
            &[("clusterName", &["c"][..])][..],
            &["arn:aws:ecs:us-east-1:000000000000:cluster/c"][..],
        ),
        (
            "ecs:CreateCluster",
            &[],
            &["arn:aws:ecs:us-east-1:000000000000:cluster/default"],
        ),
        (
            "ecs:DescribeClusters",
            &[(
                "clusters",
                &["a", "arn:aws:ecs:us-east-1:000000000000:cluster/b"],
            )],
            &[
                "arn:aws:ecs:us-east-1:000000000000:cluster/b",
                "arn:aws:ecs:us-east-1:000000000000:cluster/a",
            ],
        ),
        (
            "ecs:StopTask",
            &[("cluster", &["c"]), ("task", &["1"])],
            &["arn:aws:ecs:us-east-1:000000000000:task/c/1"],
        ),
        (
            "ecs:DescribeTasks",
            &[("tasks", &["1", "2"])],
            &[
                "arn:aws:ecs:us-east-1:000000000000:task/default/1",
                "arn:aws:ecs:us-east-1:000000000000:task/default/2",
            ],
        ),
        (
            "ecs:RunTask",
            &[("taskDefinition", &["f"]), ("cluster", &["c"])],
            &["arn:aws:ecs:us-east-1:000000000000:task-definition/f:*"],
        ),
        (
            "ecs:RunTask",
            &[("taskDefinition", &["f:3"])],
            &["arn:aws:ecs:us-east-1:000000000000:task-definition/f:3"],
        ),
        (
            "ecs:RegisterTaskDefinition",
            &[("family", &["f"])],
            &["arn:aws:ecs:us-east-1:000000000000:task-definition/f:*"],
        ),
        (
            "ecs:CreateService",
            &[
                ("cluster", &["arn:aws:ecs:us-east-1:000000000000:cluster/c"]),
                ("serviceName", &["s"]),
            ],
            &["arn:aws:ecs:us-east-1:000000000000:service/c/s"],
        ),
        (
            "ecs:ListTasks",
            &[("cluster", &["c"])],
            &["arn:aws:ecs:us-east-1:000000000000:container-instance/c/*"],
        ),
        ("ecs:ListClusters", &[], &[]),
        (
            "ecr:BatchGetImage",
            &[
                ("registryId", &["999999999999"]),
                ("repositoryName", &["a/b"]),
            ],
            &["arn:aws:ecr:us-east-1:999999999999:repository/a/b"],
        ),
        ("ecr:GetAuthorizationToken", &[], &[]),
        (
            "logs:CreateLogGroup",
            &[("logGroupName", &["/ecs/x"])],
            &["arn:aws:logs:us-east-1:000000000000:log-group:/ecs/x:log-stream:"],
        ),
        (
            "logs:PutLogEvents",
            &[("logGroupName", &["g"]), ("logStreamName", &["s"])],
            &["arn:aws:logs:us-east-1:000000000000:log-group:g:log-stream:s"],
        ),
        (
            "sns:CreateTopic",
            &[("Name", &["t"])],
            &["arn:aws:sns:us-east-1:000000000000:t"],
        ),
        (
            "sns:Publish",
            &[("TopicArn", &["arn:aws:sns:us-east-1:000000000000:t"])],
            &["arn:aws:sns:us-east-1:000000000000:t"],
        ),
        (
            "iam:CreateUser",
            &[("UserName", &["ann"]), ("Path", &["/ops/"])],
            &["arn:aws:iam::000000000000:user/ops/ann"],
        ),
        (
            "iam:CreateRole",
            &[("RoleName", &["r"])],
            &["arn:aws:iam::000000000000:role/r"],
        ),
        (
            "iam:AttachRolePolicy",
            &[
                ("RoleName", &["r"]),
                ("PolicyArn", &["arn:aws:iam::aws:policy/ReadOnlyAccess"]),
            ],
            &["arn:aws:iam::000000000000:role/r"],
        ),
        (
            "ssm:GetParameter",
            &[("Name", &["/a/b"])],
            &["arn:aws:ssm:us-east-1:000000000000:parameter/a/b"],
        ),
        (
            "ssm:GetParametersByPath",
            &[("Path", &["/a/"])],
            &["arn:aws:ssm:us-east-1:000000000000:parameter/a/"],
        ),
        (
            "secretsmanager:GetSecretValue",
            &[("SecretId", &["s"])],
            &["arn:aws:secretsmanager:us-east-1:000000000000:secret:s"],
        ),
        (
            "secretsmanager:CreateSecret",
            &[("Name", &["s"])],
            &["arn:aws:secretsmanager:us-east-1:000000000000:secret:s"],
        ),
        (
            "kms:Decrypt",
            &[("KeyId", &["1-2"])],
            &["arn:aws:kms:us-east-1:000000000000:key/1-2"],
        ),
        (
            "autoscaling:UpdateAutoScalingGroup",
            &[("AutoScalingGroupName", &["g"])],
            &[
                "arn:aws:autoscaling:us-east-1:000000000000:autoScalingGroup:*:autoScalingGroupName/g",
            ],
        ),
        (
            "elasticloadbalancing:CreateLoadBalancer",
            &[("Name", &["l"])],
            &["arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/app/l/*"],
        ),
        (
            "elasticloadbalancing:CreateLoadBalancer",
            &[("Name", &["l"]), ("Type", &["network"])],
            &["arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/net/l/*"],
        ),
        (
            "elasticloadbalancing:CreateTargetGroup",
            &[("Name", &["g"])],
            &["arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/g/*"],
        ),
        (
            "elasticloadbalancing:DescribeLoadBalancers",
            &[("Names", &["l"])],
            &[],
        ),
        (
            "s3:GetObject",
            &[("Bucket", &["b"]), ("Key", &["a/k"])],
            &["arn:aws:s3:::b/a/k"],
        ),
        ("s3:ListBucket", &[("Bucket", &["b"])], &["arn:aws:s3:::b"]),
        (
            "ec2:StopInstances",
            &[("InstanceIds", &["i-1", "i-2"])],
            &[
                "arn:aws:ec2:us-east-1:000000000000:instance/i-1",
                "arn:aws:ec2:us-east-1:000000000000:instance/i-2",
            ],
        ),
        ("ec2:DescribeInstances", &[("InstanceIds", &["i-1"])], &[]),
        (
            "ec2:CreateVpc",
            &[("CidrBlock", &["10.0.0.0/16"])],
            &["arn:aws:ec2:us-east-1:000000000000:vpc/*"],
        ),
    ] {
        let (prefix, operation) = call.split_once(':').expect("a prefix");
        assert_eq!(
            arns(prefix, operation, members),
            expected,
            "{call} {members:?}"
        );
    }
}
