//! What ACM stores beside certificates.

use neargate_service::Resource;
use serde::{Deserialize, Serialize};
use std::fmt;

/// `acm/authority/…/local`, in the installation's default account and region: made when the first
/// certificate is asked for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalAuthority {
    /// In PEM.
    pub certificate: String,
    /// PKCS #8 in PEM.
    pub private_key: String,
}

impl Resource for LocalAuthority {
    const KIND: &'static str = "acm/authority";
}

impl fmt::Debug for LocalAuthority {
    /// Without its key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalAuthority").finish_non_exhaustive()
    }
}
