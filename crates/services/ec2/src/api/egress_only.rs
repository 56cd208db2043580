//! Egress-only internet gateways
//! (<https://docs.aws.amazon.com/vpc/latest/userguide/egress-only-internet-gateway.html>): they are
//! for IPv6, which no VPC here has, so nothing goes through them.

use super::{tags, text};
use crate::Ec2;
use crate::change::{self, all, find, fresh, settle, within};
use crate::kind::{self, Kind};
use crate::model::Place;
use crate::query::{Describe, Query, dry_run};
use neargate_api_ec2 as api;
use neargate_service::db::Tx;
use neargate_service::vpc::{EgressOnlyGateway, Vpc};
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

pub async fn create_egress_only_internet_gateway(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::CreateEgressOnlyInternetGatewayInput,
) -> Result<api::CreateEgressOnlyInternetGatewayOutput, AwsError> {
    dry_run(input.dry_run)?;
    let tags = tags::specified(input.tag_specifications, &kind::EGRESS_ONLY_GATEWAY)?;
    let gateway_id = fresh(&cx, "eigw");
    let new = EgressOnlyGateway {
        vpc_id: input.vpc_id.clone(),
        created_at: cx.now(),
    };
    let add = async || -> Result<(Tx, ()), AwsError> {
        let vpc = find::<Vpc>(&cx, &input.vpc_id).await?;
        Ok((
            change::create(within(&cx, &vpc), &cx, &gateway_id, &new, &tags),
            (),
        ))
    };
    settle(add).await?;
    let place = Place::of_new(&cx, &gateway_id, &tags);
    Ok(api::CreateEgressOnlyInternetGatewayOutput {
        egress_only_internet_gateway: Some(gateway(&place, &gateway_id, &new)),
        client_token: input.client_token,
    })
}

pub async fn delete_egress_only_internet_gateway(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DeleteEgressOnlyInternetGatewayInput,
) -> Result<api::DeleteEgressOnlyInternetGatewayOutput, AwsError> {
    dry_run(input.dry_run)?;
    let gateway_id = &input.egress_only_internet_gateway_id;
    let delete = async || -> Result<(Tx, ()), AwsError> {
        let gateway = find::<EgressOnlyGateway>(&cx, gateway_id).await?;
        let vpc = find::<Vpc>(&cx, &gateway.vpc_id).await?;
        Ok((change::delete(within(&cx, &vpc), &cx, &gateway), ()))
    };
    settle(delete).await?;
    Ok(api::DeleteEgressOnlyInternetGatewayOutput {
        return_code: Some(true),
    })
}

pub async fn describe_egress_only_internet_gateways(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeEgressOnlyInternetGatewaysInput,
) -> Result<api::DescribeEgressOnlyInternetGatewaysOutput, AwsError> {
    let ids = input.egress_only_internet_gateway_ids;
    let query = Query::new(
        input.dry_run,
        ids,
        input.filters,
        input.next_token,
        input.max_results,
    )?;
    let place = Place::read(&cx).await?;
    let gateways = all::<EgressOnlyGateway>(&cx).await?;
    let shown = gateways.iter().map(|g| gateway(&place, g.id(), g));
    let found = query.run(shown.collect())?;
    Ok(api::DescribeEgressOnlyInternetGatewaysOutput {
        egress_only_internet_gateways: Some(found.items),
        next_token: found.next_token,
    })
}

fn gateway(place: &Place, id: &str, gateway: &EgressOnlyGateway) -> api::EgressOnlyInternetGateway {
    api::EgressOnlyInternetGateway {
        egress_only_internet_gateway_id: text(id),
        attachments: Some(vec![api::InternetGatewayAttachment {
            state: text("attached"),
            vpc_id: text(&gateway.vpc_id),
        }]),
        tags: place.tags_of(id),
    }
}

impl Describe for api::EgressOnlyInternetGateway {
    const KIND: Kind = kind::EGRESS_ONLY_GATEWAY;

    fn id(&self) -> &str {
        self.egress_only_internet_gateway_id
            .as_deref()
            .unwrap_or_default()
    }

    fn tags(&self) -> &[api::Tag] {
        self.tags.as_deref().unwrap_or_default()
    }

    fn values(&self, _: &str) -> Option<Vec<String>> {
        None
    }
}
