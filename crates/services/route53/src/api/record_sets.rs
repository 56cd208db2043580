//! Record sets (<https://docs.aws.amazon.com/Route53/latest/APIReference/API_ResourceRecordSet.html>).

use super::{changes, health_checks, own_zone, shown, size, zone};
use crate::batch::{self, Action, Id};
use crate::model::Rest;
use crate::{Route53, carry, error};
use neargate_api_route53 as api;
use neargate_service::db::settle;
use neargate_service::dns::{self, HostedZone, RecordSet};
use neargate_service::{AwsError, Ctx, Stored, db};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// "A request can't contain more than 1000 ResourceRecord elements", and its values 32,000 characters.
const MOST_RECORDS: usize = 1_000;
const MOST_CHARS: usize = 32_000;
/// What one transaction changes beside the zone and the change.
const AT_ONCE: usize = 100;
const PAGE: usize = 300;

pub async fn change_resource_record_sets(
    _: Arc<Route53>,
    cx: Ctx,
    input: api::ChangeResourceRecordSetsInput,
) -> Result<api::ChangeResourceRecordSetsOutput, AwsError> {
    // Its own errors come before those of the batch.
    own_zone(&cx, &input.hosted_zone_id).await?;
    limits(&input.change_batch)?;
    let given = input.change_batch.changes.iter().map(shown::read);
    let given: Vec<_> = given.collect::<Result<_, _>>()?;
    let new = given.iter().filter(|(action, _)| *action != Action::Delete);
    for check in new.filter_map(|(_, set)| set.health_check_id.as_ref()) {
        health_checks::found(&cx, check).await?;
    }
    let change_id = changes::new_id(&cx);
    let account = &cx.scope.account;
    let change = settle(async || {
        let found = own_zone(&cx, &input.hosted_zone_id).await?;
        if found.pending.is_some() {
            return Err(error::prior_request_not_complete());
        }
        let names: BTreeSet<&str> = given.iter().map(|(_, set)| set.name.as_str()).collect();
        let mut there = BTreeMap::<Id, RecordSet>::new();
        for name in names.iter().copied().chain([found.name.as_str()]) {
            let of_zone = dns::records_of(account, found.id());
            let prefix = format!("{of_zone}{}/", dns::reversed(name));
            let sets = cx.db().list_prefix::<RecordSet>(&prefix).await?;
            there.extend(sets.into_iter().map(|set| (batch::id(&set), set.value)));
        }
        let changed = batch::decide(&found.name, &there, &given);
        let changed = changed.map_err(|problems| error::invalid_change_batch(&problems))?;
        let key = |(name, record_type, identifier): &Id| {
            let empty = RecordSet {
                set_identifier: identifier.clone(),
                ..RecordSet::simple(name, record_type, 0, Vec::new())
            };
            empty.key(account, found.id())
        };
        let mut records: Vec<(String, Option<RecordSet>)> = changed
            .iter()
            .map(|(id, set)| (key(id), set.clone()))
            .collect();
        let mut change = changes::submitted(&cx, input.change_batch.comment.as_ref());
        let mut zone = found.value.clone();
        let mut tx = cx.db().tx();
        if records.len() > AT_ONCE {
            // All of it is decided here, and carried out behind.
            zone.pending = Some(change_id.clone());
            change.rest = Some(Rest {
                zone_id: found.id().to_owned(),
                records: std::mem::take(&mut records),
            });
        }
        for (key, set) in records {
            tx = match set {
                Some(set) => tx.put(key, &set),
                None => tx.delete_key(key),
            };
        }
        // The zone is written again, so that two batches come one after the other.
        let tx = tx
            .update(&found, &zone)
            .create(changes::key(&cx, &change_id), &change);
        Ok((tx, change))
    })
    .await?;
    if change.rest.is_some() {
        carry::out(&cx.house, &changes::key(&cx, &change_id)).await?;
    }
    Ok(api::ChangeResourceRecordSetsOutput {
        change_info: Some(changes::pending(&change_id, &change)),
    })
}

fn limits(batch: &api::ChangeBatch) -> Result<(), AwsError> {
    let (mut records, mut chars) = (0, 0);
    for change in &batch.changes {
        // "When the value of Action is UPSERT, each element is counted twice."
        let times = if change.action == "UPSERT" { 2 } else { 1 };
        let values = change.resource_record_set.resource_records.iter().flatten();
        for value in values {
            records += times;
            chars += times * value.value.len();
        }
    }
    let limit = match (records > MOST_RECORDS, chars > MOST_CHARS) {
        (true, _) => format!("Number of records limit of {MOST_RECORDS} exceeded."),
        (_, true) => format!("Number of characters limit of {MOST_CHARS} exceeded."),
        _ => return Ok(()),
    };
    Err(AwsError::client("InvalidChangeBatch", limit))
}

pub async fn list_resource_record_sets(
    _: Arc<Route53>,
    cx: Ctx,
    input: api::ListResourceRecordSetsInput,
) -> Result<api::ListResourceRecordSetsOutput, AwsError> {
    let size = size(input.max_items.as_deref(), PAGE)?;
    let found = zone(&cx, &input.hosted_zone_id).await?;
    let mut page = page(&cx, &found, &input, size + 1).await?;
    let next = page.split_off(size.min(page.len())).pop();
    let next = next.map(|set| set.value);
    Ok(api::ListResourceRecordSetsOutput {
        resource_record_sets: Some(page.iter().map(|set| shown::record_set(set)).collect()),
        is_truncated: Some(next.is_some()),
        next_record_name: next.as_ref().map(|set| set.name.clone()),
        next_record_type: next.as_ref().map(|set| set.record_type.clone()),
        next_record_identifier: next.and_then(|set| set.set_identifier),
        max_items: Some(size.to_string()),
    })
}

/// So many record sets, from the one on that the caller names.
async fn page(
    cx: &Ctx,
    zone: &Stored<HostedZone>,
    input: &api::ListResourceRecordSetsInput,
    size: usize,
) -> Result<Vec<Stored<RecordSet>>, AwsError> {
    let prefix = dns::records_of(&cx.scope.account, zone.id());
    let (name, record_type) = (&input.start_record_name, &input.start_record_type);
    let identifier = input.start_record_identifier.as_deref();
    let mut sets = Vec::new();
    let mut after = match (name, record_type) {
        (None, None) => None,
        (None, Some(_)) => {
            return Err(error::invalid_input("The input is not valid"));
        }
        (Some(name), None) => Some(format!("{prefix}{}", dns::reversed(&dns::name(name)))),
        (Some(name), Some(record_type)) => {
            let first = RecordSet {
                set_identifier: identifier.map(str::to_owned),
                ..RecordSet::simple(&dns::name(name), record_type, 0, Vec::new())
            };
            let key = first.key(&cx.scope.account, zone.id());
            sets.extend(cx.db().get_key::<RecordSet>(&key).await?);
            Some(key)
        }
    };
    while sets.len() < size {
        let most = (size - sets.len()).min(neargate_store::MAX_PAGE);
        let page = cx
            .db()
            .store()
            .range(&prefix, after.as_deref(), most, None)
            .await?;
        for entry in &page.entries {
            sets.push(db::decode(entry)?);
        }
        match page.entries.last() {
            Some(last) if page.more => after = Some(last.key.clone()),
            _ => break,
        }
    }
    Ok(sets)
}
