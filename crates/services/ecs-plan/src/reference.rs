//! How callers name ECS resources: by short name or by ARN.

use crate::error;
use neargate_base::Arn;
use neargate_service::{AwsError, Scope};

/// A task definition as named by `family`, `family:revision` or its ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskDefinitionRef {
    pub family: String,
    /// `None`: the latest active revision.
    pub revision: Option<i32>,
}

/// The cluster's name from its name or ARN; `default` when not given.
///
/// # Errors
/// `ClusterNotFoundException` for another region's or account's ARN,
/// `InvalidParameterException` for what can be no cluster's name.
pub fn cluster(scope: &Scope, named: Option<&str>) -> Result<String, AwsError> {
    let Some(named) = named.filter(|n| !n.is_empty()) else {
        return Ok("default".into());
    };
    let name = if named.starts_with("arn:") {
        local(scope, named, "cluster").ok_or_else(error::cluster_not_found)?
    } else {
        named.to_owned()
    };
    if is_name(&name) {
        Ok(name)
    } else {
        Err(error::invalid_parameter("Invalid cluster name."))
    }
}

/// The task's id from its id or ARN.
///
/// # Errors
/// `InvalidParameterException` for what can be no task's id.
pub fn task(scope: &Scope, cluster: &str, named: &str) -> Result<String, AwsError> {
    id(in_cluster(scope, cluster, named, "task")?, "taskId")
}

/// The container instance's id from its id or ARN, with or without the cluster in it.
///
/// # Errors
/// `InvalidParameterException` for what can be no container instance's id.
pub fn container_instance(scope: &Scope, cluster: &str, named: &str) -> Result<String, AwsError> {
    let path = in_cluster(scope, cluster, named, "container-instance")?;
    id(of_cluster(cluster, path)?, "containerInstanceId")
}

/// The service's name from its name or ARN, the one with its cluster or the older one without.
///
/// # Errors
/// `InvalidParameterException` for what can be no service's name.
pub fn service_name(scope: &Scope, cluster: &str, named: &str) -> Result<String, AwsError> {
    let name = in_cluster(scope, cluster, named, "service")?;
    if is_name(&name) {
        Ok(name)
    } else {
        Err(error::invalid_parameter("Invalid service name."))
    }
}

/// What names a resource of `kind` within its cluster: `named` itself, or the end of its ARN.
fn in_cluster(scope: &Scope, cluster: &str, named: &str, kind: &str) -> Result<String, AwsError> {
    if !named.starts_with("arn:") {
        return Ok(named.to_owned());
    }
    let path = local(scope, named, kind).ok_or_else(|| {
        error::invalid_parameter("Invalid identifier: Identifier is for another resource.")
    })?;
    of_cluster(cluster, path)
}

/// `path` without the cluster before it, where there is one.
fn of_cluster(cluster: &str, path: String) -> Result<String, AwsError> {
    match path.split_once('/') {
        Some((c, rest)) if c == cluster => Ok(rest.to_owned()),
        Some((c, _)) => Err(error::invalid_parameter(format!(
            "Invalid identifier: Identifier is for cluster {c}. Your cluster is {cluster}"
        ))),
        None => Ok(path),
    }
}

/// 32 hexadecimal digits, or 36 with hyphens. `what`: as ECS calls the id.
fn id(id: String, what: &str) -> Result<String, AwsError> {
    if !matches!(id.len(), 32 | 36) {
        return Err(error::invalid_parameter(format!(
            "{what} length should be one of [32,36]"
        )));
    }
    if id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') {
        Ok(id)
    } else {
        Err(error::invalid_parameter("Invalid identifier"))
    }
}

/// # Errors
/// `ClientException` for what can be no task definition's name.
pub fn task_definition(scope: &Scope, named: &str) -> Result<TaskDefinitionRef, AwsError> {
    let path = if named.starts_with("arn:") {
        local(scope, named, "task-definition").ok_or_else(error::task_definition_not_found)?
    } else {
        named.to_owned()
    };
    let (family, revision) = match path.split_once(':') {
        None => (path.as_str(), None),
        Some((family, digits)) => {
            let revision = digits.parse::<i32>().ok().filter(|r| *r > 0);
            let revision = revision.ok_or_else(|| {
                error::invalid_parameter(format!("Invalid revision number. Number: {digits}"))
            })?;
            (family, Some(revision))
        }
    };
    if is_name(family) {
        Ok(TaskDefinitionRef {
            family: family.to_owned(),
            revision,
        })
    } else {
        Err(error::task_definition_not_found())
    }
}

/// The capacity provider's name from its name or ARN; `None` for what can be no name of one here.
pub fn capacity_provider(scope: &Scope, named: &str) -> Option<String> {
    let name = if named.starts_with("arn:") {
        local(scope, named, "capacity-provider")?
    } else {
        named.to_owned()
    };
    is_name(&name).then_some(name)
}

/// `<cluster>/<service>/<digits>`, as in its store key, of a task set's ARN.
pub fn task_set(scope: &Scope, arn: &str) -> Option<String> {
    let path = local(scope, arn, "task-set")?;
    let (service, digits) = path.split_once("/ecs-svc/")?;
    let (cluster, name) = service.split_once('/')?;
    let known = is_name(cluster) && is_name(name) && digits.bytes().all(|b| b.is_ascii_digit());
    known.then(|| format!("{service}/{digits}"))
}

/// Up to 255 letters, digits, hyphens and underscores: clusters, families and containers.
pub fn is_name(name: &str) -> bool {
    (1..=255).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// What follows `kind/` in an ECS ARN of this account and region.
fn local(scope: &Scope, arn: &str, kind: &str) -> Option<String> {
    let arn: Arn = arn.parse().ok()?;
    let here = arn.service == "ecs"
        && arn.region == scope.region.as_str()
        && arn.account == scope.account.as_str();
    let (of, name) = arn.resource.split_once('/')?;
    (here && of == kind).then(|| name.to_owned())
}
