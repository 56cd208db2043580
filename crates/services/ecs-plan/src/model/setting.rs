//! An account setting that somebody made.

use neargate_service::Resource;
use serde::{Deserialize, Serialize};

/// `ecs/account-setting/…/<name>/<principal's ARN>`. Written by the API only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountSetting {
    pub name: String,
    pub value: String,
    /// `arn:aws:iam::<account>:root` stands for the whole account.
    pub principal: String,
}

impl Resource for AccountSetting {
    const KIND: &'static str = "ecs/account-setting";
}

impl AccountSetting {
    /// The id within its key.
    pub fn id(name: &str, principal: &str) -> String {
        format!("{name}/{principal}")
    }
}
