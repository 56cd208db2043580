//! A Compose project as far as it can be mapped: what the reader makes of a file and the template is
//! made of. It holds nothing that has no counterpart here.

use std::collections::{BTreeMap, BTreeSet};

/// What a file means, and what must be said about it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Project {
    pub name: String,
    pub services: BTreeMap<String, Service>,
    /// Networks that services are in, and whether each is internal.
    pub networks: BTreeMap<String, bool>,
    /// Named volumes, and the names under which they are kept.
    pub volumes: BTreeMap<String, String>,
    pub secrets: BTreeMap<String, SecretSource>,
    /// What means something else here, or nothing.
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// A file beside the Compose file.
    File(String),
    /// A variable of the environment.
    Variable(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Service {
    pub image: Option<String>,
    pub build: Option<Build>,
    /// Files and directories of the project that the image gets.
    pub baked: Vec<Baked>,
    pub command: Option<Vec<String>>,
    pub entrypoint: Option<Vec<String>>,
    pub environment: BTreeMap<String, String>,
    /// Variables whose values are secrets, by the secrets' names.
    pub secrets: BTreeMap<String, String>,
    pub depends_on: BTreeMap<String, Condition>,
    pub health: Option<Health>,
    pub ports: Vec<Port>,
    pub networks: BTreeSet<String>,
    pub mounts: Vec<Mount>,
    /// Where the container has a directory that lives as long as its task.
    pub scratch: Vec<String>,
    pub replicas: u64,
    pub cpu_units: Option<u64>,
    pub memory_mib: Option<u64>,
    pub memory_reservation_mib: Option<u64>,
    pub user: Option<String>,
    pub working_dir: Option<String>,
    pub read_only: bool,
    pub init: bool,
    pub interactive: bool,
    pub terminal: bool,
    pub stop_seconds: Option<u64>,
    pub cap_add: Vec<String>,
    pub cap_drop: Vec<String>,
    /// Soft and hard.
    pub open_files: Option<(u64, u64)>,
    pub labels: BTreeMap<String, String>,
    /// `restart: "no"`, or nothing.
    pub runs_once: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Build {
    /// Relative to the Compose file.
    pub context: String,
    pub dockerfile: Option<String>,
    pub inline: Option<String>,
    pub arguments: BTreeMap<String, Option<String>>,
    pub target: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub no_cache: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Baked {
    /// Relative to the Compose file.
    pub source: String,
    pub target: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    Started,
    Healthy,
    Completed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    pub test: Vec<String>,
    pub interval_seconds: u64,
    pub timeout_seconds: u64,
    pub retries: u64,
    pub start_seconds: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    pub address: std::net::IpAddr,
    pub host: u16,
    pub container: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    pub volume: String,
    pub target: String,
    pub read_only: bool,
}

impl Project {
    /// Services that run to their end before another starts, by that other one's name: they are
    /// containers of its task.
    pub fn before(&self, service: &str) -> Vec<&str> {
        let Some(service) = self.services.get(service) else {
            return Vec::new();
        };
        let completed = service.depends_on.iter();
        completed
            .filter(|(_, condition)| **condition == Condition::Completed)
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// Those who wait for this one's end.
    pub fn waiting_for_end_of(&self, name: &str) -> Vec<&str> {
        let waits = |service: &Service| service.depends_on.get(name) == Some(&Condition::Completed);
        let all = self.services.iter();
        all.filter(|(_, service)| waits(service))
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// Services that are ECS services of their own.
    pub fn own_services(&self) -> impl Iterator<Item = (&String, &Service)> {
        let own = |name: &str| self.waiting_for_end_of(name).is_empty();
        self.services.iter().filter(move |(name, _)| own(name))
    }
}
