//! STS's handlers.

pub mod identity;
pub mod role;
pub mod user;
pub mod web_identity;

use crate::error;
use neargate_api_sts as api;
use neargate_base::Timestamp;
use neargate_service::identity::session::Credentials;
use neargate_service::identity::{Kind, NoFactor};
use neargate_service::{AwsError, Ctx};

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

/// When the caller showed a second factor: now, where he gives a code of his device.
fn second_factor(
    cx: &Ctx,
    serial: Option<&str>,
    code: Option<&str>,
) -> Result<Option<Timestamp>, AwsError> {
    let (serial, code) = match (serial, code) {
        (None, None) => return Ok(None),
        (Some(serial), Some(code)) => (serial, code),
        _ => return Err(error::half_a_factor()),
    };
    // Only who signs with a user's own key has devices.
    let is_user = cx.principal.kind == Kind::User && cx.principal.session.is_none();
    let identities = cx.house.identities.get();
    let shown = match is_user {
        true => identities.second_factor(&cx.principal, serial, code, cx.now()),
        false => Err(NoFactor::Device),
    };
    match shown {
        Ok(()) => Ok(Some(cx.now())),
        Err(NoFactor::Device) => Err(error::no_such_device()),
        Err(NoFactor::Code) => Err(error::wrong_code()),
    }
}
