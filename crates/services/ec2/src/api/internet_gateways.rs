//! Internet gateways
//! (<https://docs.aws.amazon.com/vpc/latest/userguide/VPC_Internet_Gateway.html>).

use super::{tags, text};
use crate::change::{self, all, find, fresh, settle, within};
use crate::error::routing as say;
use crate::kind::{self, Kind};
use crate::model::Place;
use crate::query::{Describe, Query, dry_run, each, one};
use crate::{Ec2, error};
use neargate_api_ec2 as api;
use neargate_service::db::Tx;
use neargate_service::eni::Interface;
use neargate_service::vpc::{InternetGateway, Vpc};
use neargate_service::{AwsError, Ctx};
use neargate_wire::structure::Unit;
use std::sync::Arc;

/// Internet gateways of an account in a region: as many as VPCs
/// (<https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html>).
const MAX_GATEWAYS: usize = 5;

pub async fn create_internet_gateway(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::CreateInternetGatewayInput,
) -> Result<api::CreateInternetGatewayOutput, AwsError> {
    dry_run(input.dry_run)?;
    let tags = tags::specified(input.tag_specifications, &kind::INTERNET_GATEWAY)?;
    let gateway_id = fresh(&cx, "igw");
    let new = InternetGateway {
        vpc_id: None,
        created_at: cx.now(),
    };
    let add = async || -> Result<(Tx, ()), AwsError> {
        if all::<InternetGateway>(&cx).await?.len() >= MAX_GATEWAYS {
            let code = "InternetGatewayLimitExceeded";
            return Err(error::limit_exceeded(code, "internet gateways"));
        }
        Ok((
            change::create(cx.db().tx(), &cx, &gateway_id, &new, &tags),
            (),
        ))
    };
    settle(add).await?;
    let place = Place::of_new(&cx, &gateway_id, &tags);
    Ok(api::CreateInternetGatewayOutput {
        internet_gateway: Some(gateway(&place, &gateway_id, &new)),
    })
}

pub async fn attach_internet_gateway(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::AttachInternetGatewayInput,
) -> Result<Unit, AwsError> {
    dry_run(input.dry_run)?;
    let attach = async || -> Result<(Tx, ()), AwsError> {
        let gateway = find::<InternetGateway>(&cx, &input.internet_gateway_id).await?;
        let vpc = find::<Vpc>(&cx, &input.vpc_id).await?;
        if let Some(vpc_id) = &gateway.vpc_id {
            return Err(say::already_attached(&input.internet_gateway_id, vpc_id));
        }
        let gateways = all::<InternetGateway>(&cx).await?;
        if gateways
            .iter()
            .any(|g| g.vpc_id.as_ref() == Some(&input.vpc_id))
        {
            return Err(say::has_a_gateway(&input.vpc_id));
        }
        let new = InternetGateway {
            vpc_id: Some(input.vpc_id.clone()),
            ..gateway.value.clone()
        };
        Ok((within(&cx, &vpc).update(&gateway, &new), ()))
    };
    settle(attach).await?;
    Ok(Unit)
}

pub async fn detach_internet_gateway(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DetachInternetGatewayInput,
) -> Result<Unit, AwsError> {
    dry_run(input.dry_run)?;
    let detach = async || -> Result<(Tx, ()), AwsError> {
        let gateway = find::<InternetGateway>(&cx, &input.internet_gateway_id).await?;
        let vpc = find::<Vpc>(&cx, &input.vpc_id).await?;
        if gateway.vpc_id.as_ref() != Some(&input.vpc_id) {
            return Err(say::not_attached(&input.internet_gateway_id, &input.vpc_id));
        }
        let interfaces = all::<Interface>(&cx).await?;
        let mapped = |i: &Interface| i.interface.vpc_id == input.vpc_id && i.public.is_some();
        if interfaces.iter().any(|i| mapped(i)) {
            return Err(say::mapped_addresses(&input.vpc_id));
        }
        let new = InternetGateway {
            vpc_id: None,
            ..gateway.value.clone()
        };
        Ok((within(&cx, &vpc).update(&gateway, &new), ()))
    };
    settle(detach).await?;
    Ok(Unit)
}

pub async fn delete_internet_gateway(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DeleteInternetGatewayInput,
) -> Result<Unit, AwsError> {
    dry_run(input.dry_run)?;
    let gateway_id = &input.internet_gateway_id;
    let delete = async || -> Result<(Tx, ()), AwsError> {
        let gateway = find::<InternetGateway>(&cx, gateway_id).await?;
        match gateway.vpc_id {
            Some(_) => Err(error::has_dependencies("internetGateway", gateway_id)),
            None => Ok((change::delete(cx.db().tx(), &cx, &gateway), ())),
        }
    };
    settle(delete).await?;
    Ok(Unit)
}

pub async fn describe_internet_gateways(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeInternetGatewaysInput,
) -> Result<api::DescribeInternetGatewaysOutput, AwsError> {
    let ids = input.internet_gateway_ids;
    let query = Query::new(
        input.dry_run,
        ids,
        input.filters,
        input.next_token,
        input.max_results,
    )?;
    let place = Place::read(&cx).await?;
    let gateways = all::<InternetGateway>(&cx).await?;
    let shown = gateways.iter().map(|g| gateway(&place, g.id(), g));
    let found = query.run(shown.collect())?;
    Ok(api::DescribeInternetGatewaysOutput {
        internet_gateways: Some(found.items),
        next_token: found.next_token,
    })
}

fn gateway(place: &Place, id: &str, gateway: &InternetGateway) -> api::InternetGateway {
    let attachment = gateway
        .vpc_id
        .iter()
        .map(|vpc_id| api::InternetGatewayAttachment {
            state: text("available"),
            vpc_id: text(vpc_id),
        });
    api::InternetGateway {
        internet_gateway_id: text(id),
        owner_id: place.account(),
        attachments: Some(attachment.collect()),
        tags: place.tags_of(id),
    }
}

impl Describe for api::InternetGateway {
    const KIND: Kind = kind::INTERNET_GATEWAY;

    fn id(&self) -> &str {
        self.internet_gateway_id.as_deref().unwrap_or_default()
    }

    fn tags(&self) -> &[api::Tag] {
        self.tags.as_deref().unwrap_or_default()
    }

    fn values(&self, filter: &str) -> Option<Vec<String>> {
        match filter {
            "internet-gateway-id" => one(&self.internet_gateway_id),
            "owner-id" => one(&self.owner_id),
            "attachment.state" => each(&self.attachments, |a| a.state.clone()),
            "attachment.vpc-id" => each(&self.attachments, |a| a.vpc_id.clone()),
            _ => None,
        }
    }
}
