//! `RUN`: a program on a new layer, in a container as confined as a task's.

use super::builder::Builder;
use super::context::open_directory;
use super::error::{BuildError, wrong};
use super::mounts::Mounted;
use super::progress::{Event, Progress};
use super::root::open_in;
use crate::runtime::{
    Container, ContainerConfig, Exit, Limits, Records, Runtime, RuntimeError, discard_before,
};
use neargate_base::task::spawn;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, fstat, openat2, statat, unlinkat};
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What is run.
#[derive(Debug, Default)]
pub(super) struct Program {
    pub args: Vec<String>,
    pub env: Vec<String>,
    pub cwd: String,
    pub user: String,
    pub layers: Vec<PathBuf>,
    pub without_network: bool,
}

/// Output not yet told, at most: the program waits while there is more.
const LOG_BYTES: u64 = 8 << 20;
/// How often the output is looked at.
const LOOK: Duration = Duration::from_millis(30);
/// Bytes read at once.
const READ_BYTES: usize = 1 << 20;

const SIGKILL: i32 = 9;

/// Ends the container if whoever waited for it is gone.
struct Ending(Option<Arc<dyn Container>>);

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(container) = self.0.take() {
            drop(spawn("build-kill", async move {
                // It has ended, or its shim is gone and has taken it along.
                let _ = container.signal(SIGKILL).await;
            }));
        }
    }
}

impl Builder {
    /// Runs it; what it changed is in the `fs` of the directory that is answered.
    pub(super) async fn run(
        self: &Arc<Self>,
        program: Program,
        mounted: &Mounted,
        progress: &Arc<dyn Progress>,
    ) -> Result<PathBuf, BuildError> {
        let name = format!("step-{}-{}", std::process::id(), self.number());
        let task_id = &self.config.task_id;
        let shown = shown(&program.args);
        let stubs = Stubs::before(&program.layers, &self.targets(mounted));
        let config = ContainerConfig {
            task_id: task_id.clone(),
            name: name.clone(),
            layers: program.layers,
            args: program.args,
            env: program.env,
            secret_env: mounted.secret_env.clone(),
            cwd: program.cwd,
            user: program.user,
            hostname: "build".to_owned(),
            netns: (!program.without_network).then(|| self.config.netns.clone()),
            limits: Limits {
                cpu_shares: Some(1024),
                ..Limits::default()
            },
            tmpfs: mounted.tmpfs.clone(),
            binds: mounted.binds.clone(),
            files: self.config.files.clone(),
            log: true,
            log_limit_bytes: Some(LOG_BYTES),
            log_blocks: true,
            ..ContainerConfig::default()
        };
        let dir = self.runtime.state_dir(task_id, &name);
        let ran = self.follow(&config, &dir, progress).await;
        let done = match ran {
            Ok(exit) if exit.code == Some(0) => self.take(&dir, &stubs),
            Ok(exit) => Err(unsuccessful(&shown, &exit)),
            Err(error) => Err(wrong(format!("process {shown:?} did not start: {error}")).into()),
        };
        // A directory that stays is gone at the next start.
        let _ = self.discard(&dir);
        done
    }

    async fn follow(
        &self,
        config: &ContainerConfig,
        dir: &Path,
        progress: &Arc<dyn Progress>,
    ) -> Result<Exit, RuntimeError> {
        let container = self.runtime.start(config).await?;
        let mut ending = Ending(Some(container.clone()));
        let mut output = Output {
            path: dir.join("log"),
            file: None,
            offset: 0,
        };
        let exit = loop {
            tokio::select! {
                exit = container.wait() => break exit,
                () = tokio::time::sleep(LOOK) => output.tell(progress),
            }
        };
        ending.0 = None;
        output.tell(progress);
        Ok(exit)
    }

    /// Paths at which something is mounted over the image's root.
    fn targets(&self, mounted: &Mounted) -> Vec<PathBuf> {
        let files = self.config.files.iter().map(|file| &file.target);
        let binds = mounted.binds.iter().map(|bind| &bind.target);
        let tmpfs = mounted.tmpfs.iter().map(|tmpfs| &tmpfs.path);
        let own = ["/proc", "/sys", "/dev"].map(PathBuf::from);
        let asked = files.chain(binds).chain(tmpfs).map(PathBuf::from);
        own.into_iter().chain(asked).collect()
    }

    /// The layer that the container wrote, without what was only made to mount something at.
    fn take(&self, dir: &Path, stubs: &Stubs) -> Result<PathBuf, BuildError> {
        let upper = dir.join("upper");
        stubs.remove(&upper);
        let work = self.work_dir()?;
        let moved = fs::rename(upper, work.join("fs"));
        moved.map_err(super::error::failed("cannot keep what the step wrote"))?;
        Ok(work)
    }
}

/// BuildKit's words.
fn unsuccessful(shown: &str, exit: &Exit) -> BuildError {
    let what = match (&exit.error, exit.oom_killed, exit.code) {
        (Some(error), ..) => format!("process {shown:?} did not start: {error}"),
        (None, true, _) => {
            format!("process {shown:?} did not complete successfully: cannot allocate memory")
        }
        (None, false, Some(code)) => {
            format!("process {shown:?} did not complete successfully: exit code: {code}")
        }
        (None, false, None) => format!("process {shown:?} was killed"),
    };
    BuildError {
        exit_code: exit.code,
        ..BuildError::from(wrong(what))
    }
}

fn shown(args: &[String]) -> String {
    args.join(" ")
}

/// The output, as far as it was told.
struct Output {
    path: PathBuf,
    file: Option<File>,
    offset: u64,
}

impl Output {
    fn tell(&mut self, progress: &Arc<dyn Progress>) {
        // What cannot be read is told at the next look, or never.
        while self.tell_some(progress).is_ok_and(|more| more) {}
    }

    fn tell_some(&mut self, progress: &Arc<dyn Progress>) -> io::Result<bool> {
        let file = match &self.file {
            Some(file) => file,
            None => self
                .file
                .insert(File::options().read(true).write(true).open(&self.path)?),
        };
        let mut bytes = vec![0; READ_BYTES];
        let length = file.read_at(&mut bytes, self.offset)?;
        let before = self.offset;
        for record in Records(&bytes[..length]) {
            self.offset += record.length as u64;
            progress.tell(Event::Output {
                stderr: record.stderr,
                line: String::from_utf8_lossy(record.message).into_owned(),
            });
        }
        // The shim counts what has not been given back.
        discard_before(file, self.offset)?;
        Ok(self.offset > before)
    }
}

/// Paths that the image lacks and that are made only to mount something at.
struct Stubs(Vec<PathBuf>);

impl Stubs {
    fn before(layers: &[PathBuf], targets: &[PathBuf]) -> Stubs {
        let mut all = Vec::new();
        for target in targets {
            let mut path = PathBuf::new();
            for name in target.components().skip(1) {
                path.push(name);
                if !is_there(layers, &path) && !all.contains(&path) {
                    all.push(path.clone());
                }
            }
        }
        Stubs(all)
    }

    /// What has got something in it stays. The container has written there: no link is followed.
    fn remove(&self, upper: &Path) {
        let Ok(root) = open_directory(upper) else {
            return;
        };
        for path in self.0.iter().rev() {
            // What is not there, or is not empty, needs nothing.
            let _ = remove_empty(&root, path);
        }
    }
}

fn remove_empty(root: &OwnedFd, path: &Path) -> io::Result<()> {
    let above = path.parent().unwrap_or(Path::new(""));
    let above = match above.as_os_str().is_empty() {
        true => Path::new("."),
        false => above,
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let dir = openat2(root, above, flags, Mode::empty(), resolve)?;
    let name = path.file_name().unwrap_or_default();
    let stat = statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => unlinkat(&dir, name, AtFlags::REMOVEDIR)?,
        FileType::RegularFile if stat.st_size == 0 => unlinkat(&dir, name, AtFlags::empty())?,
        _ => {}
    }
    Ok(())
}

/// Is something at this path in the overlay of the layers?
fn is_there(layers: &[PathBuf], path: &Path) -> bool {
    let look = |layer: &PathBuf| {
        let root = open_directory(layer).ok()?;
        let flags = OFlags::PATH | OFlags::NOFOLLOW;
        let found = open_in(&root, path.to_str()?, flags).ok()?;
        fstat(&found).ok()
    };
    let top = layers.iter().rev().find_map(look);
    top.is_some_and(|stat| {
        let kind = FileType::from_raw_mode(stat.st_mode);
        !(kind == FileType::CharacterDevice && stat.st_rdev == 0)
    })
}
