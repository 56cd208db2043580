//! `models/taken.toml`: the services we know and the operations whose shapes we take.

use anyhow::{Context, Result, bail};
use std::path::Path;

/// One service of the list.
pub struct Service {
    /// Our and botocore's folder name: `elbv2`.
    pub id: String,
    pub operations: Operations,
}

pub enum Operations {
    All,
    /// Those named; the others are names only.
    Some(Vec<String>),
}

impl Operations {
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Operations::All => true,
            Operations::Some(names) => names.iter().any(|n| n == name),
        }
    }
}

/// Reads the list.
pub fn read(root: &Path) -> Result<Vec<Service>> {
    let path = root.join("models/taken.toml");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let table: toml::Table = text.parse().with_context(|| path.display().to_string())?;
    let mut services = Vec::new();
    for (id, value) in table {
        let operations = match value.get("operations") {
            Some(toml::Value::String(s)) if s == "all" => Operations::All,
            Some(toml::Value::Array(names)) => {
                let name = |n: &toml::Value| n.as_str().map(str::to_owned);
                let names = names.iter().map(name).collect::<Option<Vec<_>>>();
                Operations::Some(names.with_context(|| format!("{id}: a name is no string"))?)
            }
            _ => bail!("{id}: operations is neither \"all\" nor a list of names"),
        };
        services.push(Service { id, operations });
    }
    Ok(services)
}
