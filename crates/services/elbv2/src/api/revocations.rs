//! Revocation lists of trust stores
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_AddTrustStoreRevocations.html>).

use super::objects::{self, Missing};
use super::{paged, text};
use crate::Elbv2;
use crate::change::{self, settle};
use crate::error::{self, trust_store as say};
use crate::model::{Revocation, TrustStore};
use crate::plan::trust_stores as plan;
use neargate_api_elbv2 as api;
use neargate_service::db::Tx;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// Files of a trust store, and certificates that all of them revoke
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html>).
const MAX_FILES: usize = 30;
const MAX_ENTRIES: i64 = 500_000;
/// What all lists of a trust store may take here: edges are told them with each change.
const MAX_BYTES: usize = 4 << 20;

pub async fn add_trust_store_revocations(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::AddTrustStoreRevocationsInput,
) -> Result<api::AddTrustStoreRevocationsOutput, AwsError> {
    change::trust_store(&cx, &input.trust_store_arn).await?;
    let mut new = Vec::new();
    for content in input.revocation_contents.unwrap_or_default() {
        if new.len() >= MAX_FILES {
            return Err(too_many_files());
        }
        new.push(read(&cx, content).await?);
    }
    let added = settle(async || -> Result<(Tx, Vec<Revocation>), AwsError> {
        let stored = change::trust_store(&cx, &input.trust_store_arn).await?;
        let mut value: TrustStore = stored.value.clone();
        let mut added = new.clone();
        for revocation in &mut added {
            value.last_revocation_id += 1;
            revocation.id = value.last_revocation_id;
        }
        value.revocations.extend(added.iter().cloned());
        check(&value)?;
        Ok((cx.db().tx().update(&stored, &value), added))
    });
    let arn = &input.trust_store_arn;
    let one = |of: Revocation| api::TrustStoreRevocation {
        trust_store_arn: text(arn),
        revocation_id: Some(of.id),
        revocation_type: text("CRL"),
        number_of_revoked_entries: Some(of.number_of_entries),
    };
    Ok(api::AddTrustStoreRevocationsOutput {
        trust_store_revocations: Some(added.await?.into_iter().map(one).collect()),
    })
}

/// Without its id.
async fn read(cx: &Ctx, content: api::RevocationContent) -> Result<Revocation, AwsError> {
    let bucket = content.s3_bucket;
    let bucket = bucket.ok_or_else(|| say::place_missing("S3 bucket"))?;
    let key = content.s3_key;
    let key = key.ok_or_else(|| say::place_missing("S3 key"))?;
    let missing = Missing {
        not_there: say::revocation_file_not_found,
        too_large,
    };
    let (file, source) = objects::read(cx, bucket, key, content.s3_object_version, missing).await?;
    let read = plan::revocation_lists(&file).ok_or_else(say::invalid_revocation_file)?;
    Ok(Revocation {
        id: 0,
        lists: read.lists,
        number_of_entries: read.entries,
        source,
    })
}

fn too_large() -> AwsError {
    error::unsupported(&format!(
        "revocation files of more than {} bytes",
        objects::MAX_BYTES
    ))
}

fn too_many_files() -> AwsError {
    error::unsupported(&format!(
        "more than {MAX_FILES} revocation files of a trust store"
    ))
}

fn check(store: &TrustStore) -> Result<(), AwsError> {
    let entries: i64 = store.revocations.iter().map(|r| r.number_of_entries).sum();
    let lists = store.revocations.iter().flat_map(|r| &r.lists);
    if entries > MAX_ENTRIES {
        return Err(say::too_many_revoked());
    }
    if store.revocations.len() > MAX_FILES {
        return Err(too_many_files());
    }
    match lists.map(String::len).sum::<usize>() > MAX_BYTES {
        true => Err(error::unsupported(&format!(
            "revocation files that have more than {MAX_BYTES} bytes together"
        ))),
        false => Ok(()),
    }
}

pub async fn remove_trust_store_revocations(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::RemoveTrustStoreRevocationsInput,
) -> Result<api::RemoveTrustStoreRevocationsOutput, AwsError> {
    settle(async || -> Result<(Tx, ()), AwsError> {
        let stored = change::trust_store(&cx, &input.trust_store_arn).await?;
        check_ids(&stored, &input.revocation_ids)?;
        let mut value: TrustStore = stored.value.clone();
        value
            .revocations
            .retain(|r| !input.revocation_ids.contains(&r.id));
        Ok((cx.db().tx().update(&stored, &value), ()))
    })
    .await?;
    Ok(api::RemoveTrustStoreRevocationsOutput {})
}

fn check_ids(store: &TrustStore, ids: &[i64]) -> Result<(), AwsError> {
    let is_there = |id: &i64| store.revocations.iter().any(|r| r.id == *id);
    match ids.iter().all(is_there) {
        true => Ok(()),
        false => Err(say::revocation_not_found()),
    }
}

pub async fn describe_trust_store_revocations(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::DescribeTrustStoreRevocationsInput,
) -> Result<api::DescribeTrustStoreRevocationsOutput, AwsError> {
    let arn = &input.trust_store_arn;
    let stored = change::trust_store(&cx, arn).await?;
    let ids = input.revocation_ids.unwrap_or_default();
    check_ids(&stored, &ids)?;
    let all = stored.revocations.iter();
    let all = all.filter(|r| ids.is_empty() || ids.contains(&r.id));
    let page = paged(
        all.collect(),
        input.marker.as_deref(),
        input.page_size,
        |r: &&Revocation| format!("{:020}", r.id),
    )?;
    let one = |of: &Revocation| api::DescribeTrustStoreRevocation {
        trust_store_arn: text(arn),
        revocation_id: Some(of.id),
        revocation_type: text("CRL"),
        number_of_revoked_entries: Some(of.number_of_entries),
    };
    Ok(api::DescribeTrustStoreRevocationsOutput {
        trust_store_revocations: Some(page.items.into_iter().map(one).collect()),
        next_marker: page.next_token,
    })
}

pub async fn get_trust_store_revocation_content(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::GetTrustStoreRevocationContentInput,
) -> Result<api::GetTrustStoreRevocationContentOutput, AwsError> {
    let stored = change::trust_store(&cx, &input.trust_store_arn).await?;
    let mut all = stored.revocations.iter();
    let found = all.find(|r| r.id == input.revocation_id);
    let found = found.ok_or_else(say::revocation_not_found)?;
    Ok(api::GetTrustStoreRevocationContentOutput {
        location: Some(objects::location(&cx, &found.source).await?),
    })
}
