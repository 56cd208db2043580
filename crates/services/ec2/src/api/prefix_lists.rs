//! Prefix lists: those that somebody made, and those that AWS manages, the addresses of the services
//! which gateway endpoints lead to
//! (<https://docs.aws.amazon.com/vpc/latest/userguide/managed-prefix-lists.html>). Here those services
//! are reached at Neargate's own address, so AWS's lists name no addresses.

use super::{tags, text};
use crate::change::{self, all, find, fresh, settle};
use crate::error::group as say;
use crate::kind::{self, Kind};
use crate::model::Place;
use crate::plan::permissions::{self, AskedPeer};
use crate::query::{Describe, Query, dry_run, one};
use crate::{Ec2, error};
use neargate_api_ec2 as api;
use neargate_service::db::{Stored, Tx};
use neargate_service::page::{Size, page};
use neargate_service::tags::Tags;
use neargate_service::vpc::{ManagedPrefixList, RulePeer, SecurityGroup, SecurityGroupRule};
use neargate_service::{AwsError, Ctx};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Entries of a list
/// (<https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html>).
const MAX_ENTRIES: i32 = 1000;

/// The services that have a list, and the digits of its id.
const LISTS: [(&str, &str); 2] = [("s3", "63a5400a"), ("dynamodb", "02cd2c6b")];

/// The id and name of the list of a service in the caller's region.
pub(super) fn of_service(cx: &Ctx, service: &str) -> Option<(String, String)> {
    let (_, digits) = LISTS.iter().find(|(name, _)| *name == service)?;
    let name = format!("com.amazonaws.{}.{service}", cx.scope.region);
    Some((format!("pl-{digits}"), name))
}

/// Is it a list of AWS's?
fn is_awss(list: &str) -> bool {
    let is = |(_, digits): &(&str, &str)| list == format!("pl-{digits}");
    LISTS.iter().any(is)
}

/// The list that a rule names; `None`: one of AWS's.
///
/// # Errors
/// `InvalidPrefixListID.NotFound`.
pub(super) async fn named(
    cx: &Ctx,
    list: &str,
) -> Result<Option<Stored<ManagedPrefixList>>, AwsError> {
    match is_awss(list) {
        true => Ok(None),
        false => find::<ManagedPrefixList>(cx, list).await.map(Some),
    }
}

/// The lists that these rules name are written again, so that nobody deletes one meanwhile.
pub(super) async fn kept<'a>(
    cx: &Ctx,
    mut tx: Tx,
    rules: impl IntoIterator<Item = &'a SecurityGroupRule>,
) -> Result<Tx, AwsError> {
    let mut lists: Vec<_> = rules.into_iter().filter_map(list_of).collect();
    lists.sort_unstable();
    lists.dedup();
    for list in lists {
        if let Some(list) = named(cx, list).await? {
            tx = tx.update(&list, &list.value);
        }
    }
    Ok(tx)
}

fn list_of(rule: &SecurityGroupRule) -> Option<&str> {
    match &rule.peer {
        RulePeer::PrefixList(list) => Some(list),
        _ => None,
    }
}

pub async fn create_managed_prefix_list(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::CreateManagedPrefixListInput,
) -> Result<api::CreateManagedPrefixListOutput, AwsError> {
    dry_run(input.dry_run)?;
    let tags = tags::specified(input.tag_specifications, &kind::PREFIX_LIST)?;
    let mut new = ManagedPrefixList {
        name: checked_name(input.prefix_list_name)?,
        address_family: match input.address_family.as_str() {
            "IPv4" | "IPv6" => input.address_family,
            other => return Err(error::invalid_value("AddressFamily", other)),
        },
        max_entries: checked_size(input.max_entries)?,
        version: 1,
        entries: BTreeMap::new(),
        client_token: input.client_token,
        created_at: cx.now(),
    };
    add(&mut new, input.entries.unwrap_or_default())?;
    let lists = all::<ManagedPrefixList>(&cx).await?;
    let same = |l: &&Stored<ManagedPrefixList>| {
        new.client_token.is_some() && l.client_token == new.client_token
    };
    if let Some(made) = lists.iter().find(same) {
        let place = Place::read(&cx).await?;
        return Ok(api::CreateManagedPrefixListOutput {
            prefix_list: Some(list(&place, made.id(), made)),
        });
    }
    let list_id = fresh(&cx, "pl");
    let made = async || -> Result<(Tx, ()), AwsError> {
        Ok((change::create(cx.db().tx(), &cx, &list_id, &new, &tags), ()))
    };
    settle(made).await?;
    let place = Place::of_new(&cx, &list_id, &tags);
    Ok(api::CreateManagedPrefixListOutput {
        prefix_list: Some(api::ManagedPrefixList {
            state: text("create-in-progress"),
            ..list(&place, &list_id, &new)
        }),
    })
}

fn checked_name(name: String) -> Result<String, AwsError> {
    match (1..=255).contains(&name.len()) && !name.starts_with("com.amazonaws") {
        true => Ok(name),
        false => Err(error::invalid_value("PrefixListName", &name)),
    }
}

fn checked_size(size: i32) -> Result<i32, AwsError> {
    match (1..=MAX_ENTRIES).contains(&size) {
        true => Ok(size),
        false => Err(error::invalid_value("MaxEntries", &size.to_string())),
    }
}

/// Adds entries, or describes those that are there anew.
fn add(list: &mut ManagedPrefixList, new: Vec<api::AddPrefixListEntry>) -> Result<(), AwsError> {
    for entry in new {
        let range = range(&list.address_family, &entry.cidr)?;
        list.entries.insert(range, entry.description);
    }
    let count = i32::try_from(list.entries.len()).unwrap_or(i32::MAX);
    match count <= list.max_entries {
        true => Ok(()),
        false => Err(say::list_is_full(list.max_entries)),
    }
}

/// A range of the list's family, in its usual form.
fn range(family: &str, cidr: &str) -> Result<String, AwsError> {
    let parsed = match family {
        "IPv4" => permissions::ipv4(cidr),
        _ => permissions::ipv6(cidr),
    };
    match parsed {
        Ok(AskedPeer::Known(RulePeer::Ipv4(range))) => Ok(range.to_string()),
        Ok(AskedPeer::Known(RulePeer::Ipv6(range))) => Ok(range),
        _ => Err(error::not_a_cidr("Cidr", cidr)),
    }
}

pub async fn modify_managed_prefix_list(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::ModifyManagedPrefixListInput,
) -> Result<api::ModifyManagedPrefixListOutput, AwsError> {
    dry_run(input.dry_run)?;
    super::refuse(&[(
        "IpamPrefixListResolverSyncEnabled",
        input.ipam_prefix_list_resolver_sync_enabled == Some(true),
    )])?;
    let new = settle(|| modified(&cx, &input)).await?;
    let place = Place::read(&cx).await?;
    Ok(api::ModifyManagedPrefixListOutput {
        prefix_list: Some(api::ManagedPrefixList {
            state: text("modify-in-progress"),
            ..list(&place, &input.prefix_list_id, &new)
        }),
    })
}

async fn modified(
    cx: &Ctx,
    input: &api::ModifyManagedPrefixListInput,
) -> Result<(Tx, ManagedPrefixList), AwsError> {
    let read = own(cx, &input.prefix_list_id).await?;
    if input.current_version.is_some_and(|v| v != read.version) {
        return Err(say::list_version());
    }
    let mut new = read.value.clone();
    if let Some(name) = &input.prefix_list_name {
        new.name = checked_name(name.clone())?;
    }
    if let Some(size) = input.max_entries {
        new.max_entries = checked_size(size)?;
    }
    for entry in input.remove_entries.iter().flatten() {
        let range = range(&new.address_family, &entry.cidr)?;
        let gone = new.entries.remove(&range);
        gone.ok_or_else(|| error::not_a_cidr("RemoveEntry.Cidr", &entry.cidr))?;
    }
    add(&mut new, input.add_entries.clone().unwrap_or_default())?;
    if new.entries != read.entries {
        new.version += 1;
    }
    Ok((cx.db().tx().update(&read, &new), new))
}

/// A list that is not AWS's own.
async fn own(cx: &Ctx, list: &str) -> Result<Stored<ManagedPrefixList>, AwsError> {
    let found = named(cx, list).await?;
    found.ok_or_else(|| error::operation_not_permitted("AWS manages this prefix list."))
}

pub async fn delete_managed_prefix_list(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DeleteManagedPrefixListInput,
) -> Result<api::DeleteManagedPrefixListOutput, AwsError> {
    dry_run(input.dry_run)?;
    let list_id = &input.prefix_list_id;
    let delete = async || -> Result<(Tx, ManagedPrefixList), AwsError> {
        let read = own(&cx, list_id).await?;
        let groups = all::<SecurityGroup>(&cx).await?;
        let names = |g: &SecurityGroup| g.rules.values().any(|r| list_of(r) == Some(list_id));
        match groups.iter().any(|g| names(g)) {
            true => Err(error::has_dependencies("prefixList", list_id)),
            false => Ok((change::delete(cx.db().tx(), &cx, &read), read.value)),
        }
    };
    let gone = settle(delete).await?;
    let place = Place::of_new(&cx, list_id, &Tags::new());
    Ok(api::DeleteManagedPrefixListOutput {
        prefix_list: Some(api::ManagedPrefixList {
            state: text("delete-in-progress"),
            ..list(&place, list_id, &gone)
        }),
    })
}

fn list(place: &Place, id: &str, list: &ManagedPrefixList) -> api::ManagedPrefixList {
    api::ManagedPrefixList {
        prefix_list_id: text(id),
        prefix_list_name: text(&list.name),
        prefix_list_arn: Some(place.scope.arn("ec2", format!("prefix-list/{id}"))),
        address_family: text(&list.address_family),
        state: text(match list.version {
            1 => "create-complete",
            _ => "modify-complete",
        }),
        max_entries: Some(list.max_entries),
        version: Some(list.version),
        owner_id: place.account(),
        tags: place.tags_of(id),
        ..Default::default()
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
    let awss = lists.map(|(id, name)| api::ManagedPrefixList {
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
    let place = Place::read(&cx).await?;
    let own = all::<ManagedPrefixList>(&cx).await?;
    let own = own.iter().map(|l| list(&place, l.id(), l));
    let found = query.run(awss.chain(own).collect())?;
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
    let entries = match named(&cx, &input.prefix_list_id).await? {
        Some(list) if input.target_version.is_some_and(|v| v != list.version) => {
            return Err(error::unsupported("TargetVersion"));
        }
        Some(list) => list.value.entries,
        None => BTreeMap::new(),
    };
    let shown = entries
        .into_iter()
        .map(|(cidr, description)| api::PrefixListEntry {
            cidr: Some(cidr),
            description,
        });
    let size = Size::up_to(100).clamp(input.max_results);
    let found = page(shown, input.next_token.as_deref(), size, |entry| {
        entry.cidr.clone().unwrap_or_default()
    });
    let found = found.map_err(|_| error::invalid_next_token())?;
    Ok(api::GetManagedPrefixListEntriesOutput {
        entries: Some(found.items),
        next_token: found.next_token,
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
