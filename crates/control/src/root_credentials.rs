//! The keys of the roots of accounts, from memory. Users' keys are IAM's, those of sessions are in
//! their tokens.

use neargate_base::{AccountId, Secret};
use parking_lot::RwLock;
use std::collections::BTreeMap;

/// A key of an account's root user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootCredential {
    pub account: AccountId,
    pub secret: Secret<String>,
}

/// By the id of the key.
#[derive(Debug, Default)]
pub struct RootCredentials(RwLock<BTreeMap<String, RootCredential>>);

impl RootCredentials {
    /// With one key.
    pub fn of(
        id: impl Into<String>,
        account: AccountId,
        secret: impl Into<String>,
    ) -> RootCredentials {
        let keys = RootCredentials::default();
        keys.put(id.into(), account, Secret::new(secret.into()));
        keys
    }

    pub fn get(&self, id: &str) -> Option<RootCredential> {
        self.0.read().get(id).cloned()
    }

    /// Forgets those of all other accounts.
    pub(crate) fn keep_only(&self, account: &AccountId) {
        self.0.write().retain(|_, key| key.account == *account);
    }

    pub fn put(&self, id: String, account: AccountId, secret: Secret<String>) {
        self.0
            .write()
            .insert(id, RootCredential { account, secret });
    }
}
