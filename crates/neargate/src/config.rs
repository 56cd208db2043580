//! The configuration: one TOML file, then `NEARGATE_*`, then flags; validated at start.

use crate::span::Span;
use anyhow::{Context, Result, bail};
use neargate_base::{AccountId, Region};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Flags and their environment variables.
#[derive(Debug, Default, clap::Args)]
pub struct Flags {
    /// Address and port of the API and the registry.
    #[arg(long, env = "NEARGATE_LISTEN", value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Where state, images and logs are kept.
    #[arg(long, env = "NEARGATE_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// The account that unsigned calls and most access keys belong to.
    #[arg(long, env = "NEARGATE_ACCOUNT", value_name = "ID")]
    account: Option<AccountId>,
    /// The region of calls that name none.
    #[arg(long, env = "NEARGATE_REGION", value_name = "REGION")]
    region: Option<Region>,
    /// Answer AWS's own registry names (`amazonaws.com`) instead of this host's.
    #[arg(long, env = "NEARGATE_REGISTRY_DOMAIN", value_name = "DOMAIN")]
    registry_domain: Option<String>,
    /// Demand valid signatures also on loopback.
    #[arg(long, env = "NEARGATE_ENFORCE")]
    enforce: bool,
    /// Address and port for nodes on other hosts (mutual TLS); without it there are none.
    #[arg(long, env = "NEARGATE_NODE_LISTEN", value_name = "ADDR")]
    node_listen: Option<SocketAddr>,
    /// A node that is away for longer is lost: its tasks are replaced [default: 60s].
    #[arg(long, env = "NEARGATE_NODE_LEASE", value_name = "TIME")]
    node_lease: Option<Span>,
    /// The configuration file.
    #[arg(long, env = "NEARGATE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Flags {
    /// Do they say where the API is, rather than leave it to the configuration's default?
    pub fn names_address(&self) -> bool {
        self.listen.is_some() || self.config.is_some()
    }

    /// Do they say which region is meant?
    pub fn names_region(&self) -> bool {
        self.region.is_some()
    }
}

/// What the operator chose. Every field can stand in the TOML file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    pub listen: SocketAddr,
    pub data: PathBuf,
    pub account: AccountId,
    pub region: Region,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registry_domain: Option<String>,
    /// Signatures are always demanded off loopback.
    pub enforce: bool,
    /// Where nodes on other hosts connect; off unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_listen: Option<SocketAddr>,
    /// A node that is away for longer is lost.
    pub node_lease: Span,
    /// Other registries to pull from.
    pub registries: Registries,
}

/// How other registries are reached.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Registries {
    /// Registry host to the mirrors tried before it.
    pub mirrors: BTreeMap<String, Vec<String>>,
    /// Hosts spoken to in plain HTTP. Loopback always is.
    pub insecure: Vec<String>,
}

impl Flags {
    /// What a node on another host takes of them.
    pub fn of_node(data: Option<PathBuf>, config: Option<PathBuf>) -> Flags {
        Flags {
            data,
            config,
            ..Flags::default()
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 4566)),
            data: "/var/lib/neargate".into(),
            account: AccountId::default(),
            region: Region::default(),
            registry_domain: None,
            enforce: false,
            node_listen: None,
            node_lease: Span::from(neargate_compute::ecs::lost::DEFAULT_LEASE),
            registries: Registries::default(),
        }
    }
}

const KEYS: [&str; 9] = [
    "listen",
    "data",
    "account",
    "region",
    "registry_domain",
    "enforce",
    "node_listen",
    "node_lease",
    "registries",
];
const REGISTRIES_KEYS: [&str; 2] = ["mirrors", "insecure"];

impl Config {
    /// # Errors
    /// What is wrong, where, and for an unknown key the nearest known one.
    pub fn load(flags: &Flags) -> Result<Config> {
        let mut config = match &flags.config {
            None => Config::default(),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read the configuration {}", path.display()))?;
                Config::parse(&text)
                    .with_context(|| format!("in the configuration {}", path.display()))?
            }
        };
        if let Some(listen) = flags.listen {
            config.listen = listen;
        }
        if let Some(data) = &flags.data {
            config.data.clone_from(data);
        }
        if let Some(account) = &flags.account {
            config.account.clone_from(account);
        }
        if let Some(region) = &flags.region {
            config.region.clone_from(region);
        }
        if let Some(domain) = &flags.registry_domain {
            config.registry_domain = Some(domain.clone());
        }
        config.enforce |= flags.enforce;
        config.node_listen = flags.node_listen.or(config.node_listen);
        config.node_lease = flags.node_lease.unwrap_or(config.node_lease);
        config.validate()
    }

    fn parse(text: &str) -> Result<Config> {
        let table: toml::Table = text.parse()?;
        known_keys(&table, &KEYS)?;
        if let Some(toml::Value::Table(registries)) = table.get("registries") {
            known_keys(registries, &REGISTRIES_KEYS)?;
        }
        Ok(table.try_into()?)
    }

    fn validate(mut self) -> Result<Config> {
        self.data = std::path::absolute(&self.data).context("the data directory")?;
        match self.registry_domain.as_deref() {
            None | Some("amazonaws.com" | "amazonaws.com.cn") => Ok(self),
            Some(other) => {
                bail!("registry_domain {other:?} must be amazonaws.com or amazonaws.com.cn")
            }
        }
    }

    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("the configuration has a TOML form")
    }

    /// May anyone on this host call without proof?
    pub fn is_development(&self) -> bool {
        self.listen.ip().is_loopback() && !self.enforce
    }
}

fn known_keys(table: &toml::Table, known: &[&str]) -> Result<()> {
    for key in table.keys() {
        if !known.contains(&key.as_str()) {
            let distance = |k: &&&str| strsim::levenshtein(k, key);
            let nearest = known.iter().min_by_key(distance).expect("not empty");
            bail!("unknown key {key:?}; did you mean {nearest:?}?");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_own_print_reads_back() {
        let config = Config::default();
        assert_eq!(Config::parse(&config.to_toml()).expect("parses"), config);
    }

    #[test]
    fn an_unknown_key_suggests_the_nearest() {
        let error = Config::parse("lisen = \"127.0.0.1:1\"")
            .expect_err("unknown")
            .to_string();
        assert_eq!(error, "unknown key \"lisen\"; did you mean \"listen\"?");
        assert!(Config::parse("[registries]\nmirror = {}").is_err());
        assert!(Config::parse("account = \"12\"").is_err());
    }
}
