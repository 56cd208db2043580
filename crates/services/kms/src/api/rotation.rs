//! Rotation: a key gets new material; what the older ones encrypted still opens.

use super::{HUNDRED, change, paged};
use crate::keys::{Found, YEAR_DAYS, find_key};
use crate::model::{Key, Material, Origin};
use crate::{Kms, error, schedule, symmetric};
use neargate_api_kms as api;
use neargate_service::{AwsError, Ctx, db};
use neargate_wire::structure::Unit;
use std::sync::Arc;

/// AWS's limit of rotations on demand.
const MOST_ON_DEMAND: usize = 25;
const ON_DEMAND: &str = "ON_DEMAND";

/// The key, if it is one that can be rotated.
async fn rotatable(cx: &Ctx, named: &str, operation: &str) -> Result<Found, AwsError> {
    let found = find_key(cx, named).await?.kept()?;
    if found.spec != symmetric::DEFAULT || found.origin != Origin::AwsKms {
        return Err(error::unsupported_for(&found.arn(), operation));
    }
    Ok(found)
}

pub async fn enable_key_rotation(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::EnableKeyRotationInput,
) -> Result<Unit, AwsError> {
    let found = rotatable(&cx, &input.key_id, "EnableKeyRotation").await?;
    let found = found.customers(&cx, "EnableKeyRotation")?.enabled()?;
    let (now, asked) = (cx.now(), input.rotation_period_in_days);
    change(&cx, &found, |key| {
        let before = key.rotation.as_ref().map(|r| r.period_days);
        if before.is_none() || asked.is_some() {
            let period = asked.or(before).unwrap_or(YEAR_DAYS);
            key.rotation = Some(schedule::rotation(now, period));
        }
        Ok(true)
    })
    .await?;
    Ok(Unit)
}

pub async fn disable_key_rotation(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::DisableKeyRotationInput,
) -> Result<Unit, AwsError> {
    let found = rotatable(&cx, &input.key_id, "DisableKeyRotation").await?;
    let found = found.customers(&cx, "DisableKeyRotation")?.enabled()?;
    change(&cx, &found, |key| Ok(key.rotation.take().is_some())).await?;
    Ok(Unit)
}

pub async fn get_key_rotation_status(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::GetKeyRotationStatusInput,
) -> Result<api::GetKeyRotationStatusOutput, AwsError> {
    let found = find_key(&cx, &input.key_id).await?;
    let rotation = found.rotation.as_ref();
    Ok(api::GetKeyRotationStatusOutput {
        key_rotation_enabled: Some(rotation.is_some()),
        key_id: Some(found.arn()),
        rotation_period_in_days: rotation.map(|r| r.period_days),
        next_rotation_date: rotation.map(|r| r.next),
        on_demand_rotation_start_date: None,
    })
}

/// AWS takes its time; here the key is rotated when the call answers.
pub async fn rotate_key_on_demand(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::RotateKeyOnDemandInput,
) -> Result<api::RotateKeyOnDemandOutput, AwsError> {
    let found = rotatable(&cx, &input.key_id, "RotateKeyOnDemand").await?;
    let found = found.customers(&cx, "RotateKeyOnDemand")?.enabled()?;
    let record = db::key::<Key>(&found.scope, &found.id);
    let material = symmetric::new_material(&cx.house, &record, Some(ON_DEMAND));
    change(&cx, &found, |key| {
        let on_demand = |m: &&Material| m.rotated.as_deref() == Some(ON_DEMAND);
        if key.materials.iter().filter(on_demand).count() >= MOST_ON_DEMAND {
            return Err(error::limit(
                "The on-demand rotation limit of this key is exceeded.",
            ));
        }
        key.materials.push(material.clone());
        Ok(true)
    })
    .await?;
    Ok(api::RotateKeyOnDemandOutput {
        key_id: Some(found.arn()),
    })
}

pub async fn list_key_rotations(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::ListKeyRotationsInput,
) -> Result<api::ListKeyRotationsOutput, AwsError> {
    let found = rotatable(&cx, &input.key_id, "ListKeyRotations").await?;
    let with_first = input.include_key_material.as_deref() == Some("ALL_KEY_MATERIAL");
    let listed = found.materials.iter().enumerate();
    let listed = listed.filter(|(_, m)| with_first || m.rotated.is_some());
    let paged = paged(
        listed,
        input.marker.as_deref(),
        input.limit,
        HUNDRED,
        |(n, _)| format!("{n:08}"),
    )?;
    let current = found.materials.len() - 1;
    let state = |n: usize| {
        if n == current {
            "CURRENT"
        } else {
            "NON_CURRENT"
        }
    };
    let shown = |(n, material): (usize, &Material)| api::RotationsListEntry {
        key_id: Some(found.arn()),
        key_material_id: Some(material.id.clone()),
        key_material_state: Some(state(n).into()),
        rotation_date: material.rotated.as_ref().map(|_| material.made_at),
        rotation_type: material.rotated.clone(),
        ..Default::default()
    };
    Ok(api::ListKeyRotationsOutput {
        rotations: Some(paged.items.into_iter().map(shown).collect()),
        truncated: Some(paged.next_token.is_some()),
        next_marker: paged.next_token,
    })
}
