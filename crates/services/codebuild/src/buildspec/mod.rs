//! Buildspecs, read (<https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html>). It knows
//! neither where a buildspec comes from nor what is done with it.

pub mod yaml;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// Each command in a shell of its own.
    V01,
    /// All commands in one shell.
    V02,
}

/// What to do when a phase fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// As AWS's phases follow each other: install and pre_build end the build, build does not.
    #[default]
    Default,
    Abort,
    Continue,
    Retry(u32),
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Phase {
    pub run_as: Option<String>,
    pub on_failure: OnFailure,
    /// Names and versions of `runtime-versions`.
    pub runtimes: Vec<(String, String)>,
    pub commands: Vec<String>,
    pub finally: Vec<String>,
}

/// What is taken out of a build, primary or secondary.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Files {
    pub files: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default)]
    pub discard_paths: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_directory: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude_paths: Vec<String>,
    #[serde(default)]
    pub enable_symlinks: bool,
}

/// A report's files, and what they are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReportFiles {
    pub files: Files,
    /// `JUNITXML`.
    pub format: String,
}

/// What is kept from one build for the next.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cache {
    /// Paths with wildcards, of the container or of the source.
    pub paths: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Buildspec {
    pub version: Version,
    pub run_as: Option<String>,
    /// `sh` unless it says otherwise.
    pub shell: String,
    pub variables: Vec<(String, String)>,
    pub parameters: Vec<(String, String)>,
    pub secrets: Vec<(String, String)>,
    pub exported: Vec<String>,
    pub install: Phase,
    pub pre_build: Phase,
    pub build: Phase,
    pub post_build: Phase,
    pub artifacts: Option<Files>,
    pub secondary_artifacts: Vec<(String, Files)>,
    pub cache: Cache,
    /// By the name or the ARN of their group.
    pub reports: Vec<(String, ReportFiles)>,
    /// What it asks for that is not built here: told in the build's log.
    pub unserved: Vec<&'static str>,
}

/// Report groups that a buildspec may name.
const MOST_REPORTS: usize = 5;

/// Reads one.
///
/// # Errors
/// What is wrong, in the words of the phase's context.
pub fn parse(text: &str) -> Result<Buildspec, String> {
    let root = match yaml::parse(text)? {
        Value::Object(root) => root,
        _ => return Err("wrong number of container tags, expected 1".into()),
    };
    let version = match text_of(&root, "version")?.as_deref() {
        Some("0.1") => Version::V01,
        Some("0.2") => Version::V02,
        Some(other) => return Err(format!("invalid buildspec version {other}")),
        None => return Err("buildspec has no version".into()),
    };
    let env = map_of(&root, "env")?;
    let shell = text_of(&env, "shell")?.unwrap_or_else(|| "sh".into());
    if !matches!(&*shell, "sh" | "bash" | "/bin/sh" | "/bin/bash") {
        return Err(format!(
            "the shell {shell} is not one of Linux: bash, /bin/sh"
        ));
    }
    let phases = map_of(&root, "phases")?;
    for name in phases.keys() {
        if !["install", "pre_build", "build", "post_build"].contains(&&**name) {
            return Err(format!(
                "Invalid buildspec phase name: {name}. Expecting: build,install,post_build,pre_build"
            ));
        }
    }
    let artifacts = map_of(&root, "artifacts")?;
    let secondary = map_of(&artifacts, "secondary-artifacts")?;
    let secondary: Result<Vec<_>, String> = secondary
        .iter()
        .map(|(id, files)| match files {
            Value::Object(map) => Ok((id.clone(), files_of(map)?)),
            _ => Err(format!("secondary artifact {id} is no mapping")),
        })
        .collect();
    let reports = map_of(&root, "reports")?;
    if reports.len() > MOST_REPORTS {
        return Err(format!("more than {MOST_REPORTS} report groups"));
    }
    let reports: Result<Vec<_>, String> = reports
        .iter()
        .map(|(name, of)| match of {
            Value::Object(map) => {
                let format = text_of(map, "file-format")?;
                let format = format.unwrap_or_else(|| "JUNITXML".into());
                let files = files_of(map)?;
                let format = format.to_ascii_uppercase();
                Ok((name.clone(), ReportFiles { files, format }))
            }
            _ => Err(format!("report {name} is no mapping")),
        })
        .collect();
    let cache = map_of(&root, "cache")?;
    let unserved = [("batch", "batch"), ("proxy", "proxy")];
    let unserved = unserved
        .iter()
        .filter(|(key, _)| root.get(*key).is_some_and(|v| !v.is_null()));
    Ok(Buildspec {
        version,
        run_as: text_of(&root, "run-as")?,
        shell,
        variables: pairs(&map_of(&env, "variables")?)?,
        parameters: pairs(&map_of(&env, "parameter-store")?)?,
        secrets: pairs(&map_of(&env, "secrets-manager")?)?,
        exported: list_of(&env, "exported-variables")?,
        install: phase(&phases, "install")?,
        pre_build: phase(&phases, "pre_build")?,
        build: phase(&phases, "build")?,
        post_build: phase(&phases, "post_build")?,
        artifacts: match artifacts.is_empty() {
            true => None,
            false => Some(files_of(&artifacts)?),
        },
        secondary_artifacts: secondary?,
        cache: Cache {
            paths: list_of(&cache, "paths")?,
            // One with variables or `codebuild-hash-files` is not worked out here, and means the usual one.
            key: text_of(&cache, "key")?.filter(|key| is_plain(key)),
        },
        reports: reports?,
        unserved: unserved.map(|(_, name)| *name).collect(),
    })
}

fn phase(phases: &Map<String, Value>, name: &str) -> Result<Phase, String> {
    let map = map_of(phases, name)?;
    let runtimes = match map.get("runtime-versions") {
        // `- java: 8` was written so once.
        Some(Value::Array(items)) => {
            let maps = items.iter().filter_map(Value::as_object);
            maps.map(pairs).collect::<Result<Vec<_>, _>>()?.concat()
        }
        _ => pairs(&map_of(&map, "runtime-versions")?)?,
    };
    Ok(Phase {
        run_as: text_of(&map, "run-as")?,
        on_failure: on_failure(text_of(&map, "on-failure")?.as_deref())?,
        runtimes,
        commands: commands(&map, "commands")?,
        finally: commands(&map, "finally")?,
    })
}

fn on_failure(text: Option<&str>) -> Result<OnFailure, String> {
    const TRIES: u32 = 3;
    Ok(match text {
        None => OnFailure::Default,
        Some("ABORT") => OnFailure::Abort,
        Some("CONTINUE") => OnFailure::Continue,
        Some("RETRY") => OnFailure::Retry(TRIES),
        Some(other) => match other.strip_prefix("RETRY-") {
            Some(count) if count.parse::<u32>().is_ok_and(|n| n <= 100) => {
                OnFailure::Retry(count.parse().unwrap_or(TRIES))
            }
            Some(_) => {
                return Err(format!(
                    "on-failure {other}: Neargate does not retry by a regular expression yet"
                ));
            }
            None => return Err(format!("invalid value of on-failure: {other}")),
        },
    })
}

/// Commands are a list, or one text.
fn commands(map: &Map<String, Value>, name: &str) -> Result<Vec<String>, String> {
    let items = match map.get(name) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::String(one)) => return Ok(vec![one.clone()]),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(format!("{name} is no list")),
    };
    let said = |(at, item): (usize, &Value)| match item {
        Value::String(text) => Some(Ok(text.clone())),
        Value::Null => None,
        _ => Some(Err(format!(
            "Expected Commands[{at}] to be of string type: found subkeys instead, value of the key \
             tag might be empty"
        ))),
    };
    items.iter().enumerate().filter_map(said).collect()
}

fn files_of(map: &Map<String, Value>) -> Result<Files, String> {
    let files = list_of(map, "files")?;
    if files.is_empty() {
        return Err("artifacts or reports have no files".into());
    }
    let truth = |name| Ok::<_, String>(text_of(map, name)?.is_some_and(|t| truthy(&t)));
    Ok(Files {
        files,
        name: text_of(map, "name")?,
        discard_paths: truth("discard-paths")?,
        base_directory: text_of(map, "base-directory")?,
        exclude_paths: list_of(map, "exclude-paths")?,
        enable_symlinks: truth("enable-symlinks")?,
    })
}

fn is_plain(key: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !key.is_empty() && key.len() <= 128 && key.chars().all(plain)
}

fn truthy(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().as_str(), "yes" | "true" | "on")
}

fn text_of(map: &Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    match map.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("{name} is no single value")),
    }
}

fn map_of(map: &Map<String, Value>, name: &str) -> Result<Map<String, Value>, String> {
    match map.get(name) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(map)) => Ok(map.clone()),
        Some(_) => Err(format!("{name} is no mapping")),
    }
}

fn list_of(map: &Map<String, Value>, name: &str) -> Result<Vec<String>, String> {
    match map.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(one)) => Ok(vec![one.clone()]),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| match item {
                Value::String(text) => Ok(text.clone()),
                _ => Err(format!("{name} has something that is no text")),
            })
            .collect(),
        Some(Value::Object(_)) => Err(format!("{name} is no list")),
        Some(_) => Err(format!("{name} is no list")),
    }
}

fn pairs(map: &Map<String, Value>) -> Result<Vec<(String, String)>, String> {
    let pair = |(name, value): (&String, &Value)| match value {
        Value::String(text) => Ok((name.clone(), text.clone())),
        Value::Null => Ok((name.clone(), String::new())),
        _ => Err(format!("{name} is no single value")),
    };
    map.iter().map(pair).collect()
}
