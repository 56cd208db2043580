//! The records of flow logs as text: which fields there are, and what each says
//! (<https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html>). Pure.

use crate::networks::Way;
use neargate_base::Timestamp;
use neargate_domain::flow::Flow;
use neargate_service::Scope;
use neargate_service::eni::Interface;

/// What a log has that asked for nothing else.
pub(crate) const DEFAULT: &str = "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} ${bytes} ${start} ${end} ${action} ${log-status}";

/// The fields by the version of records that has them first.
const FIELDS: [(u8, &[&str]); 6] = [
    (
        2,
        &[
            "version",
            "account-id",
            "interface-id",
            "srcaddr",
            "dstaddr",
            "srcport",
            "dstport",
            "protocol",
            "packets",
            "bytes",
            "start",
            "end",
            "action",
            "log-status",
        ],
    ),
    (
        3,
        &[
            "vpc-id",
            "subnet-id",
            "instance-id",
            "tcp-flags",
            "type",
            "pkt-srcaddr",
            "pkt-dstaddr",
        ],
    ),
    (
        4,
        &["region", "az-id", "sublocation-type", "sublocation-id"],
    ),
    (
        5,
        &[
            "pkt-src-aws-service",
            "pkt-dst-aws-service",
            "flow-direction",
            "traffic-path",
        ],
    ),
    (
        7,
        &[
            "ecs-cluster-name",
            "ecs-cluster-arn",
            "ecs-task-id",
            "ecs-task-arn",
        ],
    ),
    (8, &["reject-reason"]),
];

/// Those that are not made here.
const NOT_BUILT: [&str; 8] = [
    "ecs-container-instance-id",
    "ecs-container-instance-arn",
    "ecs-service-name",
    "ecs-task-definition-arn",
    "ecs-container-id",
    "ecs-second-container-id",
    "resource-id",
    "encryption-status",
];

/// Why a format cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Bad {
    /// AWS has no such field, or the text is not `${field} ${field}`.
    Form,
    NotBuilt(String),
}

/// The fields of a format, as `${field}` with spaces between.
pub(crate) fn fields(format: &str) -> Result<Vec<&str>, Bad> {
    let mut all = Vec::new();
    for word in format.split(' ') {
        let name = word
            .strip_prefix("${")
            .and_then(|rest| rest.strip_suffix('}'));
        let name = name.ok_or(Bad::Form)?;
        if NOT_BUILT.contains(&name) {
            return Err(Bad::NotBuilt(name.to_owned()));
        }
        if version_of(name).is_none() {
            return Err(Bad::Form);
        }
        all.push(name);
    }
    Ok(all)
}

fn version_of(field: &str) -> Option<u8> {
    let has = |(_, fields): &&(u8, &[&str])| fields.contains(&field);
    FIELDS.iter().find(has).map(|(version, _)| *version)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Ok,
    NoData,
    SkipData,
}

/// One record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line<'a> {
    pub(crate) flow: Option<&'a Flow>,
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    pub(crate) status: Status,
}

impl<'a> Line<'a> {
    pub(crate) fn of(flow: &'a Flow) -> Line<'a> {
        Line {
            flow: Some(flow),
            start: flow.first_at,
            end: flow.last_at,
            status: Status::Ok,
        }
    }
}

/// Whose record it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Of<'a> {
    pub(crate) scope: &'a Scope,
    pub(crate) interface: &'a Interface,
    /// Of its zone.
    pub(crate) zone_id: Option<&'a str>,
    /// By what its traffic to this destination leaves, where that is known.
    pub(crate) way: Option<Way>,
}

/// The record as text.
pub(crate) fn text(fields: &[&str], of: Of<'_>, line: &Line<'_>) -> String {
    let version = fields.iter().filter_map(|field| version_of(field)).max();
    let value = |field: &&str| match *field {
        "version" => version.unwrap_or(2).to_string(),
        field => said(field, of, line).unwrap_or_else(|| "-".into()),
    };
    let values: Vec<String> = fields.iter().map(value).collect();
    values.join(" ")
}

/// `None`: it does not apply.
fn said(field: &str, of: Of<'_>, line: &Line<'_>) -> Option<String> {
    let seconds = |at: Timestamp| Some(at.as_millis().div_euclid(1_000).to_string());
    let interface = &of.interface.interface;
    match field {
        "account-id" => Some(of.scope.account.to_string()),
        "interface-id" => Some(interface.id.clone()),
        "start" => seconds(line.start),
        "end" => seconds(line.end),
        "log-status" => Some(
            match line.status {
                Status::Ok => "OK",
                Status::NoData => "NODATA",
                Status::SkipData => "SKIPDATA",
            }
            .into(),
        ),
        "vpc-id" => Some(interface.vpc_id.clone()),
        "subnet-id" => Some(interface.subnet_id.clone()),
        "region" => Some(of.scope.region.to_string()),
        "az-id" => of.zone_id.map(str::to_owned),
        "instance-id" => {
            let owner = &of.interface.task_arn;
            owner.starts_with("i-").then(|| owner.clone())
        }
        field if field.starts_with("ecs-") => of_task(field, &of.interface.task_arn),
        field => of_flow(field, of, line.flow?),
    }
}

/// What a task's ARN says: `arn:…:task/<cluster>/<id>`.
fn of_task(field: &str, arn: &str) -> Option<String> {
    let (before, path) = arn.split_once(":task/")?;
    let (cluster, id) = path.split_once('/')?;
    Some(match field {
        "ecs-task-arn" => arn.to_owned(),
        "ecs-task-id" => id.to_owned(),
        "ecs-cluster-name" => cluster.to_owned(),
        _ => format!("{before}:cluster/{cluster}"),
    })
}

fn of_flow(field: &str, of: Of<'_>, flow: &Flow) -> Option<String> {
    let ends = &flow.between;
    Some(match field {
        // A packet's own addresses differ where an interface passes on what is others', and none does.
        "srcaddr" | "pkt-srcaddr" => ends.source.to_string(),
        "dstaddr" | "pkt-dstaddr" => ends.destination.to_string(),
        "srcport" => ends.source_port.to_string(),
        "dstport" => ends.destination_port.to_string(),
        "protocol" => ends.protocol.to_string(),
        "packets" => flow.packets.to_string(),
        "bytes" => flow.bytes.to_string(),
        "action" => if flow.is_accepted { "ACCEPT" } else { "REJECT" }.into(),
        "tcp-flags" => flow.tcp_flags.to_string(),
        "type" => "IPv4".into(),
        "flow-direction" => if flow.is_ingress { "ingress" } else { "egress" }.into(),
        "traffic-path" if !flow.is_ingress => match of.way? {
            Way::Vpc => "1",
            Way::InternetGateway => "8",
            Way::Peering {
                within_region: true,
            } => "4",
            Way::Peering {
                within_region: false,
            } => "5",
        }
        .into(),
        _ => return None,
    })
}
