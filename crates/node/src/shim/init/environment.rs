//! The program's environment: the configured one, with what Docker adds.

use super::user::User;
use crate::runtime::{ContainerConfig, StartFailure, StartFailureKind};
use std::ffi::CString;

/// Docker's for Linux images.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The environment in order, and its PATH.
pub(super) struct Environment {
    pub strings: Vec<CString>,
    pub path: String,
}

pub(super) fn build(config: &ContainerConfig, user: &User) -> Result<Environment, StartFailure> {
    let strings = merge(config, user);
    let path = value(&strings, "PATH").unwrap_or(PATH).to_owned();
    let strings = strings
        .into_iter()
        .map(|entry| {
            CString::new(entry).map_err(|e| {
                let text = format!("the environment contains a zero byte: {e}");
                StartFailure::new(StartFailureKind::Config, text)
            })
        })
        .collect::<Result<_, _>>()?;
    Ok(Environment { strings, path })
}

pub(super) fn merge(config: &ContainerConfig, user: &User) -> Vec<String> {
    let mut merged = vec![
        format!("PATH={PATH}"),
        format!("HOSTNAME={}", config.hostname),
    ];
    if config.terminal {
        merged.push("TERM=xterm".to_owned());
    }
    let files = config.secret_files.as_ref();
    let is_file = |entry: &&String| files.is_some_and(|files| files.file(entry).is_some());
    let secret = config.secret_env.iter().map(|entry| entry.expose());
    let secret = secret.filter(|entry| !is_file(entry));
    for entry in config.env.iter().chain(secret) {
        let key = entry.split('=').next().unwrap_or_default();
        merged.retain(|earlier| earlier.split('=').next() != Some(key));
        merged.push(entry.clone());
    }
    // Docker and runc: an empty HOME counts as absent.
    if value(&merged, "HOME").is_none_or(str::is_empty) {
        merged.retain(|entry| !entry.starts_with("HOME="));
        merged.push(format!("HOME={}", user.home));
    }
    merged
}

fn value<'a>(entries: &'a [String], key: &str) -> Option<&'a str> {
    entries
        .iter()
        .find_map(|entry| entry.strip_prefix(key)?.strip_prefix('='))
}
