//! Sessions of users and of an account's root: `GetSessionToken` and `GetFederationToken`.

use super::{credentials, second_factor};
use crate::asked::{Asked, user_duration};
use crate::{Sts, error};
use neargate_api_sts as api;
use neargate_base::Arn;
use neargate_service::identity::{Kind, Session, session};
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html>
pub async fn get_session_token(
    _: Arc<Sts>,
    cx: Ctx,
    input: api::GetSessionTokenInput,
) -> Result<api::GetSessionTokenOutput, AwsError> {
    long_term(&cx, "GetSessionToken")?;
    let (serial, code) = (input.serial_number.as_deref(), input.token_code.as_deref());
    let second_factor_at = second_factor(&cx, serial, code)?;
    let (caller, now) = (&cx.principal, cx.now());
    let lasts = user_duration(input.duration_seconds, caller.kind);
    let session = Session {
        second_factor_at,
        ..Session::of(&*caller.arn, now, now + lasts)
    };
    let keys = session::issue(
        &cx.house,
        &cx.scope.account,
        caller.kind,
        caller.arn.clone(),
        caller.user_id.clone(),
        session,
    );
    Ok(api::GetSessionTokenOutput {
        credentials: Some(credentials(&keys)),
        ..Default::default()
    })
}

/// Without session policies a federated user may nothing
/// (<https://docs.aws.amazon.com/STS/latest/APIReference/API_GetFederationToken.html>).
pub async fn get_federation_token(
    _: Arc<Sts>,
    cx: Ctx,
    input: api::GetFederationTokenInput,
) -> Result<api::GetFederationTokenOutput, AwsError> {
    long_term(&cx, "GetFederationToken")?;
    let caller = &cx.principal;
    let account = &cx.scope.account;
    let asked = Asked {
        policy: input.policy,
        policy_arns: input.policy_arns.unwrap_or_default(),
        tags: input.tags.unwrap_or_default(),
        transitive: Vec::new(),
        source_identity: None,
    };
    let lasts = user_duration(input.duration_seconds, caller.kind);
    let issuer: Arn = caller.arn.parse().map_err(AwsError::internal)?;
    let (session, packed) = asked.session(&cx, &issuer, &caller.arn, None, lasts)?;
    let arn = format!(
        "arn:{}:sts::{account}:federated-user/{}",
        issuer.partition, input.name
    );
    let user_id = format!("{account}:{}", input.name);
    let keys = session::issue(
        &cx.house,
        account,
        Kind::FederatedUser,
        arn.clone(),
        user_id.clone(),
        session,
    );
    Ok(api::GetFederationTokenOutput {
        credentials: Some(credentials(&keys)),
        federated_user: Some(api::FederatedUser {
            federated_user_id: Some(user_id),
            arn: Some(arn),
        }),
        packed_policy_size: packed,
        ..Default::default()
    })
}

/// Only users and roots ask for sessions of themselves, and not out of one.
fn long_term(cx: &Ctx, operation: &str) -> Result<(), AwsError> {
    let caller = &cx.principal;
    match caller.kind {
        Kind::User | Kind::Root if caller.session.is_none() => Ok(()),
        _ => Err(error::session_credentials(operation)),
    }
}
