//! What is told: a record for queues and topics, and the detail of an event for EventBridge
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html>).

use super::change::Change;
use crate::access::canonical_id;
use crate::door::host_id;
use crate::model::{Bucket, Object};
use neargate_base::Timestamp;
use neargate_wire::schema::TimestampFormat;
use neargate_wire::timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

/// As HTML forms encode; a slash stays.
const IN_RECORD: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'*')
    .remove(b'/')
    .remove(b' ');

/// What happened to which version of which key.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    pub bucket: &'a Bucket,
    pub change: Change,
    pub key: &'a str,
    pub object: &'a Object,
    pub now: Timestamp,
    pub request_id: &'a str,
    pub principal_id: &'a str,
}

pub fn arn(bucket: &Bucket) -> String {
    format!("arn:aws:s3:::{}", bucket.name)
}

/// What a destination is sent when it is configured.
pub fn test(bucket: &str, now: Timestamp, request_id: &str) -> Value {
    json!({
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": timestamp::format(now, TimestampFormat::DateTime),
        "Bucket": bucket,
        "RequestId": request_id,
        "HostId": host_id(request_id),
    })
}

impl Told<'_> {
    fn sequencer(&self) -> String {
        format!("{:016X}", self.object.sequence)
    }

    /// The size and the ETag of what there is; a delete marker is the MD5 of nothing.
    fn etag(&self) -> Option<&str> {
        match (&self.object.content, self.change) {
            (_, Change::Removed(_)) => None,
            (Some(content), _) => Some(&content.etag),
            (None, _) => Some("d41d8cd98f00b204e9800998ecf8427e"),
        }
    }

    /// The message of a queue or a topic.
    pub fn record(&self, configuration_id: &str) -> Value {
        let key = utf8_percent_encode(self.key, IN_RECORD)
            .to_string()
            .replace(' ', "+");
        let mut object = Map::new();
        object.insert("key".into(), key.into());
        if let (true, Some(content)) = (self.change.is_creation(), &self.object.content) {
            object.insert("size".into(), content.bytes.into());
        }
        if let Some(etag) = self.etag() {
            object.insert("eTag".into(), etag.into());
        }
        if let Some(version) = &self.object.version_id {
            object.insert("versionId".into(), version.as_str().into());
        }
        object.insert("sequencer".into(), self.sequencer().into());
        let event = self.change.event();
        json!({ "Records": [{
            "eventVersion": self.change.record_version(),
            "eventSource": "aws:s3",
            "awsRegion": self.bucket.region.as_str(),
            "eventTime": timestamp::format(self.now, TimestampFormat::DateTime),
            "eventName": event.strip_prefix("s3:").unwrap_or(event),
            "userIdentity": { "principalId": format!("AWS:{}", self.principal_id) },
            "responseElements": {
                "x-amz-request-id": self.request_id,
                "x-amz-id-2": host_id(self.request_id),
            },
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": configuration_id,
                "bucket": {
                    "name": self.bucket.name,
                    "ownerIdentity": { "principalId": canonical_id(&self.bucket.account) },
                    "arn": arn(self.bucket),
                },
                "object": object,
            },
        }] })
    }

    /// The detail of EventBridge's event.
    pub fn detail(&self) -> Value {
        let mut object = Map::new();
        object.insert("key".into(), self.key.into());
        if let (true, Some(content)) = (self.change.is_creation(), &self.object.content) {
            object.insert("size".into(), content.bytes.into());
        }
        if let Some(etag) = self.etag() {
            object.insert("etag".into(), etag.into());
        }
        if let Some(version) = &self.object.version_id {
            object.insert("version-id".into(), version.as_str().into());
        }
        object.insert("sequencer".into(), self.sequencer().into());
        let mut detail = json!({
            "version": "0",
            "bucket": { "name": self.bucket.name },
            "object": object,
            "request-id": self.request_id,
            "requester": self.bucket.account.as_str(),
        });
        for (name, value) in [
            ("reason", self.change.reason()),
            ("deletion-type", self.change.deletion_type()),
        ] {
            if let Some(value) = value {
                detail[name] = value.into();
            }
        }
        detail
    }
}
