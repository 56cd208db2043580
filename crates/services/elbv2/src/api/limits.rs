//! The limits of an account, and the capacity that it reserved, which is none
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeAccountLimits.html>).

use super::{paged, text};
use crate::{Elbv2, change};
use neargate_api_elbv2 as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// As AWS names and sets them; those that count here are enforced at these numbers.
const LIMITS: [(&str, &str); 18] = [
    ("application-load-balancers", "50"),
    ("target-groups", "3000"),
    ("targets-per-application-load-balancer", "1000"),
    ("listeners-per-application-load-balancer", "50"),
    ("rules-per-application-load-balancer", "100"),
    ("certificates-per-application-load-balancer", "25"),
    ("condition-values-per-alb-rule", "5"),
    ("condition-wildcards-per-alb-rule", "6"),
    ("target-groups-per-action-on-application-load-balancer", "5"),
    ("target-groups-per-application-load-balancer", "100"),
    ("network-load-balancers", "50"),
    ("targets-per-network-load-balancer", "3000"),
    (
        "targets-per-availability-zone-per-network-load-balancer",
        "500",
    ),
    ("listeners-per-network-load-balancer", "50"),
    ("certificates-per-network-load-balancer", "25"),
    ("target-groups-per-action-on-network-load-balancer", "5"),
    (
        "target-id-registrations-per-application-load-balancer",
        "1000",
    ),
    ("targets-per-target-group", "1000"),
];

pub async fn describe_account_limits(
    _: Arc<Elbv2>,
    _: Ctx,
    input: api::DescribeAccountLimitsInput,
) -> Result<api::DescribeAccountLimitsOutput, AwsError> {
    let mut all = LIMITS.to_vec();
    all.sort_unstable();
    let page = paged(
        all,
        input.marker.as_deref(),
        input.page_size,
        |(name, _)| (*name).to_owned(),
    )?;
    let limit = |(name, max): &(&str, &str)| api::Limit {
        name: text(*name),
        max: text(*max),
    };
    Ok(api::DescribeAccountLimitsOutput {
        limits: Some(page.items.iter().map(limit).collect()),
        next_marker: page.next_token,
    })
}

pub async fn describe_capacity_reservation(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::DescribeCapacityReservationInput,
) -> Result<api::DescribeCapacityReservationOutput, AwsError> {
    change::load_balancer(&cx, &input.load_balancer_arn).await?;
    Ok(api::DescribeCapacityReservationOutput {
        capacity_reservation_state: Some(Vec::new()),
        ..Default::default()
    })
}
