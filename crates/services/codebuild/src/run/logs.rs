//! A build's log: to CloudWatch Logs as it comes, and to S3 at its end, under the project's role.

use crate::model::Build;
use flate2::Compression;
use flate2::write::GzEncoder;
use neargate_api_logs as logs;
use neargate_api_s3 as s3;
use neargate_service::{AwsError, Caller, House, Scope};
use std::io::Write as _;
use std::sync::Arc;

/// Less than the largest event that CloudWatch Logs takes.
const EVENT_BYTES: usize = 200_000;
/// Less than the largest batch, in bytes and in events.
const BATCH_BYTES: usize = 900_000;
const BATCH_EVENTS: usize = 9_000;

/// Where it goes.
fn place(build: &Build) -> Option<(String, String)> {
    let shown = build.shown.logs.clone().unwrap_or_default();
    let enabled = shown
        .cloud_watch_logs
        .is_none_or(|c| c.status != "DISABLED");
    enabled
        .then(|| shown.group_name.zip(shown.stream_name))
        .flatten()
}

/// Makes group and stream where they are not.
pub async fn open(house: &Arc<House>, scope: &Scope, build: &Build) -> Result<(), AwsError> {
    let Some((group, stream)) = place(build) else {
        return Ok(());
    };
    let there = |made: Result<(), AwsError>| match made {
        Err(error) if error.is("ResourceAlreadyExistsException") => Ok(()),
        made => made,
    };
    let input = logs::CreateLogGroupInput {
        log_group_name: group.clone(),
        ..Default::default()
    };
    let made = Caller::call::<logs::ops::CreateLogGroup>(house, scope, build.role(), &input).await;
    there(made.map(drop))?;
    let input = logs::CreateLogStreamInput {
        log_group_name: group,
        log_stream_name: stream,
    };
    let made = Caller::call::<logs::ops::CreateLogStream>(house, scope, build.role(), &input).await;
    there(made.map(drop))
}

/// Adds lines.
pub async fn put(
    house: &Arc<House>,
    scope: &Scope,
    build: &Build,
    text: &str,
) -> Result<(), AwsError> {
    let Some((group, stream)) = place(build) else {
        return Ok(());
    };
    let now = house.now().as_millis();
    let mut batch = Vec::new();
    let mut bytes = 0;
    for line in text.split_inclusive('\n') {
        let mut rest = line;
        while !rest.is_empty() {
            let (event, after) = rest.split_at(rest.floor_char_boundary(EVENT_BYTES));
            rest = after;
            if batch.len() >= BATCH_EVENTS || bytes + event.len() > BATCH_BYTES {
                send(
                    house,
                    scope,
                    build,
                    (&group, &stream),
                    std::mem::take(&mut batch),
                )
                .await?;
                bytes = 0;
            }
            bytes += event.len() + 26;
            batch.push(logs::InputLogEvent {
                timestamp: now,
                message: event.to_owned(),
            });
        }
    }
    if batch.is_empty() {
        return Ok(());
    }
    send(house, scope, build, (&group, &stream), batch).await
}

async fn send(
    house: &Arc<House>,
    scope: &Scope,
    build: &Build,
    (group, stream): (&str, &str),
    log_events: Vec<logs::InputLogEvent>,
) -> Result<(), AwsError> {
    let input = logs::PutLogEventsInput {
        log_group_name: group.to_owned(),
        log_stream_name: stream.to_owned(),
        log_events,
        ..Default::default()
    };
    let put = Caller::call::<logs::ops::PutLogEvents>(house, scope, build.role(), &input).await;
    match put {
        Err(error) if error.status >= 500 => Err(error),
        // A group that somebody deleted does not hold up the build.
        Err(error) => {
            tracing::warn!(build = build.id(), group, %error, "output is not in its log");
            Ok(())
        }
        Ok(_) => Ok(()),
    }
}

/// Bucket and key of the log in S3, where the project wants it there.
pub fn object(build: &Build) -> Option<(String, String)> {
    let logs = build.shown.logs.as_ref()?.s3_logs.as_ref()?;
    if logs.status != "ENABLED" {
        return None;
    }
    let location = logs.location.as_deref()?;
    let location = location.trim_start_matches("arn:aws:s3:::");
    let (bucket, prefix) = location.split_once('/').unwrap_or((location, ""));
    let prefix = prefix.trim_matches('/');
    let key = match prefix {
        "" => format!("{}.gz", build.uuid()),
        prefix => format!("{prefix}/{}.gz", build.uuid()),
    };
    Some((bucket.to_owned(), key))
}

/// Puts the whole log there. A bucket that may not be written does not hold up the build's end.
pub async fn keep(
    house: &Arc<House>,
    scope: &Scope,
    build: &Build,
    (bucket, key): (String, String),
    text: &str,
) -> Result<(), AwsError> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    let packed = packer
        .write_all(text.as_bytes())
        .and_then(|()| packer.finish());
    let input = s3::PutObjectInput {
        bucket: bucket.clone(),
        key,
        body: Some(packed.map_err(AwsError::internal)?.into()),
        ..Default::default()
    };
    let put = Caller::call::<s3::ops::PutObject>(house, scope, build.role(), &input).await;
    match put {
        Err(error) if error.status >= 500 => Err(error),
        Err(error) => {
            tracing::warn!(build = build.id(), bucket, %error, "a log is not in its bucket");
            Ok(())
        }
        Ok(_) => Ok(()),
    }
}
