//! What an account may have, and the instances it has: none.

use super::addresses::MAX_ADDRESSES;
use super::security_groups::default_vpc;
use super::text;
use crate::kind::{self, Kind};
use crate::query::{Describe, Query, dry_run, none};
use crate::{Ec2, error};
use neargate_api_ec2 as api;
use neargate_service::db::Stored;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

pub async fn describe_account_attributes(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeAccountAttributesInput,
) -> Result<api::DescribeAccountAttributesOutput, AwsError> {
    dry_run(input.dry_run)?;
    let default = default_vpc(&cx).await?;
    let addresses = MAX_ADDRESSES.to_string();
    let all = [
        ("supported-platforms", "VPC"),
        ("default-vpc", default.as_ref().map_or("none", Stored::id)),
        ("max-instances", "0"),
        ("vpc-max-security-groups-per-interface", "5"),
        ("max-elastic-ips", &addresses),
        ("vpc-max-elastic-ips", &addresses),
    ];
    let names = input.attribute_names.unwrap_or_default();
    if let Some(unknown) = names
        .iter()
        .find(|n| !all.iter().any(|(name, _)| name == n))
    {
        return Err(error::unknown_attribute("attributeName", unknown));
    }
    let wanted = |name: &str| names.is_empty() || names.iter().any(|n| n == name);
    let attribute = |(name, value): (&str, &str)| api::AccountAttribute {
        attribute_name: text(name),
        attribute_values: Some(vec![api::AccountAttributeValue {
            attribute_value: text(value),
        }]),
    };
    let attributes = all
        .into_iter()
        .filter(|(name, _)| wanted(name))
        .map(attribute)
        .collect();
    Ok(api::DescribeAccountAttributesOutput {
        account_attributes: Some(attributes),
    })
}

pub async fn describe_instances(
    _: Arc<Ec2>,
    _: Ctx,
    input: api::DescribeInstancesInput,
) -> Result<api::DescribeInstancesOutput, AwsError> {
    let given = input
        .instance_ids
        .as_ref()
        .is_some_and(|ids| !ids.is_empty());
    if given && input.max_results.is_some() {
        return Err(error::combination("instancesSet", "maxResults"));
    }
    let ids = input.instance_ids;
    let query = Query::new(
        input.dry_run,
        ids,
        input.filters,
        input.next_token,
        input.max_results,
    )?;
    query.run(Vec::<NoInstance>::new())?;
    Ok(api::DescribeInstancesOutput {
        reservations: Some(vec![]),
        next_token: None,
    })
}

/// Stands for the instances there are not; any filter would be fine with that.
#[derive(Debug, Default)]
struct NoInstance;

impl Describe for NoInstance {
    const KIND: Kind = kind::INSTANCE;

    fn id(&self) -> &str {
        ""
    }

    fn tags(&self) -> &[api::Tag] {
        &[]
    }

    fn values(&self, _: &str) -> Option<Vec<String>> {
        none()
    }
}
