//! Grants: permissions that a key's users hand on
//! (<https://docs.aws.amazon.com/kms/latest/developerguide/grants.html>).

use super::{FIFTY, paged, unless_dry};
use crate::keys::{Found, arn, find_key};
use crate::model::{Grant, Key};
use crate::plan::grant;
use crate::spec::ENCRYPT_DECRYPT;
use crate::symmetric::DEFAULT;
use crate::{Kms, error};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use neargate_api_kms as api;
use neargate_service::db::{self, Stored, settle};
use neargate_service::page::Paged;
use neargate_service::{AwsError, Ctx, Scope, sealing};
use neargate_wire::structure::Unit;
use std::sync::Arc;

fn record(scope: &Scope, key_id: &str, grant: &str) -> String {
    db::key::<Grant>(scope, &format!("{key_id}:{grant}"))
}

/// All grants of a key.
pub(crate) async fn of_key(
    cx: &Ctx,
    scope: &Scope,
    key_id: &str,
) -> Result<Vec<Stored<Grant>>, AwsError> {
    let prefix = record(scope, key_id, "");
    cx.db().list_prefix::<Grant>(&prefix).await
}

/// The principal that is named, checked.
fn principal(named: Option<String>) -> Result<Option<String>, AwsError> {
    match named {
        Some(name) if grant::principal(&name).is_none() => Err(error::invalid_principal(&name)),
        named => Ok(named),
    }
}

/// Only what the key can do is granted, and only an operation with an encryption context is bound by
/// one.
fn check(found: &Found, input: &api::CreateGrantInput) -> Result<(), AwsError> {
    let constraints = input.constraints.as_ref();
    let source = constraints.and_then(|c| c.source_arn.as_ref());
    let by_context = constraints.is_some_and(|c| {
        c.encryption_context_equals.is_some() || c.encryption_context_subset.is_some()
    });
    let retiring = (&input.retiring_principal, &input.retiring_service_principal);
    match (&input.grantee_principal, &input.grantee_service_principal) {
        (None, None) => return Err(error::validation("GranteePrincipal is required.")),
        (Some(_), Some(_)) => {
            return Err(error::validation(
                "Specify either GranteePrincipal or GranteeServicePrincipal, but not both.",
            ));
        }
        (None, Some(_)) if source.is_none() || retiring == (&None, &None) => {
            return Err(error::validation(
                "GranteeServicePrincipal requires the SourceArn grant constraint and a retiring \
                 principal.",
            ));
        }
        _ => {}
    }
    if let (Some(_), Some(_)) = retiring {
        return Err(error::validation(
            "Specify either RetiringPrincipal or RetiringServicePrincipal, but not both.",
        ));
    }
    let is_for = |operation: &str| match found.usage.as_str() {
        _ if matches!(operation, "CreateGrant" | "RetireGrant" | "DescribeKey") => true,
        ENCRYPT_DECRYPT if found.spec == DEFAULT => grant::takes_context(operation),
        ENCRYPT_DECRYPT => matches!(
            operation,
            "Encrypt" | "Decrypt" | "ReEncryptFrom" | "ReEncryptTo" | "GetPublicKey"
        ),
        "SIGN_VERIFY" => matches!(operation, "Sign" | "Verify" | "GetPublicKey"),
        "GENERATE_VERIFY_MAC" => matches!(operation, "GenerateMac" | "VerifyMac"),
        "KEY_AGREEMENT" => matches!(operation, "DeriveSharedSecret" | "GetPublicKey"),
        _ => false,
    };
    if let Some(other) = input.operations.iter().find(|operation| !is_for(operation)) {
        return Err(error::validation(format!(
            "The operation {other} is not supported on a KMS key with the key spec {}.",
            found.spec
        )));
    }
    match by_context && found.spec != DEFAULT {
        true => Err(error::validation(
            "Encryption context grant constraints are supported only on symmetric encryption KMS \
             keys.",
        )),
        false => Ok(()),
    }
}

/// A grant of the same name with the same content is made once.
pub async fn create_grant(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::CreateGrantInput,
) -> Result<api::CreateGrantOutput, AwsError> {
    let found = find_key(&cx, &input.key_id).await?.enabled()?;
    check(&found, &input)?;
    let grantee = principal(input.grantee_principal.or(input.grantee_service_principal))?;
    let retiring = input
        .retiring_principal
        .or(input.retiring_service_principal);
    let retiring = principal(retiring)?;
    let constraints = input.constraints.unwrap_or_default();
    unless_dry(input.dry_run)?;
    let (mut id, mut token) = ([0; 32], [0; 96]);
    sealing::fill(&mut id);
    sealing::fill(&mut token);
    let grant = Grant {
        id: hex::encode(id),
        key_id: found.id.clone(),
        name: input.name,
        grantee,
        retiring,
        operations: input.operations,
        context_subset: constraints.encryption_context_subset,
        context_equals: constraints.encryption_context_equals,
        source_arn: constraints.source_arn,
        issued_by: cx.principal.arn.clone(),
        created_at: cx.now(),
        token: STANDARD.encode(token),
    };
    settle(async || {
        let same = |old: &&Stored<Grant>| {
            old.name.is_some()
                && Grant {
                    id: old.id.clone(),
                    created_at: old.created_at,
                    token: old.token.clone(),
                    issued_by: old.issued_by.clone(),
                    ..grant.clone()
                } == old.value
        };
        let all = of_key(&cx, &found.scope, &found.id).await?;
        let tx = cx.db().tx();
        if let Some(old) = all.iter().find(same) {
            return Ok((tx.unchanged(old), made(old)));
        }
        let key = record(&found.scope, &found.id, &grant.id);
        Ok((tx.create(key, &grant), made(&grant)))
    })
    .await
}

fn made(grant: &Grant) -> api::CreateGrantOutput {
    api::CreateGrantOutput {
        grant_token: Some(grant.token.clone()),
        grant_id: Some(grant.id.clone()),
    }
}

fn listed(cx: &Ctx, paged: Paged<Stored<Grant>>) -> api::ListGrantsResponse {
    let shown = |grant: Stored<Grant>| {
        let grant = grant.value;
        let constrained = grant.context_subset.is_some()
            || grant.context_equals.is_some()
            || grant.source_arn.is_some();
        let constraints = api::GrantConstraints {
            encryption_context_subset: grant.context_subset,
            encryption_context_equals: grant.context_equals,
            source_arn: grant.source_arn,
        };
        api::GrantListEntry {
            key_id: Some(arn(&cx.scope, &grant.key_id)),
            grant_id: Some(grant.id),
            // AWS gives an empty one where there is none.
            name: Some(grant.name.unwrap_or_default()),
            creation_date: Some(grant.created_at),
            grantee_principal: grant.grantee,
            retiring_principal: grant.retiring,
            issuing_account: Some(format!("arn:aws:iam::{}:root", cx.scope.account.as_str())),
            operations: Some(grant.operations),
            constraints: constrained.then_some(constraints),
            ..Default::default()
        }
    };
    api::ListGrantsResponse {
        grants: Some(paged.items.into_iter().map(shown).collect()),
        truncated: Some(paged.next_token.is_some()),
        next_marker: paged.next_token,
    }
}

pub async fn list_grants(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::ListGrantsInput,
) -> Result<api::ListGrantsResponse, AwsError> {
    let found = find_key(&cx, &input.key_id).await?.kept()?;
    let mut all = of_key(&cx, &found.scope, &found.id).await?;
    let grantee = input.grantee_principal.or(input.grantee_service_principal);
    all.retain(|grant| {
        input.grant_id.as_ref().is_none_or(|id| *id == grant.id)
            && (grantee.is_none() || grantee == grant.grantee)
    });
    let id = |grant: &Stored<Grant>| grant.value.id.clone();
    let paged = paged(all, input.marker.as_deref(), input.limit, FIFTY, id)?;
    Ok(listed(&cx, paged))
}

pub async fn list_retirable_grants(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::ListRetirableGrantsInput,
) -> Result<api::ListGrantsResponse, AwsError> {
    let retiring = input
        .retiring_principal
        .or(input.retiring_service_principal);
    let mut all = cx.db().list::<Grant>(&cx.scope).await?;
    all.retain(|grant| grant.retiring.is_some() && grant.retiring == retiring);
    let id = |grant: &Stored<Grant>| grant.key.clone();
    let paged = paged(all, input.marker.as_deref(), input.limit, FIFTY, id)?;
    Ok(listed(&cx, paged))
}

pub async fn revoke_grant(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::RevokeGrantInput,
) -> Result<Unit, AwsError> {
    let found = find_key(&cx, &input.key_id).await?.kept()?;
    unless_dry(input.dry_run)?;
    end(&cx, &found.scope, &found, &input.grant_id).await
}

async fn end(cx: &Ctx, scope: &Scope, key: &Key, grant: &str) -> Result<Unit, AwsError> {
    let record = record(scope, &key.id, grant);
    settle(async || {
        let stored = cx.db().get_key::<Grant>(&record).await?;
        let stored = stored.ok_or_else(|| error::grant_not_found(grant))?;
        Ok((cx.db().tx().delete(&stored), Unit))
    })
    .await
}

/// The grant that is to be retired; `None`: there is none.
///
/// # Errors
/// The store's, or that none is named.
pub(crate) async fn retired(
    cx: &Ctx,
    input: &api::RetireGrantInput,
) -> Result<Option<Stored<Grant>>, AwsError> {
    match (&input.grant_token, &input.key_id, &input.grant_id) {
        (Some(token), None, None) => {
            let mut all = cx.db().list::<Grant>(&cx.scope).await?;
            let at = all.iter().position(|grant| grant.token == *token);
            Ok(at.map(|at| all.swap_remove(at)))
        }
        (None, Some(key), Some(grant)) => {
            let found = find_key(cx, key).await?;
            let record = record(&found.scope, &found.id, grant);
            cx.db().get_key::<Grant>(&record).await
        }
        _ => Err(error::validation(
            "Either a grant token, or a key ID and a grant ID must be given.",
        )),
    }
}

pub async fn retire_grant(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::RetireGrantInput,
) -> Result<Unit, AwsError> {
    unless_dry(input.dry_run)?;
    let grant = retired(&cx, &input).await?;
    let grant = grant.ok_or_else(|| match &input.grant_id {
        Some(id) => error::grant_not_found(id),
        None => error::invalid_grant_token(),
    })?;
    let named = input.key_id.as_deref().unwrap_or(&grant.key_id);
    let found = find_key(&cx, named).await?.kept()?;
    end(&cx, &found.scope, &found, &grant.id).await
}
