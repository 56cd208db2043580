//! Elastic file systems: a directory of this host for each, or what its operator says it is.
//!
//! ```text
//! <dir>/<account>/<region>/<file system>/root
//! <dir>/<account>/<region>/<file system>/access-points/<access point>
//! ```
//! They are made when a task first mounts them, and nothing removes them. A file system that the
//! operator named is a directory, or a server (`server:/path`), whoever's account mounts it.
//!
//! What tasks write there may be links: no path in a file system is resolved but beneath its root
//! ([`Place::beneath`]).

use super::local::Backing;
use super::{directory, is_name};
use neargate_domain::{Assignment, EfsVolume};
use rustix::fs::{Mode, OFlags, ResolveFlags, mkdirat, openat2};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const ACCESS_POINTS: &str = "access-points";
const BENEATH: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS);

/// The file systems of a host; its agents have the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileSystems {
    dir: PathBuf,
    named: BTreeMap<String, String>,
}

/// Where a volume is.
pub(super) struct Place {
    pub root: PathBuf,
    /// A path in it; empty: all of it.
    pub beneath: String,
}

impl FileSystems {
    /// Kept in `dir`, but for those in `named`: a directory, or `server:/path`, by id.
    ///
    /// # Errors
    /// What is neither.
    pub fn new(dir: PathBuf, named: BTreeMap<String, String>) -> Result<FileSystems, String> {
        for (id, place) in &named {
            let is_server = place
                .split_once(":/")
                .is_some_and(|(server, _)| !server.is_empty());
            if !place.starts_with('/') && !is_server {
                return Err(format!(
                    "{id}: {place:?} is neither a directory nor server:/path"
                ));
            }
        }
        Ok(FileSystems { dir, named })
    }

    /// `own` is the task's directory for the volume.
    ///
    /// # Errors
    /// The text after `ResourceInitializationError: `.
    pub(super) fn place(
        &self,
        own: &Path,
        task: &Assignment,
        efs: &EfsVolume,
    ) -> Result<Place, String> {
        let id = efs.file_system_id.rsplit('/').next().unwrap_or_default();
        let region = task.region.as_str();
        let asked = efs.root_directory.trim_matches('/');
        let failed = |why: &str| {
            format!(
                "failed to invoke EFS utils commands to set up EFS volumes: stderr: mount.nfs4: \
                 mounting {id}.efs.{region}.amazonaws.com:/{asked} failed, reason given by server: \
                 {why} : unsuccessful EFS utils command execution; code: 32"
            )
        };
        if !is_name(id) {
            return Err(failed("Invalid argument"));
        }
        let of_account = self.dir.join(task.account.as_str()).join(region).join(id);
        let root = match self.named.get(id) {
            Some(place) if place.starts_with('/') => PathBuf::from(place),
            Some(server) => mounted(own, server).map_err(|why| failed(&why))?,
            None => directory(&of_account.join("root")).map_err(|why| failed(&why))?,
        };
        if let Some(point) = &efs.access_point_id {
            let point = point.rsplit('/').next().unwrap_or_default();
            if !is_name(point) {
                return Err(failed("Invalid argument"));
            }
            let root = match self.named.contains_key(id) {
                true => root,
                false => of_account,
            };
            make_access_point(&root, point).map_err(|e| failed(&e.to_string()))?;
            return Ok(Place {
                root,
                beneath: format!("{ACCESS_POINTS}/{point}"),
            });
        }
        let is_there = || {
            open_root(&root)
                .and_then(|root| open_beneath(&root, asked))
                .is_ok()
        };
        if !asked.is_empty() && !is_there() {
            return Err(failed("No such file or directory"));
        }
        Ok(Place {
            root,
            beneath: asked.to_owned(),
        })
    }
}

/// `server:/path`, as Amazon recommends to mount one
/// (<https://docs.aws.amazon.com/efs/latest/ug/mounting-fs-nfs-mount-settings.html>).
fn mounted(own: &Path, server: &str) -> Result<PathBuf, String> {
    let (host, _) = server.split_once(':').unwrap_or((server, ""));
    let settings =
        format!("nfsvers=4.1,rsize=1048576,wsize=1048576,hard,timeo=600,retrans=2,addr={host}");
    let options = [("type", "nfs4"), ("device", server), ("o", &settings)];
    let options = options.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let backing = Backing::of(&options.into())?;
    Ok(backing.ready(&directory(own)?)?.0)
}

/// An access point writes as its own user, whoever its client is. That user is not known here, so
/// everybody may write.
fn make_access_point(root: &Path, point: &str) -> io::Result<()> {
    let root = open_root(root)?;
    let make = |at: &OwnedFd, name: &str| match mkdirat(at, name, Mode::from_raw_mode(0o755)) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        Err(e) => Err(io::Error::from(e)),
    };
    make(&root, ACCESS_POINTS)?;
    let above = open_beneath(&root, ACCESS_POINTS)?;
    if make(&above, point)? {
        let made = File::from(openat2(
            &above,
            point,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
            BENEATH,
        )?);
        made.set_permissions(Permissions::from_mode(0o777))?;
    }
    open_beneath(&above, point).map(drop)
}

fn open_root(root: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(root, flags, Mode::empty())?)
}

/// A directory, no link on the way.
fn open_beneath(root: &OwnedFd, path: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(openat2(root, path, flags, Mode::empty(), BENEATH)?)
}
