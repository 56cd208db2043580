//! What users show that they are who they say.

use neargate_base::Timestamp;
use neargate_service::Resource;
use neargate_service::sealing::Sealed;
use serde::{Deserialize, Serialize};

/// `iam/access-key/…/<id>`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AccessKey {
    /// `AKIA…`, as it is given out; the key of the record has it in small letters.
    pub id: String,
    /// The unique id of its user; `None`: the account's root.
    pub user: Option<String>,
    /// Under the key of this record.
    pub secret: Sealed,
    pub active: bool,
    pub created_at: Timestamp,
}

impl Resource for AccessKey {
    const KIND: &'static str = "iam/access-key";
}

/// `iam/access-key-use/…/<key id>`: when a key was last used. It is written now and then by
/// [`crate::uses`], so that no call waits for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyUse {
    pub id: String,
    pub at: Timestamp,
    /// `ecs`.
    pub service: String,
    pub region: String,
}

impl Resource for KeyUse {
    const KIND: &'static str = "iam/access-key-use";
}

/// `iam/login-profile/…/<unique id of the user>`: a password for the console.
#[derive(Clone, Serialize, Deserialize)]
pub struct LoginProfile {
    /// The unique id of the user.
    pub user: String,
    /// [`crate::password::Hash`] as text.
    pub hash: String,
    /// Hashes of earlier passwords, the newest first.
    pub earlier: Vec<String>,
    pub reset_required: bool,
    pub created_at: Timestamp,
    pub changed_at: Timestamp,
}

impl Resource for LoginProfile {
    const KIND: &'static str = "iam/login-profile";
}

impl std::fmt::Debug for LoginProfile {
    /// Without the hash.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoginProfile")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// `iam/ssh-public-key/…/<id>`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SshPublicKey {
    /// `APKA…`.
    pub id: String,
    /// The unique id of the user.
    pub user: String,
    /// As it was given: `ssh-rsa …` or PEM.
    pub body: String,
    /// MD5 of the key, bytes in hexadecimal divided by colons.
    pub fingerprint: String,
    pub active: bool,
    pub created_at: Timestamp,
}

impl Resource for SshPublicKey {
    const KIND: &'static str = "iam/ssh-public-key";
}

/// `iam/service-credential/…/<id>`: a name and a password for one service.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServiceCredential {
    /// `ACCA…`.
    pub id: String,
    /// The unique id of the user.
    pub user: String,
    /// `codecommit.amazonaws.com`.
    pub service: String,
    pub user_name: String,
    /// Under the key of this record.
    pub password: Sealed,
    pub active: bool,
    pub created_at: Timestamp,
}

impl Resource for ServiceCredential {
    const KIND: &'static str = "iam/service-credential";
}

/// `iam/signing-certificate/…/<id>`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SigningCertificate {
    pub id: String,
    /// The unique id of the user.
    pub user: String,
    /// In PEM.
    pub body: String,
    pub active: bool,
    pub created_at: Timestamp,
}

impl Resource for SigningCertificate {
    const KIND: &'static str = "iam/signing-certificate";
}
