//! Carries out export tasks
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/S3Export.html>): the events of a group,
//! as compressed objects of a bucket.
//!
//! A task that a restart broke off begins anew: its objects have the same names again, so that
//! none is there twice.

use crate::engine::{Cursor, LogEngine, StreamOrder, Times};
use crate::error;
use crate::model::Group;
use crate::model::exports::{ExportStatus, ExportTask};
use async_trait::async_trait;
use flate2::Compression;
use flate2::write::GzEncoder;
use neargate_api_s3::{self as s3, ops};
use neargate_base::{Timestamp, task};
use neargate_policy::{
    Context, Decision, Document, Guard, Policies, Request, Requester, RequesterKind, Use,
};
use neargate_service::controller::{Applied, Controller, Plan};
use neargate_service::{AwsError, Caller, House, Scope};
use std::io::Write as _;
use std::sync::Arc;

/// Text of one object, before it is compressed.
const OBJECT_BYTES: usize = 32 << 20;
/// Events that are read at once.
const PAGE_EVENTS: usize = 10_000;
const PAGE_BYTES: usize = 4 << 20;

/// Carries out what CreateExportTask stored.
#[derive(Debug)]
pub struct Exports {
    pub house: Arc<House>,
    pub engine: Arc<LogEngine>,
}

/// A task's next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Export { key: String },
    Cancel { key: String },
}

/// A task that may have to go on.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    key: String,
    status: ExportStatus,
}

pub(super) fn plan(view: &View) -> Plan<Step> {
    let key = view.key.clone();
    let (step, reason) = match view.status {
        ExportStatus::Pending | ExportStatus::Running => (Step::Export { key }, "it is asked for"),
        ExportStatus::PendingCancel => (Step::Cancel { key }, "it is cancelled"),
        ExportStatus::Cancelled | ExportStatus::Completed | ExportStatus::Failed => {
            return Plan::idle("it is over");
        }
    };
    Plan {
        actions: vec![step],
        wake_at: None,
        reason,
    }
}

#[async_trait]
impl Controller for Exports {
    type View = View;
    type Action = Step;

    fn name(&self) -> &'static str {
        "logs-exports"
    }

    fn prefixes(&self) -> Vec<String> {
        vec![format!(
            "{}/",
            <ExportTask as neargate_service::Resource>::KIND
        )]
    }

    fn key_of(&self, store_key: &str) -> Option<String> {
        Some(store_key.to_owned())
    }

    async fn view(&self, key: &str) -> Result<Option<View>, AwsError> {
        let task = self.house.db.get_key::<ExportTask>(key).await?;
        Ok(task.map(|task| View {
            key: key.to_owned(),
            status: task.status,
        }))
    }

    fn plan(&self, view: &View, _: Timestamp) -> Plan<Step> {
        plan(view)
    }

    async fn apply(&self, step: Step) -> Result<Applied, AwsError> {
        match step {
            Step::Cancel { key } => {
                self.end(&key, ExportStatus::Cancelled, "Cancelled by user")
                    .await?;
            }
            Step::Export { key } => {
                if !self.begin(&key).await? {
                    return Ok(Applied::Conflict);
                }
                match self.export(&key).await {
                    Ok(Ended::Whole) => {
                        let message = "Completed successfully";
                        self.end(&key, ExportStatus::Completed, message).await?;
                    }
                    // The cancellation is a step of its own.
                    Ok(Ended::Early) => {}
                    Err(e) if e.fault == neargate_service::Fault::Client => {
                        self.end(&key, ExportStatus::Failed, &e.message).await?;
                    }
                    Err(e) => return Err(e),
                }
            }
        }
        Ok(Applied::Done)
    }
}

/// Was all exported?
enum Ended {
    Whole,
    Early,
}

impl Exports {
    /// Answers whether the task still waits or runs.
    async fn begin(&self, key: &str) -> Result<bool, AwsError> {
        let begin = |task: &mut ExportTask| {
            let changes = task.status == ExportStatus::Pending;
            if changes {
                task.status = ExportStatus::Running;
                task.message = Some("Task is running".into());
            }
            Ok(changes)
        };
        let task = self.house.db.modify(key, begin).await?;
        Ok(task.is_some_and(|task| task.status == ExportStatus::Running))
    }

    async fn end(&self, key: &str, status: ExportStatus, message: &str) -> Result<(), AwsError> {
        let now = self.house.now();
        let end = |task: &mut ExportTask| {
            let open = !task.status.is_over();
            if open {
                task.status = status;
                task.message = Some(message.to_owned());
                task.completed = Some(now);
            }
            Ok(open)
        };
        self.house.db.modify(key, end).await?;
        Ok(())
    }

    async fn export(&self, key: &str) -> Result<Ended, AwsError> {
        let db = &self.house.db;
        let (Some(scope), Some(export)) =
            (Scope::of_key(key), db.get_key::<ExportTask>(key).await?)
        else {
            return Ok(Ended::Early);
        };
        let group = db.get::<Group>(&scope, &export.group).await?;
        let group = group.ok_or_else(error::group_not_found)?;
        let engine_key = group.engine_key(&scope);
        let start = Timestamp::from_millis(export.from).max(group.expired_before(self.house.now()));
        let end = Timestamp::from_millis(export.to.saturating_add(1));
        let mut after = None;
        loop {
            let order = StreamOrder::ByName {
                prefix: export.stream_prefix.clone().unwrap_or_default(),
                after: after.take(),
            };
            let (streams, more) = self.engine.streams(&engine_key, &order, false, 100);
            for stream in &streams {
                let of = Stream {
                    scope: &scope,
                    export: &export,
                    folder: format!(
                        "{}/{}/{}",
                        export.prefix,
                        export.id(),
                        stream.name.replace('/', "-")
                    ),
                    engine_key: &engine_key,
                    name: &stream.name,
                    times: Times { start, end },
                };
                if let Ended::Early = self.stream(key, &of).await? {
                    return Ok(Ended::Early);
                }
            }
            match streams.last() {
                Some(last) if more => after = Some(last.name.to_string()),
                _ => return Ok(Ended::Whole),
            }
        }
    }

    /// Put one stream's events, `000000.gz` and so on.
    async fn stream(&self, key: &str, of: &Stream<'_>) -> Result<Ended, AwsError> {
        let (mut number, mut cursor) = (0, Cursor::Head);
        let mut object = Object::default();
        loop {
            let (engine, times) = (self.engine.clone(), of.times);
            let (group, name) = (of.engine_key.to_owned(), of.name.to_owned());
            let read =
                move || engine.get_events(&group, &name, times, cursor, PAGE_EVENTS, PAGE_BYTES);
            let page = task::spawn_blocking(read)
                .await
                .map_err(AwsError::internal)?;
            let page = page.map_err(error::engine)?;
            let over = page.events.is_empty();
            cursor = Cursor::Forward(page.forward);
            for event in page.events {
                object.add(event.timestamp, &event.message)?;
            }
            if object.bytes > 0 && (over || object.bytes >= OBJECT_BYTES) {
                let bytes = std::mem::take(&mut object).finish()?;
                let name = format!("{}/{number:06}.gz", of.folder);
                put(&self.house, of.scope, &of.export.bucket, name, bytes).await?;
                number += 1;
            }
            if over {
                return Ok(Ended::Whole);
            }
            let task = self.house.db.get_key::<ExportTask>(key).await?;
            if task.is_none_or(|task| task.status != ExportStatus::Running) {
                return Ok(Ended::Early);
            }
        }
    }
}

/// A stream that is being exported.
struct Stream<'a> {
    scope: &'a Scope,
    export: &'a ExportTask,
    folder: String,
    engine_key: &'a str,
    name: &'a str,
    times: Times,
}

/// An object that is being written.
struct Object {
    gzip: GzEncoder<Vec<u8>>,
    bytes: usize,
}

impl Default for Object {
    fn default() -> Self {
        Object {
            gzip: GzEncoder::new(Vec::new(), Compression::default()),
            bytes: 0,
        }
    }
}

impl Object {
    /// `2023-11-14T22:13:20.000Z message`
    fn add(&mut self, at: Timestamp, message: &str) -> Result<(), AwsError> {
        let line = format!("{} {message}\n", at.rfc3339());
        self.bytes += line.len();
        self.gzip
            .write_all(line.as_bytes())
            .map_err(AwsError::internal)
    }

    fn finish(self) -> Result<Vec<u8>, AwsError> {
        self.gzip.finish().map_err(AwsError::internal)
    }
}

/// CloudWatch Logs as bucket policies name it.
fn principal(scope: &Scope) -> String {
    format!("logs.{}.amazonaws.com", scope.region)
}

async fn put(
    house: &Arc<House>,
    scope: &Scope,
    bucket: &str,
    key: String,
    body: Vec<u8>,
) -> Result<(), AwsError> {
    let input = s3::PutObjectInput {
        bucket: bucket.to_owned(),
        key,
        body: Some(body.into()),
        ..Default::default()
    };
    Caller::call::<ops::PutObject>(house, scope, &principal(scope), &input).await?;
    Ok(())
}

/// Put the object that shows that the bucket may be written, as AWS does before it takes a task.
///
/// # Errors
/// `InvalidParameterException` when there is no such bucket, or it may not be written.
pub async fn try_bucket(
    house: &Arc<House>,
    scope: &Scope,
    bucket: &str,
    prefix: &str,
) -> Result<(), AwsError> {
    if house.settings.enforced {
        ask_policy(house, scope, bucket, prefix).await?;
    }
    let body = b"Permission Check Successful".to_vec();
    let key = format!("{prefix}/aws-logs-write-test");
    put(house, scope, bucket, key, body)
        .await
        .map_err(|e| match e.code.as_str() {
            "NoSuchBucket" => error::no_such_bucket(),
            "AccessDenied" => error::bucket_refuses("PutObject"),
            _ => e,
        })
}

/// The bucket's own policy must let CloudWatch Logs, also in the account that both are in.
async fn ask_policy(
    house: &Arc<House>,
    scope: &Scope,
    bucket: &str,
    prefix: &str,
) -> Result<(), AwsError> {
    let input = s3::GetBucketPolicyInput {
        bucket: bucket.to_owned(),
        ..Default::default()
    };
    let role = principal(scope);
    let answer = Caller::call::<ops::GetBucketPolicy>(house, scope, &role, &input).await;
    let text = match answer {
        Ok(output) => output.policy,
        Err(e) if e.is("NoSuchBucket") => return Err(error::no_such_bucket()),
        Err(e) if e.is("NoSuchBucketPolicy") => None,
        Err(e) if e.is("AccessDenied") => None,
        Err(e) => return Err(e),
    };
    let document = text.and_then(|text| Document::parse_as(Use::Resource, &text).ok());
    let arn = format!("arn:aws:s3:::{bucket}");
    let object = format!("{arn}/{prefix}/aws-logs-write-test");
    let mut context = Context::new();
    context.set("aws:SecureTransport", "true");
    context.set("aws:CurrentTime", house.now().rfc3339());
    context.set("aws:SourceAccount", scope.account.to_string());
    context.set("aws:SourceArn", scope.arn("logs", "log-group:*"));
    for (call, action, resource) in [
        ("GetBucketAcl", "s3:GetBucketAcl", &arn),
        ("PutObject", "s3:PutObject", &object),
    ] {
        let request = Request {
            requester: Requester {
                kind: RequesterKind::Service,
                arn: &role,
                account: "",
                role: None,
            },
            action,
            resource,
            context: &context,
        };
        let guard = Guard {
            document: document.as_ref(),
            ..Guard::default()
        };
        let policies = Policies {
            guard,
            ..Policies::default()
        };
        if neargate_policy::evaluate(&policies, &request) != Decision::Allowed {
            return Err(error::bucket_refuses(call));
        }
    }
    Ok(())
}
