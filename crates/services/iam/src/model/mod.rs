//! What IAM stores, all of it written by the API: one record for each thing that has a name of its
//! own, `iam/KIND/ACCOUNT/us-east-1/ID`. IAM has no regions; the one in the key is that of its
//! only endpoint.
//!
//! IAM tells names apart without regard to case, so the ids in keys are in small letters; the
//! record keeps the name as it was given.

mod account;
mod credential;
mod entity;
mod mfa;
mod policy;
mod provider;
mod server_certificate;

pub use account::{Account, CredentialReport, PasswordPolicy};
pub use credential::{
    AccessKey, KeyUse, LoginProfile, ServiceCredential, SigningCertificate, SshPublicKey,
};
pub use entity::{Grants, Group, InstanceProfile, Role, User};
pub use mfa::MfaDevice;
pub use policy::{Policy, PolicyVersion};
pub use provider::OpenIdProvider;
pub use server_certificate::ServerCertificate;

/// The last part of the key of what has this name.
pub fn id_of(name: &str) -> String {
    // A slash would divide the key; only addresses of providers have one.
    name.to_lowercase().replace('/', "|")
}
