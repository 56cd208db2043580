//! Prefix lists that AWS manages: the addresses of the services which gateway endpoints lead to
//! (<https://docs.aws.amazon.com/vpc/latest/userguide/working-with-aws-managed-prefix-lists.html>).
//! Here those services are reached at Neargate's own address, so the lists name no addresses.

use super::text;
use crate::kind::{self, Kind};
use crate::query::{Describe, Query, dry_run, one};
use crate::{Ec2, error};
use neargate_api_ec2 as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// The services that have a list, and the digits of its id.
const LISTS: [(&str, &str); 2] = [("s3", "63a5400a"), ("dynamodb", "02cd2c6b")];

/// The id and name of the list of a service in the caller's region.
pub(super) fn of_service(cx: &Ctx, service: &str) -> Option<(String, String)> {
    let (_, digits) = LISTS.iter().find(|(name, _)| *name == service)?;
    let name = format!("com.amazonaws.{}.{service}", cx.scope.region);
    Some((format!("pl-{digits}"), name))
}

/// # Errors
/// `InvalidPrefixListID.NotFound`.
pub(super) fn exists(_: &Ctx, list: &str) -> Result<(), AwsError> {
    kind::PREFIX_LIST.check(list)?;
    let there = LISTS
        .iter()
        .any(|(_, digits)| list == format!("pl-{digits}"));
    match there {
        true => Ok(()),
        false => Err(error::not_found(&kind::PREFIX_LIST, list)),
    }
}

pub async fn describe_prefix_lists(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribePrefixListsInput,
) -> Result<api::DescribePrefixListsOutput, AwsError> {
    let query = Query::new(
        input.dry_run,
        input.prefix_list_ids,
        input.filters,
        input.next_token,
        input.max_results,
    )?;
    let lists = LISTS
        .iter()
        .filter_map(|(service, _)| of_service(&cx, service));
    let shown = lists.map(|(id, name)| api::PrefixList {
        prefix_list_id: Some(id),
        prefix_list_name: Some(name),
        cidrs: Some(vec![]),
    });
    let found = query.run(shown.collect())?;
    Ok(api::DescribePrefixListsOutput {
        prefix_lists: Some(found.items),
        next_token: found.next_token,
    })
}

pub async fn describe_managed_prefix_lists(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeManagedPrefixListsInput,
) -> Result<api::DescribeManagedPrefixListsOutput, AwsError> {
    let query = Query::new(
        input.dry_run,
        input.prefix_list_ids,
        input.filters,
        input.next_token,
        input.max_results,
    )?;
    let lists = LISTS
        .iter()
        .filter_map(|(service, _)| of_service(&cx, service));
    let shown = lists.map(|(id, name)| api::ManagedPrefixList {
        prefix_list_arn: Some(format!(
            "arn:aws:ec2:{}:aws:prefix-list/{id}",
            cx.scope.region
        )),
        prefix_list_id: Some(id),
        prefix_list_name: Some(name),
        address_family: text("IPv4"),
        state: text("create-complete"),
        owner_id: text("AWS"),
        ..Default::default()
    });
    let found = query.run(shown.collect())?;
    Ok(api::DescribeManagedPrefixListsOutput {
        prefix_lists: Some(found.items),
        next_token: found.next_token,
    })
}

pub async fn get_managed_prefix_list_entries(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::GetManagedPrefixListEntriesInput,
) -> Result<api::GetManagedPrefixListEntriesOutput, AwsError> {
    dry_run(input.dry_run)?;
    exists(&cx, &input.prefix_list_id)?;
    Ok(api::GetManagedPrefixListEntriesOutput {
        entries: Some(vec![]),
        next_token: None,
    })
}

impl Describe for api::PrefixList {
    const KIND: Kind = kind::PREFIX_LIST;

    fn id(&self) -> &str {
        self.prefix_list_id.as_deref().unwrap_or_default()
    }

    fn tags(&self) -> &[api::Tag] {
        &[]
    }

    fn values(&self, filter: &str) -> Option<Vec<String>> {
        match filter {
            "prefix-list-id" => one(&self.prefix_list_id),
            "prefix-list-name" => one(&self.prefix_list_name),
            _ => None,
        }
    }
}

impl Describe for api::ManagedPrefixList {
    const KIND: Kind = kind::PREFIX_LIST;

    fn id(&self) -> &str {
        self.prefix_list_id.as_deref().unwrap_or_default()
    }

    fn tags(&self) -> &[api::Tag] {
        self.tags.as_deref().unwrap_or_default()
    }

    fn values(&self, filter: &str) -> Option<Vec<String>> {
        match filter {
            "owner-id" => one(&self.owner_id),
            "prefix-list-id" => one(&self.prefix_list_id),
            "prefix-list-name" => one(&self.prefix_list_name),
            _ => None,
        }
    }
}
