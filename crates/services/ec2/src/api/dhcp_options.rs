//! Sets of DHCP options
//! (<https://docs.aws.amazon.com/vpc/latest/userguide/VPC_DHCP_Options.html>).

use super::{tags, text};
use crate::change::{self, all, find, fresh, settle};
use crate::error::acl as say;
use crate::kind::{self, Kind};
use crate::model::Place;
use crate::query::{Describe, Query, dry_run, one};
use crate::{Ec2, error};
use neargate_api_ec2 as api;
use neargate_service::db::Tx;
use neargate_service::vpc::{DhcpOptions, Vpc};
use neargate_service::{AwsError, Ctx};
use neargate_wire::structure::Unit;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Servers of one kind in a set.
const MAX_SERVERS: usize = 4;
/// Sets of an account in a region
/// (<https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html>).
const MAX_SETS: usize = 5;

pub async fn create_dhcp_options(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::CreateDhcpOptionsInput,
) -> Result<api::CreateDhcpOptionsOutput, AwsError> {
    dry_run(input.dry_run)?;
    let tags = tags::specified(input.tag_specifications, &kind::DHCP_OPTIONS)?;
    let mut configurations = BTreeMap::new();
    for given in input.dhcp_configurations {
        let key = given.key.ok_or_else(|| error::missing_parameter("key"))?;
        let values = given.values.unwrap_or_default();
        check(&key, &values)?;
        configurations.insert(key, values);
    }
    let new = DhcpOptions {
        configurations,
        created_at: cx.now(),
    };
    let options_id = fresh(&cx, "dopt");
    let add = async || -> Result<(Tx, ()), AwsError> {
        if all::<DhcpOptions>(&cx).await?.len() >= MAX_SETS {
            let code = "DhcpOptionsLimitExceeded";
            return Err(error::limit_exceeded(code, "DHCP options"));
        }
        Ok((
            change::create(cx.db().tx(), &cx, &options_id, &new, &tags),
            (),
        ))
    };
    settle(add).await?;
    let place = Place::of_new(&cx, &options_id, &tags);
    Ok(api::CreateDhcpOptionsOutput {
        dhcp_options: Some(options(&place, &options_id, &new)),
    })
}

fn check(key: &str, values: &[String]) -> Result<(), AwsError> {
    let joined = values.join(", ");
    let wrong = || say::option_value(key, &joined);
    let fits = match key {
        "domain-name-servers" | "ntp-servers" | "netbios-name-servers" => {
            let server = |v: &String| {
                v.parse::<IpAddr>().is_ok()
                    || (key == "domain-name-servers" && v == "AmazonProvidedDNS")
            };
            values.len() <= MAX_SERVERS && values.iter().all(server)
        }
        "domain-name" => values.len() == 1,
        "netbios-node-type" => matches!(joined.as_str(), "1" | "2" | "4" | "8"),
        "ipv6-address-preferred-lease-time" => joined.parse::<u32>().is_ok(),
        _ => return Err(say::unknown_option(key)),
    };
    match fits && !values.is_empty() {
        true => Ok(()),
        false => Err(wrong()),
    }
}

/// `default`: a VPC without options.
pub async fn associate_dhcp_options(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::AssociateDhcpOptionsInput,
) -> Result<Unit, AwsError> {
    dry_run(input.dry_run)?;
    let options_id = &input.dhcp_options_id;
    let associate = async || -> Result<(Tx, ()), AwsError> {
        let vpc = find::<Vpc>(&cx, &input.vpc_id).await?;
        let new = Vpc {
            dhcp_options_id: options_id.clone(),
            ..vpc.value.clone()
        };
        let tx = cx.db().tx().update(&vpc, &new);
        if options_id == "default" {
            return Ok((tx, ()));
        }
        // Written again, so that nobody deletes it meanwhile.
        let options = find::<DhcpOptions>(&cx, options_id).await?;
        Ok((tx.update(&options, &options.value), ()))
    };
    settle(associate).await?;
    Ok(Unit)
}

pub async fn delete_dhcp_options(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DeleteDhcpOptionsInput,
) -> Result<Unit, AwsError> {
    dry_run(input.dry_run)?;
    let options_id = &input.dhcp_options_id;
    let delete = async || -> Result<(Tx, ()), AwsError> {
        let options = find::<DhcpOptions>(&cx, options_id).await?;
        let vpcs = all::<Vpc>(&cx).await?;
        match vpcs.iter().any(|v| v.dhcp_options_id == *options_id) {
            true => Err(error::has_dependencies("dhcpOptions", options_id)),
            false => Ok((change::delete(cx.db().tx(), &cx, &options), ())),
        }
    };
    settle(delete).await?;
    Ok(Unit)
}

pub async fn describe_dhcp_options(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeDhcpOptionsInput,
) -> Result<api::DescribeDhcpOptionsOutput, AwsError> {
    let ids = input.dhcp_options_ids;
    let query = Query::new(
        input.dry_run,
        ids,
        input.filters,
        input.next_token,
        input.max_results,
    )?;
    let place = Place::read(&cx).await?;
    let sets = all::<DhcpOptions>(&cx).await?;
    let shown = sets.iter().map(|o| options(&place, o.id(), o));
    let found = query.run(shown.collect())?;
    Ok(api::DescribeDhcpOptionsOutput {
        dhcp_options: Some(found.items),
        next_token: found.next_token,
    })
}

fn options(place: &Place, id: &str, options: &DhcpOptions) -> api::DhcpOptions {
    let value = |value: &String| api::AttributeValue { value: text(value) };
    let configurations = options.configurations.iter();
    api::DhcpOptions {
        dhcp_options_id: text(id),
        owner_id: place.account(),
        dhcp_configurations: Some(
            configurations
                .map(|(key, values)| api::DhcpConfiguration {
                    key: text(key),
                    values: Some(values.iter().map(value).collect()),
                })
                .collect(),
        ),
        tags: place.tags_of(id),
    }
}

impl Describe for api::DhcpOptions {
    const KIND: Kind = kind::DHCP_OPTIONS;

    fn id(&self) -> &str {
        self.dhcp_options_id.as_deref().unwrap_or_default()
    }

    fn tags(&self) -> &[api::Tag] {
        self.tags.as_deref().unwrap_or_default()
    }

    fn values(&self, filter: &str) -> Option<Vec<String>> {
        let configurations = || self.dhcp_configurations.iter().flatten();
        match filter {
            "dhcp-options-id" => one(&self.dhcp_options_id),
            "owner-id" => one(&self.owner_id),
            "key" => Some(configurations().filter_map(|c| c.key.clone()).collect()),
            "value" => {
                let values = configurations().flat_map(|c| c.values.iter().flatten());
                Some(values.filter_map(|v| v.value.clone()).collect())
            }
            _ => None,
        }
    }
}
