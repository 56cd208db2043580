//! What an account may have.

use super::addresses::MAX_ADDRESSES;
use super::security_groups::default_vpc;
use super::text;
use crate::query::dry_run;
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
