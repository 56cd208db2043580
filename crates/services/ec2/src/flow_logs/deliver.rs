//! Brings records to a log group, under the role that the caller gave, or to a bucket, in the name of the
//! service that delivers logs.

use super::format::{self, Line, Of};
use crate::api::places::id_of_zone;
use crate::model::{FlowDestination, FlowLog};
use crate::networks::Networks;
use flate2::Compression;
use flate2::write::GzEncoder;
use neargate_api_logs as logs;
use neargate_api_s3 as s3;
use neargate_base::Timestamp;
use neargate_service::deliver::Sender;
use neargate_service::eni::Interface;
use neargate_service::{AwsError, Caller, House, Scope, Stored};
use std::io::Write;
use std::sync::Arc;

/// The most records of one call: PutLogEvents takes a mebibyte.
const RECORDS: usize = 2_000;

type Lines<'a> = [(&'a Interface, Vec<Line<'a>>)];

pub(super) async fn deliver(
    networks: &Networks,
    house: &Arc<House>,
    scope: &Scope,
    log: &Stored<FlowLog>,
    lines: &Lines<'_>,
    end: Timestamp,
) -> Result<(), AwsError> {
    let fields = format::fields(&log.format).unwrap_or_default();
    let text = |interface: &Interface, line: &Line<'_>| {
        let zone = &interface.interface.availability_zone;
        let zone_id = id_of_zone(&scope.region, zone);
        let of = Of {
            scope,
            interface,
            zone_id: zone_id.as_deref(),
            way: line
                .flow
                .and_then(|flow| networks.way(&interface.interface, flow.between.destination)),
        };
        format::text(&fields, of, line)
    };
    match &log.destination {
        FlowDestination::LogGroup { name, .. } => {
            let role = log.role.as_deref().unwrap_or_default();
            for (interface, lines) in lines {
                let id = &interface.interface.id;
                let stream = format!("{id}-{}", log.traffic_type.to_lowercase());
                for some in lines.chunks(RECORDS) {
                    let event = |line: &Line<'_>| logs::InputLogEvent {
                        timestamp: line.start.as_millis(),
                        message: text(interface, line),
                    };
                    let events = some.iter().map(event).collect();
                    put(house, scope, role, (name, &stream), events).await?;
                }
            }
            Ok(())
        }
        FlowDestination::Bucket { .. } => {
            let header = fields.join(" ");
            let text = &text;
            let records = lines
                .iter()
                .flat_map(|(interface, lines)| lines.iter().map(move |line| text(interface, line)));
            let all: Vec<String> = [header].into_iter().chain(records).collect();
            if all.len() == 1 {
                return Ok(());
            }
            put_object(house, scope, log, all.join("\n") + "\n", end).await
        }
    }
}

/// Why a delivery failed, as DescribeFlowLogs says it.
pub(super) fn failure(error: &AwsError) -> &'static str {
    match error.code.as_str() {
        "ThrottlingException" | "LimitExceededException" => "Rate limited",
        _ if error.status < 500 => "Access error",
        _ => "Unknown error",
    }
}

/// A group or stream that is not there is made.
async fn put(
    house: &Arc<House>,
    scope: &Scope,
    role: &str,
    (group, stream): (&str, &str),
    log_events: Vec<logs::InputLogEvent>,
) -> Result<(), AwsError> {
    let input = logs::PutLogEventsInput {
        log_group_name: group.to_owned(),
        log_stream_name: stream.to_owned(),
        log_events,
        ..Default::default()
    };
    let put = || Caller::call::<logs::ops::PutLogEvents>(house, scope, role, &input);
    match put().await {
        Err(error) if error.code == "ResourceNotFoundException" => {}
        put => return put.map(drop),
    }
    let there = |made: Result<(), AwsError>| match made {
        Err(error) if error.code != "ResourceAlreadyExistsException" => Err(error),
        _ => Ok(()),
    };
    let new = logs::CreateLogGroupInput {
        log_group_name: group.to_owned(),
        ..Default::default()
    };
    let made = Caller::call::<logs::ops::CreateLogGroup>(house, scope, role, &new).await;
    there(made.map(drop))?;
    let new = logs::CreateLogStreamInput {
        log_group_name: group.to_owned(),
        log_stream_name: stream.to_owned(),
    };
    let made = Caller::call::<logs::ops::CreateLogStream>(house, scope, role, &new).await;
    there(made.map(drop))?;
    put().await.map(drop)
}

async fn put_object(
    house: &Arc<House>,
    scope: &Scope,
    log: &Stored<FlowLog>,
    text: String,
    end: Timestamp,
) -> Result<(), AwsError> {
    let Some((bucket, key)) = object(scope, log, &house.rng.hex(8), end) else {
        return Ok(());
    };
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    let packed = packer
        .write_all(text.as_bytes())
        .and_then(|()| packer.finish());
    let input = s3::PutObjectInput {
        bucket,
        key,
        body: Some(packed.map_err(AwsError::internal)?.into()),
        ..Default::default()
    };
    let sender = Sender {
        service: "delivery.logs.amazonaws.com",
        source_arn: scope.arn("logs", "*"),
        source_account: scope.account.to_string(),
    };
    Caller::deliver::<s3::ops::PutObject>(house, scope, &sender, &input)
        .await
        .map(drop)
}

/// Bucket and key of an object
/// (<https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-s3-path.html>).
fn object(
    scope: &Scope,
    log: &Stored<FlowLog>,
    hash: &str,
    end: Timestamp,
) -> Option<(String, String)> {
    let FlowDestination::Bucket {
        arn,
        hive_compatible,
        by_hour,
    } = &log.destination
    else {
        return None;
    };
    let (bucket, prefix) = bucket_of(arn)?;
    let at = end.rfc3339();
    let part = |from: usize, to: usize| at.get(from..to).unwrap_or_default();
    let (year, month, day, hour) = (part(0, 4), part(5, 7), part(8, 10), part(11, 13));
    let (account, region) = (&scope.account, &scope.region);
    let mut parts = vec![prefix.to_owned(), "AWSLogs".to_owned()];
    parts.retain(|part| !part.is_empty());
    match hive_compatible {
        true => parts.push(format!(
            "aws-account-id={account}/aws-service=vpcflowlogs/aws-region={region}/year={year}/month={month}/day={day}"
        )),
        false => parts.push(format!(
            "{account}/vpcflowlogs/{region}/{year}/{month}/{day}"
        )),
    }
    match (by_hour, hive_compatible) {
        (true, true) => parts.push(format!("hour={hour}")),
        (true, false) => parts.push(hour.to_owned()),
        (false, _) => {}
    }
    let (minute, id) = (part(14, 16), log.id());
    parts.push(format!(
        "{account}_vpcflowlogs_{region}_{id}_{year}{month}{day}T{hour}{minute}Z_{hash}.log.gz"
    ));
    Some((bucket.to_owned(), parts.join("/")))
}

/// Bucket and prefix of `arn:aws:s3:::bucket/prefix/`.
pub(crate) fn bucket_of(arn: &str) -> Option<(&str, &str)> {
    let resource = arn.strip_prefix("arn:aws:s3:::")?;
    let (bucket, prefix) = resource.split_once('/').unwrap_or((resource, ""));
    (!bucket.is_empty()).then_some((bucket, prefix.trim_matches('/')))
}
