//! Docker's `local` driver: a directory, or what the options `type`, `o` and `device` mount there
//! (<https://docs.docker.com/reference/cli/docker/volume/create/#driver-specific-options>).

use super::{DATA, MOUNTED, directory, is_mounted};
use rustix::fs::{FlockOperation, flock};
use rustix::mount::{MountFlags, mount};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::{self, File};
use std::net::ToSocketAddrs;
use std::path::{Path, PathBuf};

/// What is behind a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Backing {
    /// Its own directory.
    Directory,
    /// A part of the machine's files.
    Bind { device: String, read_only: bool },
    /// A file system of its own.
    Mounted {
        device: String,
        kind: String,
        flags: MountFlags,
        data: String,
    },
}

impl Backing {
    /// # Errors
    /// What is wrong with the options, in Docker's words.
    pub fn of(options: &BTreeMap<String, String>) -> Result<Backing, String> {
        for name in options.keys() {
            if !matches!(name.as_str(), "type" | "o" | "device" | "size") {
                return Err(format!("invalid option: {name:?}"));
            }
        }
        if options.contains_key("size") {
            return Err("quota size requested but no quota support".to_owned());
        }
        for (name, needs) in [
            ("device", &["type"][..]),
            ("type", &["device"]),
            ("o", &["device", "type"]),
        ] {
            let lacks = needs.iter().find(|other| !options.contains_key(**other));
            if let (true, Some(other)) = (options.contains_key(name), lacks) {
                return Err(format!("missing required option: {other:?}"));
            }
        }
        let (Some(kind), Some(device)) = (options.get("type"), options.get("device")) else {
            return Ok(Backing::Directory);
        };
        let given = options.get("o").map(String::as_str).unwrap_or_default();
        let (flags, data) = flags(given);
        if flags.contains(MountFlags::BIND) || kind == "bind" {
            return Ok(Backing::Bind {
                device: device.clone(),
                read_only: flags.contains(MountFlags::RDONLY),
            });
        }
        Ok(Backing::Mounted {
            device: device.clone(),
            kind: kind.clone(),
            flags,
            data,
        })
    }

    /// It needs the operator's word: only memory is nobody else's.
    pub fn reaches_host(&self) -> bool {
        match self {
            Backing::Directory => false,
            Backing::Bind { .. } => true,
            Backing::Mounted { kind, .. } => kind != "tmpfs",
        }
    }

    /// Where it is, mounted if need be, and whether it can only be read. `place` is the volume's own
    /// directory. Idempotent.
    ///
    /// # Errors
    /// In Docker's words.
    pub fn ready(&self, place: &Path) -> Result<(PathBuf, bool), String> {
        match self {
            Backing::Directory => Ok((directory(&place.join(DATA))?, false)),
            Backing::Bind { device, read_only } => match fs::metadata(device) {
                Ok(_) if device.starts_with('/') => Ok((device.into(), *read_only)),
                Ok(_) => Err(failed(device, "invalid argument")),
                Err(e) => Err(failed(device, &words(&e))),
            },
            Backing::Mounted {
                device,
                kind,
                flags,
                data,
            } => {
                let at = directory(&place.join(DATA))?;
                // Two containers that start at once mount it once. It waits for no other volume: a
                // server may take its time.
                let lock = File::open(place).map_err(|e| failed(device, &words(&e)))?;
                flock(&lock, FlockOperation::LockExclusive)
                    .map_err(|e| failed(device, &words(&e.into())))?;
                if !is_mounted(&at) {
                    File::create(place.join(MOUNTED)).map_err(|e| failed(device, &words(&e)))?;
                    let data = resolved(data).map_err(|why| failed(device, &why))?;
                    let text =
                        CString::new(data).map_err(|_| failed(device, "invalid argument"))?;
                    mount(device.as_str(), &at, kind.as_str(), *flags, text.as_c_str())
                        .map_err(|e| failed(device, &words(&e.into())))?;
                }
                Ok((at, flags.contains(MountFlags::RDONLY)))
            }
        }
    }
}

/// Without the path of our own directory.
fn failed(device: &str, why: &str) -> String {
    format!("Error response from daemon: failed to mount local volume: mount {device}: {why}")
}

/// As Go writes them: without the number.
fn words(error: &std::io::Error) -> String {
    let text = error.to_string().to_lowercase();
    text.split(" (os error")
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// The options of mount(8) that are flags, and the file system's own. What concerns propagation is
/// left out: nothing propagates.
fn flags(options: &str) -> (MountFlags, String) {
    let mut flags = MountFlags::empty();
    let mut data = Vec::new();
    for option in options.split(',').filter(|o| !o.is_empty()) {
        match option {
            "ro" => flags |= MountFlags::RDONLY,
            "rw" => flags -= MountFlags::RDONLY,
            "suid" => flags -= MountFlags::NOSUID,
            "nosuid" => flags |= MountFlags::NOSUID,
            "nodev" => flags |= MountFlags::NODEV,
            "exec" => flags -= MountFlags::NOEXEC,
            "noexec" => flags |= MountFlags::NOEXEC,
            "sync" => flags |= MountFlags::SYNCHRONOUS,
            "async" => flags -= MountFlags::SYNCHRONOUS,
            "dirsync" => flags |= MountFlags::DIRSYNC,
            "noatime" => flags |= MountFlags::NOATIME,
            "nodiratime" => flags |= MountFlags::NODIRATIME,
            "relatime" => flags |= MountFlags::RELATIME,
            "strictatime" => flags |= MountFlags::STRICTATIME,
            "bind" | "rbind" => flags |= MountFlags::BIND,
            // Defaults, what the kernel has no flag for, and `dev`: device nodes work in `/dev` only.
            "defaults" | "atime" | "diratime" | "norelatime" | "nostrictatime" | "dev" | "mand"
            | "nomand" | "private" | "rprivate" | "shared" | "rshared" | "slave" | "rslave"
            | "unbindable" | "runbindable" => {}
            own => data.push(own),
        }
    }
    (flags, data.join(","))
}

/// NFS asks for its server's address, not for its name.
fn resolved(data: &str) -> Result<String, String> {
    let Some(option) = data.split(',').find(|o| o.starts_with("addr=")) else {
        return Ok(data.to_owned());
    };
    let name = option.trim_start_matches("addr=");
    let mut found = (name, 0)
        .to_socket_addrs()
        .map_err(|e| format!("error resolving passed in network volume address: {e}"))?;
    match found.next() {
        Some(address) => Ok(data.replace(option, &format!("addr={}", address.ip()))),
        None => Err(format!("lookup {name}: no such host")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(given: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        given.iter().map(owned).collect()
    }

    #[test]
    fn options_are_dockers() {
        let of = |given: &[(&str, &str)]| Backing::of(&options(given));
        assert_eq!(of(&[]), Ok(Backing::Directory));
        let tmpfs = of(&[
            ("type", "tmpfs"),
            ("device", "tmpfs"),
            ("o", "size=1m,uid=9,ro"),
        ]);
        let tmpfs = tmpfs.unwrap();
        assert!(!tmpfs.reaches_host());
        assert_eq!(
            tmpfs,
            Backing::Mounted {
                device: "tmpfs".into(),
                kind: "tmpfs".into(),
                flags: MountFlags::RDONLY,
                data: "size=1m,uid=9".into(),
            }
        );
        let bind = of(&[("type", "none"), ("device", "/srv"), ("o", "bind")]).unwrap();
        assert!(
            bind.reaches_host()
                && matches!(
                    bind,
                    Backing::Bind {
                        read_only: false,
                        ..
                    }
                )
        );
        let nfs = [
            ("type", "nfs"),
            ("device", ":/x"),
            ("o", "addr=10.0.0.1,rw"),
        ];
        assert!(of(&nfs).unwrap().reaches_host());
        for (given, why) in [
            (&[("mode", "1")][..], "invalid option: \"mode\""),
            (&[("o", "bind")], "missing required option: \"device\""),
            (&[("type", "nfs")], "missing required option: \"device\""),
            (
                &[("size", "1g")],
                "quota size requested but no quota support",
            ),
        ] {
            assert_eq!(of(given).unwrap_err(), why);
        }
    }

    #[test]
    fn a_server_is_named_by_its_address() {
        assert_eq!(
            resolved("addr=127.0.0.1,nolock").unwrap(),
            "addr=127.0.0.1,nolock"
        );
        assert_eq!(resolved("nolock").unwrap(), "nolock");
    }
}
