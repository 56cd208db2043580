//! Trust stores: the authorities that listeners believe when they verify clients
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTrustStore.html>).

use super::objects::{self, Missing};
use super::{paged, tags_of, text};
use crate::change::{self, settle};
use crate::error::trust_store as say;
use crate::model::{Listener, SourceObject, TrustStore, TrustStoreName};
use crate::plan::trust_stores::{self as plan, Bundle};
use crate::{Elbv2, names};
use neargate_api_elbv2 as api;
use neargate_service::db::{Stored, Tx};
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// In a region
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html>).
const MAX_TRUST_STORES: usize = 20;

pub async fn create_trust_store(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::CreateTrustStoreInput,
) -> Result<api::CreateTrustStoreOutput, AwsError> {
    let tags = tags_of(input.tags)?;
    let (bundle, source) = bundle(
        &cx,
        input.ca_certificates_bundle_s3_bucket,
        input.ca_certificates_bundle_s3_key,
        input.ca_certificates_bundle_s3_object_version,
    )
    .await?;
    let new = TrustStore {
        name: input.name,
        authorities: bundle.authorities,
        number_of_authorities: bundle.count,
        source,
        revocations: Vec::new(),
        last_revocation_id: 0,
        tags,
        created_at: cx.now(),
    };
    let id = cx.house.rng.hex(16);
    let made = settle(|| created(&cx, &new, &id)).await?;
    Ok(api::CreateTrustStoreOutput {
        trust_stores: Some(vec![made]),
    })
}

async fn bundle(
    cx: &Ctx,
    bucket: String,
    key: String,
    version: Option<String>,
) -> Result<(Bundle, SourceObject), AwsError> {
    let missing = Missing {
        not_there: say::bundle_not_found,
        too_large: say::invalid_bundle,
    };
    let (file, source) = objects::read(cx, bucket, key, version, missing).await?;
    let bundle = plan::bundle(&file).ok_or_else(say::invalid_bundle)?;
    Ok((bundle, source))
}

async fn created(cx: &Ctx, new: &TrustStore, id: &str) -> Result<(Tx, api::TrustStore), AwsError> {
    let all = cx.db().list::<TrustStore>(&cx.scope).await?;
    if all.iter().any(|store| store.name == new.name) {
        return Err(say::duplicate(&new.name));
    }
    if all.len() >= MAX_TRUST_STORES {
        return Err(say::too_many());
    }
    let name = TrustStoreName { id: id.to_owned() };
    let tx = cx
        .db()
        .tx()
        .create(change::key::<TrustStore>(cx, id), new)
        .create(change::key::<TrustStoreName>(cx, &new.name), &name);
    Ok((tx, shown(cx, id, new)))
}

pub async fn modify_trust_store(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::ModifyTrustStoreInput,
) -> Result<api::ModifyTrustStoreOutput, AwsError> {
    change::trust_store(&cx, &input.trust_store_arn).await?;
    let (bundle, source) = bundle(
        &cx,
        input.ca_certificates_bundle_s3_bucket,
        input.ca_certificates_bundle_s3_key,
        input.ca_certificates_bundle_s3_object_version,
    )
    .await?;
    let modified = settle(async || -> Result<(Tx, api::TrustStore), AwsError> {
        let stored = change::trust_store(&cx, &input.trust_store_arn).await?;
        let value = TrustStore {
            authorities: bundle.authorities.clone(),
            number_of_authorities: bundle.count,
            source: source.clone(),
            ..stored.value.clone()
        };
        let shown = shown(&cx, stored.id(), &value);
        Ok((cx.db().tx().update(&stored, &value), shown))
    });
    Ok(api::ModifyTrustStoreOutput {
        trust_stores: Some(vec![modified.await?]),
    })
}

pub async fn delete_trust_store(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::DeleteTrustStoreInput,
) -> Result<api::DeleteTrustStoreOutput, AwsError> {
    settle(|| deleted(&cx, &input.trust_store_arn)).await?;
    Ok(api::DeleteTrustStoreOutput {})
}

async fn deleted(cx: &Ctx, arn: &str) -> Result<(Tx, ()), AwsError> {
    let stored = change::trust_store(cx, arn).await?;
    if !users(cx, arn).await?.is_empty() {
        return Err(say::in_use(arn));
    }
    let tx = cx
        .db()
        .tx()
        .delete(&stored)
        .delete_key(change::key::<TrustStoreName>(cx, &stored.name));
    Ok((tx, ()))
}

/// The ARNs of the listeners that use a trust store.
async fn users(cx: &Ctx, arn: &str) -> Result<Vec<String>, AwsError> {
    let all = cx.db().list::<Listener>(&cx.scope).await?;
    let using = all.iter().filter(|l| l.trust_store() == Some(arn));
    Ok(using.map(|l| l.arn.clone()).collect())
}

pub async fn describe_trust_stores(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::DescribeTrustStoresInput,
) -> Result<api::DescribeTrustStoresOutput, AwsError> {
    let arns = input.trust_store_arns.unwrap_or_default();
    let names = input.names.unwrap_or_default();
    if !arns.is_empty() && !names.is_empty() {
        return Err(say::selectors());
    }
    let mut found = Vec::new();
    for arn in &arns {
        found.push(change::trust_store(&cx, arn).await?);
    }
    if arns.is_empty() {
        found = cx.db().list::<TrustStore>(&cx.scope).await?;
    }
    if !names.is_empty() {
        if names.iter().any(|n| !found.iter().any(|s| s.name == *n)) {
            return Err(say::not_found());
        }
        found.retain(|store| names.contains(&store.name));
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found.dedup_by(|a, b| a.key == b.key);
    let page = paged(found, input.marker.as_deref(), input.page_size, |s| {
        s.name.clone()
    })?;
    let one = |store: &Stored<TrustStore>| shown(&cx, store.id(), store);
    Ok(api::DescribeTrustStoresOutput {
        trust_stores: Some(page.items.iter().map(one).collect()),
        next_marker: page.next_token,
    })
}

fn shown(cx: &Ctx, id: &str, store: &TrustStore) -> api::TrustStore {
    let revoked = store.revocations.iter().map(|r| r.number_of_entries).sum();
    api::TrustStore {
        name: text(&store.name),
        trust_store_arn: text(names::trust_store_arn(&cx.scope, &store.name, id)),
        status: text("ACTIVE"),
        number_of_ca_certificates: i32::try_from(store.number_of_authorities).ok(),
        total_revoked_entries: Some(revoked),
    }
}

pub async fn describe_trust_store_associations(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::DescribeTrustStoreAssociationsInput,
) -> Result<api::DescribeTrustStoreAssociationsOutput, AwsError> {
    change::trust_store(&cx, &input.trust_store_arn).await?;
    let mut using = users(&cx, &input.trust_store_arn).await?;
    using.sort_unstable();
    let page = paged(
        using,
        input.marker.as_deref(),
        input.page_size,
        Clone::clone,
    )?;
    let one = |arn: String| api::TrustStoreAssociation {
        resource_arn: Some(arn),
    };
    Ok(api::DescribeTrustStoreAssociationsOutput {
        trust_store_associations: Some(page.items.into_iter().map(one).collect()),
        next_marker: page.next_token,
    })
}

pub async fn get_trust_store_ca_certificates_bundle(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::GetTrustStoreCaCertificatesBundleInput,
) -> Result<api::GetTrustStoreCaCertificatesBundleOutput, AwsError> {
    let stored = change::trust_store(&cx, &input.trust_store_arn).await?;
    Ok(api::GetTrustStoreCaCertificatesBundleOutput {
        location: Some(objects::location(&cx, &stored.source).await?),
    })
}

/// Trust stores are not shared, so that none has a policy.
pub async fn get_resource_policy(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::GetResourcePolicyInput,
) -> Result<api::GetResourcePolicyOutput, AwsError> {
    change::find_trust_store(&cx, &input.resource_arn).await?;
    Err(say::no_policy())
}

/// Trust stores are not shared: all that use one are of its own account.
pub async fn delete_shared_trust_store_association(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::DeleteSharedTrustStoreAssociationInput,
) -> Result<api::DeleteSharedTrustStoreAssociationOutput, AwsError> {
    change::trust_store(&cx, &input.trust_store_arn).await?;
    let using = users(&cx, &input.trust_store_arn).await?;
    match using.contains(&input.resource_arn) {
        true => Err(say::own_association()),
        false => Err(say::association_not_found()),
    }
}
