//! What AWS itself made in every account: its managed policies, and which role each service makes
//! for itself.
//!
//! Both are facts of AWS's, kept as data under `aws/`: the policies of the services that we know,
//! and those that they are commonly used with.

use neargate_base::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::LazyLock;

static POLICIES: LazyLock<BTreeMap<&'static str, Policy>> = LazyLock::new(|| {
    let lines = include_str!("../aws/managed_policies.jsonl").lines();
    let parse = |line: &'static str| serde_json::from_str(line).expect("a policy a line");
    lines.map(parse).map(|p: Policy| (p.name, p)).collect()
});

/// A managed policy of AWS's, in its default version: the others are not known here.
#[derive(Debug, Deserialize)]
pub struct Policy {
    pub name: &'static str,
    pub path: &'static str,
    /// `v3`.
    pub version: &'static str,
    created: &'static str,
    updated: &'static str,
    document: &'static RawValue,
}

impl Policy {
    pub fn arn(&self) -> String {
        format!("{ARN}{}{}", self.path, self.name)
    }

    pub fn document(&self) -> &'static str {
        self.document.get()
    }

    pub fn created_at(&self) -> Timestamp {
        timestamp(self.created)
    }

    pub fn updated_at(&self) -> Timestamp {
        timestamp(self.updated)
    }

    /// May only AWS's services attach it?
    pub fn is_for_services(&self) -> bool {
        self.path == "/aws-service-role/"
    }

    /// AWS's own ids are not published: this one is made of the name, and always the same.
    pub fn unique_id(&self) -> String {
        use sha2::{Digest, Sha256};
        let hash = Sha256::digest(self.name);
        let text = data_encoding::BASE32.encode(&hash[..15]);
        format!("{}{}", crate::name::POLICY, &text[..17])
    }
}

const ARN: &str = "arn:aws:iam::aws:policy";

fn timestamp(text: &str) -> Timestamp {
    let parsed: Result<jiff::Timestamp, _> = text.parse();
    Timestamp::from_millis(parsed.map_or(0, |t| t.as_millisecond()))
}

/// In the order of their names.
pub fn policies() -> impl Iterator<Item = &'static Policy> {
    POLICIES.values()
}

/// The one that the ARN names.
pub fn policy(arn: &str) -> Option<&'static Policy> {
    let path = arn.strip_prefix(ARN)?;
    let name = crate::name::last(path);
    let policy = POLICIES.get(name)?;
    let whole = path.strip_suffix(name)? == policy.path;
    whole.then_some(policy)
}

/// The role that a service makes for itself.
#[derive(Debug, Clone, Copy)]
pub struct ServiceRole {
    /// `AWSServiceRoleForECS`.
    pub name: &'static str,
    /// The name of the managed policy that it has.
    pub policy: &'static str,
    /// May there be several, told apart by what is added to the name?
    pub takes_suffix: bool,
}

pub fn service_role(service: &str) -> Option<ServiceRole> {
    let mut lines = include_str!("../aws/service_linked_roles.tsv").lines();
    lines.find_map(|line| {
        let mut fields = line.split('\t');
        fields.next().filter(|of| *of == service)?;
        Some(ServiceRole {
            name: fields.next()?,
            policy: fields.next()?,
            takes_suffix: fields.next() == Some("suffix"),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_found_by_their_whole_arn() {
        let found = policy("arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy");
        assert!(
            found
                .expect("known")
                .document()
                .contains("ecr:GetAuthorizationToken")
        );
        assert!(policy("arn:aws:iam::aws:policy/AmazonECSTaskExecutionRolePolicy").is_none());
        assert!(policy("arn:aws:iam::aws:policy/AdministratorAccess").is_some());
        assert!(policies().all(|p| p.created_at() > Timestamp::from_millis(1_400_000_000_000)));
    }

    #[test]
    fn policies_are_understood() {
        for policy in policies() {
            let checked = crate::document::check_identity(policy.document());
            assert!(checked.is_ok(), "{}: {checked:?}", policy.name);
        }
    }

    #[test]
    fn services_have_roles_whose_policies_are_known() {
        let ecs = service_role("ecs.amazonaws.com").expect("known");
        assert_eq!(ecs.name, "AWSServiceRoleForECS");
        assert!(!ecs.takes_suffix);
        assert!(
            service_role("autoscaling.amazonaws.com")
                .expect("known")
                .takes_suffix
        );
        assert!(service_role("nobody.amazonaws.com").is_none());
        for line in include_str!("../aws/service_linked_roles.tsv").lines() {
            let service = line.split('\t').next().expect("a service");
            let role = service_role(service).expect(service);
            assert!(POLICIES.contains_key(role.policy), "{}", role.policy);
        }
    }
}
