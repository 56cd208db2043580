//! A Compose file's tree read as a project: each key is mapped, or refused by its name, and everything
//! that is wrong is said at once. Pure.

use super::model::{Condition, Project, SecretSource, Service};
use super::{fields, service};
use crate::commands::yaml::{FileError, Key, Kind, Node};
use std::collections::{BTreeMap, BTreeSet};

/// What a reader has to say beside the project.
#[derive(Debug, Default)]
pub struct Findings {
    pub notes: BTreeSet<String>,
    pub refused: Vec<FileError>,
}

impl Findings {
    pub fn refuse(&mut self, line: usize, message: impl Into<String>) {
        self.refused.push(FileError {
            line,
            message: message.into(),
        });
    }

    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.insert(text.into());
    }

    /// The value, or what is wrong with it on the list.
    pub fn take<T: Default>(&mut self, read: Result<T, FileError>) -> T {
        read.unwrap_or_else(|error| {
            self.refused.push(error);
            T::default()
        })
    }
}

/// What reading needs beside the tree.
pub struct Surroundings<'a> {
    /// The project's name, where the file gives none.
    pub name: String,
    /// `--project-name`, or its variable.
    pub chosen_name: Option<String>,
    pub profiles: BTreeSet<String>,
    /// A variable of the environment or of `.env`.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// The variables in a file that `env_file` names; `None`: there is no such file.
    pub env_file: &'a dyn Fn(&str) -> Result<Option<EnvFile>, String>,
}

/// The variables of a file, in order; `None` is one whose value the environment has.
pub type EnvFile = Vec<(String, Option<String>)>;

/// Top-level keys that hold nothing by themselves.
const PLAIN: [&str; 2] = ["version", "name"];

/// The project.
///
/// # Errors
/// Everything that cannot be mapped, each with its line.
pub fn project(root: &Node, around: &Surroundings<'_>) -> Result<Project, Vec<FileError>> {
    let mut found = Findings::default();
    let root = fields::merged(root, &mut found);
    let Kind::Map(entries) = &root.kind else {
        let message = format!("the file must be a mapping, not {}", root.what());
        let line = root.line;
        return Err(vec![FileError { line, message }]);
    };
    let mut project = Project::default();
    let mut named = None;
    let mut services: &[(Key, Node)] = &[];
    for (key, node) in entries {
        match key.name.as_str() {
            "name" => named = Some(found.take(fields::text(node, "name"))),
            "version" => {}
            "services" => services = found.take(fields::entries(node, "services")),
            "networks" => networks(node, &mut project, &mut found),
            "volumes" => volumes(node, &mut project, &mut found),
            "secrets" => secrets(node, &mut project, &mut found),
            "configs" => {}
            "include" => found.refuse(key.line, "include: put all services into one file"),
            "models" => found.refuse(key.line, "models are not mapped"),
            other if other.starts_with("x-") => {}
            other => {
                let known = ["services", "networks", "volumes", "secrets", "configs"];
                let known = known.into_iter().chain(PLAIN);
                let message = crate::commands::deploy::unknown_key("", other, known);
                found.refuse(key.line, message);
            }
        }
    }
    let name = around.chosen_name.clone().or(named);
    project.name = normal_name(&name.unwrap_or_else(|| around.name.clone()));
    if project.name.is_empty() || project.name.len() > 40 {
        found.refuse(root.line, "the project's name must have 1 to 40 letters, digits and dashes: give one with --project-name");
    }
    let configs = entries.iter().find(|(key, _)| key.name == "configs");
    let configs = configs.map(|(_, node)| configs_of(node, &mut found));
    let mut context = service::Context {
        around,
        volumes: &project.volumes,
        secrets: &project.secrets,
        networks: project.networks.keys().cloned().collect(),
        configs: configs.unwrap_or_default(),
        used_default: false,
    };
    let mut all = BTreeMap::new();
    let mut inactive = BTreeSet::new();
    for (key, node) in services {
        if !is_service_name(&key.name) {
            let message = format!(
                "the service {:?}: a name here has letters, digits, - and _, at most 60",
                key.name
            );
            found.refuse(key.line, message);
        }
        let (service, profiles) = service::read(&key.name, node, &mut context, &mut found);
        let active = profiles.is_empty()
            || profiles
                .iter()
                .any(|p| around.profiles.contains(p) || around.profiles.contains("*"));
        match active {
            true => _ = all.insert(key.name.clone(), (key.line, service)),
            false => _ = inactive.insert(key.name.clone()),
        }
    }
    if context.used_default {
        project.networks.entry("default".into()).or_insert(false);
    }
    if all.is_empty() && found.refused.is_empty() {
        found.refuse(root.line, "the file has no service to run");
    }
    dependencies(&all, &inactive, &mut found);
    project.services = all.into_iter().map(|(name, (_, s))| (name, s)).collect();
    ends_first(&project, &mut found);
    project.volumes = project
        .volumes
        .iter()
        .map(|(name, kept)| {
            let kept = match kept.is_empty() {
                true => format!("{}_{name}", project.name),
                false => kept.clone(),
            };
            (name.clone(), kept)
        })
        .collect();
    let used: BTreeSet<&String> = project
        .services
        .values()
        .flat_map(|s| &s.networks)
        .collect();
    project.networks = project
        .networks
        .clone()
        .into_iter()
        .filter(|(name, _)| used.contains(name))
        .collect();
    if found.refused.is_empty() {
        project.notes = found.notes.into_iter().collect();
        return Ok(project);
    }
    found.refused.sort_by_key(|error| error.line);
    Err(found.refused)
}

/// Lower case letters, digits and dashes.
pub fn normal_name(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let kept = lower.chars().map(|c| match c {
        '_' | '.' | ' ' => '-',
        other => other,
    });
    let kept: String = kept
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect();
    kept.trim_matches('-').to_owned()
}

fn is_service_name(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    !name.is_empty() && name.len() <= 60 && name.bytes().all(fits)
}

fn networks(node: &Node, project: &mut Project, found: &mut Findings) {
    for (key, node) in found.take(fields::entries(node, "networks")) {
        let path = format!("networks.{}", key.name);
        let mut internal = false;
        for (option, node) in found.take(fields::entries(node, &path)) {
            match option.name.as_str() {
                "internal" => internal = found.take(fields::boolean(node, &path)),
                "driver" if matches!(fields::text(node, &path).as_deref(), Ok("bridge" | "")) => {}
                "name" | "labels" | "attachable" | "enable_ipv4" => {}
                other => found.refuse(
                    option.line,
                    format!("{path}.{other} is not mapped: a network here is a security group of the project's VPC"),
                ),
            }
        }
        project.networks.insert(key.name.clone(), internal);
    }
}

fn volumes(node: &Node, project: &mut Project, found: &mut Findings) {
    for (key, node) in found.take(fields::entries(node, "volumes")) {
        let path = format!("volumes.{}", key.name);
        let mut kept = String::new();
        for (option, node) in found.take(fields::entries(node, &path)) {
            match option.name.as_str() {
                "name" => kept = found.take(fields::text(node, &path)),
                "driver" if matches!(fields::text(node, &path).as_deref(), Ok("local" | "")) => {}
                "labels" => {}
                other => found.refuse(
                    option.line,
                    format!("{path}.{other} is not mapped: a named volume here is an elastic file system"),
                ),
            }
        }
        project.volumes.insert(key.name.clone(), kept);
    }
}

fn secrets(node: &Node, project: &mut Project, found: &mut Findings) {
    for (key, node) in found.take(fields::entries(node, "secrets")) {
        let path = format!("secrets.{}", key.name);
        let mut source = None;
        for (option, node) in found.take(fields::entries(node, &path)) {
            let text = found.take(fields::text(node, &path));
            match option.name.as_str() {
                "file" => source = Some(SecretSource::File(text)),
                "environment" => source = Some(SecretSource::Variable(text)),
                "name" | "labels" => {}
                other => found.refuse(
                    option.line,
                    format!("{path}.{other} is not mapped: give file or environment"),
                ),
            }
        }
        match source {
            Some(source) => _ = project.secrets.insert(key.name.clone(), source),
            None => found.refuse(key.line, format!("{path} has neither file nor environment")),
        }
    }
}

/// The files that configs are.
fn configs_of(node: &Node, found: &mut Findings) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (key, node) in found.take(fields::entries(node, "configs")) {
        let path = format!("configs.{}", key.name);
        for (option, node) in found.take(fields::entries(node, &path)) {
            match option.name.as_str() {
                "file" => {
                    let text = found.take(fields::text(node, &path));
                    all.insert(key.name.clone(), text);
                }
                "name" => {}
                other => found.refuse(
                    option.line,
                    format!(
                        "{path}.{other} is not mapped: a config here is a file that the image gets"
                    ),
                ),
            }
        }
    }
    all
}

/// Whom services wait for must be there, and nobody may wait for himself.
fn dependencies(
    all: &BTreeMap<String, (usize, Service)>,
    inactive: &BTreeSet<String>,
    found: &mut Findings,
) {
    for (name, (line, service)) in all {
        for (wanted, condition) in &service.depends_on {
            let Some((_, other)) = all.get(wanted) else {
                let why = match inactive.contains(wanted) {
                    true => "which is of a profile that is not active",
                    false => "which the file does not have",
                };
                found.refuse(
                    *line,
                    format!("services.{name} depends on {wanted:?}, {why}"),
                );
                continue;
            };
            if *condition == Condition::Healthy && other.health.is_none() {
                found.refuse(*line, format!("services.{name} waits until {wanted} is healthy, which has no healthcheck in the file (ECS does not use that of an image)"));
            }
        }
        if let Some(round) = cycle(all, name) {
            found.refuse(*line, format!("services.{name} waits for itself: {round}"));
            return;
        }
    }
}

/// The way back to `start`, if there is one.
fn cycle(all: &BTreeMap<String, (usize, Service)>, start: &str) -> Option<String> {
    let mut seen = BTreeSet::new();
    let mut ways = vec![vec![start]];
    while let Some(way) = ways.pop() {
        let last = way.last().copied().unwrap_or(start);
        let Some((_, service)) = all.get(last) else {
            continue;
        };
        for next in service.depends_on.keys() {
            let mut way = way.clone();
            way.push(next);
            if next == start {
                return Some(way.join(" -> "));
            }
            if seen.insert(next) {
                ways.push(way);
            }
        }
    }
    None
}

/// What must end before another starts becomes a container of its task: that has limits.
fn ends_first(project: &Project, found: &mut Findings) {
    for (name, service) in &project.services {
        let waiting = project.waiting_for_end_of(name);
        let refuse = |why: &str| {
            format!(
                "services.{name} is to end before {} starts, and {why}: here it is a container of that task",
                waiting.join(", ")
            )
        };
        match &waiting[..] {
            [] => {
                if service.runs_once {
                    found.notes.insert(format!("{name}: ECS starts a service's task again when it ends, whatever `restart` says"));
                }
                continue;
            }
            [_] => {}
            _ => found.refuse(1, refuse("only one service may wait for that")),
        }
        let others = project.services.iter();
        let mut others = others.filter(|(_, s)| {
            s.depends_on
                .get(name)
                .is_some_and(|c| *c != Condition::Completed)
        });
        if let Some((other, _)) = others.next() {
            found.refuse(1, refuse(&format!("{other} waits for it in another way")));
        }
        if !service.ports.is_empty() {
            found.refuse(1, refuse("has ports"));
        }
        let healthy = service
            .depends_on
            .values()
            .any(|c| *c == Condition::Completed);
        if healthy {
            found.refuse(1, refuse("waits for another one's end itself"));
        }
    }
}
