//! Managed policies as everything else sees them, whoever made them: found by their ARNs, and how
//! often they are used.

use crate::aws;
use crate::call::View;
use crate::index::Account;
use crate::model::Policy;
use crate::{error, name};
use neargate_api_iam as api;
use neargate_base::AccountId;
use neargate_service::{AwsError, Stored};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A managed policy.
#[derive(Debug, Clone)]
pub enum Managed {
    Customer(Arc<Stored<Policy>>),
    Aws(&'static aws::Policy),
}

/// The managed policy that an ARN names, of the account or of AWS.
pub fn find(id: &AccountId, account: &Account, arn: &str) -> Option<Managed> {
    if let Some(policy) = aws::policy(arn) {
        return Some(Managed::Aws(policy));
    }
    let path = arn.strip_prefix("arn:aws:iam::")?;
    let path = path.strip_prefix(id.as_str())?.strip_prefix(":policy")?;
    let policy = account.policies.named(name::last(path))?;
    let whole = path.strip_suffix(policy.name.as_str())? == policy.path;
    whole.then(|| Managed::Customer(policy.clone()))
}

impl Managed {
    pub fn name(&self) -> &str {
        match self {
            Managed::Customer(policy) => &policy.name,
            Managed::Aws(policy) => policy.name,
        }
    }

    pub fn path(&self) -> &str {
        match self {
            Managed::Customer(policy) => &policy.path,
            Managed::Aws(policy) => policy.path,
        }
    }

    /// The text that is in force.
    pub fn document(&self) -> &str {
        match self {
            Managed::Customer(policy) => policy.document(),
            Managed::Aws(policy) => policy.document(),
        }
    }

    pub fn arn(&self, account: &AccountId) -> String {
        match self {
            Managed::Customer(policy) => name::arn(account, "policy", &policy.path, &policy.name),
            Managed::Aws(policy) => policy.arn(),
        }
    }
}

/// How many have a policy, and for how many it is a boundary.
#[derive(Debug, Clone, Copy, Default)]
pub struct Used {
    pub attached: i32,
    pub boundary: i32,
}

/// The uses of all managed policies, by ARN.
pub type Uses = BTreeMap<String, Used>;

impl View {
    pub fn managed(&self, arn: &str) -> Option<Managed> {
        find(self.id(), self, arn)
    }

    /// The customer managed policy that an ARN names.
    pub(super) fn policy(&self, arn: &str) -> Result<Arc<Stored<Policy>>, AwsError> {
        match self.named_by(arn)? {
            Managed::Customer(policy) => Ok(policy),
            Managed::Aws(_) => Err(error::aws_owned(arn)),
        }
    }

    /// The managed policy that an ARN names.
    pub(super) fn named_by(&self, arn: &str) -> Result<Managed, AwsError> {
        check_arn(arn)?;
        self.managed(arn)
            .ok_or_else(|| error::policy_not_found(arn))
    }

    pub fn uses(&self) -> Uses {
        let mut uses = Uses::new();
        let users = self.users.iter().map(|u| (&u.grants, u.boundary.as_ref()));
        let roles = self.roles.iter().map(|r| (&r.grants, r.boundary.as_ref()));
        let groups = self.groups.iter().map(|g| (&g.grants, None));
        for (grants, boundary) in users.chain(roles).chain(groups) {
            for arn in &grants.attached {
                uses.entry(arn.clone()).or_default().attached += 1;
            }
            if let Some(arn) = boundary {
                uses.entry(arn.clone()).or_default().boundary += 1;
            }
        }
        uses
    }

    /// A policy as answers have it, without description and tags.
    pub(super) fn listed_policy(&self, policy: &Managed, uses: &Uses) -> api::Policy {
        let arn = policy.arn(self.id());
        let used = uses.get(&arn).copied().unwrap_or_default();
        let (id, version, created, updated) = match policy {
            Managed::Customer(p) => (
                p.unique_id.clone(),
                format!("v{}", p.default),
                p.created_at,
                p.updated_at,
            ),
            Managed::Aws(p) => (
                p.unique_id(),
                p.version.to_owned(),
                p.created_at(),
                p.updated_at(),
            ),
        };
        api::Policy {
            policy_name: Some(policy.name().to_owned()),
            policy_id: Some(id),
            arn: Some(arn),
            path: Some(policy.path().to_owned()),
            default_version_id: Some(version),
            attachment_count: Some(used.attached),
            permissions_boundary_usage_count: Some(used.boundary),
            is_attachable: Some(true),
            create_date: Some(created),
            update_date: Some(updated),
            ..Default::default()
        }
    }
}

/// Is it an ARN at all?
pub fn check_arn(arn: &str) -> Result<(), AwsError> {
    match arn.parse::<neargate_base::Arn>() {
        Ok(_) => Ok(()),
        Err(_) => Err(error::invalid_arn()),
    }
}
