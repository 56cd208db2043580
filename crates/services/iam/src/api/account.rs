//! What is set and counted for an account as a whole, and lists of what no account has here.

use crate::call::{Change, View};
use crate::error;
use crate::model::{Account, PasswordPolicy};
use neargate_api_iam as api;
use neargate_service::AwsError;
use neargate_wire::structure::Unit;
use std::collections::BTreeMap;

impl Change {
    /// Changes what is set for the account.
    fn set_account(&mut self, change: impl FnOnce(&mut Account)) {
        if let Some(there) = self.settings.named("settings").cloned() {
            self.modify(&there, change);
        } else {
            let mut new = Account::default();
            change(&mut new);
            self.create(&new);
        }
    }
}

/// Aliases are unique among all accounts of an installation, as they are on AWS.
pub fn create_account_alias(
    call: &mut Change,
    input: api::CreateAccountAliasInput,
) -> Result<(), AwsError> {
    let alias = input.account_alias;
    let ends = alias.starts_with('-') || alias.ends_with('-') || alias.contains("--");
    if ends || alias.chars().all(|c| c.is_ascii_digit()) {
        return Err(error::invalid_input(format!(
            "{alias} is not a valid alias."
        )));
    }
    let taken = |account: &Account| account.alias.as_ref() == Some(&alias);
    let accounts = call.iam.index.accounts();
    let taken = accounts
        .iter()
        .any(|(id, account)| id != call.id() && taken(&account.set()));
    if taken {
        return Err(error::alias_taken(&alias));
    }
    call.set_account(|account| account.alias = Some(alias));
    Ok(())
}

pub fn delete_account_alias(
    call: &mut Change,
    input: api::DeleteAccountAliasInput,
) -> Result<(), AwsError> {
    if call.set().alias.as_ref() != Some(&input.account_alias) {
        return Err(error::not_found("account alias", &input.account_alias));
    }
    call.set_account(|account| account.alias = None);
    Ok(())
}

pub fn list_account_aliases(
    view: &View,
    _: api::ListAccountAliasesInput,
) -> Result<api::ListAccountAliasesOutput, AwsError> {
    Ok(api::ListAccountAliasesOutput {
        account_aliases: Some(view.set().alias.into_iter().collect()),
        is_truncated: Some(false),
        marker: None,
    })
}

/// What a call does not name goes back to its default, as on AWS.
pub fn update_account_password_policy(
    call: &mut Change,
    input: api::UpdateAccountPasswordPolicyInput,
) -> Result<(), AwsError> {
    let number = |given: Option<i32>| given.and_then(|n| u32::try_from(n).ok());
    let policy = PasswordPolicy {
        minimum_length: number(input.minimum_password_length).unwrap_or(6),
        symbols: input.require_symbols.unwrap_or_default(),
        numbers: input.require_numbers.unwrap_or_default(),
        uppercase: input.require_uppercase_characters.unwrap_or_default(),
        lowercase: input.require_lowercase_characters.unwrap_or_default(),
        users_may_change: input.allow_users_to_change_password.unwrap_or_default(),
        max_age_days: number(input.max_password_age).filter(|days| *days > 0),
        remembered: number(input.password_reuse_prevention),
        hard_expiry: input.hard_expiry,
    };
    call.set_account(|account| account.password_policy = Some(policy));
    Ok(())
}

pub fn get_account_password_policy(
    view: &View,
    _: Unit,
) -> Result<api::GetAccountPasswordPolicyOutput, AwsError> {
    let policy = view.set().password_policy;
    let policy = policy.ok_or_else(|| error::password_policy_not_found(view.id().as_str()))?;
    let number = |n: Option<u32>| n.and_then(|n| i32::try_from(n).ok());
    Ok(api::GetAccountPasswordPolicyOutput {
        password_policy: Some(api::PasswordPolicy {
            minimum_password_length: number(Some(policy.minimum_length)),
            require_symbols: Some(policy.symbols),
            require_numbers: Some(policy.numbers),
            require_uppercase_characters: Some(policy.uppercase),
            require_lowercase_characters: Some(policy.lowercase),
            allow_users_to_change_password: Some(policy.users_may_change),
            expire_passwords: Some(policy.max_age_days.is_some()),
            max_password_age: number(policy.max_age_days),
            password_reuse_prevention: number(policy.remembered),
            hard_expiry: policy.hard_expiry,
        }),
    })
}

pub fn delete_account_password_policy(call: &mut Change, _: Unit) -> Result<(), AwsError> {
    if call.set().password_policy.is_none() {
        return Err(error::password_policy_not_found(call.id().as_str()));
    }
    call.set_account(|account| account.password_policy = None);
    Ok(())
}

pub fn set_security_token_service_preferences(
    call: &mut Change,
    input: api::SetSecurityTokenServicePreferencesInput,
) -> Result<(), AwsError> {
    let version = match input.global_endpoint_token_version.as_str() {
        "v2Token" => 2,
        _ => 1,
    };
    call.set_account(|account| account.token_version = Some(version));
    Ok(())
}

/// Counts and limits
/// (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountSummary.html>).
pub fn get_account_summary(view: &View, _: Unit) -> Result<api::GetAccountSummaryOutput, AwsError> {
    let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
    let root_keys = view.access_keys.iter().any(|k| k.user.is_none());
    let used = view.uses().values().filter(|u| u.attached > 0).count();
    let devices = view.mfa_devices.iter();
    let in_use = devices.filter(|device| device.user.is_some()).count();
    let summary = [
        ("Users", count(view.users.len())),
        ("UsersQuota", 5_000),
        ("Groups", count(view.groups.len())),
        ("GroupsQuota", 300),
        ("Roles", count(view.roles.len())),
        ("RolesQuota", 1_000),
        ("Policies", count(view.policies.len())),
        ("PoliciesQuota", 1_500),
        ("InstanceProfiles", count(view.profiles.len())),
        ("InstanceProfilesQuota", 1_000),
        ("Providers", count(view.providers.len())),
        ("ServerCertificates", count(view.server_certificates.len())),
        ("ServerCertificatesQuota", 20),
        ("MFADevices", count(view.mfa_devices.len())),
        ("MFADevicesInUse", count(in_use)),
        ("AccountMFAEnabled", 0),
        ("AccountAccessKeysPresent", i32::from(root_keys)),
        ("AccountPasswordPresent", 0),
        ("AccountSigningCertificatesPresent", 0),
        ("PolicyVersionsInUse", count(used)),
        ("PolicyVersionsInUseQuota", 10_000),
        ("VersionsPerPolicyQuota", 5),
        ("PolicySizeQuota", 6_144),
        ("UserPolicySizeQuota", 2_048),
        ("GroupPolicySizeQuota", 5_120),
        ("RolePolicySizeQuota", 10_240),
        ("AssumeRolePolicySizeQuota", 2_048),
        ("AttachedPoliciesPerUserQuota", 10),
        ("AttachedPoliciesPerGroupQuota", 10),
        ("AttachedPoliciesPerRoleQuota", 10),
        ("GroupsPerUserQuota", 10),
        ("AccessKeysPerUserQuota", 2),
        ("SigningCertificatesPerUserQuota", 2),
        (
            "GlobalEndpointTokenVersion",
            i32::from(view.set().token_version.unwrap_or(1)),
        ),
    ];
    let summary: BTreeMap<String, i32> = summary
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    Ok(api::GetAccountSummaryOutput {
        summary_map: Some(summary),
    })
}

/// There are no SAML providers here.
pub fn list_saml_providers(
    _: &View,
    _: api::ListSAMLProvidersInput,
) -> Result<api::ListSAMLProvidersOutput, AwsError> {
    Ok(api::ListSAMLProvidersOutput {
        saml_provider_list: Some(Vec::new()),
    })
}
