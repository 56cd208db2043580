//! Authorization tokens.

use crate::Ecr;
use crate::token::{self, Bearer, Claims};
use crate::{error, names};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use neargate_api_ecr as api;
use neargate_base::AccountId;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// The password lets into the caller's own registries; the deprecated `registryIds` choose the
/// endpoints that are answered.
pub async fn get_authorization_token(
    _: Arc<Ecr>,
    cx: Ctx,
    input: api::GetAuthorizationTokenInput,
) -> Result<api::GetAuthorizationTokenOutput, AwsError> {
    let own = vec![cx.scope.account.to_string()];
    let ids = input
        .registry_ids
        .filter(|ids| !ids.is_empty())
        .unwrap_or(own);
    let claims = Claims {
        account: cx.scope.account.clone(),
        bearer: Bearer::of(&cx.principal),
        expires_at: token::after(cx.now(), token::VALID_FOR),
        blob: None,
        repository: None,
    };
    let password = token::issue(&cx.house, &claims).await?;
    let mut data = Vec::with_capacity(ids.len());
    for id in ids {
        let account: AccountId = id
            .parse()
            .map_err(|_| error::invalid_account("registryIds"))?;
        let scope = cx.scope.of_account(account);
        data.push(api::AuthorizationData {
            authorization_token: Some(STANDARD.encode(format!("AWS:{password}"))),
            expires_at: Some(claims.expires_at),
            proxy_endpoint: Some(names::proxy_endpoint(&cx.house.settings, &scope)),
        });
    }
    Ok(api::GetAuthorizationTokenOutput {
        authorization_data: Some(data),
    })
}
