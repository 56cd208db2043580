//! One event: its envelope
//! (<https://docs.aws.amazon.com/eventbridge/latest/ref/overview-event-structure.html>) and its id.

use super::instance::InstanceChange;
use super::task;
use crate::fleet::ClusterId;
use neargate_base::{Timestamp, uuid};
use neargate_store::{Entry, Revision};
use neargate_wire::json::{self, Form, Names, Times};
use neargate_wire::schema::TimestampFormat;
use neargate_wire::structure::Structure;
use neargate_wire::timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

/// The `source` of all of them.
pub(super) const SOURCE: &str = "aws.ecs";

/// Members by their wire names, times as ISO 8601 strings: how ECS writes the `detail`.
const DETAIL: Form = Form {
    names: Names::Wire,
    times: Times::Format(TimestampFormat::DateTime),
};

/// An event's `detail-type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DetailType {
    Task,
    ContainerInstance,
    ServiceAction,
    Deployment,
}

impl DetailType {
    pub const ALL: [DetailType; 4] = [
        DetailType::Task,
        DetailType::ContainerInstance,
        DetailType::ServiceAction,
        DetailType::Deployment,
    ];

    /// AWS's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            DetailType::Task => "ECS Task State Change",
            DetailType::ContainerInstance => "ECS Container Instance State Change",
            DetailType::ServiceAction => "ECS Service Action",
            DetailType::Deployment => "ECS Deployment State Change",
        }
    }
}

impl fmt::Display for DetailType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// No `detail-type` of ECS has that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no detail-type of ECS's events: {names}", names = names())]
pub struct UnknownDetailType(String);

fn names() -> String {
    DetailType::ALL.map(DetailType::as_str).join(", ")
}

impl FromStr for DetailType {
    type Err = UnknownDetailType;

    /// AWS's spelling in any case.
    fn from_str(s: &str) -> Result<Self, UnknownDetailType> {
        let found = DetailType::ALL.into_iter();
        let mut found = found.filter(|t| t.as_str().eq_ignore_ascii_case(s));
        found.next().ok_or_else(|| UnknownDetailType(s.to_owned()))
    }
}

/// One event. Its JSON is written when somebody first asks for it.
#[derive(Debug)]
pub struct Event {
    pub detail_type: DetailType,
    /// The revision of the stored change that it tells of.
    pub revision: Revision,
    /// The key of what changed.
    pub key: String,
    pub cluster: ClusterId,
    /// When the change happened, as far as it tells; else when it was seen.
    pub time: Timestamp,
    pub(super) subject: Subject,
    /// Which of several of this type that one change made.
    pub(super) index: usize,
    /// The group of tasks it is about, as a hash; 0 for none.
    pub(super) group: u64,
    json: OnceLock<Arc<str>>,
}

/// What it tells of.
#[derive(Debug)]
pub(super) enum Subject {
    /// The task as it was stored: the bytes are the store's own.
    Task(Entry),
    Instance(Box<InstanceChange>),
    /// Resources and detail.
    Plain(Vec<String>, Value),
}

impl Event {
    pub(super) fn new(
        detail_type: DetailType,
        key: &str,
        revision: Revision,
        cluster: ClusterId,
        time: Timestamp,
        subject: Subject,
    ) -> Event {
        Event {
            detail_type,
            revision,
            key: key.to_owned(),
            cluster,
            time,
            subject,
            index: 0,
            group: 0,
            json: OnceLock::new(),
        }
    }

    /// About the tasks of that group of its cluster.
    pub(super) fn of(mut self, group: &str) -> Event {
        let mut hasher = DefaultHasher::new();
        (&self.cluster, group).hash(&mut hasher);
        self.group = hasher.finish();
        self
    }

    /// Derived from what changed and when: an event made again has the same id. A UUID of
    /// version 8 (RFC 9562, section 5.8).
    pub fn id(&self) -> String {
        let seed = format!(
            "{}\n{}\n{}\n{}",
            self.key, self.revision, self.detail_type, self.index
        );
        let hash = Sha256::digest(seed.as_bytes());
        let bytes = hash[..16].try_into().expect("a hash of 32 bytes");
        uuid::text(bytes, 8)
    }

    /// The whole event as JSON, in one line.
    pub fn json(&self) -> Arc<str> {
        let json = self.json.get_or_init(|| self.to_value().to_string().into());
        json.clone()
    }

    /// The whole event.
    pub fn to_value(&self) -> Value {
        let (resources, detail) = match &self.subject {
            Subject::Task(entry) => task::detail(entry, self.time),
            Subject::Instance(change) => change.detail(self.time),
            Subject::Plain(resources, detail) => (resources.clone(), detail.clone()),
        };
        let seconds = Timestamp::from_millis(self.time.as_millis() / 1000 * 1000);
        json!({
            "version": "0",
            "id": self.id(),
            "detail-type": self.detail_type.as_str(),
            "source": SOURCE,
            "account": self.cluster.scope.account.as_str(),
            "time": iso(seconds),
            "region": self.cluster.scope.region.as_str(),
            "resources": resources,
            "detail": detail,
        })
    }
}

/// `2020-01-23T17:57:58.103Z`, as in the details.
pub(super) fn iso(time: Timestamp) -> String {
    timestamp::format(time, TimestampFormat::DateTime)
}

/// A described resource as the `detail` of an event.
pub(super) fn detail_of<T: Structure>(described: &T) -> serde_json::Map<String, Value> {
    match json::write(T::SHAPE, &described.to_value(), DETAIL) {
        Value::Object(members) => members,
        _ => serde_json::Map::new(),
    }
}
