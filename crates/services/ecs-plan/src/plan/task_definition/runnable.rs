//! What can be registered but not run yet. Such a task is refused, never run without the part.

use crate::error;
use neargate_api_ecs as api;
use neargate_domain::LaunchType;
use neargate_service::AwsError;

fn some<T>(list: &Option<Vec<T>>) -> bool {
    list.as_ref().is_some_and(|l| !l.is_empty())
}

/// What a machine must be to run it, as instances say it of themselves: (attribute, value).
pub fn platform(definition: &api::TaskDefinition) -> Vec<(&'static str, String)> {
    let platform = definition.runtime_platform.as_ref();
    let architecture = platform.and_then(|p| p.cpu_architecture.as_deref());
    let family = platform.and_then(|p| p.operating_system_family.as_deref());
    let named = [
        (
            "ecs.cpu-architecture",
            architecture.map(str::to_ascii_lowercase),
        ),
        (
            "ecs.os-type",
            family.map(|f| f.split('_').next().unwrap_or(f).to_ascii_lowercase()),
        ),
    ];
    let named = named.into_iter();
    named
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

/// This host, in the same words.
fn is_here(attribute: &str, value: &str) -> bool {
    match attribute {
        "ecs.cpu-architecture" => {
            value
                == if cfg!(target_arch = "aarch64") {
                    "arm64"
                } else {
                    "x86_64"
                }
        }
        _ => value == "linux",
    }
}

/// # Errors
/// `UnsupportedFeatureException` naming the first field that Neargate cannot honour yet. On Fargate,
/// which is this host, `PlatformTaskDefinitionIncompatibilityException` for another processor or
/// operating system; instances are chosen by what they are ([`platform`]).
pub fn runnable(definition: &api::TaskDefinition, launch_type: LaunchType) -> Result<(), AwsError> {
    let mut wanted = platform(definition).into_iter();
    if launch_type == LaunchType::Fargate
        && wanted.any(|(attribute, value)| !is_here(attribute, &value))
    {
        return Err(error::platform_incompatible());
    }
    let lacking = [
        (
            some(&definition.inference_accelerators),
            "inferenceAccelerators",
        ),
        (
            definition.trusted_execution_configuration.is_some(),
            "trustedExecutionConfiguration",
        ),
    ];
    if let Some((_, what)) = lacking.iter().find(|(used, _)| *used) {
        return Err(error::unsupported(&format!(
            "running a task definition with {what}"
        )));
    }
    definition.volumes.iter().flatten().try_for_each(volume)?;
    definition
        .container_definitions
        .iter()
        .flatten()
        .try_for_each(container)
}

fn volume(v: &api::Volume) -> Result<(), AwsError> {
    let lacking = [
        (
            v.s3files_volume_configuration.is_some(),
            "s3filesVolumeConfiguration",
        ),
        (
            v.fsx_windows_file_server_volume_configuration.is_some(),
            "fsxWindowsFileServerVolumeConfiguration",
        ),
    ];
    match lacking.iter().find(|(used, _)| *used) {
        Some((_, what)) => Err(error::unsupported(&format!(
            "running a task definition with volumes.{what}"
        ))),
        None => Ok(()),
    }
}

fn container(c: &api::ContainerDefinition) -> Result<(), AwsError> {
    let log = c.log_configuration.as_ref();
    let lacking = [
        (
            log.is_some_and(|l| l.log_driver == "awslogs" && some(&l.secret_options)),
            "logConfiguration.secretOptions of the log driver awslogs",
        ),
        (
            log.is_some_and(leads_elsewhere),
            "awslogs-endpoint other than AWS's own",
        ),
        (some(&c.credential_specs), "credentialSpecs"),
        (
            c.resource_requirements
                .iter()
                .flatten()
                .any(|r| r.r#type != "GPU"),
            "resourceRequirements.InferenceAccelerator",
        ),
        (
            c.resource_requirements
                .iter()
                .flatten()
                .any(|r| r.sharing_strategy.is_some()),
            "resourceRequirements.sharingStrategy",
        ),
    ];
    match lacking.iter().find(|(used, _)| *used) {
        Some((_, what)) => Err(error::unsupported(&format!(
            "running a container definition with {what}"
        ))),
        None => Ok(()),
    }
}

/// CloudWatch Logs is this installation's. By the names that it has on AWS it is found here too;
/// any other endpoint is somebody else's.
fn leads_elsewhere(log: &api::LogConfiguration) -> bool {
    let options = log.options.as_ref();
    let endpoint = options.and_then(|o| o.get("awslogs-endpoint"));
    endpoint.is_some_and(|endpoint| {
        let host = endpoint.split_once("://").map_or(&**endpoint, |(_, h)| h);
        let host = host.split(['/', ':']).next().unwrap_or_default();
        let is_awss = |of: &&str| host.ends_with(*of);
        ![".amazonaws.com", ".amazonaws.com.cn", ".api.aws"]
            .iter()
            .any(is_awss)
    })
}
