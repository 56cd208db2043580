//! `AssumeRoleWithWebIdentity`: a token of an OpenID Connect provider that IAM knows stands for a
//! signature.

use super::{assumed, credentials, role::known_role};
use crate::asked::{self, Asked};
use crate::jwt::Jwt;
use crate::trust::{self, Trusted};
use crate::{Sts, error};
use neargate_api_sts as api;
use neargate_service::identity::session;
use neargate_service::{AwsError, Ctx};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Claims in which a token says a session's tags and who is behind it
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html>).
const TAGS: &str = "https://aws.amazon.com/tags";
const SOURCE_IDENTITY: &str = "https://aws.amazon.com/source_identity";
const ACTION: &str = "sts:AssumeRoleWithWebIdentity";

/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html>
pub async fn assume_role_with_web_identity(
    sts: Arc<Sts>,
    cx: Ctx,
    input: api::AssumeRoleWithWebIdentityInput,
) -> Result<api::AssumeRoleWithWebIdentityOutput, AwsError> {
    if input.provider_id.is_some() {
        return Err(error::no_provider_id());
    }
    let token = Jwt::read(&input.web_identity_token).ok_or_else(error::not_a_token)?;
    let url = token
        .text("iss")
        .ok_or_else(|| error::claim_missing("iss"))?;
    let issuer = url.trim_start_matches("https://").trim_end_matches('/');
    let subject = token
        .text("sub")
        .ok_or_else(|| error::claim_missing("sub"))?;
    let (arn, role) = known_role(&cx, &input.role_arn, ACTION)
        .map_err(|_| error::not_authorized_to_assume_with(ACTION))?;
    let account = arn.account.parse().map_err(AwsError::internal)?;
    let provider = cx.house.identities.get().oidc_provider(&account, issuer);
    let provider = provider.ok_or_else(|| error::no_such_provider(url))?;
    let audiences = audiences(&token);
    let for_us = |audience: &&String| provider.client_ids.contains(audience);
    let audience = audiences.iter().find(for_us);
    let audience = audience.ok_or_else(error::wrong_audience)?.clone();
    if !sts.issuers.vouch(&cx.house, issuer, &token).await? {
        return Err(error::no_verification_key());
    }
    is_current(&cx, &token)?;
    let asked = Asked {
        policy: input.policy,
        policy_arns: input.policy_arns.unwrap_or_default(),
        tags: tags(&token),
        transitive: transitive(&token),
        source_identity: token.text(SOURCE_IDENTITY).map(str::to_owned),
    };
    let lasts = asked::role_duration(input.duration_seconds, role.max_session, false)?;
    let (mut session, packed) = asked.session(&cx, &arn, &role.arn, None, lasts)?;
    session.federated_provider = Some(provider.arn.clone());
    let trusted = Trusted {
        session_name: &input.role_session_name,
        external_id: None,
        session: &session,
        new_tags: &asked.tags,
    };
    let claims = claims(issuer, &token, audiences);
    trust::assume_with_web_identity(&cx, &role, &provider.arn, &claims, &trusted)?;
    let source_identity = session.source_identity.clone();
    let keys = session::assume(
        &cx.house,
        &arn,
        &role.unique_id,
        &input.role_session_name,
        session,
    )
    .ok_or_else(|| error::invalid_arn(&input.role_arn))?;
    Ok(api::AssumeRoleWithWebIdentityOutput {
        credentials: Some(credentials(&keys)),
        subject_from_web_identity_token: Some(subject.to_owned()),
        assumed_role_user: Some(assumed(&keys)),
        packed_policy_size: packed,
        provider: Some(provider.arn),
        audience: Some(audience),
        source_identity,
        ..Default::default()
    })
}

/// Whom the token is for: the party that it was issued to, where it names one.
fn audiences(token: &Jwt) -> Vec<String> {
    match token.text("azp") {
        Some(party) => vec![party.to_owned()],
        None => token.texts("aud"),
    }
}

fn is_current(cx: &Ctx, token: &Jwt) -> Result<(), AwsError> {
    let now = cx.now().as_millis() / 1_000;
    let expires = token
        .seconds("exp")
        .ok_or_else(|| error::claim_missing("exp"))?;
    token
        .seconds("iat")
        .ok_or_else(|| error::claim_missing("iat"))?;
    if expires <= now {
        return Err(error::expired_identity_token(now, expires));
    }
    match token.seconds("nbf") {
        Some(begins) if begins > now => Err(error::token_not_yet_valid()),
        _ => Ok(()),
    }
}

/// The condition keys of a token
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html>).
fn claims(issuer: &str, token: &Jwt, audiences: Vec<String>) -> BTreeMap<String, Vec<String>> {
    let mut keys = BTreeMap::from([
        (format!("{issuer}:aud"), audiences),
        (format!("{issuer}:sub"), token.texts("sub")),
    ]);
    let methods = token.texts("amr");
    if !methods.is_empty() {
        keys.insert(format!("{issuer}:amr"), methods);
    }
    if token.text("azp").is_some() {
        keys.insert(format!("{issuer}:oaud"), token.texts("aud"));
    }
    keys
}

/// `principal_tags` of the claim: each has one value, in a list.
fn tags(token: &Jwt) -> Vec<api::Tag> {
    let claim = token.claims.get(TAGS).and_then(|c| c.get("principal_tags"));
    let all = claim.and_then(Value::as_object).into_iter().flatten();
    all.filter_map(|(key, value)| {
        let value = value.get(0).unwrap_or(value).as_str()?;
        Some(api::Tag {
            key: key.clone(),
            value: value.to_owned(),
        })
    })
    .collect()
}

fn transitive(token: &Jwt) -> Vec<String> {
    let claim = token.claims.get(TAGS);
    let keys = claim.and_then(|c| c.get("transitive_tag_keys"));
    let all = keys.and_then(Value::as_array).into_iter().flatten();
    all.filter_map(|key| key.as_str().map(str::to_owned))
        .collect()
}
