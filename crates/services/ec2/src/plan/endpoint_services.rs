//! The services of AWS that endpoints lead to
//! (<https://docs.aws.amazon.com/vpc/latest/privatelink/aws-services-privatelink-support.html>): those
//! of their names that Neargate knows.

use neargate_base::Region;
use neargate_service::vpc::EndpointKind;

/// What is behind `com.amazonaws.<region>.`, and the name that the service usually has.
const INTERFACES: &[(&str, &str)] = &[
    ("application-autoscaling", "application-autoscaling"),
    ("autoscaling", "autoscaling"),
    ("cloudformation", "cloudformation"),
    ("codebuild", "codebuild"),
    ("codecommit", "codecommit"),
    ("codedeploy", "codedeploy"),
    ("codepipeline", "codepipeline"),
    ("ec2", "ec2"),
    ("ec2messages", "ec2messages"),
    ("ecr.api", "api.ecr"),
    ("ecr.dkr", "*.dkr.ecr"),
    ("ecs", "ecs"),
    ("ecs-agent", "ecs-a"),
    ("ecs-telemetry", "ecs-t"),
    ("elasticloadbalancing", "elasticloadbalancing"),
    ("events", "events"),
    ("execute-api", "*.execute-api"),
    ("kms", "kms"),
    ("lambda", "lambda"),
    ("logs", "logs"),
    ("monitoring", "monitoring"),
    ("s3", "s3"),
    ("secretsmanager", "secretsmanager"),
    ("servicediscovery", "servicediscovery"),
    ("sns", "sns"),
    ("sqs", "sqs"),
    ("ssm", "ssm"),
    ("ssmmessages", "ssmmessages"),
    ("states", "states"),
    ("sts", "sts"),
    ("xray", "xray"),
];
const GATEWAYS: &[&str] = &["dynamodb", "s3"];

/// A service that endpoints lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointService {
    /// `com.amazonaws.<region>.<service>`.
    pub name: String,
    pub kind: EndpointKind,
    /// The name that private DNS gives it in a VPC.
    pub dns_name: Option<String>,
}

/// All of them in a region, in the order of their names.
pub fn all(region: &Region) -> Vec<EndpointService> {
    let name = |service: &str| format!("com.amazonaws.{region}.{service}");
    let interfaces = INTERFACES.iter().map(|(service, dns)| EndpointService {
        name: name(service),
        kind: EndpointKind::Interface,
        dns_name: Some(format!("{dns}.{region}.amazonaws.com")),
    });
    let gateways = GATEWAYS.iter().map(|service| EndpointService {
        name: name(service),
        kind: EndpointKind::Gateway,
        dns_name: None,
    });
    let mut all: Vec<_> = gateways.chain(interfaces).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// The service of a gateway endpoint, such as `s3`.
pub fn short_name<'a>(region: &Region, name: &'a str) -> Option<&'a str> {
    let rest = name.strip_prefix("com.amazonaws.")?;
    rest.strip_prefix(region.as_str())?.strip_prefix('.')
}
