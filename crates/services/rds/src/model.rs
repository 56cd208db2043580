//! What RDS stores. Identifiers are kept in lower case, as RDS answers them.

use neargate_base::Timestamp;
use neargate_service::Resource;
use neargate_service::tags::Tags;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `rds/db-instance/…/<identifier>`. The API writes what is asked for; what is observed, from `task` to
/// `failures`, the [controller](crate::controller) writes, but for the status, which a request begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// `db-` and 26 letters and digits: it is the same under another name, and no other instance ever has it.
    pub resource_id: String,
    pub status: Status,
    pub wanted: Wanted,
    pub asked: Asked,
    pub password: Password,
    /// The network it is in.
    pub vpc_id: String,
    pub subnets: Vec<String>,
    /// What a change that waits for the maintenance window or a reboot makes of `asked`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Asked>,
    /// The engine is to be started anew, once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restart: bool,
    /// The engine knows another password still.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub password_is_new: bool,
    /// The engine was started with other parameters than its group has now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub parameters_are_new: bool,
    /// The file system of the snapshot that its own is to be a copy of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore_from: Option<String>,
    /// Snapshots that are to be made of it, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backups: Vec<String>,
    /// Some task has had its volume.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub touched: bool,
    /// The one task that has its volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskSlot>,
    /// Rises with every task.
    #[serde(default)]
    pub generation: u64,
    /// Where it answered last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Tasks in a row that ended though nobody asked them to.
    #[serde(default)]
    pub failures: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    pub created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
}

impl Resource for Instance {
    const KIND: &'static str = "rds/db-instance";
}

/// What a request chooses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    pub engine: String,
    pub engine_version: String,
    pub class: String,
    pub allocated_storage_gib: i32,
    pub storage_type: String,
    pub master_username: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub db_name: Option<String>,
    pub port: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet_group: Option<String>,
    pub security_groups: Vec<String>,
    pub publicly_accessible: bool,
    pub parameter_group: String,
    pub backup_retention_days: i32,
    pub backup_window: String,
    pub maintenance_window: String,
    pub auto_minor_version_upgrade: bool,
    pub copy_tags_to_snapshot: bool,
    pub deletion_protection: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_allocated_storage_gib: Option<i32>,
    /// `postgresql` or `error`: its output goes to CloudWatch Logs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log_exports: Vec<String>,
}

/// AWS's words
/// (<https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    Creating,
    Available,
    BackingUp,
    Deleting,
    Failed,
    Modifying,
    Rebooting,
    ResettingMasterCredentials,
    Starting,
    Stopped,
    Stopping,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Creating => "creating",
            Status::Available => "available",
            Status::BackingUp => "backing-up",
            Status::Deleting => "deleting",
            Status::Failed => "failed",
            Status::Modifying => "modifying",
            Status::Rebooting => "rebooting",
            Status::ResettingMasterCredentials => "resetting-master-credentials",
            Status::Starting => "starting",
            Status::Stopped => "stopped",
            Status::Stopping => "stopping",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wanted {
    Running,
    Stopped,
    Deleted,
}

/// The master user's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Password {
    /// Sealed ([`neargate_service::managed::seal`]) for the instance's own tasks.
    Sealed(String),
    /// In a secret that RDS made.
    Managed {
        secret_arn: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kms_key_id: Option<String>,
    },
    /// What the engine itself has in a volume that was restored.
    InTheData,
}

/// A task that has a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskSlot {
    pub purpose: Purpose,
    /// The token of its start.
    pub generation: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// It was asked to stop.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopping: bool,
    /// It is the first with a new password: once it answers, the engine has it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sets_password: bool,
}

/// What a task is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    Engine,
    /// Copies the file system of a snapshot.
    Restore(String),
    /// Copies into the file system of the snapshot of this name.
    Backup(String),
    /// Empties the file system.
    Erase,
}

/// Where an engine answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub private_ipv4: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_ipv4: Option<String>,
    pub availability_zone: String,
}

/// `rds/db-snapshot/…/<identifier>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    pub status: SnapshotStatus,
    pub instance: String,
    pub resource_id: String,
    pub instance_created_at: Timestamp,
    pub asked: Asked,
    /// The password at that time, where RDS knows it; sealed for tasks of the instance `instance`.
    pub password: Password,
    pub vpc_id: String,
    pub subnets: Vec<String>,
    /// Where its data are.
    pub file_system: String,
    /// Another snapshot's data, of which it is to be a copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_of: Option<CopyOf>,
    /// The task that copies or erases it; a new one is made by its instance's task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskSlot>,
    #[serde(default)]
    pub generation: u64,
    #[serde(default)]
    pub failures: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    pub created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
}

impl Resource for Snapshot {
    const KIND: &'static str = "rds/db-snapshot";
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyOf {
    pub arn: String,
    pub file_system: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SnapshotStatus {
    Creating,
    Available,
    Copying,
    Deleting,
    Failed,
}

impl SnapshotStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            SnapshotStatus::Creating => "creating",
            SnapshotStatus::Available => "available",
            SnapshotStatus::Copying => "copying",
            SnapshotStatus::Deleting => "deleting",
            SnapshotStatus::Failed => "failed",
        }
    }
}

/// `rds/db-subnet-group/…/<name>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubnetGroup {
    pub description: String,
    pub vpc_id: String,
    /// Their zones by their ids.
    pub subnets: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
}

impl Resource for SubnetGroup {
    const KIND: &'static str = "rds/db-subnet-group";
}

/// `rds/db-parameter-group/…/<name>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterGroup {
    pub family: String,
    pub description: String,
    /// What was set, by the parameter's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
}

impl Resource for ParameterGroup {
    const KIND: &'static str = "rds/db-parameter-group";
}

/// Something that happened, for `DescribeEvents`: `rds/happening/…/<time>-<id>`, kept for 14 days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happening {
    /// `db-instance` or `db-snapshot`.
    pub source_type: String,
    pub source: String,
    pub source_arn: String,
    pub message: String,
    pub categories: Vec<String>,
    pub at: Timestamp,
}

impl Resource for Happening {
    const KIND: &'static str = "rds/happening";
}
