//! `RUN --mount`: what a step sees beside its root.

use super::builder::Builder;
use super::context::Context;
use super::copy::{Copy, Origin};
use super::error::{failed, wrong};
use super::options::Secret;
use crate::runtime::{Bind, Tmpfs};
use neargate_base::task::spawn_blocking;
use neargate_blob::Digest;
use neargate_build::Located;
use neargate_build::ignore::Ignore;
use neargate_build::key::Key;
use std::fs;
use std::os::unix::fs::{OpenOptionsExt, chown};
use std::path::PathBuf;
use std::sync::Arc;

/// One `--mount`, its variables replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Mount {
    pub kind: String,
    pub target: String,
    pub source: String,
    pub from: Option<String>,
    pub id: String,
    pub writable: bool,
    pub mode: Option<u32>,
    pub uid: u32,
    pub gid: u32,
    pub required: bool,
    pub variable: Option<String>,
    pub size_bytes: u64,
}

impl Mount {
    /// Reads `type=cache,target=/x`.
    pub fn read(text: &str) -> Result<Mount, Located> {
        let mut mount = Mount {
            kind: "bind".to_owned(),
            ..Mount::default()
        };
        let mut read_only = None;
        for field in text.split(',').map(str::trim).filter(|f| !f.is_empty()) {
            let (name, value) = field.split_once('=').unwrap_or((field, "true"));
            let number = || {
                let parsed = value.parse::<u32>();
                parsed.map_err(|_| wrong(format!("invalid value {value:?} for {name}")))
            };
            let truth = match value {
                "true" | "1" | "" => true,
                "false" | "0" => false,
                _ => true,
            };
            match name.to_ascii_lowercase().as_str() {
                "type" => mount.kind = value.to_ascii_lowercase(),
                "target" | "dst" | "destination" => mount.target = value.to_owned(),
                "source" | "src" => mount.source = value.to_owned(),
                "from" => mount.from = Some(value.to_owned()),
                "id" => mount.id = value.to_owned(),
                "rw" | "readwrite" => read_only = Some(!truth),
                "ro" | "readonly" => read_only = Some(truth),
                "mode" => {
                    let mode = u32::from_str_radix(value, 8);
                    mount.mode =
                        Some(mode.map_err(|_| wrong(format!("invalid value {value:?} for mode")))?);
                }
                "uid" => mount.uid = number()?,
                "gid" => mount.gid = number()?,
                "required" => mount.required = truth,
                "env" => mount.variable = Some(value.to_owned()),
                "size" => {
                    mount.size_bytes =
                        size(value).ok_or_else(|| wrong(format!("invalid size: {value:?}")))?;
                }
                // Builds of one builder come one after the other: each way of sharing is the same.
                "sharing" => {}
                other => return Err(wrong(format!("unexpected key '{other}' in '{field}'"))),
            }
        }
        match mount.kind.as_str() {
            "bind" => mount.writable = read_only == Some(false),
            "cache" => {
                mount.writable = read_only != Some(true);
                if mount.from.is_some() {
                    return Err(wrong(
                        "a cache that begins with another stage's files (from) is not supported: copy them in the RUN",
                    ));
                }
            }
            "tmpfs" | "secret" => {}
            "ssh" => return Err(wrong("RUN --mount=type=ssh is not supported")),
            other => return Err(wrong(format!("unsupported mount type {other:?}"))),
        }
        let is_secret = mount.kind == "secret";
        if mount.id.is_empty() {
            mount.id = match is_secret {
                true => mount
                    .target
                    .rsplit('/')
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
                false => mount.target.clone(),
            };
        }
        if mount.id.is_empty() {
            return Err(wrong(format!("invalid mount target {:?}", mount.target)));
        }
        if is_secret && mount.target.is_empty() && mount.variable.is_none() {
            mount.target = format!("/run/secrets/{}", mount.id);
        }
        Ok(mount)
    }

    /// What the outcome of its step depends on; what is secret, and what a cache holds, is not of it.
    pub fn weigh(&self, key: &mut Key, copied: Option<&Copy>) -> Result<(), Located> {
        let writable = self.writable.to_string();
        key.list([&self.kind, &self.target, &self.id, &writable].into_iter());
        match copied {
            Some(copied) => copied
                .weigh(key)
                .map_err(failed("failed to calculate checksum")),
            None => Ok(()),
        }
    }

    /// What a bind shows, to be copied to a place of its own: the step's overlay is not mounted for it.
    pub fn copied(&self, origin: Origin) -> Copy {
        Copy {
            origin,
            paths: vec![self.source.clone()],
            texts: Vec::new(),
            to: "/data".to_owned(),
            chown: None,
            mode: None,
            exclude: Ignore::default(),
            unpacks: false,
            parents: false,
        }
    }
}

fn size(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match lower[digits.len()..].trim_end_matches(['b', 'i']) {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

impl Context {
    pub(super) fn origin(&self) -> Origin {
        Origin::Directory {
            dir: self.dir.clone(),
            ignore: self.ignore.clone(),
        }
    }
}

/// What mounts become for the container.
#[derive(Debug, Default)]
pub(super) struct Mounted {
    pub binds: Vec<Bind>,
    pub tmpfs: Vec<Tmpfs>,
    pub secret_env: Vec<neargate_base::Secret<String>>,
    /// To be taken away after the step.
    pub work: Vec<PathBuf>,
    pub secrets: Vec<PathBuf>,
}

impl Builder {
    /// Makes ready what a step shall see.
    pub(super) async fn mount(
        self: &Arc<Self>,
        mounts: &[(Mount, Option<Copy>)],
        secrets: &[Secret],
    ) -> Result<Mounted, Located> {
        let mut done = Mounted::default();
        for (mount, copied) in mounts {
            let made = self
                .mount_one(mount, copied.as_ref(), secrets, &mut done)
                .await;
            if let Err(error) = made {
                self.unmount(&done);
                return Err(error);
            }
        }
        Ok(done)
    }

    async fn mount_one(
        self: &Arc<Self>,
        mount: &Mount,
        copied: Option<&Copy>,
        secrets: &[Secret],
        done: &mut Mounted,
    ) -> Result<(), Located> {
        let bind = |source: PathBuf, read_only: bool| Bind {
            source,
            target: mount.target.clone(),
            read_only,
            ..Bind::default()
        };
        match mount.kind.as_str() {
            "tmpfs" => done.tmpfs.push(Tmpfs {
                path: mount.target.clone(),
                size_bytes: mount.size_bytes,
                options: vec!["exec".to_owned()],
            }),
            "cache" => {
                let name = Digest::of(mount.id.as_bytes()).hex();
                let dir = self.dir.join("caches").join(name);
                if !dir.exists() {
                    let made = fs::create_dir(&dir)
                        .and_then(|()| chown(&dir, Some(mount.uid), Some(mount.gid)))
                        .and_then(|()| {
                            let mode = mount.mode.unwrap_or(0o755);
                            let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
                            fs::set_permissions(&dir, mode)
                        });
                    made.map_err(failed("cannot make a cache"))?;
                }
                done.binds.push(bind(dir, !mount.writable));
            }
            "secret" => {
                let Some(secret) = secrets.iter().find(|secret| secret.id == mount.id) else {
                    return match mount.required {
                        true => Err(wrong(format!("secret {}: not found", mount.id))),
                        false => Ok(()),
                    };
                };
                if let Some(variable) = &mount.variable {
                    let entry = format!("{variable}={}", secret.value.expose());
                    done.secret_env.push(neargate_base::Secret::new(entry));
                }
                if !mount.target.is_empty() {
                    let path = self.config.memory.join(format!("secret-{}", self.number()));
                    done.secrets.push(path.clone());
                    self.write_secret(&path, mount, secret)
                        .map_err(failed("cannot keep a secret in memory"))?;
                    done.binds.push(bind(path, true));
                }
            }
            _ => {
                let work = self.work_dir()?;
                done.work.push(work.clone());
                let copied = copied.cloned().ok_or_else(|| wrong("a bind of nothing"))?;
                let dir = work.clone();
                let carried = spawn_blocking(move || copied.carry_out(&dir, &[])).await;
                carried
                    .map_err(|e| wrong(e.to_string()))?
                    .map_err(failed(format!("bind of {}", mount.target)))?;
                done.binds.push(bind(work.join("fs/data"), !mount.writable));
            }
        }
        Ok(())
    }

    fn write_secret(&self, path: &PathBuf, mount: &Mount, secret: &Secret) -> std::io::Result<()> {
        fs::create_dir_all(&self.config.memory)?;
        let mut file = fs::File::options()
            .write(true)
            .create_new(true)
            .mode(mount.mode.unwrap_or(0o400))
            .open(path)?;
        std::io::Write::write_all(&mut file, secret.value.expose().as_bytes())?;
        chown(path, Some(mount.uid), Some(mount.gid))
    }

    /// A script that a step executes, at this path.
    pub(super) fn show_script(
        &self,
        path: &str,
        text: &str,
        mounted: &mut Mounted,
    ) -> Result<(), Located> {
        let work = self.work_dir()?;
        let source = work.join("script");
        mounted.work.push(work);
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::write(&source, text)
            .and_then(|()| fs::set_permissions(&source, mode))
            .map_err(failed("cannot write a script"))?;
        mounted.binds.push(Bind {
            source,
            target: path.to_owned(),
            read_only: true,
            ..Bind::default()
        });
        Ok(())
    }

    /// Takes away what was made for one step.
    pub(super) fn unmount(&self, mounted: &Mounted) {
        for path in &mounted.secrets {
            let _ = fs::remove_file(path);
        }
        for dir in &mounted.work {
            // What is left goes at the next start.
            let _ = self.discard(dir);
        }
    }
}
