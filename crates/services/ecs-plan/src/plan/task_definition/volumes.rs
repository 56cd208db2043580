//! Volumes and what mounts them
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Volume.html>).

use crate::error::client;
use crate::reference::is_name;
use neargate_api_ecs as api;
use neargate_service::AwsError;
use std::collections::BTreeSet;

/// # Errors
/// `ClientException` with the first rule broken.
pub(super) fn check(input: &api::RegisterTaskDefinitionInput) -> Result<(), AwsError> {
    let volumes = input.volumes.as_deref().unwrap_or_default();
    let mut names = BTreeSet::new();
    for v in volumes {
        let name = v.name.as_deref().unwrap_or_default();
        if name.is_empty() {
            return Err(client("volume.name should not be null or empty."));
        }
        if !is_name(name) {
            return Err(client("volume.name contains invalid characters."));
        }
        if !names.insert(name) {
            return Err(client(
                "Volume names must be unique within a task definition.",
            ));
        }
        one_kind(v)?;
        v.efs_volume_configuration.as_ref().map_or(Ok(()), efs)?;
    }
    let containers = &input.container_definitions;
    for c in containers {
        for m in c.mount_points.iter().flatten() {
            let volume = m.source_volume.as_deref().unwrap_or_default();
            if !names.contains(volume) {
                return Err(client(format!("Unknown volume '{volume}'.")));
            }
            if m.container_path.as_deref().unwrap_or_default().is_empty() {
                return Err(client(
                    "mountPoint.containerPath should not be null or empty.",
                ));
            }
        }
        for from in c.volumes_from.iter().flatten() {
            let other = from.source_container.as_deref().unwrap_or_default();
            if !containers.iter().any(|c| c.name.as_deref() == Some(other)) {
                return Err(client(format!(
                    "Invalid 'volumesFrom' setting. Unknown container: '{other}'."
                )));
            }
        }
    }
    at_launch(volumes, containers)
}

/// A volume is of one kind. An empty `host` says nothing.
fn one_kind(v: &api::Volume) -> Result<(), AwsError> {
    let kinds = [
        host_path(v).is_some(),
        v.docker_volume_configuration.is_some(),
        v.efs_volume_configuration.is_some(),
        v.s3files_volume_configuration.is_some(),
        v.fsx_windows_file_server_volume_configuration.is_some(),
        v.configured_at_launch == Some(true),
    ];
    if kinds.into_iter().filter(|is| *is).count() > 1 {
        return Err(client(
            "When the volume parameter is specified, only one volume configuration type should be used.",
        ));
    }
    Ok(())
}

/// The directory of the host that it is.
pub(super) fn host_path(v: &api::Volume) -> Option<&str> {
    let path = v.host.as_ref()?.source_path.as_deref()?;
    Some(path).filter(|path| !path.is_empty())
}

fn efs(e: &api::EFSVolumeConfiguration) -> Result<(), AwsError> {
    let is_encrypted = e.transit_encryption.as_deref() == Some("ENABLED");
    let authorization = e.authorization_config.as_ref();
    let access_point = authorization.and_then(|a| a.access_point_id.as_deref());
    let access_point = access_point.filter(|id| !id.is_empty());
    let root = e.root_directory.as_deref().unwrap_or("/");
    if access_point.is_some() && !matches!(root, "" | "/") {
        return Err(client(
            "When using an EFS access point, the root directory must either be set to \"/\" or be omitted.",
        ));
    }
    if authorization.is_some_and(|a| a.iam.as_deref() == Some("ENABLED")) && !is_encrypted {
        return Err(client(
            "EFS IAM authorization requires TransitEncryption to be enabled.",
        ));
    }
    if access_point.is_some() && !is_encrypted {
        return Err(client(
            "EFS access point requires TransitEncryption to be enabled.",
        ));
    }
    if e.transit_encryption_port.is_some() && !is_encrypted {
        return Err(client(
            "TransitEncryptionPort requires that TransitEncryption is enabled.",
        ));
    }
    Ok(())
}

/// "Each task definition revision may only have one volume configured at launch", and a container
/// must mount it.
fn at_launch(
    volumes: &[api::Volume],
    containers: &[api::ContainerDefinition],
) -> Result<(), AwsError> {
    let named = volumes
        .iter()
        .filter(|v| v.configured_at_launch == Some(true));
    let names: Vec<&str> = named.filter_map(|v| v.name.as_deref()).collect();
    if names.len() > 1 {
        return Err(client(
            "A task definition can have at most 1 volume that is configured at launch.",
        ));
    }
    let mut mounts = containers
        .iter()
        .flat_map(|c| c.mount_points.iter().flatten());
    match names.first() {
        Some(name) if !mounts.any(|m| m.source_volume.as_deref() == Some(name)) => Err(client(
            format!("Volumes [{name}] are not referenced by any of the containers"),
        )),
        _ => Ok(()),
    }
}
