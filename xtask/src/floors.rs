//! `cargo xtask floors`: a crate depends on lower floors only, never sideways.
//!
//! The floors are those of ARCHITECTURE.md. Within floor 1, the crates of `api` stand on `wire`; `node` and
//! `edge` see `base`, `domain` and `blob` at most (`node` sees `build` besides), so that they cannot link the API or the store.

use anyhow::{Context, Result, ensure};
use cargo_metadata::{DependencyKind, MetadataCommand};
use std::path::Path;

/// Each crate that is neither generated nor a service, and its floor.
const FLOORS: [(&str, u8); 16] = [
    ("base", 0),
    ("wire", 1),
    ("store", 1),
    ("blob", 1),
    ("build", 1),
    ("console", 1),
    ("domain", 1),
    ("policy", 1),
    ("service", 2),
    ("xds", 2),
    ("testkit", 2),
    ("control", 4),
    ("node", 4),
    ("edge", 4),
    ("neargate", 5),
    ("xtask", 5),
];

/// The floor of `crates/api`.
const API: u8 = 1;
/// The floor of `crates/services`.
const SERVICES: u8 = 3;

/// All that `node` and `edge` may see; `node` sees `build` as well, which sees no more itself.
const APART: [&str; 3] = ["base", "domain", "blob"];

/// The house in which services are tested: it stands on `service`, and only tests stand on it.
const TESTKIT: &str = "testkit";

/// A crate as the rules see it.
struct Floor {
    /// Without our prefix.
    name: String,
    floor: u8,
}

impl Floor {
    /// The crate of this name in the directory `dir`. `None` when nobody said its floor.
    fn of(package: &str, dir: &Path) -> Option<Floor> {
        let name = package.strip_prefix("neargate-").unwrap_or(package);
        let within = |folder: &str| dir.parent().is_some_and(|p| p.ends_with(folder));
        let floor = if within("crates/api") {
            Some(API)
        } else if within("crates/services") {
            Some(SERVICES)
        } else {
            FLOORS.iter().find(|(n, _)| *n == name).map(|(_, f)| *f)
        };
        Some(Floor {
            name: name.to_owned(),
            floor: floor?,
        })
    }

    fn is_api(&self) -> bool {
        self.name == "api" || self.name.starts_with("api-")
    }

    /// A service's crate stands on the crates of its parts, `services/ecs` on `services/ecs-…`.
    fn has_part(&self, other: &Floor) -> bool {
        let rest = other.name.strip_prefix(&self.name);
        let part = rest.is_some_and(|rest| rest.starts_with('-'));
        part && self.floor == SERVICES && other.floor == SERVICES
    }

    fn may_see(&self, other: &Floor, in_tests: bool) -> bool {
        match self.name.as_str() {
            _ if other.name == TESTKIT => in_tests && self.floor >= other.floor,
            TESTKIT if other.name == "service" => true,
            "node" if other.name == "build" => true,
            "node" | "edge" | "build" => APART.contains(&other.name.as_str()),
            "domain" => other.name == "base",
            // The list of all services names the crate of each.
            "api" if other.is_api() => true,
            _ if self.is_api() && other.name == "wire" => true,
            _ if self.has_part(other) => true,
            _ => self.floor > other.floor,
        }
    }
}

/// Fails with every dependency that breaks a rule. Test dependencies count as well.
pub fn check(root: &Path) -> Result<()> {
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .no_deps()
        .exec()?;
    let mut broken = Vec::new();
    for package in metadata.workspace_packages() {
        let dir = package.manifest_path.parent();
        let from = room(&package.name, dir.map(|d| d.as_std_path()))?;
        for dependency in &package.dependencies {
            let Some(path) = &dependency.path else {
                continue;
            };
            let to = room(&dependency.name, Some(path.as_std_path()))?;
            let in_tests = dependency.kind == DependencyKind::Development;
            if !from.may_see(&to, in_tests) {
                let kind = if in_tests { " (in tests)" } else { "" };
                broken.push(format!("{} -> {}{kind}", from.name, to.name));
            }
        }
    }
    ensure!(
        broken.is_empty(),
        "these dependencies break the floors:\n{}",
        broken.join("\n")
    );
    Ok(())
}

fn room(package: &str, dir: Option<&Path>) -> Result<Floor> {
    let room = dir.and_then(|dir| Floor::of(package, dir));
    room.with_context(|| format!("{package} has no floor: add it to xtask/src/floors.rs"))
}

#[cfg(test)]
mod tests {
    use super::Floor;
    use std::path::Path;

    /// `services/ecs`, `api/ecs`, `api/all` and `base` as crates.
    fn room(place: &str) -> Floor {
        let package = match place.split_once('/') {
            Some(("api", "all")) => "neargate-api".to_owned(),
            Some(("api", name)) => format!("neargate-api-{name}"),
            Some((_, name)) => format!("neargate-{name}"),
            None => format!("neargate-{place}"),
        };
        let dir = Path::new("crates").join(place);
        Floor::of(&package, &dir).expect("it has a floor")
    }

    #[test]
    fn floors_hold() {
        let good = [
            ("wire", "base"),
            ("api/ecs", "wire"),
            ("api/all", "api/ecs"),
            ("services/ecs", "service"),
            ("services/ecs", "api/ecs"),
            ("services/ecs", "api/cloudwatch"),
            ("services/ecs", "store"),
            ("services/ecs", "services/ecs-plan"),
            ("services/ecs-plan", "api/ecs"),
            ("node", "blob"),
            ("neargate", "node"),
            ("domain", "base"),
            ("control", "services/ecs"),
        ];
        let bad = [
            ("wire", "api/ecs"),
            ("api/ecs", "api/sts"),
            ("services/ecs", "services/ec2"),
            ("services/ecs-plan", "services/ecs"),
            ("services/ec2", "services/ecs-plan"),
            ("node", "store"),
            ("node", "api/ecs"),
            ("edge", "control"),
            ("base", "wire"),
            ("service", "services/ecs"),
            ("store", "blob"),
            ("domain", "wire"),
            ("store", "domain"),
        ];
        for (from, to) in good {
            assert!(room(from).may_see(&room(to), false), "{from} -> {to}");
        }
        assert!(room("testkit").may_see(&room("service"), false));
        assert!(room("services/ecs").may_see(&room("testkit"), true));
        assert!(!room("services/ecs").may_see(&room("testkit"), false));
        for (from, to) in bad {
            assert!(!room(from).may_see(&room(to), false), "{from} -> {to}");
        }
    }
}
