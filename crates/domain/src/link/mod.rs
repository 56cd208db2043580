//! What a node on another host and its control plane say to each other: the shapes of the
//! requests and of the assignment stream. How they travel (HTTP/2 over mutual TLS) is the
//! business of the two ends.
//!
//! ```text
//! POST /v1/join         JoinRequest   -> Joined         no certificate: the token is the proof
//! POST /v1/renew        RenewRequest  -> Certificate    a newer certificate, in time
//! POST /v1/assignments  NodeAbout     -> Frame*         one JSON text a line, until either ends
//! POST /v1/report       TaskReport    -> {}             durable once answered
//! POST /v1/logs         LogBatch      -> Offset         durable once answered
//! POST /v1/log-offset   LogQuestion   -> Offset
//! POST /v1/image        ImageQuestion -> ImageAnswer
//! POST /v1/credentials  TaskQuestion  -> RoleCredentials
//! POST /v1/secrets      TaskQuestion  -> SecretsAnswer
//! GET  /v1/blob/<digest>?offset=N     -> bytes
//! POST /v1/visit/<id>   Said*         -> Said*          what [`Frame::Visit`] asked for, until either ends
//! ```
//! A status of 4xx is final (`Refusal`), any other failure may pass.

mod token;
mod visit;

pub use token::{InvalidToken, JoinToken};
pub use visit::{Said, Unsaid, VISITS, Visit, VisitTo};

use crate::dns::{Records, Zone, ZoneChange};
use crate::vpc::VpcRange;
use crate::vpc_network::{InterfaceNetwork, NetworkChange, VpcNetwork};
use crate::{Assignment, LogLine, LogTarget, NodeAbout, NodeKind, TaskSecrets};
use neargate_base::{AccountId, Region, Timestamp};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The name in the control plane's certificate: nodes check it, not the address they dialled.
pub const SERVER_NAME: &str = "control.neargate.internal";
/// The request header in which a node says who it is; its certificate proves it.
pub const NODE_HEADER: &str = "neargate-node";
/// The longest line of the assignment stream, and the longest request but for logs.
pub const MAX_MESSAGE_BYTES: usize = 4 << 20;
/// The longest log request: a batch has 1 MiB of messages at most, each escaped.
pub const MAX_LOGS_BYTES: usize = 8 << 20;

/// Asks to become a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinRequest {
    /// The token's secret, in hexadecimal digits.
    pub secret: String,
    /// The node's P-256 key, an uncompressed point (SEC 1) in hexadecimal digits. The private
    /// half never leaves the node.
    pub public_key: String,
    /// Its `id` and `kind` are the control plane's to say.
    pub about: NodeAbout,
    /// Not as anything else than this kind, and not into another cluster.
    #[serde(default)]
    pub kind: Option<NodeKind>,
    #[serde(default)]
    pub cluster: Option<String>,
}

/// The answer to [`JoinRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    pub node_id: String,
    pub kind: NodeKind,
    pub account: AccountId,
    pub region: Region,
    /// `None`: a node for tasks of every cluster.
    pub cluster: Option<String>,
    /// The addresses of its tasks are of this range.
    #[serde(default)]
    pub vpc: VpcRange,
    pub certificate: Certificate,
}

/// A node's certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// DER, in hexadecimal digits.
    pub der: String,
    /// The certificate of the authority that signed it and the control plane's.
    pub authority: String,
    pub not_after: Timestamp,
}

/// Asks for a certificate for another key of the same node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenewRequest {
    pub public_key: String,
}

/// One line of the assignment stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(clippy::large_enum_variant, reason = "one exists at a time")]
pub enum Frame {
    /// A snapshot begins: forget what was begun before.
    Begin,
    /// An assignment of the snapshot.
    Item(Assignment),
    /// The snapshot is complete: the tasks not in it are gone.
    End,
    /// A new or newer assignment, whole.
    Changed(Assignment),
    /// The control plane has recorded the task as released.
    Removed(String),
    /// The other nodes of the task network, whole.
    Peers(Vec<Peer>),
    /// A part of all networks that there are, in the order of the parts; what is in none is gone.
    Networks {
        vpcs: Vec<VpcNetwork>,
        interfaces: Vec<InterfaceNetwork>,
        is_last: bool,
    },
    /// A network that changed.
    Network(NetworkChange),
    /// A part of all hosted zones that there are, in the order of the parts; what is in none is gone.
    Zones {
        zones: Vec<Zone>,
        records: Vec<Records>,
        is_last: bool,
    },
    /// A hosted zone that changed, or records of one.
    Zone(ZoneChange),
    /// Somebody is to be let into a container of the node's: sent only to who asked for assignments with
    /// [`VISITS`].
    Visit(Visit),
    /// Nothing new; the stream lives.
    Beat,
    /// The node was removed for good: the snapshot before said that it has no tasks.
    Dismissed,
}

/// Another node of the same task network.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Peer {
    pub id: String,
    /// Where its side of the task network is reached.
    pub address: IpAddr,
}

/// A container's output, the part from `start` to `end`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogBatch {
    pub target: LogTarget,
    /// Task id, a slash, container name.
    pub source: String,
    pub start: u64,
    pub end: u64,
    pub lines: Vec<LogLine>,
}

/// How much of a container's output is recorded?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogQuestion {
    pub target: LogTarget,
    pub source: String,
}

/// How far a container's output is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offset {
    pub recorded: u64,
}

/// Where is an image named in a task of this account and region?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageQuestion {
    pub account: AccountId,
    pub region: Region,
    pub name: String,
}

/// The answer to [`ImageQuestion`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageAnswer {
    /// The control plane's registry holds it; its blobs are at `/v1/blob/`.
    Own { digest: String },
    /// The text after `CannotPullContainerError: `.
    Missing { message: String },
    /// In some other registry.
    Elsewhere,
}

/// Which task is asked about; it is one of the node's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskQuestion {
    pub task_id: String,
}

/// The answer to who asks for a task's secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretsAnswer {
    Read(TaskSecrets),
    /// The text after `ResourceInitializationError: `.
    Missing {
        message: String,
    },
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub message: String,
}

/// Nothing more to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {}
