//! Volumes that are configured at launch: EBS volumes, one for each task
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ebs-volumes.html>). Pure.

use crate::error;
use neargate_api_ecs as api;
use neargate_domain::{EbsVolume, LaunchType, Volume, VolumeSource};
use neargate_service::AwsError;

/// A volume as each task gets one: without the ids that are the task's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The definition's.
    pub name: String,
    pub role_arn: String,
    pub size_gib: u32,
    pub file_system: Option<String>,
    pub delete_on_termination: bool,
}

impl Wanted {
    pub fn volume(&self, volume_id: String, attachment_id: String) -> Volume {
        Volume {
            name: self.name.clone(),
            source: VolumeSource::Ebs(EbsVolume {
                volume_id,
                attachment_id,
                role_arn: self.role_arn.clone(),
                size_gib: self.size_gib,
                file_system: self.file_system.clone(),
                delete_on_termination: self.delete_on_termination,
            }),
        }
    }
}

/// What a task that was made for it has.
pub fn of(volumes: &[Volume]) -> Vec<Wanted> {
    let ebs = volumes.iter().filter_map(|volume| match &volume.source {
        VolumeSource::Ebs(ebs) => Some((volume.name.clone(), ebs)),
        _ => None,
    });
    ebs.map(|(name, ebs)| Wanted {
        name,
        role_arn: ebs.role_arn.clone(),
        size_gib: ebs.size_gib,
        file_system: ebs.file_system.clone(),
        delete_on_termination: ebs.delete_on_termination,
    })
    .collect()
}

/// What a service says of the volumes of its tasks, as it would be said of one task: they go with it
/// ("the volume is deleted when the task ends").
pub fn of_service<'a>(
    given: impl Iterator<Item = &'a api::ServiceVolumeConfiguration>,
) -> Vec<api::TaskVolumeConfiguration> {
    let of_task =
        |ebs: &api::ServiceManagedEBSVolumeConfiguration| api::TaskManagedEBSVolumeConfiguration {
            encrypted: ebs.encrypted,
            kms_key_id: ebs.kms_key_id.clone(),
            volume_type: ebs.volume_type.clone(),
            size_in_gib: ebs.size_in_gib,
            snapshot_id: ebs.snapshot_id.clone(),
            volume_initialization_rate: ebs.volume_initialization_rate,
            iops: ebs.iops,
            throughput: ebs.throughput,
            role_arn: ebs.role_arn.clone(),
            filesystem_type: ebs.filesystem_type.clone(),
            ..Default::default()
        };
    given
        .map(|volume| api::TaskVolumeConfiguration {
            name: volume.name.clone(),
            managed_ebs_volume: volume.managed_ebs_volume.as_ref().map(of_task),
        })
        .collect()
}

/// The volumes that the definition leaves to whoever starts tasks of it.
///
/// # Errors
/// `InvalidParameterException` for one that is not configured, or badly;
/// `UnsupportedFeatureException` for what is not built.
pub fn wanted(
    definition: &api::TaskDefinition,
    given: &[api::TaskVolumeConfiguration],
    launch_type: LaunchType,
) -> Result<Vec<Wanted>, AwsError> {
    let defined = definition.volumes.iter().flatten();
    let left: Vec<&str> = defined
        .filter(|v| v.configured_at_launch == Some(true))
        .filter_map(|v| v.name.as_deref())
        .collect();
    if let Some(other) = given.iter().find(|g| !left.contains(&g.name.as_str())) {
        return Err(error::invalid_parameter(format!(
            "The volume '{}' of volumeConfigurations is not configured at launch by the task definition.",
            other.name
        )));
    }
    left.into_iter()
        .map(|name| {
            let configured = given.iter().find(|g| g.name == name);
            let ebs = configured.and_then(|g| g.managed_ebs_volume.as_ref());
            let ebs = ebs.ok_or_else(|| {
                error::invalid_parameter(format!(
                    "The task definition configures volume '{name}' at launch, and volumeConfigurations has no managedEBSVolume of that name."
                ))
            })?;
            one(name, ebs, launch_type)
        })
        .collect()
}

fn one(
    name: &str,
    ebs: &api::TaskManagedEBSVolumeConfiguration,
    launch_type: LaunchType,
) -> Result<Wanted, AwsError> {
    for (used, what) in [
        (ebs.snapshot_id.is_some(), "snapshotId"),
        (ebs.encrypted == Some(true), "encrypted"),
        (ebs.kms_key_id.is_some(), "kmsKeyId"),
        (
            ebs.volume_initialization_rate.is_some(),
            "volumeInitializationRate",
        ),
        (
            ebs.filesystem_type.as_deref() == Some("ntfs"),
            "filesystemType ntfs",
        ),
    ] {
        if used {
            return Err(error::unsupported(&format!("managedEBSVolume with {what}")));
        }
    }
    let Some(size) = ebs.size_in_gib else {
        return Err(error::invalid_parameter(
            "You must specify either a volume size or a snapshot ID.",
        ));
    };
    let kind = ebs.volume_type.as_deref().unwrap_or("gp3");
    // API_TaskManagedEBSVolumeConfiguration.html, `sizeInGiB`.
    let sizes = match kind {
        "gp2" | "gp3" => 1..=16_384,
        "io1" | "io2" => 4..=16_384,
        "st1" | "sc1" => 125..=16_384,
        "standard" if launch_type != LaunchType::Fargate => 1..=1_024,
        _ => {
            return Err(error::invalid_parameter(format!(
                "The volume type '{kind}' is not supported."
            )));
        }
    };
    if !sizes.contains(&size) {
        return Err(error::invalid_parameter(format!(
            "sizeInGiB of a {kind} volume must be between {} and {}.",
            sizes.start(),
            sizes.end()
        )));
    }
    if matches!(kind, "io1" | "io2") && ebs.iops.is_none() {
        return Err(error::invalid_parameter(format!(
            "iops is required for {kind} volumes."
        )));
    }
    let policy = ebs.termination_policy.as_ref();
    Ok(Wanted {
        name: name.to_owned(),
        role_arn: ebs.role_arn.clone(),
        size_gib: u32::try_from(size).expect("it is within its range"),
        file_system: ebs.filesystem_type.clone(),
        delete_on_termination: policy.is_none_or(|p| p.delete_on_termination),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition() -> api::TaskDefinition {
        api::TaskDefinition {
            volumes: Some(vec![api::Volume {
                name: Some("data".into()),
                configured_at_launch: Some(true),
                ..Default::default()
            }]),
            ..Default::default()
        }
    }

    fn given(
        change: impl Fn(&mut api::TaskManagedEBSVolumeConfiguration),
    ) -> Vec<api::TaskVolumeConfiguration> {
        let mut ebs = api::TaskManagedEBSVolumeConfiguration {
            role_arn: "arn:aws:iam::000000000000:role/ecsInfrastructureRole".into(),
            size_in_gib: Some(10),
            ..Default::default()
        };
        change(&mut ebs);
        vec![api::TaskVolumeConfiguration {
            name: "data".into(),
            managed_ebs_volume: Some(ebs),
        }]
    }

    #[test]
    fn a_volume_has_what_was_asked() {
        let plain = wanted(&definition(), &given(|_| {}), LaunchType::Fargate).unwrap();
        assert_eq!(
            (plain[0].size_gib, plain[0].delete_on_termination),
            (10, true)
        );
        let volume = plain[0].volume("vol-1".into(), "id".into());
        assert_eq!(of(&[volume]), plain);
    }

    #[test]
    fn what_is_wrong_or_not_built_is_refused() {
        let code = |given: &[api::TaskVolumeConfiguration]| {
            let refused = wanted(&definition(), given, LaunchType::Fargate).unwrap_err();
            refused.code.to_string()
        };
        assert_eq!(code(&[]), "InvalidParameterException");
        let mut other = given(|_| {});
        other[0].name = "other".into();
        assert_eq!(code(&other), "InvalidParameterException");
        for change in [
            (|e| e.size_in_gib = None) as fn(&mut api::TaskManagedEBSVolumeConfiguration),
            |e| e.size_in_gib = Some(0),
            |e| e.volume_type = Some("st1".into()),
            |e| e.volume_type = Some("standard".into()),
            |e| e.volume_type = Some("io2".into()),
        ] {
            assert_eq!(code(&given(change)), "InvalidParameterException");
        }
        for change in [
            (|e| e.snapshot_id = Some("snap-1".into()))
                as fn(&mut api::TaskManagedEBSVolumeConfiguration),
            |e| e.encrypted = Some(true),
            |e| e.volume_initialization_rate = Some(200),
        ] {
            assert_eq!(code(&given(change)), "UnsupportedFeatureException");
        }
    }
}
