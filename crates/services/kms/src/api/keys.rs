//! Keys themselves.

use super::{HUNDRED, change, made_pair, paged, tags};
use crate::keys::{Found, find, find_key};
use crate::model::{Key, Material, Origin, State};
use crate::spec::{self, Family};
use crate::{Kms, error, policy, schedule, symmetric};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use neargate_api_kms as api;
use neargate_service::db::{self, Committed};
use neargate_service::{AwsError, Ctx, sealing};
use neargate_wire::structure::Unit;
use std::sync::Arc;
use zeroize::Zeroizing;

pub async fn create_key(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::CreateKeyInput,
) -> Result<api::CreateKeyOutput, AwsError> {
    if input.multi_region == Some(true) {
        return Err(error::unsupported("multi-Region keys"));
    }
    if input.custom_key_store_id.is_some() || input.xks_key_id.is_some() {
        return Err(error::unsupported("custom key stores"));
    }
    let spec = match (input.key_spec, input.customer_master_key_spec) {
        (Some(_), Some(_)) => {
            return Err(error::validation(
                "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. \
                 CustomerMasterKeySpec is deprecated.",
            ));
        }
        (spec, old) => spec.or(old).unwrap_or_else(|| symmetric::DEFAULT.into()),
    };
    let usage = spec::usage(&spec, input.key_usage)?;
    let origin = match input.origin.as_deref() {
        None | Some("AWS_KMS") => Origin::AwsKms,
        Some("EXTERNAL") if spec == symmetric::DEFAULT => Origin::External,
        Some(other) => return Err(error::unsupported(&format!("the key origin {other}"))),
    };
    let policy = input.policy.unwrap_or_else(|| policy::default(&cx.scope));
    let id = cx.house.rng.uuid();
    let arn = crate::keys::arn(&cx.scope, &id);
    let bypass = input.bypass_policy_lockout_safety_check;
    policy::check(&cx, &arn, &policy, bypass)?;
    let key_key = db::key::<Key>(&cx.scope, &id);
    let materials = match spec::family(&spec) {
        _ if origin == Origin::External => Vec::new(),
        Family::Symmetric => vec![symmetric::new_material(&cx.house, &key_key, None)],
        Family::Hmac(length) => {
            let mut bytes = Zeroizing::new(vec![0; length]);
            sealing::fill(&mut bytes);
            vec![symmetric::material_of(&cx.house, &key_key, &bytes, None)]
        }
        _ => {
            let pair = made_pair(&spec).await?;
            vec![Material {
                public_key: Some(STANDARD.encode(&pair.public)),
                ..symmetric::material_of(&cx.house, &key_key, &pair.private, None)
            }]
        }
    };
    let key = Key {
        created_at: cx.now(),
        description: input.description.unwrap_or_default(),
        usage,
        spec,
        origin,
        managed_for: None,
        state: match origin {
            Origin::AwsKms => State::Enabled,
            Origin::External => State::PendingImport,
        },
        imported: None,
        policy,
        rotation: None,
        materials,
        tags: tags::parse(input.tags.unwrap_or_default())?,
        id,
    };
    let (Committed::At(_) | Committed::Conflict) =
        cx.db().tx().create(key_key, &key).commit().await?;
    let found = find_key(&cx, &key.id).await?;
    Ok(api::CreateKeyOutput {
        key_metadata: Some(metadata(&found)),
    })
}

/// A key as callers see it.
pub(crate) fn metadata(key: &Found) -> api::KeyMetadata {
    let only = |usage: &str, names: Vec<String>| (key.usage == usage).then_some(names);
    let (state, deletion) = match key.state {
        State::Enabled => ("Enabled", None),
        State::Disabled => ("Disabled", None),
        State::PendingImport => ("PendingImport", None),
        State::PendingDeletion { at, .. } => ("PendingDeletion", Some(at)),
    };
    let is_symmetric = key.spec == symmetric::DEFAULT;
    let current = key.materials.last();
    api::KeyMetadata {
        aws_account_id: Some(key.scope.account.to_string()),
        key_id: Some(key.id.clone()),
        arn: Some(key.arn()),
        creation_date: Some(key.created_at),
        enabled: Some(key.state == State::Enabled),
        description: Some(key.description.clone()),
        key_usage: Some(key.usage.clone()),
        key_state: Some(state.into()),
        deletion_date: deletion,
        valid_to: current.and_then(|m| m.valid_to),
        expiration_model: (key.origin == Origin::External)
            .then_some(current)
            .flatten()
            .map(|m| match m.valid_to {
                Some(_) => "KEY_MATERIAL_EXPIRES".into(),
                None => "KEY_MATERIAL_DOES_NOT_EXPIRE".into(),
            }),
        origin: Some(origin(key.origin).into()),
        key_manager: Some(
            if key.managed_for.is_some() {
                "AWS"
            } else {
                "CUSTOMER"
            }
            .into(),
        ),
        customer_master_key_spec: Some(key.spec.clone()),
        key_spec: Some(key.spec.clone()),
        encryption_algorithms: only(
            spec::ENCRYPT_DECRYPT,
            spec::encryption_algorithms(&key.spec),
        ),
        signing_algorithms: only(spec::SIGN_VERIFY, spec::signing_algorithms(&key.spec)),
        key_agreement_algorithms: only(spec::KEY_AGREEMENT, vec!["ECDH".into()]),
        mac_algorithms: only(
            spec::GENERATE_VERIFY_MAC,
            vec![spec::mac_algorithm(&key.spec)],
        ),
        multi_region: Some(false),
        current_key_material_id: current.filter(|_| is_symmetric).map(|m| m.id.clone()),
        ..Default::default()
    }
}

fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::AwsKms => "AWS_KMS",
        Origin::External => "EXTERNAL",
    }
}

pub async fn describe_key(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::DescribeKeyInput,
) -> Result<api::DescribeKeyOutput, AwsError> {
    let found = find(&cx, &input.key_id).await?;
    Ok(api::DescribeKeyOutput {
        key_metadata: Some(metadata(&found)),
    })
}

pub async fn list_keys(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::ListKeysInput,
) -> Result<api::ListKeysOutput, AwsError> {
    let all = cx.db().list::<Key>(&cx.scope).await?;
    let now = cx.now();
    let there = |key: &Key| !matches!(key.state, State::PendingDeletion { at, .. } if at <= now);
    let all = all.into_iter().filter(|stored| there(stored));
    let paged = paged(all, input.marker.as_deref(), input.limit, HUNDRED, |key| {
        key.value.id.clone()
    })?;
    let shown = |key: &Key| api::KeyListEntry {
        key_id: Some(key.id.clone()),
        key_arn: Some(crate::keys::arn(&cx.scope, &key.id)),
    };
    Ok(api::ListKeysOutput {
        keys: Some(paged.items.iter().map(|key| shown(key)).collect()),
        truncated: Some(paged.next_token.is_some()),
        next_marker: paged.next_token,
    })
}

pub async fn enable_key(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::EnableKeyInput,
) -> Result<Unit, AwsError> {
    set_state(&cx, &input.key_id, "EnableKey", State::Enabled).await
}

pub async fn disable_key(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::DisableKeyInput,
) -> Result<Unit, AwsError> {
    set_state(&cx, &input.key_id, "DisableKey", State::Disabled).await
}

async fn set_state(cx: &Ctx, named: &str, operation: &str, to: State) -> Result<Unit, AwsError> {
    let found = find_key(cx, named).await?.customers(cx, operation)?;
    let arn = found.arn();
    change(cx, &found, |key| match key.state {
        State::Enabled | State::Disabled => {
            key.state = to.clone();
            Ok(true)
        }
        State::PendingImport => Err(error::invalid_state(&arn, "is pending import")),
        State::PendingDeletion { .. } => Err(error::invalid_state(&arn, "is pending deletion")),
    })
    .await?;
    Ok(Unit)
}

pub async fn update_key_description(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::UpdateKeyDescriptionInput,
) -> Result<Unit, AwsError> {
    let found = find_key(&cx, &input.key_id).await?;
    let found = found.customers(&cx, "UpdateKeyDescription")?.kept()?;
    change(&cx, &found, |key| {
        key.description.clone_from(&input.description);
        Ok(true)
    })
    .await?;
    Ok(Unit)
}

/// AWS's own.
const LONGEST_WINDOW_DAYS: i32 = 30;

pub async fn schedule_key_deletion(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::ScheduleKeyDeletionInput,
) -> Result<api::ScheduleKeyDeletionOutput, AwsError> {
    let found = find_key(&cx, &input.key_id).await?;
    let found = found.customers(&cx, "ScheduleKeyDeletion")?;
    let window_days = input.pending_window_in_days.unwrap_or(LONGEST_WINDOW_DAYS);
    if !(7..=LONGEST_WINDOW_DAYS).contains(&window_days) {
        return Err(error::validation(
            "PendingWindowInDays must be between 7 and 30 days (inclusive).",
        ));
    }
    let (at, arn) = (cx.now() + schedule::days(window_days), found.arn());
    change(&cx, &found, |key| match key.state {
        State::PendingDeletion { .. } => Err(error::invalid_state(&arn, "is pending deletion")),
        _ => {
            key.state = State::PendingDeletion { at, window_days };
            Ok(true)
        }
    })
    .await?;
    Ok(api::ScheduleKeyDeletionOutput {
        key_id: Some(arn),
        deletion_date: Some(at),
        key_state: Some("PendingDeletion".into()),
        pending_window_in_days: Some(window_days),
    })
}

pub async fn cancel_key_deletion(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::CancelKeyDeletionInput,
) -> Result<api::CancelKeyDeletionOutput, AwsError> {
    let found = find_key(&cx, &input.key_id).await?;
    let arn = found.arn();
    change(&cx, &found, |key| match key.state {
        State::PendingDeletion { .. } => {
            key.state = match key.materials.is_empty() {
                true => State::PendingImport,
                false => State::Disabled,
            };
            Ok(true)
        }
        _ => Err(error::invalid_state(&arn, "is not pending deletion")),
    })
    .await?;
    Ok(api::CancelKeyDeletionOutput { key_id: Some(arn) })
}
