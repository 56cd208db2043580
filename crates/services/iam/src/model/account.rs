//! What is said of an account as a whole.

use neargate_base::Timestamp;
use neargate_service::Resource;
use serde::{Deserialize, Serialize};

/// `iam/account/…/settings`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Account {
    pub alias: Option<String>,
    pub password_policy: Option<PasswordPolicy>,
    /// 1 or 2: whether tokens of STS's global endpoint hold in every region. `None`: 1.
    pub token_version: Option<u8>,
}

impl Resource for Account {
    const KIND: &'static str = "iam/account";
}

/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAccountPasswordPolicy.html>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordPolicy {
    pub minimum_length: u32,
    pub symbols: bool,
    pub numbers: bool,
    pub uppercase: bool,
    pub lowercase: bool,
    pub users_may_change: bool,
    pub max_age_days: Option<u32>,
    /// How many earlier passwords may not be used again.
    pub remembered: Option<u32>,
    pub hard_expiry: Option<bool>,
}

/// `iam/credential-report/…/report`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CredentialReport {
    pub made_at: Timestamp,
    /// CSV.
    pub content: String,
}

impl Resource for CredentialReport {
    const KIND: &'static str = "iam/credential-report";
}
