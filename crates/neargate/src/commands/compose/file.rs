//! Which Compose file is meant, and what lies around it: `.env`, files of variables, the environment.

use super::interpolate::Variables;
use super::model::Project;
use super::read::{self, EnvFile, Surroundings};
use super::{dotenv, fields};
use crate::commands::yaml::{FileError, parse_with_anchors};
use anyhow::{Context, Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// In the order they are looked for.
const NAMES: [&str; 4] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yaml",
    "docker-compose.yml",
];

/// No file beside a Compose file is larger.
const LARGEST: u64 = 1 << 20;

/// A project and where it lies.
#[derive(Debug)]
pub struct Found {
    pub project: Project,
    /// The directory that paths are relative to.
    pub dir: PathBuf,
    variables: BTreeMap<String, String>,
}

/// What is wrong with a file, all of it.
#[derive(Debug, thiserror::Error)]
#[error("{}", lines(.0, .1))]
pub struct Unmapped(PathBuf, Vec<FileError>);

fn lines(file: &Path, all: &[FileError]) -> String {
    let name = file.display();
    let lines = all.iter().map(|error| format!("{name}: {error}"));
    lines.collect::<Vec<_>>().join("\n")
}

impl Found {
    /// # Errors
    /// There is no file, or not everything in it can be mapped: [`Unmapped`].
    pub fn read(
        file: Option<&Path>,
        chosen_name: Option<String>,
        profiles: &[String],
        env_file: Option<&Path>,
    ) -> Result<Found> {
        let file = match file {
            Some(file) => file.to_owned(),
            None => {
                nearest().context("there is no compose.yaml here or above: name one with -f")?
            }
        };
        let dir = match file.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => dir.to_owned(),
            _ => PathBuf::from("."),
        };
        let text = text(&file)?;
        let variables = variables(&dir, env_file)?;
        let variable = |name: &str| variable(&variables, name);
        let unmapped = |all: Vec<FileError>| Unmapped(file.clone(), all);
        let root = parse_with_anchors(&text).map_err(|error| unmapped(vec![error]))?;
        let mut replacing = Variables::new(&variable);
        let mut refused = Vec::new();
        let root = fields::interpolated(&root, &mut replacing, &mut refused);
        if !refused.is_empty() {
            return Err(unmapped(refused).into());
        }
        let unset = std::mem::take(&mut replacing.unset);
        let env_file = |name: &str| env_file_of(&dir, name, &variable);
        let more = variable("COMPOSE_PROFILES").unwrap_or_default();
        let more = more.split(',').filter(|p| !p.is_empty());
        let around = Surroundings {
            name: directory_name(&dir),
            chosen_name: chosen_name.or_else(|| variable("COMPOSE_PROJECT_NAME")),
            profiles: profiles
                .iter()
                .cloned()
                .chain(more.map(str::to_owned))
                .collect::<BTreeSet<_>>(),
            variable: &variable,
            env_file: &env_file,
        };
        let mut project = read::project(&root, &around).map_err(unmapped)?;
        for name in unset {
            project
                .notes
                .push(format!("the variable {name} is not set: it is empty"));
        }
        let beside = [
            "compose.override.yaml",
            "compose.override.yml",
            "docker-compose.override.yml",
            "docker-compose.override.yaml",
        ];
        if let Some(over) = beside.iter().find(|name| dir.join(name).exists()) {
            project
                .notes
                .push(format!("{over} is not read: one file is"));
        }
        Ok(Found {
            project,
            dir,
            variables,
        })
    }

    /// The value of a secret.
    ///
    /// # Errors
    /// There is none.
    pub fn secret(&self, source: &super::model::SecretSource) -> Result<String> {
        match source {
            super::model::SecretSource::File(file) => {
                let value = text(&self.dir.join(file))?;
                Ok(value.trim_end_matches(['\n', '\r']).to_owned())
            }
            super::model::SecretSource::Variable(name) => {
                let value = variable(&self.variables, name);
                value.with_context(|| format!("the variable {name}, which a secret is, is not set"))
            }
        }
    }

    pub fn variable(&self, name: &str) -> Option<String> {
        variable(&self.variables, name)
    }
}

fn variable(variables: &BTreeMap<String, String>, name: &str) -> Option<String> {
    // The environment comes before `.env`.
    std::env::var(name)
        .ok()
        .or_else(|| variables.get(name).cloned())
}

fn nearest() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    here.ancestors().find_map(|dir| {
        let mut all = NAMES.iter().map(|name| dir.join(name));
        all.find(|file| file.is_file())
    })
}

fn text(path: &Path) -> Result<String> {
    let about = || format!("cannot read {}", path.display());
    let size = std::fs::metadata(path).with_context(about)?.len();
    if size > LARGEST {
        bail!("{} is larger than {LARGEST} bytes", path.display());
    }
    std::fs::read_to_string(path).with_context(about)
}

fn variables(dir: &Path, named: Option<&Path>) -> Result<BTreeMap<String, String>> {
    let file = named.map_or_else(|| dir.join(".env"), Path::to_owned);
    if named.is_none() && !file.exists() {
        return Ok(BTreeMap::new());
    }
    let text = text(&file)?;
    let environment = |name: &str| std::env::var(name).ok();
    let mut replacing = Variables::new(&environment);
    let read = dotenv::read(&text, &mut replacing).map_err(anyhow::Error::msg);
    let read = read.with_context(|| file.display().to_string())?;
    Ok(read
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect())
}

fn env_file_of(
    dir: &Path,
    name: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<EnvFile>, String> {
    let path = dir.join(name);
    if !path.exists() {
        return Ok(None);
    }
    let text = text(&path).map_err(|error| format!("{error:#}"))?;
    dotenv::read(&text, &mut Variables::new(variable)).map(Some)
}

fn directory_name(dir: &Path) -> String {
    let whole = std::fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    let name = whole
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_default()
}
