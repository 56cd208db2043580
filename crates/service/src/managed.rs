//! Tasks that services of this installation run for their customers: a database instance of RDS, a build
//! of CodeBuild.
//!
//! They are tasks of ECS in the customer's account, in a cluster and of task definitions whose names begin
//! with [`PREFIX`]: placed, limited, connected and watched as all tasks are. AWS shows its customers no such
//! tasks, so ECS leaves these clusters and definitions out of lists and their changes out of the customer's
//! events; whoever knows a name may describe them. Only services, which call in their own name
//! ([`crate::identity::Kind::Service`]), may make one.

use crate::ctx::{Ctx, House, Scope};
use crate::identity::Kind;
use crate::sealing::Sealed;
use neargate_base::{AccountId, Secret};

/// What names of clusters and of task definition families begin with.
pub const PREFIX: &str = "neargate-managed-";

/// The cluster, and the beginning of the families' names, of a service (`rds`).
pub fn cluster(service: &str) -> String {
    format!("{PREFIX}{service}")
}

/// Whether the cluster or family of this name belongs to a service.
pub fn is_managed(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// Whether who calls may make a cluster or a task definition of this name, and run tasks of it. What
/// services do as a role that their customer chose is the customer's call.
pub fn may_make(cx: &Ctx, name: &str) -> bool {
    let caller = &cx.principal.arn;
    let is_own = !caller.starts_with("arn:") || caller.contains(":role/aws-service-role/");
    !is_managed(name) || (cx.principal.kind == Kind::Service && is_own)
}

/// The elastic file system with this id that a service keeps data in: none of a customer's tasks has it.
pub fn file_system(service: &str, id: &str) -> String {
    format!("{FILE_SYSTEMS}{service}-{id}")
}

/// Whether who calls may have a volume on this file system, named by its id or its ARN.
pub fn may_mount(cx: &Ctx, file_system: &str) -> bool {
    let id = file_system.rsplit('/').next().unwrap_or_default();
    !id.starts_with(FILE_SYSTEMS) || may_make(cx, PREFIX)
}

const FILE_SYSTEMS: &str = "fs-neargate-managed-";

/// What `valueFrom` of a secret begins with that is no name of a secret but the secret itself, sealed.
const SEALED: &str = "neargate-sealed:";

/// A secret that a managed task is given as it is: sealed under the installation's root key, as `valueFrom`
/// of a container's secrets. It opens for tasks of this family alone.
pub fn seal(house: &House, scope: &Scope, family: &str, plain: &str) -> String {
    let sealed = house
        .root_key
        .seal(&context(scope, family), plain.as_bytes());
    format!("{SEALED}{}", String::from(sealed))
}

/// What was sealed for tasks of this family; `None` where it was not, or where the family is no managed one.
pub fn open(house: &House, scope: &Scope, family: &str, sealed: &str) -> Option<Secret<String>> {
    let text = sealed.strip_prefix(SEALED)?.to_owned();
    if !is_managed(family) {
        return None;
    }
    let sealed = Sealed::try_from(text).ok()?;
    let plain = house.root_key.open(&context(scope, family), &sealed)?;
    String::from_utf8(plain).ok().map(Secret::new)
}

/// Is this a secret itself, and no name of one?
pub fn is_sealed(value_from: &str) -> bool {
    value_from.starts_with(SEALED)
}

fn context(scope: &Scope, family: &str) -> String {
    format!("managed/{}/{}/{family}", scope.account, scope.region)
}

/// The account of what services keep for themselves and show to no customer, as the hosted zones of their
/// endpoints are Amazon's own.
///
/// # Panics
/// Never: the text is an account.
pub fn account() -> AccountId {
    "999999999999".parse().expect("twelve digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_managed_families_have_sealed_secrets() {
        assert!(is_sealed("neargate-sealed:AAAA"));
        assert!(!is_sealed("arn:aws:ssm:us-east-1:000000000000:parameter/a"));
        assert!(is_managed(&format!("{}-db", cluster("rds"))));
        assert_eq!(account().as_str(), "999999999999");
    }
}
