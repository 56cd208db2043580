//! What ACM stores beside certificates.

use neargate_service::Resource;
use neargate_service::certificate::KeptKey;
use serde::{Deserialize, Serialize};
use std::fmt;

/// `acm/authority/…/local`, in the installation's default account and region: made when the first
/// certificate is asked for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalAuthority {
    /// In PEM.
    pub certificate: String,
    /// PKCS #8.
    pub private_key: KeptKey,
}

impl Resource for LocalAuthority {
    const KIND: &'static str = "acm/authority";
    const VERSION: u32 = 2;

    fn upgrade(version: u32, value: serde_json::Value) -> Result<serde_json::Value, String> {
        match version {
            1 => Ok(KeptKey::upgrade(value)),
            other => Err(format!("{} has no stored version {other}", Self::KIND)),
        }
    }
}

impl fmt::Debug for LocalAuthority {
    /// Without its key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalAuthority").finish_non_exhaustive()
    }
}
