//! Roles that a call hands over to a service: whoever does needs `iam:PassRole`
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html>).

use super::said::Said;

/// A role or instance profile that a call hands over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Passed {
    pub(super) what: What,
    /// Who gets it: `ecs-tasks.amazonaws.com`.
    pub(super) to: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// A role's ARN.
    Role(String),
    /// An instance profile, by its name or ARN; its role is passed.
    InstanceProfile(String),
    /// A role by its name.
    Named(String),
}

/// What a call of the operation hands over. Whoever only asks or takes away hands over nothing.
pub(super) fn passed(prefix: &str, operation: &str, said: &Said) -> Vec<Passed> {
    let asks = [
        "Describe",
        "Get",
        "List",
        "Delete",
        "Deregister",
        "Terminate",
    ];
    // Roles are what these are about.
    let about_roles = matches!(prefix, "iam" | "sts" | "kms" | "secretsmanager" | "ecr");
    let mut all: Vec<Passed> = Vec::new();
    if (prefix, operation) == ("iam", "AddRoleToInstanceProfile")
        && let Some(role) = said.one("RoleName")
    {
        all.push(Passed {
            what: What::Named(role.to_owned()),
            to: "ec2.amazonaws.com".into(),
        });
    }
    if about_roles || asks.iter().any(|verb| operation.starts_with(verb)) {
        return all;
    }
    for (path, text) in &said.deep {
        let last = path.last().copied().unwrap_or_default();
        let within = |name: &str| path.iter().any(|p| p.eq_ignore_ascii_case(name));
        let what = if within("IamInstanceProfile") {
            What::InstanceProfile((*text).to_owned())
        } else if last.to_ascii_lowercase().contains("role") && is_role(text) {
            What::Role((*text).to_owned())
        } else if takes_names(prefix, last) && !text.is_empty() && !text.starts_with("arn:") {
            What::Named((*text).to_owned())
        } else {
            continue;
        };
        let passed = Passed {
            what,
            to: receiver(prefix, last),
        };
        if !all.contains(&passed) {
            all.push(passed);
        }
    }
    all
}

/// May a role be named there without its ARN, as ECS takes it?
fn takes_names(prefix: &str, member: &str) -> bool {
    prefix == "ecs"
        && matches!(
            member,
            "taskRoleArn" | "executionRoleArn" | "role" | "roleArn"
        )
}

/// Is it a role's ARN? Roles of services are not passed: the service has them.
pub(super) fn is_role(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", _, "iam", "", _, resource] => resource
            .strip_prefix("role/")
            .is_some_and(|path| !path.starts_with("aws-service-role/")),
        _ => false,
    }
}

/// Who gets what a member names.
pub(super) fn receiver(prefix: &str, member: &str) -> String {
    let service = match (prefix, member) {
        ("ecs", "taskRoleArn" | "executionRoleArn") => "ecs-tasks",
        ("autoscaling", "IamInstanceProfile") => "ec2",
        ("cloudwatch", _) => "monitoring",
        _ => prefix,
    };
    format!("{service}.amazonaws.com")
}
