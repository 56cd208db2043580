//! Target groups
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html>).

use super::{paged, tags_of, text};
use crate::change::{self, settle};
use crate::error::{self, target_group as say};
use crate::model::{HealthCheck, LoadBalancer, Target, TargetGroup, TargetGroupName};
use crate::plan::protocol;
use crate::plan::target_groups::{self as plan, AskedChecks, Basis};
use crate::{Elbv2, names};
use neargate_api_elbv2 as api;
use neargate_domain::load_balancer::{Attributes, ProtocolVersion};
use neargate_service::db::{self, Committed, Stored, Tx};
use neargate_service::target_health::TargetGroupHealth;
use neargate_service::vpc::{self, Vpc};
use neargate_service::{AwsError, Ctx};
use std::collections::BTreeMap;
use std::sync::Arc;

/// In a region
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html>).
const MAX_GROUPS: usize = 3_000;
/// Records that one transaction deletes.
const BATCH: usize = 100;

pub async fn create_target_group(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::CreateTargetGroupInput,
) -> Result<api::CreateTargetGroupOutput, AwsError> {
    let new = asked(&cx, input).await?;
    let id = cx.house.rng.hex(16);
    let made = settle(|| created(&cx, &new, &id)).await?;
    Ok(api::CreateTargetGroupOutput {
        target_groups: Some(vec![made]),
    })
}

async fn asked(cx: &Ctx, input: api::CreateTargetGroupInput) -> Result<TargetGroup, AwsError> {
    plan::name(&input.name)?;
    if input.ip_address_type.as_deref() == Some("ipv6") {
        return Err(error::unsupported("the IP address type 'ipv6'"));
    }
    if input.target_control_port.is_some() {
        return Err(error::unsupported("TargetControlPort"));
    }
    let basis = Basis::parse(
        input.target_type.as_deref(),
        input.protocol.as_deref(),
        input.protocol_version.as_deref(),
    )?;
    let port = input.port.and_then(|p| u16::try_from(p).ok());
    let port = port.ok_or_else(|| say::must_be_specified("port"))?;
    let vpc_id = input
        .vpc_id
        .ok_or_else(|| say::must_be_specified("VPC ID"))?;
    vpc::ensure_default(&cx.house, &cx.scope).await?;
    if cx.db().get::<Vpc>(&cx.scope, &vpc_id).await?.is_none() {
        return Err(say::vpc_not_found(&vpc_id));
    }
    let matcher = input.matcher.unwrap_or_default();
    let checks = AskedChecks {
        enabled: input.health_check_enabled,
        protocol: input.health_check_protocol,
        port: input.health_check_port,
        path: input.health_check_path,
        interval_seconds: input.health_check_interval_seconds,
        timeout_seconds: input.health_check_timeout_seconds,
        healthy_threshold: input.healthy_threshold_count,
        unhealthy_threshold: input.unhealthy_threshold_count,
        http_code: matcher.http_code,
        grpc_code: matcher.grpc_code,
    };
    Ok(TargetGroup {
        name: input.name,
        target_type: basis.target_type,
        protocol: basis.protocol,
        protocol_version: basis.version,
        port,
        vpc_id,
        health_check: plan::health_check(basis, None, checks)?,
        attributes: Attributes::new(),
        tags: tags_of(input.tags)?,
        created_at: cx.now(),
    })
}

/// A call with the name and the settings of a group that is there means that one.
async fn created(
    cx: &Ctx,
    new: &TargetGroup,
    id: &str,
) -> Result<(Tx, api::TargetGroup), AwsError> {
    let named = cx.db().get::<TargetGroupName>(&cx.scope, &new.name).await?;
    if let Some(named) = named {
        let there = cx.db().get::<TargetGroup>(&cx.scope, &named.id).await?;
        let there = there.filter(|there| is_same(there, new));
        let there = there.ok_or_else(|| say::duplicate(&new.name))?;
        let users = Users::read(cx).await?;
        return Ok((cx.db().tx().unchanged(&there), shown(cx, &users, &there)));
    }
    let prefix = db::prefix::<TargetGroupName>(&cx.scope);
    if cx.db().list_prefix::<TargetGroupName>(&prefix).await?.len() >= MAX_GROUPS {
        return Err(say::too_many());
    }
    let name = TargetGroupName { id: id.to_owned() };
    let tx = cx
        .db()
        .tx()
        .create(change::key::<TargetGroup>(cx, id), new)
        .create(change::key::<TargetGroupName>(cx, &new.name), &name);
    let stored = Stored {
        key: change::key::<TargetGroup>(cx, id),
        revision: 0,
        value: new.clone(),
    };
    Ok((tx, shown(cx, &Users::default(), &stored)))
}

fn is_same(there: &TargetGroup, new: &TargetGroup) -> bool {
    let settings = |of: &TargetGroup| TargetGroup {
        attributes: Attributes::new(),
        tags: BTreeMap::new(),
        created_at: new.created_at,
        ..of.clone()
    };
    settings(there) == settings(new)
}

pub async fn modify_target_group(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::ModifyTargetGroupInput,
) -> Result<api::ModifyTargetGroupOutput, AwsError> {
    let modified = settle(|| modified(&cx, &input)).await?;
    let users = Users::read(&cx).await?;
    Ok(api::ModifyTargetGroupOutput {
        target_groups: Some(vec![shown(&cx, &users, &modified)]),
    })
}

async fn modified(
    cx: &Ctx,
    input: &api::ModifyTargetGroupInput,
) -> Result<(Tx, Stored<TargetGroup>), AwsError> {
    let stored = change::target_group(cx, &input.target_group_arn).await?;
    let basis = Basis {
        target_type: stored.target_type,
        protocol: stored.protocol,
        version: stored.protocol_version,
    };
    let matcher = input.matcher.clone().unwrap_or_default();
    let checks = AskedChecks {
        enabled: input.health_check_enabled,
        protocol: input.health_check_protocol.clone(),
        port: input.health_check_port.clone(),
        path: input.health_check_path.clone(),
        interval_seconds: input.health_check_interval_seconds,
        timeout_seconds: input.health_check_timeout_seconds,
        healthy_threshold: input.healthy_threshold_count,
        unhealthy_threshold: input.unhealthy_threshold_count,
        http_code: matcher.http_code,
        grpc_code: matcher.grpc_code,
    };
    let value = TargetGroup {
        health_check: plan::health_check(basis, Some(&stored.health_check), checks)?,
        ..stored.value.clone()
    };
    let tx = cx.db().tx().update(&stored, &value);
    Ok((tx, Stored { value, ..stored }))
}

pub async fn delete_target_group(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::DeleteTargetGroupInput,
) -> Result<api::DeleteTargetGroupOutput, AwsError> {
    let arn = &input.target_group_arn;
    let id = settle(|| deleted(&cx, arn)).await?;
    // Nobody finds the targets without their group: what is left here when this ends too early goes
    // with the next look at targets that are to go.
    let prefix = format!("{}{id}/", db::prefix::<Target>(&cx.scope));
    let targets = cx.db().list_prefix::<Target>(&prefix).await?;
    for batch in targets.chunks(BATCH) {
        let gone = batch
            .iter()
            .fold(cx.db().tx(), |tx, t| tx.delete_key(t.key.clone()));
        let (Committed::At(_) | Committed::Conflict) = gone.commit().await?;
    }
    Ok(api::DeleteTargetGroupOutput {})
}

async fn deleted(cx: &Ctx, arn: &str) -> Result<(Tx, String), AwsError> {
    let stored = change::target_group(cx, arn).await?;
    if change::users(cx).await?.contains_key(arn) {
        return Err(say::in_use(arn));
    }
    let tx = cx
        .db()
        .tx()
        .delete(&stored)
        .delete_key(change::key::<TargetGroupName>(cx, &stored.name))
        .delete_key(change::key::<TargetGroupHealth>(cx, stored.id()));
    Ok((tx, stored.id().to_owned()))
}

pub async fn describe_target_groups(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::DescribeTargetGroupsInput,
) -> Result<api::DescribeTargetGroupsOutput, AwsError> {
    let arns = input.target_group_arns.unwrap_or_default();
    let names = input.names.unwrap_or_default();
    let given = [
        !arns.is_empty(),
        !names.is_empty(),
        input.load_balancer_arn.is_some(),
    ];
    if given.iter().filter(|is| **is).count() > 1 {
        return Err(say::selectors());
    }
    let users = Users::read(&cx).await?;
    let mut found = Vec::new();
    for arn in &arns {
        found.push(change::target_group(&cx, arn).await?);
    }
    if arns.is_empty() {
        found = cx.db().list::<TargetGroup>(&cx.scope).await?;
    }
    if !names.is_empty() {
        if names.iter().any(|n| !found.iter().any(|g| g.name == *n)) {
            return Err(say::not_found());
        }
        found.retain(|g| names.contains(&g.name));
    }
    if let Some(of) = &input.load_balancer_arn {
        let of = change::load_balancer(&cx, of).await?;
        found.retain(|g| users.of(&change::group_arn(&cx, g)) == Some(of.id()));
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found.dedup_by(|a, b| a.key == b.key);
    let page = paged(found, input.marker.as_deref(), input.page_size, |g| {
        g.name.clone()
    })?;
    Ok(api::DescribeTargetGroupsOutput {
        target_groups: Some(page.items.iter().map(|g| shown(&cx, &users, g)).collect()),
        next_marker: page.next_token,
    })
}

/// Who uses which target group.
#[derive(Debug, Default)]
struct Users {
    /// Load balancers' ids by the groups' ARNs.
    by_group: BTreeMap<String, String>,
    /// Load balancers' ARNs by their ids.
    arns: BTreeMap<String, String>,
}

impl Users {
    async fn read(cx: &Ctx) -> Result<Users, AwsError> {
        let all = cx.db().list::<LoadBalancer>(&cx.scope).await?;
        let arn = |l: &Stored<LoadBalancer>| (l.id().to_owned(), change::arn(cx, l));
        Ok(Users {
            by_group: change::users(cx).await?,
            arns: all.iter().map(arn).collect(),
        })
    }

    fn of(&self, group_arn: &str) -> Option<&str> {
        self.by_group.get(group_arn).map(String::as_str)
    }
}

fn shown(cx: &Ctx, users: &Users, stored: &Stored<TargetGroup>) -> api::TargetGroup {
    let check: &HealthCheck = &stored.health_check;
    let arn = names::target_group_arn(&cx.scope, &stored.name, stored.id());
    let user = users.of(&arn).and_then(|id| users.arns.get(id));
    let is_grpc = stored.protocol_version == Some(ProtocolVersion::Grpc);
    let number = |n: u32| i32::try_from(n).ok();
    api::TargetGroup {
        load_balancer_arns: Some(user.into_iter().cloned().collect()),
        target_group_arn: Some(arn),
        target_group_name: text(&stored.name),
        protocol: text(protocol::shown(stored.protocol)),
        port: Some(i32::from(stored.port)),
        vpc_id: text(&stored.vpc_id),
        health_check_protocol: text(protocol::shown(check.protocol)),
        health_check_port: text(check.port.map_or("traffic-port".into(), |p| p.to_string())),
        health_check_enabled: Some(true),
        health_check_interval_seconds: number(check.interval_seconds),
        health_check_timeout_seconds: number(check.timeout_seconds),
        healthy_threshold_count: number(check.healthy_threshold),
        unhealthy_threshold_count: number(check.unhealthy_threshold),
        health_check_path: check.path.clone(),
        matcher: check.matcher.clone().map(|code| match is_grpc {
            true => api::Matcher {
                grpc_code: Some(code),
                http_code: None,
            },
            false => api::Matcher {
                http_code: Some(code),
                grpc_code: None,
            },
        }),
        target_type: text(stored.target_type.as_str()),
        protocol_version: stored
            .protocol_version
            .map(|v| protocol::version(v).to_owned()),
        ip_address_type: text("ipv4"),
        target_control_port: None,
    }
}
