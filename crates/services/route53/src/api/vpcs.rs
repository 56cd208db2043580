//! The VPCs of private zones.

use super::{changes, own_zone};
use crate::{Route53, error};
use neargate_api_route53 as api;
use neargate_base::Region;
use neargate_service::db::settle;
use neargate_service::dns::{self, HostedZone, ZoneVpc};
use neargate_service::vpc::{self, Vpc};
use neargate_service::{AwsError, Ctx, Scope};
use std::sync::Arc;

fn named(given: &api::VPC) -> Result<ZoneVpc, AwsError> {
    let region: Option<Region> = given.vpc_region.as_ref().and_then(|r| r.parse().ok());
    match (given.vpc_id.clone(), region) {
        (Some(vpc_id), Some(region)) => Ok(ZoneVpc { vpc_id, region }),
        _ => Err(error::invalid_vpc_id()),
    }
}

/// A VPC that may have a zone of this name.
///
/// # Errors
/// It is not there, or has one.
pub(super) async fn free(cx: &Ctx, name: &str, given: &api::VPC) -> Result<ZoneVpc, AwsError> {
    let vpc = named(given)?;
    let scope = Scope {
        account: cx.scope.account.clone(),
        region: vpc.region.clone(),
    };
    vpc::ensure_default(&cx.house, &scope).await?;
    if cx.db().get::<Vpc>(&scope, &vpc.vpc_id).await?.is_none() {
        return Err(error::invalid_vpc_id());
    }
    match dns::zone_of_vpc(cx.db(), name, &vpc.vpc_id).await? {
        Some(zone) => Err(error::conflicting_domain(
            &vpc.vpc_id,
            vpc.region.as_str(),
            &zone,
        )),
        None => Ok(vpc),
    }
}

/// What becomes of a VPC.
#[derive(Debug, Clone, Copy)]
enum Turn {
    Joins,
    Leaves,
}

pub async fn associate_vpc_with_hosted_zone(
    _: Arc<Route53>,
    cx: Ctx,
    input: api::AssociateVPCWithHostedZoneInput,
) -> Result<api::AssociateVPCWithHostedZoneOutput, AwsError> {
    let (zone, comment) = (input.hosted_zone_id, input.comment);
    let info = change(&cx, &zone, &comment, &input.vpc, Turn::Joins).await?;
    Ok(api::AssociateVPCWithHostedZoneOutput {
        change_info: Some(info),
    })
}

pub async fn disassociate_vpc_from_hosted_zone(
    _: Arc<Route53>,
    cx: Ctx,
    input: api::DisassociateVPCFromHostedZoneInput,
) -> Result<api::DisassociateVPCFromHostedZoneOutput, AwsError> {
    let (zone, comment) = (input.hosted_zone_id, input.comment);
    let info = change(&cx, &zone, &comment, &input.vpc, Turn::Leaves).await?;
    Ok(api::DisassociateVPCFromHostedZoneOutput {
        change_info: Some(info),
    })
}

async fn change(
    cx: &Ctx,
    given: &str,
    comment: &Option<String>,
    vpc: &api::VPC,
    turn: Turn,
) -> Result<api::ChangeInfo, AwsError> {
    let change_id = changes::new_id(cx);
    let submitted = settle(async || {
        let found = own_zone(cx, given).await?;
        let mut changed: HostedZone = found.value.clone();
        match turn {
            Turn::Joins if !found.is_private() => return Err(error::public_zone()),
            Turn::Joins => {
                let vpc = free(cx, &found.name, vpc).await?;
                changed.vpcs.get_or_insert_default().push(vpc);
            }
            Turn::Leaves => {
                let vpc = named(vpc)?;
                let vpcs = changed.vpcs.get_or_insert_default();
                if !vpcs.contains(&vpc) {
                    return Err(error::vpc_not_associated());
                }
                if vpcs.len() == 1 {
                    return Err(error::last_vpc());
                }
                vpcs.retain(|of| *of != vpc);
            }
        }
        let submitted = changes::submitted(cx, comment.as_ref());
        let tx = cx
            .db()
            .tx()
            .update(&found, &changed)
            .create(changes::key(cx, &change_id), &submitted);
        Ok((tx, submitted))
    })
    .await?;
    Ok(changes::pending(&change_id, &submitted))
}
