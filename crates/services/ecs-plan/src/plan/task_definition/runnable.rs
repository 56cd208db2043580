//! What can be registered but not run yet. Such a task is refused, never run without the part.

use crate::error;
use neargate_api_ecs as api;
use neargate_service::AwsError;

fn some<T>(list: &Option<Vec<T>>) -> bool {
    list.as_ref().is_some_and(|l| !l.is_empty())
}

/// # Errors
/// `UnsupportedFeatureException` naming the first field that Neargate cannot honour yet.
pub fn runnable(definition: &api::TaskDefinition) -> Result<(), AwsError> {
    let platform = definition.runtime_platform.as_ref();
    let os = platform
        .and_then(|p| p.operating_system_family.as_deref())
        .unwrap_or("LINUX");
    let here = if cfg!(target_arch = "aarch64") {
        "ARM64"
    } else {
        "X86_64"
    };
    let foreign = platform
        .and_then(|p| p.cpu_architecture.as_deref())
        .is_some_and(|a| a != here);
    let lacking = [
        (
            foreign,
            "runtimePlatform.cpuArchitecture other than this host's",
        ),
        (
            definition.proxy_configuration.is_some(),
            "proxyConfiguration",
        ),
        (
            some(&definition.inference_accelerators),
            "inferenceAccelerators",
        ),
        (
            definition.enable_fault_injection == Some(true),
            "enableFaultInjection",
        ),
        (
            definition.trusted_execution_configuration.is_some(),
            "trustedExecutionConfiguration",
        ),
        (
            os != "LINUX",
            "runtimePlatform.operatingSystemFamily other than LINUX",
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
        (v.configured_at_launch == Some(true), "configuredAtLaunch"),
    ];
    match lacking.iter().find(|(used, _)| *used) {
        Some((_, what)) => Err(error::unsupported(&format!(
            "running a task definition with volumes.{what}"
        ))),
        None => Ok(()),
    }
}

fn container(c: &api::ContainerDefinition) -> Result<(), AwsError> {
    let driver = c
        .log_configuration
        .as_ref()
        .map_or("awslogs", |l| l.log_driver.as_str());
    let options = c
        .log_configuration
        .as_ref()
        .and_then(|l| l.options.as_ref());
    let pattern = |key: &str| options.is_some_and(|o| o.contains_key(key));
    let lacking = [
        (some(&c.links), "links"),
        (
            c.port_mappings
                .iter()
                .flatten()
                .any(|p| p.container_port_range.is_some()),
            "portMappings.containerPortRange",
        ),
        (
            c.log_configuration
                .as_ref()
                .is_some_and(|l| some(&l.secret_options)),
            "logConfiguration.secretOptions",
        ),
        (pattern("awslogs-endpoint"), "awslogs-endpoint"),
        (c.disable_networking == Some(true), "disableNetworking"),
        (some(&c.dns_servers), "dnsServers"),
        (some(&c.dns_search_domains), "dnsSearchDomains"),
        (c.firelens_configuration.is_some(), "firelensConfiguration"),
        (some(&c.credential_specs), "credentialSpecs"),
        (
            c.resource_requirements
                .iter()
                .flatten()
                .any(|r| r.r#type != "GPU"),
            "resourceRequirements.InferenceAccelerator",
        ),
        (driver != "awslogs", "a logDriver other than awslogs"),
        (
            pattern("awslogs-datetime-format"),
            "awslogs-datetime-format",
        ),
        (
            pattern("awslogs-multiline-pattern"),
            "awslogs-multiline-pattern",
        ),
    ];
    match lacking.iter().find(|(used, _)| *used) {
        Some((_, what)) => Err(error::unsupported(&format!(
            "running a container definition with {what}"
        ))),
        None => Ok(()),
    }
}
