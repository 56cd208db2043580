//! `cargo xtask floors`: a crate depends on lower floors only, never sideways.
//!
//! The floors are those of ARCHITECTURE.md. Within floor 1, `api` stands on `wire`; `node` and
//! `edge` see `base`, `domain` and `blob` at most, so that they cannot link the API or the store.

use anyhow::{Context, Result, ensure};
use cargo_metadata::{DependencyKind, MetadataCommand};
use std::path::Path;

/// Each crate and its floor.
const FLOORS: [(&str, u8); 18] = [
    ("base", 0),
    ("wire", 1),
    ("api", 1),
    ("store", 1),
    ("blob", 1),
    ("domain", 1),
    ("service", 2),
    ("identity", 3),
    ("network", 3),
    ("compute", 3),
    ("delivery", 3),
    ("observe", 3),
    ("stacks", 3),
    ("control", 4),
    ("node", 4),
    ("edge", 4),
    ("neargate", 5),
    ("xtask", 5),
];

/// The only step sideways.
const SIDEWAYS: (&str, &str) = ("api", "wire");

/// All that `node` and `edge` may see.
const APART: [&str; 3] = ["base", "domain", "blob"];

/// Fails with every dependency that breaks a rule. Test dependencies count as well.
pub fn check(root: &Path) -> Result<()> {
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .no_deps()
        .exec()?;
    let mut broken = Vec::new();
    for package in metadata.workspace_packages() {
        let name = short(&package.name);
        floor(name)
            .with_context(|| format!("{name} has no floor: add it to xtask/src/floors.rs"))?;
        for dependency in &package.dependencies {
            let to = short(&dependency.name);
            let is_ours = dependency.path.is_some();
            if is_ours && !allowed(name, to) {
                let kind = match dependency.kind {
                    DependencyKind::Development => " (in tests)",
                    _ => "",
                };
                broken.push(format!("{name} -> {to}{kind}"));
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

fn short(package: &str) -> &str {
    package.strip_prefix("neargate-").unwrap_or(package)
}

fn floor(name: &str) -> Option<u8> {
    FLOORS
        .iter()
        .find(|(n, _)| *n == name)
        .map(|(_, floor)| *floor)
}

fn allowed(from: &str, to: &str) -> bool {
    match from {
        "node" | "edge" => APART.contains(&to),
        "domain" => to == "base",
        _ => (from, to) == SIDEWAYS || floor(from) > floor(to),
    }
}

#[cfg(test)]
mod tests {
    use super::allowed;

    #[test]
    fn floors_hold() {
        let good = [
            ("wire", "base"),
            ("api", "wire"),
            ("compute", "service"),
            ("compute", "store"),
            ("node", "blob"),
            ("neargate", "node"),
            ("domain", "base"),
            ("control", "compute"),
        ];
        let bad = [
            ("wire", "api"),
            ("compute", "network"),
            ("node", "store"),
            ("node", "api"),
            ("edge", "control"),
            ("base", "wire"),
            ("service", "compute"),
            ("store", "blob"),
            ("domain", "wire"),
            ("store", "domain"),
        ];
        good.into_iter()
            .for_each(|(from, to)| assert!(allowed(from, to), "{from} -> {to}"));
        bad.into_iter()
            .for_each(|(from, to)| assert!(!allowed(from, to), "{from} -> {to}"));
    }
}
