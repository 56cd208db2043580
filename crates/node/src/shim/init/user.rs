//! Who the container runs as, by the image's own `/etc/passwd` and `/etc/group`.
//!
//! Follows Docker: `user`, `uid`, `user:group`, each by name or number; numbers need no entry.
//! Supplementary groups come from `/etc/group` only when no group is asked for.
//!
//! Invariants: a number is a number, whatever entries are called (CVE-2016-3697); nobody is root
//! by an id that the kernel reads otherwise; the group is among the supplementary groups
//! (CVE-2022-36109); it is decided once, before anything of the image runs. Later runs and the
//! programs run beside ask the record, never files that the container can change.

use super::super::state::{USER, read_json};
use super::setup;
use crate::runtime::{StartFailure, StartFailureKind};
use rustix::fs::{Mode, OFlags, open};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

/// A larger file is no user database; the image's author does not get to fill our memory.
const LARGEST: u64 = 16 << 20;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct User {
    pub uid: u32,
    pub gid: u32,
    /// All of them, `gid` first.
    pub groups: Vec<u32>,
    pub home: String,
}

impl User {
    /// Who has every power that the container has.
    pub fn root() -> User {
        User {
            uid: 0,
            gid: 0,
            groups: vec![0],
            home: "/root".to_owned(),
        }
    }
}

/// What is known of the user before the container's files are seen.
pub(super) enum Identity {
    /// From the container's first run.
    Known(User),
    /// To be written down here.
    Unknown(File),
}

impl Identity {
    /// Looks into the container in `dir`, a directory of the host.
    pub fn look(dir: &Path) -> Result<Identity, StartFailure> {
        // A record cut short is from a run of which nothing was executed.
        match read_json(&dir.join(USER)) {
            Ok(user) => Ok(Identity::Known(user)),
            Err(_) => File::create(dir.join(USER))
                .map(Identity::Unknown)
                .map_err(setup(USER)),
        }
    }

    /// Reads the files of the current root: call it inside the container, before anything is
    /// mounted there.
    pub fn resolve(self, spec: &str) -> Result<User, StartFailure> {
        let mut record = match self {
            Identity::Known(user) => return Ok(user),
            Identity::Unknown(record) => record,
        };
        let user = lookup(spec, &read("/etc/passwd"), &read("/etc/group"))?;
        let bytes = serde_json::to_vec(&user).expect("plain data always serialises");
        record.write_all(&bytes).map_err(setup(USER))?;
        Ok(user)
    }
}

/// The user of a container that runs.
pub(super) fn known(dir: &Path) -> Result<User, StartFailure> {
    read_json(&dir.join(USER)).map_err(setup(USER))
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
const IDS: std::ops::RangeInclusive<i64> = 0..=i32::MAX as i64;

/// The words are Docker's (`moby/sys/user`), as are the rules but one: an entry whose id is no
/// number is passed over, where Docker takes it for root's.
pub(super) fn lookup(spec: &str, passwd: &str, group: &str) -> Result<User, StartFailure> {
    let mut parts = spec.split(':');
    let user = parts.next().filter(|user| !user.is_empty()).unwrap_or("0");
    let wanted_group = parts.next().filter(|group| !group.is_empty());
    let number = number(user);
    let mut entries = lines(passwd).filter_map(Entry::parse);
    let entry = entries.find(|entry| match number {
        Some(uid) => entry.uid == uid,
        None => entry.name == user,
    });
    let (uid, mut gid, home) = match (&entry, number) {
        (Some(entry), _) => (entry.uid, entry.gid, entry.home),
        (None, Some(uid)) => (uid, 0, ""),
        (None, None) => return Err(missing("user", user, "passwd")),
    };
    let mut groups = Vec::new();
    if let Some(wanted) = wanted_group {
        let named = || of_group(group).find(|(name, ..)| *name == wanted);
        gid = self::number(wanted)
            .or_else(|| named().map(|(_, gid, _)| gid))
            .ok_or_else(|| missing("group", wanted, "group"))?;
    } else if let Some(Entry { name, .. }) = entry.filter(|entry| !entry.name.is_empty()) {
        let has = |members: &str| members.split(',').any(|member| member == name);
        let of = of_group(group).filter(|(_, _, members)| has(members));
        groups.extend(of.map(|(_, gid, _)| gid));
    }
    groups.retain(|other| *other != gid);
    groups.insert(0, gid);
    Ok(User {
        uid: id(uid)?,
        gid: id(gid)?,
        groups: groups.into_iter().map(id).collect::<Result<_, _>>()?,
        home: if home.is_empty() { "/" } else { home }.to_owned(),
    })
}

/// A number, as Go's `Atoi` takes it. One that is too large for us is too large for all.
fn number(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(i64::MAX))
}

fn id(number: i64) -> Result<u32, StartFailure> {
    match u32::try_from(number) {
        Ok(id) if IDS.contains(&number) => Ok(id),
        _ => Err(StartFailure::new(
            StartFailureKind::Config,
            "uids and gids must be in range 0-2147483647",
        )),
    }
}

/// A line of `/etc/passwd`; what a short one lacks is empty.
#[derive(Debug, Clone, Copy)]
struct Entry<'a> {
    name: &'a str,
    uid: i64,
    gid: i64,
    home: &'a str,
}

impl Entry<'_> {
    fn parse(line: &str) -> Option<Entry<'_>> {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let uid = number(fields.nth(1)?)?;
        // moby/sys/user takes what is no number as 0, and so do we for groups. A user ID that is
        // none would be root, and is passed over instead.
        let gid = fields.next().and_then(number).unwrap_or(0);
        let home = fields.nth(1).unwrap_or_default();
        Some(Entry {
            name,
            uid,
            gid,
            home,
        })
    }
}

/// (name, gid, members) of each line of `/etc/group`.
fn of_group(text: &str) -> impl Iterator<Item = (&str, i64, &str)> {
    lines(text).filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let gid = number(fields.nth(1)?)?;
        Some((name, gid, fields.next().unwrap_or_default()))
    })
}

/// The lines with something in them, without what is around them.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

fn missing(what: &str, name: &str, file: &str) -> StartFailure {
    StartFailure::new(
        StartFailureKind::Config,
        format!("unable to find {what} {name}: no matching entries in {file} file"),
    )
}
