//! Subnet groups
//! (<https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_VPC.WorkingWithRDSInstanceinaVPC.html>).

use super::{is_key, paged, shown, tags};
use crate::model::{Instance, SubnetGroup};
use crate::{Rds, error};
use neargate_api_rds as api;
use neargate_service::vpc::{Subnet, ensure_default};
use neargate_service::{AwsError, Committed, Ctx, Stored, db};
use neargate_wire::structure::Unit;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

fn name(given: &str) -> Result<String, AwsError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_. ".contains(c);
    let is_one = !given.is_empty()
        && given.len() <= 255
        && given.chars().all(fits)
        && !given.eq_ignore_ascii_case("default");
    match is_one {
        true => Ok(given.to_ascii_lowercase()),
        false => Err(error::value(
            "The parameter DBSubnetGroupName must contain no more than 255 letters, numbers, periods, \
             underscores, spaces, or hyphens, and must not be default.",
        )),
    }
}

async fn find(cx: &Ctx, given: &str) -> Result<Stored<SubnetGroup>, AwsError> {
    let id = super::id(cx, "subgrp", given);
    let found = match is_key(&id) {
        true => cx.db().get::<SubnetGroup>(&cx.scope, &id).await?,
        false => None,
    };
    found.ok_or_else(|| error::subnet_group_not_found(given))
}

/// The VPC and the zones of these subnets.
async fn subnets(cx: &Ctx, ids: &[String]) -> Result<(String, BTreeMap<String, String>), AwsError> {
    ensure_default(&cx.house, &cx.scope).await?;
    let mut vpcs = BTreeSet::new();
    let mut zones = BTreeMap::new();
    for id in ids {
        let found = match is_key(id) {
            true => cx.db().get::<Subnet>(&cx.scope, id).await?,
            false => None,
        };
        let Some(subnet) = found else {
            return Err(error::invalid_subnet(format!(
                "Some input subnets in :[{}] are invalid.",
                ids.join(", ")
            )));
        };
        vpcs.insert(subnet.vpc_id.clone());
        zones.insert(id.clone(), subnet.availability_zone.clone());
    }
    let covered: BTreeSet<&String> = zones.values().collect();
    if covered.len() < 2 {
        return Err(error::too_few_zones(covered.len()));
    }
    let mut vpcs = vpcs.into_iter();
    match (vpcs.next(), vpcs.next()) {
        (Some(vpc), None) => Ok((vpc, zones)),
        _ => Err(error::invalid_subnet(
            "The subnets are not all in a common VPC.",
        )),
    }
}

pub async fn create_db_subnet_group(
    _: Arc<Rds>,
    cx: Ctx,
    input: api::CreateDBSubnetGroupInput,
) -> Result<api::CreateDBSubnetGroupOutput, AwsError> {
    let name = name(&input.db_subnet_group_name)?;
    let (vpc_id, subnets) = subnets(&cx, &input.subnet_ids).await?;
    let group = SubnetGroup {
        description: input.db_subnet_group_description,
        vpc_id,
        subnets,
        tags: tags::parse(input.tags)?,
    };
    let key = db::key::<SubnetGroup>(&cx.scope, &name);
    match cx.db().tx().create(key, &group).commit().await? {
        Committed::At(_) => Ok(api::CreateDBSubnetGroupOutput {
            db_subnet_group: Some(shown::subnet_group(&cx, &name, &group)),
        }),
        Committed::Conflict => Err(error::subnet_group_exists(&name)),
    }
}

pub async fn modify_db_subnet_group(
    _: Arc<Rds>,
    cx: Ctx,
    input: api::ModifyDBSubnetGroupInput,
) -> Result<api::ModifyDBSubnetGroupOutput, AwsError> {
    let found = find(&cx, &input.db_subnet_group_name).await?;
    let (vpc_id, subnets) = subnets(&cx, &input.subnet_ids).await?;
    if vpc_id != found.vpc_id {
        return Err(error::invalid_subnet(
            "The subnets are not in the VPC of the DB subnet group.",
        ));
    }
    let changed = cx
        .db()
        .modify::<SubnetGroup, _>(&found.key, |group| {
            group.subnets.clone_from(&subnets);
            if let Some(description) = &input.db_subnet_group_description {
                group.description.clone_from(description);
            }
            Ok(true)
        })
        .await?;
    let changed =
        changed.ok_or_else(|| error::subnet_group_not_found(&input.db_subnet_group_name))?;
    Ok(api::ModifyDBSubnetGroupOutput {
        db_subnet_group: Some(shown::subnet_group(&cx, changed.id(), &changed)),
    })
}

pub async fn describe_db_subnet_groups(
    _: Arc<Rds>,
    cx: Ctx,
    input: api::DescribeDBSubnetGroupsInput,
) -> Result<api::DescribeDBSubnetGroupsOutput, AwsError> {
    let named = input.db_subnet_group_name.as_deref();
    let all = match named.filter(|named| !named.is_empty()) {
        Some(named) => vec![find(&cx, named).await?],
        None => cx.db().list::<SubnetGroup>(&cx.scope).await?,
    };
    let marker = input.marker.as_deref();
    let (page, marker) = paged(all, marker, input.max_records, |g| g.id().to_owned())?;
    let shown = page.iter().map(|g| shown::subnet_group(&cx, g.id(), g));
    Ok(api::DescribeDBSubnetGroupsOutput {
        marker,
        db_subnet_groups: Some(shown.collect()),
    })
}

pub async fn delete_db_subnet_group(
    _: Arc<Rds>,
    cx: Ctx,
    input: api::DeleteDBSubnetGroupInput,
) -> Result<Unit, AwsError> {
    loop {
        let found = find(&cx, &input.db_subnet_group_name).await?;
        let all = cx.db().list::<Instance>(&cx.scope).await?;
        let uses = |i: &&Stored<Instance>| i.asked.subnet_group.as_deref() == Some(found.id());
        if let Some(by) = all.iter().find(uses) {
            return Err(error::subnet_group_in_use(found.id(), by.id()));
        }
        if let Committed::At(_) = cx.db().tx().delete(&found).commit().await? {
            return Ok(Unit);
        }
    }
}
