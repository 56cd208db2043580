//! STS's handlers.

pub mod identity;
pub mod role;
pub mod user;
pub mod web_identity;

use neargate_api_sts as api;
use neargate_service::AwsError;
use neargate_service::identity::session::Credentials;

/// Keys as they are answered.
fn credentials(keys: &Credentials) -> api::Credentials {
    api::Credentials {
        access_key_id: Some(keys.access_key.clone()),
        secret_access_key: Some(keys.secret_key.expose().clone()),
        session_token: Some(keys.token.expose().clone()),
        expiration: Some(keys.expires_at),
    }
}

/// Who a role's session is.
fn assumed(keys: &Credentials) -> api::AssumedRoleUser {
    api::AssumedRoleUser {
        assumed_role_id: Some(keys.principal.user_id.clone()),
        arn: Some(keys.principal.arn.clone()),
    }
}

/// Devices for a second factor are not kept here, so that no code of one can be right.
fn without_mfa(serial: Option<&str>, code: Option<&str>) -> Result<(), AwsError> {
    match serial.or(code) {
        Some(_) => Err(crate::error::no_mfa()),
        None => Ok(()),
    }
}
