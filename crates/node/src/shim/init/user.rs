//! Who the container runs as, by the image's own `/etc/passwd` and `/etc/group`.
//!
//! Follows Docker: `user`, `uid`, `user:group`, each by name or number; numbers need no entry.
//! Supplementary groups come from `/etc/group` only when no group is asked for.

use crate::runtime::{StartFailure, StartFailureKind};
use rustix::fs::{Mode, OFlags, open};
use std::fs::File;
use std::io::Read;

/// A larger file is no user database; the image's author does not get to fill our memory.
const LARGEST: u64 = 16 << 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
    pub home: String,
}

/// Reads the files of the current root: call it inside the container.
pub(super) fn resolve(spec: &str) -> Result<User, StartFailure> {
    lookup(spec, &read("/etc/passwd"), &read("/etc/group"))
}

/// A missing or unreadable file counts as empty. Opened so that a pipe planted there cannot
/// hold us up.
fn read(path: &str) -> String {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let mut text = Vec::new();
    if let Ok(file) = open(path, flags, Mode::empty()) {
        let file = File::from(file);
        if file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            let _ = file.take(LARGEST).read_to_end(&mut text);
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// Docker's limit. The kernel takes 4294967295 for "leave it", which would leave root.
const LARGEST_ID: u32 = i32::MAX as u32;

pub(super) fn lookup(spec: &str, passwd: &str, group: &str) -> Result<User, StartFailure> {
    let (user, wanted_group) = match spec.split_once(':') {
        Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
        None => (spec, None),
    };
    let user = if user.is_empty() { "0" } else { user };
    let number = user.parse::<u32>().ok();
    let entry = passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, gid, _, home, ..] = fields[..] else {
            return None;
        };
        let (uid, gid) = (uid.parse::<u32>().ok()?, gid.parse::<u32>().ok()?);
        (name == user || number == Some(uid)).then_some((name, uid, gid, home))
    });
    let (name, uid, gid, home) = match (entry, number) {
        (Some(entry), _) => entry,
        (None, Some(uid)) => ("", uid, 0, "/"),
        (None, None) => return Err(missing("user", user, "passwd")),
    };
    let mut found = User {
        uid,
        gid,
        groups: Vec::new(),
        home: home.to_owned(),
    };
    if found.home.is_empty() {
        found.home = "/".to_owned();
    }
    match wanted_group {
        Some(wanted) => {
            let number = wanted.parse::<u32>().ok();
            found.gid = groups(group)
                .find(|(name, gid, _)| *name == wanted || number == Some(*gid))
                .map(|(_, gid, _)| gid)
                .or(number)
                .ok_or_else(|| missing("group", wanted, "group"))?;
        }
        None if !name.is_empty() => {
            found.groups = groups(group)
                .filter(|(_, _, members)| members.split(',').any(|member| member == name))
                .map(|(_, gid, _)| gid)
                .collect();
        }
        None => {}
    }
    let ids = [found.uid, found.gid];
    if ids.iter().chain(&found.groups).any(|id| *id > LARGEST_ID) {
        return Err(StartFailure::new(
            StartFailureKind::Config,
            "uids and gids must be in range 0-2147483647",
        ));
    }
    Ok(found)
}

/// (name, gid, members) of each line.
fn groups(text: &str) -> impl Iterator<Item = (&str, u32, &str)> {
    text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let gid = fields.nth(1)?.parse().ok()?;
        Some((name, gid, fields.next().unwrap_or_default()))
    })
}

fn missing(what: &str, name: &str, file: &str) -> StartFailure {
    StartFailure::new(
        StartFailureKind::Config,
        format!("unable to find {what} {name}: no matching entries in {file} file"),
    )
}
