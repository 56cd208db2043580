//! Volumes of a task, what of them its containers mount, and what else of its machine it shares.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One of a task's volumes
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Volume.html>).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    pub name: String,
    pub source: VolumeSource,
}

/// What is behind a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum VolumeSource {
    /// Empty at first, kept with the task's own files, and gone with the task.
    Task,
    /// A file or directory of the machine; a directory is made when there is nothing.
    Host {
        path: String,
    },
    /// One that Docker would keep (`dockerVolumeConfiguration`).
    Docker(DockerVolume),
    Efs(EfsVolume),
    /// An EBS volume that is made for the task.
    Ebs(EbsVolume),
}

/// An EBS volume of one task
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TaskManagedEBSVolumeConfiguration.html>).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EbsVolume {
    /// `vol-…`.
    pub volume_id: String,
    /// Of its attachment to the task.
    pub attachment_id: String,
    /// As whom ECS would make it.
    pub role_arn: String,
    pub size_gib: u32,
    /// `ext3`, `ext4` or `xfs`; `None`: ECS's choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_system: Option<String>,
    pub delete_on_termination: bool,
}

/// An elastic file system, or a part of one
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_EFSVolumeConfiguration.html>).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EfsVolume {
    /// `fs-…`, or its ARN.
    pub file_system_id: String,
    /// Empty or `/`: all of it.
    #[serde(default)]
    pub root_directory: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_point_id: Option<String>,
}

/// A volume as Docker's volume drivers make them
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DockerVolumeConfiguration.html>).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DockerVolume {
    /// It outlives the task, and all tasks of the machine that name it have the same one.
    pub shared: bool,
    /// A shared one is made when there is none.
    pub autoprovision: bool,
    pub driver: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// Where a container has a volume of its task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// The volume's name.
    pub volume: String,
    pub container_path: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
}

/// All that another container mounts is mounted here too, at the same paths.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumesFrom {
    pub container: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
}
