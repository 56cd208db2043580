//! What EC2 stores beside the nouns of `service::vpc`: tags, key pairs and launch templates. And who
//! sees resources, with what tags.

use super::change::all;
use neargate_api_ec2 as api;
use neargate_base::Timestamp;
use neargate_domain::NetworkInterface;
use neargate_service::db::Resource;
use neargate_service::tags::Tags;
use neargate_service::{AwsError, Ctx, Scope};
use neargate_wire::json::Json;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `ec2/tags/…/<resource id>`: absent when the resource has no tags.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tagged {
    pub(super) tags: Tags,
}

impl Resource for Tagged {
    const KIND: &'static str = "ec2/tags";
}

/// `ec2/launch-template/…/<lt-…>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct LaunchTemplate {
    pub(super) name: String,
    pub(super) default_version: u64,
    /// The number of the newest version that was ever made.
    pub(super) last_version: u64,
    pub(super) versions: BTreeMap<u64, TemplateVersion>,
    pub(super) created_at: Timestamp,
}

/// One version of a launch template, which nobody changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct TemplateVersion {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    pub(super) data: Json<api::RequestLaunchTemplateData>,
    pub(super) created_at: Timestamp,
}

impl Resource for LaunchTemplate {
    const KIND: &'static str = "ec2/launch-template";
}

/// `ec2/flow-log/…/<fl-…>`. The API makes and deletes it; [`crate::flow_logs`] writes how its delivery
/// goes, and deletes it when its resource is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FlowLog {
    /// A VPC, a subnet or an interface.
    pub(super) resource_id: String,
    pub(super) of: LoggedKind,
    /// `ACCEPT`, `REJECT` or `ALL`.
    pub(super) traffic_type: String,
    pub(super) destination: FlowDestination,
    /// `deliverLogsPermissionArn`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) role: Option<String>,
    /// Its fields, as they were asked for.
    pub(super) format: String,
    pub(super) interval_seconds: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) client_token: Option<String>,
    /// Why the last delivery failed, in AWS's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) failure: Option<String>,
    pub(super) created_at: Timestamp,
}

impl FlowLog {
    /// Is the interface among those that it is about?
    pub(super) fn is_of(&self, interface: &NetworkInterface) -> bool {
        let id = match self.of {
            LoggedKind::Vpc => &interface.vpc_id,
            LoggedKind::Subnet => &interface.subnet_id,
            LoggedKind::Interface => &interface.id,
        };
        *id == self.resource_id
    }
}

/// What a flow log is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum LoggedKind {
    Vpc,
    Subnet,
    Interface,
}

/// Where the records of a flow log go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FlowDestination {
    LogGroup {
        name: String,
        /// As the caller named it, if it did by ARN.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        arn: Option<String>,
    },
    Bucket {
        /// With the prefix of keys.
        arn: String,
        hive_compatible: bool,
        by_hour: bool,
    },
}

impl Resource for FlowLog {
    const KIND: &'static str = "ec2/flow-log";
}

/// `ec2/key-pair/…/<key id>`. EC2 keeps the public key only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeyPair {
    pub(super) name: String,
    /// `rsa` or `ed25519`.
    pub(super) key_type: String,
    /// As OpenSSH writes it.
    pub(super) public_key: String,
    pub(super) fingerprint: String,
    pub(super) created_at: Timestamp,
}

impl Resource for KeyPair {
    const KIND: &'static str = "ec2/key-pair";
}

/// `ec2/key-name/…/<name>`: which key pair has a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeyName {
    pub(super) key_pair_id: String,
}

impl Resource for KeyName {
    const KIND: &'static str = "ec2/key-name";
}

/// One account's EC2 in one region, as its answers show it.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) scope: Scope,
    /// The tags of each resource, keyed by its id.
    pub(super) tags: BTreeMap<String, Tags>,
}

impl Place {
    pub(super) async fn read(cx: &Ctx) -> Result<Place, AwsError> {
        let stored = all::<Tagged>(cx).await?;
        let tags = stored
            .into_iter()
            .map(|s| (s.id().to_owned(), s.value.tags));
        Ok(Place {
            scope: cx.scope.clone(),
            tags: tags.collect(),
        })
    }

    /// As the answer shows it that tells of something new.
    pub(super) fn of_new(cx: &Ctx, id: &str, tags: &Tags) -> Place {
        Place {
            scope: cx.scope.clone(),
            tags: BTreeMap::from([(id.to_owned(), tags.clone())]),
        }
    }

    pub(super) fn account(&self) -> Option<String> {
        Some(self.scope.account.to_string())
    }

    /// The member every taggable resource has.
    pub(super) fn tags_of(&self, id: &str) -> Option<Vec<api::Tag>> {
        Some(shown(self.tags.get(id).into_iter().flatten()))
    }
}

/// Tags as answers carry them.
pub(super) fn shown<'a>(tags: impl IntoIterator<Item = (&'a String, &'a String)>) -> Vec<api::Tag> {
    let tag = |(key, value): (&String, &String)| api::Tag {
        key: Some(key.clone()),
        value: Some(value.clone()),
    };
    tags.into_iter().map(tag).collect()
}
