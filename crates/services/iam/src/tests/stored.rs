//! Stored forms are pinned.

use crate::model;
use neargate_service::golden::check;

#[test]
fn stored_forms_are_pinned() {
    const DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    check::<model::User>(DIR);
    check::<model::Group>(DIR);
    check::<model::Role>(DIR);
    check::<model::InstanceProfile>(DIR);
    check::<model::Policy>(DIR);
    check::<model::AccessKey>(DIR);
    check::<model::KeyUse>(DIR);
    check::<model::LoginProfile>(DIR);
    check::<model::SshPublicKey>(DIR);
    check::<model::ServiceCredential>(DIR);
    check::<model::SigningCertificate>(DIR);
    check::<model::MfaDevice>(DIR);
    check::<model::OpenIdProvider>(DIR);
    check::<model::ServerCertificate>(DIR);
    check::<model::Account>(DIR);
    check::<model::CredentialReport>(DIR);
}
