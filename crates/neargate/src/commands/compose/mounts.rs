//! What a container finds in its file system: volumes, files of the project, configs, secrets. Pure.

use super::fields::{boolean, items, text};
use super::model::{Baked, Mount, Service};
use super::read::Findings;
use super::service::Context;
use crate::commands::yaml::{Kind, Node};
use std::collections::BTreeMap;

pub(super) fn volumes(
    node: &Node,
    path: &str,
    service: &mut Service,
    context: &Context<'_>,
    found: &mut Findings,
) {
    for item in found.take(items(node, path)) {
        let Some(volume) = volume(item, path, found) else {
            continue;
        };
        let Volume {
            source,
            target,
            read_only,
            is_tmpfs,
        } = volume;
        if !target.starts_with('/') {
            found.refuse(
                item.line,
                format!("{path}: {target:?} is no path in a container"),
            );
        } else if is_tmpfs || source.is_empty() {
            service.scratch.push(target);
        } else if source.starts_with(['.', '/', '~']) {
            bind(item, path, source, target, read_only, service, found);
        } else if context.volumes.contains_key(&source) {
            service.mounts.push(Mount {
                volume: source,
                target,
                read_only,
            });
        } else {
            found.refuse(item.line, format!("{path}: there is no volume {source:?}"));
        }
    }
}

struct Volume {
    source: String,
    target: String,
    read_only: bool,
    is_tmpfs: bool,
}

fn volume(item: &Node, path: &str, found: &mut Findings) -> Option<Volume> {
    let mut volume = Volume {
        source: String::new(),
        target: String::new(),
        read_only: false,
        is_tmpfs: false,
    };
    let Kind::Map(options) = &item.kind else {
        let text = found.take(text(item, path));
        let parts: Vec<&str> = text.split(':').collect();
        match parts[..] {
            [target] => volume.target = target.to_owned(),
            [source, target] => {
                (volume.source, volume.target) = (source.to_owned(), target.to_owned())
            }
            [source, target, mode] => {
                (volume.source, volume.target) = (source.to_owned(), target.to_owned());
                volume.read_only = mode.split(',').any(|m| m == "ro");
            }
            _ => {
                found.refuse(
                    item.line,
                    format!("{path}: {text:?} is not SOURCE:TARGET[:MODE]"),
                );
                return None;
            }
        }
        return Some(volume);
    };
    for (key, node) in options {
        match key.name.as_str() {
            "type" => match found.take(text(node, path)).as_str() {
                "volume" | "bind" => {}
                "tmpfs" => volume.is_tmpfs = true,
                other => found.refuse(key.line, format!("{path}: the type {other} is not mapped")),
            },
            "source" => volume.source = found.take(text(node, path)),
            "target" => volume.target = found.take(text(node, path)),
            "read_only" => volume.read_only = found.take(boolean(node, path)),
            "bind" | "volume" | "tmpfs" | "consistency" => {}
            other => found.refuse(key.line, format!("{path}.{other} is not mapped")),
        }
    }
    Some(volume)
}

/// What is only read goes into the image, as it is now; what is written would be the host's.
fn bind(
    item: &Node,
    path: &str,
    source: String,
    target: String,
    read_only: bool,
    service: &mut Service,
    found: &mut Findings,
) {
    if !read_only {
        found.refuse(item.line, format!("{path}: {source} is mounted to be written, and a Fargate task has nothing of its host: mount it read-only (:ro), which puts it into the image, COPY it in the Dockerfile, or use a named volume"));
    } else if !is_within(&source) {
        found.refuse(item.line, format!("{path}: {source} is not in the project's directory: only what is there is put into the image"));
    } else {
        found.note(format!("{source} is put into the image, as it is at `up`"));
        service.baked.push(Baked { source, target });
    }
}

/// Is it a relative path that stays in its directory?
fn is_within(source: &str) -> bool {
    let mut parts = std::path::Path::new(source).components();
    let stays = |part| {
        matches!(
            part,
            std::path::Component::CurDir | std::path::Component::Normal(_)
        )
    };
    !source.starts_with(['/', '~']) && parts.all(stays)
}

pub(super) fn configs(
    node: &Node,
    path: &str,
    service: &mut Service,
    context: &Context<'_>,
    found: &mut Findings,
) {
    for item in found.take(items(node, path)) {
        let (mut source, mut target) = (String::new(), None);
        if let Kind::Map(options) = &item.kind {
            for (key, node) in options {
                match key.name.as_str() {
                    "source" => source = found.take(text(node, path)),
                    "target" => target = Some(found.take(text(node, path))),
                    other => found.refuse(key.line, format!("{path}.{other} is not mapped")),
                }
            }
        } else {
            source = found.take(text(item, path));
        }
        let target = target.unwrap_or_else(|| format!("/{source}"));
        match context.configs.get(&source) {
            Some(file) => bind(item, path, file.clone(), target, true, service, found),
            None => found.refuse(item.line, format!("{path}: there is no config {source:?}")),
        }
    }
}

/// The secrets of a service, by the files that a container would find them in.
pub(super) fn secrets(
    node: &Node,
    path: &str,
    context: &Context<'_>,
    found: &mut Findings,
) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for item in found.take(items(node, path)) {
        let (mut source, mut target) = (String::new(), None);
        if let Kind::Map(options) = &item.kind {
            for (key, node) in options {
                match key.name.as_str() {
                    "source" => source = found.take(text(node, path)),
                    "target" => target = Some(found.take(text(node, path))),
                    "uid" | "gid" | "mode" => {}
                    other => found.refuse(key.line, format!("{path}.{other} is not mapped")),
                }
            }
        } else {
            source = found.take(text(item, path));
        }
        if !context.secrets.contains_key(&source) {
            found.refuse(item.line, format!("{path}: there is no secret {source:?}"));
        }
        let target = target.unwrap_or_else(|| source.clone());
        let file = match target.starts_with('/') {
            true => target,
            false => format!("/run/secrets/{target}"),
        };
        files.insert(file, source);
    }
    files
}

/// ECS hands secrets over in variables. An image that takes `NAME_FILE` takes `NAME` as well.
pub(super) fn secret_variables(
    path: &str,
    line: usize,
    files: &BTreeMap<String, String>,
    service: &mut Service,
    found: &mut Findings,
) {
    for (file, secret) in files {
        let names = service.environment.iter();
        let names = names.filter(|(name, value)| name.ends_with("_FILE") && *value == file);
        let names: Vec<String> = names.map(|(name, _)| name.clone()).collect();
        if names.is_empty() {
            found.refuse(line, format!("{path}.secrets: {secret} is read from {file}, and ECS hands secrets over in variables: name one by an environment variable NAME_FILE={file}, and the container gets the secret in NAME"));
        }
        for name in names {
            service.environment.remove(&name);
            let plain = name.trim_end_matches("_FILE").to_owned();
            found.note(format!(
                "the secret {secret} is handed over in {plain}, in place of {name}"
            ));
            service.secrets.insert(plain, secret.clone());
        }
    }
}
