//! AWS STS: who the caller is, and temporary keys. Who may assume a role is what its trust policy
//! and the caller's policies say ([`trust`]); keys are issued by `neargate_service::identity`.

mod api;
mod asked;
mod error;
mod issuers;
mod jwt;
mod trust;

#[cfg(test)]
mod tests;

use api::{identity, role, user, web_identity};
use issuers::Issuers;
use neargate_api_sts::{SERVICE, ops};
use neargate_service::{Component, OperationTable, Service};
use std::sync::Arc;

/// STS keeps no state of its own but the keys of identity providers that it fetched.
#[derive(Debug, Default)]
pub struct Sts {
    issuers: Issuers,
}

impl Component for Sts {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        let table = OperationTable::new(&SERVICE, self)
            .wording(error::invalid)
            .for_anybody(ops::AssumeRoleWithWebIdentity)
            .partly(
                ops::AssumeRole,
                role::assume_role,
                "ProvidedContexts are refused",
            )
            .partly(
                ops::AssumeRoleWithWebIdentity,
                web_identity::assume_role_with_web_identity,
                "the operator names the keys of each provider; ES512, and providers of OAuth 2.0 by ProviderId, are refused",
            )
            .on(
                ops::DecodeAuthorizationMessage,
                identity::decode_authorization_message,
            )
            .on(ops::GetAccessKeyInfo, identity::get_access_key_info)
            .on(ops::GetCallerIdentity, identity::get_caller_identity)
            .on(ops::GetFederationToken, user::get_federation_token)
            .on(ops::GetSessionToken, user::get_session_token);
        Arc::new(table)
    }
}
