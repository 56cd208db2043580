//! Tasks that services of this installation run for their customers: a database instance of RDS, a build
//! of CodeBuild.
//!
//! They are tasks of ECS in the customer's account, in a cluster and of task definitions whose names begin
//! with [`PREFIX`]: placed, limited, connected and watched as all tasks are. AWS shows its customers no such
//! tasks, so ECS leaves these clusters and definitions out of lists and their changes out of the customer's
//! events; whoever knows a name may describe them. Only services, which call in their own name
//! ([`crate::identity::Kind::Service`]), may make one.

use crate::ctx::Ctx;
use crate::identity::Kind;

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

/// Whether who calls may make a cluster or a task definition of this name.
pub fn may_make(cx: &Ctx, name: &str) -> bool {
    !is_managed(name) || cx.principal.kind == Kind::Service
}
