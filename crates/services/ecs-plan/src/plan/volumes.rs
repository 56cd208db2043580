//! From a task definition's volumes to what the node mounts. Pure.

use neargate_api_ecs as api;
use neargate_domain::{DockerVolume, EfsVolume, Mount, Volume, VolumeSource, VolumesFrom};

/// The task's volumes. One of a kind that no node has is not among them: such a task is not run
/// (`task_definition::runnable`).
pub fn volumes(definition: &api::TaskDefinition) -> Vec<Volume> {
    let defined = definition.volumes.iter().flatten();
    defined
        .filter_map(|volume| {
            Some(Volume {
                name: volume.name.clone().unwrap_or_default(),
                source: source(volume)?,
            })
        })
        .collect()
}

fn source(volume: &api::Volume) -> Option<VolumeSource> {
    let elsewhere = volume.s3files_volume_configuration.is_some()
        || volume
            .fsx_windows_file_server_volume_configuration
            .is_some()
        || volume.configured_at_launch == Some(true);
    if elsewhere {
        return None;
    }
    if let Some(efs) = &volume.efs_volume_configuration {
        return Some(VolumeSource::Efs(self::efs(efs)));
    }
    if let Some(docker) = &volume.docker_volume_configuration {
        return Some(VolumeSource::Docker(self::docker(docker)));
    }
    let path = volume.host.as_ref().and_then(|h| h.source_path.clone());
    Some(match path.filter(|path| !path.is_empty()) {
        Some(path) => VolumeSource::Host { path },
        None => VolumeSource::Task,
    })
}

/// Encryption in transit concerns a way that there is not: the file system is the host's.
fn efs(given: &api::EFSVolumeConfiguration) -> EfsVolume {
    let authorization = given.authorization_config.as_ref();
    let access_point = authorization.and_then(|a| a.access_point_id.clone());
    EfsVolume {
        file_system_id: given.file_system_id.clone(),
        root_directory: given.root_directory.clone().unwrap_or_default(),
        access_point_id: access_point.filter(|id| !id.is_empty()),
    }
}

fn docker(given: &api::DockerVolumeConfiguration) -> DockerVolume {
    let driver = given.driver.clone().filter(|driver| !driver.is_empty());
    DockerVolume {
        shared: given.scope.as_deref() == Some("shared"),
        autoprovision: given.autoprovision == Some(true),
        driver: driver.unwrap_or_else(|| "local".to_owned()),
        options: given.driver_opts.clone().into_iter().flatten().collect(),
        labels: given.labels.clone().into_iter().flatten().collect(),
    }
}

/// What the container mounts itself.
pub(super) fn mounts(c: &api::ContainerDefinition) -> Vec<Mount> {
    let points = c.mount_points.iter().flatten();
    points
        .map(|point| Mount {
            volume: point.source_volume.clone().unwrap_or_default(),
            container_path: point.container_path.clone().unwrap_or_default(),
            read_only: point.read_only == Some(true),
        })
        .collect()
}

/// Whose mounts it has besides.
pub(super) fn from(c: &api::ContainerDefinition) -> Vec<VolumesFrom> {
    let from = c.volumes_from.iter().flatten();
    from.map(|from| VolumesFrom {
        container: from.source_container.clone().unwrap_or_default(),
        read_only: from.read_only == Some(true),
    })
    .collect()
}
