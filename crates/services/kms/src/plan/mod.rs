//! What KMS decides without looking anything up.

pub(crate) mod grant;
