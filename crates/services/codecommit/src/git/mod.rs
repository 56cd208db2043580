//! Bare repositories on the disk, and the one way to run git on them.
//!
//! A repository's directory is `<root>/<id>.git`, where the id is one that we made. Git runs with an
//! environment of ours alone, reads no configuration of the host, runs no hook, and is never reached through a
//! shell. What callers name comes behind `--end-of-options`, `--`, or over standard input.

pub mod names;
pub mod objects;
pub mod references;
pub mod write;

use neargate_base::{DiskSpace, task};
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::sync::{Semaphore, SemaphorePermit};

/// How many programs of git run at once for the API and for clients; further ones wait.
const MOST_AT_ONCE: usize = 48;
/// What comes beside the configuration of the repository itself.
const CONFIGURATION: [&str; 18] = [
    "core.hooksPath=/dev/null",
    // What is acknowledged is on the disk.
    "core.fsync=all",
    "core.fsyncMethod=batch",
    "safe.directory=*",
    "protocol.version=2",
    "receive.fsckObjects=true",
    // Old histories have these, and they harm nobody.
    "receive.fsck.zeroPaddedFilemode=ignore",
    "receive.fsck.missingSpaceBeforeDate=ignore",
    "receive.fsck.badTimezone=ignore",
    "receive.maxInputSize=16g",
    "receive.advertisePushOptions=false",
    // What the API keeps alive is not for clients.
    "transfer.hideRefs=refs/neargate",
    "uploadpack.allowFilter=true",
    // As AWS advertises: builds fetch a commit by its id.
    "uploadpack.allowTipSHA1InWant=true",
    "uploadpack.allowReachableSHA1InWant=true",
    "pack.windowMemory=128m",
    "gc.autoDetach=false",
    // Pull requests and comments name commits that no branch has any more.
    "gc.pruneExpire=never",
];

/// Why git did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    #[error(
        "git is not installed on this host: install it (Debian: apt install git) and try again"
    )]
    Missing,
    #[error("the disk of this installation is nearly full")]
    NoSpace,
    #[error("cannot run git")]
    Run(#[source] io::Error),
    #[error("git {what} failed: {said}")]
    Failed { what: String, said: String },
    #[error("the repository {id} cannot be made")]
    Make {
        id: String,
        #[source]
        source: io::Error,
    },
    #[error("git answered what is not understood: {0}")]
    Strange(String),
}

/// What a program of git said, and how it ended.
#[derive(Debug)]
pub struct Output {
    pub code: i32,
    pub out: Vec<u8>,
    pub said: String,
}

/// All repositories.
#[derive(Debug)]
pub struct Git {
    root: PathBuf,
    running: Semaphore,
}

impl Git {
    /// Blocks.
    ///
    /// # Errors
    /// When the directories cannot be made.
    pub fn open(root: &Path) -> io::Result<Git> {
        std::fs::create_dir_all(root.join(CHANGES))?;
        Ok(Git {
            root: root.to_owned(),
            running: Semaphore::new(MOST_AT_ONCE),
        })
    }

    pub fn path(&self, id: &str) -> PathBuf {
        self.root.join(format!("{id}.git"))
    }

    /// The file whose lock a program holds for as long as it may still change references, and that it
    /// complains into.
    pub fn trace(&self, change: &str) -> PathBuf {
        self.root.join(CHANGES).join(change)
    }

    /// Waits for its turn.
    pub async fn turn(&self) -> SemaphorePermit<'_> {
        let turn = self.running.acquire().await;
        turn.expect("nobody closes it")
    }

    /// Git on a repository; the rest of its arguments are the caller's.
    pub fn command(&self, id: &str) -> Command {
        let mut command = Command::new("git");
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LC_ALL", "C")
            .env("HOME", "/nonexistent")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            // A path is a path, whatever it looks like.
            .env("GIT_LITERAL_PATHSPECS", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_DIR", self.path(id))
            .current_dir(&self.root)
            .kill_on_drop(true);
        for setting in CONFIGURATION {
            command.args(["-c", setting]);
        }
        command
    }

    /// Runs git to its end; what it is to read is `input`.
    ///
    /// # Errors
    /// When it cannot be run. How it ended is the caller's to judge.
    pub async fn run<A: AsRef<OsStr>>(
        &self,
        id: &str,
        arguments: impl IntoIterator<Item = A>,
        input: &[u8],
    ) -> Result<Output, GitError> {
        self.run_as(id, arguments, &[], input).await
    }

    /// The same with further variables in its environment.
    ///
    /// # Errors
    /// When it cannot be run.
    pub async fn run_as<A: AsRef<OsStr>>(
        &self,
        id: &str,
        arguments: impl IntoIterator<Item = A>,
        environment: &[(&str, &str)],
        input: &[u8],
    ) -> Result<Output, GitError> {
        let _turn = self.turn().await;
        let mut command = self.command(id);
        command
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(not_run)?;
        let mut stdin = child.stdin.take().expect("it was asked for");
        let feed = async move {
            // Whoever ends before he has read all says why on his own.
            let _ = stdin.write_all(input).await;
        };
        let ((), output) = futures_util::future::join(feed, child.wait_with_output()).await;
        let output = output.map_err(GitError::Run)?;
        Ok(Output {
            code: output.status.code().unwrap_or(-1),
            out: output.stdout,
            said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }

    /// The same where only success will do.
    ///
    /// # Errors
    /// When it cannot be run, or fails.
    pub async fn must(
        &self,
        id: &str,
        arguments: &[&str],
        input: &[u8],
    ) -> Result<Vec<u8>, GitError> {
        let output = self.run(id, arguments, input).await?;
        output.must(arguments.first().unwrap_or(&""))
    }

    /// Makes the repository's directory where there is none: all of it or nothing.
    ///
    /// # Errors
    /// When it cannot be made.
    pub async fn ensure(&self, id: &str) -> Result<(), GitError> {
        let (path, new) = (self.path(id), self.path(&format!("{id}.new")));
        let failed = |source| GitError::Make {
            id: id.to_owned(),
            source,
        };
        let is_there = path.clone();
        let is_there = blocking(move || Ok(is_there.join("HEAD").exists()));
        if is_there.await.map_err(failed)? {
            return Ok(());
        }
        let begin = (path, new);
        let made = blocking(move || {
            let (path, new) = begin;
            match std::fs::remove_dir_all(&new) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            for directory in ["objects/info", "objects/pack", "refs/heads", "refs/tags"] {
                std::fs::create_dir_all(new.join(directory))?;
            }
            let config =
                "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n";
            for (file, text) in [("config", config), ("HEAD", "ref: refs/heads/main\n")] {
                let file = new.join(file);
                std::fs::write(&file, text)?;
                File::open(&file)?.sync_all()?;
            }
            match std::fs::rename(&new, &path) {
                // Somebody else was first.
                Err(_) if path.join("HEAD").exists() => std::fs::remove_dir_all(&new),
                renamed => renamed,
            }?;
            let parent = path.parent().unwrap_or(&path);
            File::open(parent)?.sync_all()
        });
        made.await.map_err(failed)
    }

    /// Is there room for more?
    ///
    /// # Errors
    /// [`GitError::NoSpace`] where there is none.
    pub fn takes_more(&self) -> Result<(), GitError> {
        match DiskSpace::at(&self.root) {
            Ok(space) if !space.takes(1 << 20) => Err(GitError::NoSpace),
            _ => Ok(()),
        }
    }

    /// The ids of all directories.
    pub async fn all(&self) -> io::Result<Vec<String>> {
        let root = self.root.clone();
        blocking(move || {
            let entries = std::fs::read_dir(root)?.filter_map(Result::ok);
            let names = entries.filter_map(|e| e.file_name().into_string().ok());
            Ok(names
                .filter_map(|name| name.strip_suffix(".git").map(str::to_owned))
                .collect())
        })
        .await
    }

    /// Takes a directory away.
    pub async fn remove(&self, id: &str) -> io::Result<()> {
        let path = self.path(id);
        blocking(move || match std::fs::remove_dir_all(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        })
        .await
    }

    /// Takes all of them away.
    pub async fn forget(&self) -> io::Result<()> {
        for id in self.all().await? {
            self.remove(&id).await?;
        }
        Ok(())
    }
}

/// Where the files of [`Git::trace`] are.
const CHANGES: &str = "changes";

impl Output {
    /// # Errors
    /// When it failed.
    pub fn must(self, what: &str) -> Result<Vec<u8>, GitError> {
        match self.code {
            0 => Ok(self.out),
            _ => Err(GitError::Failed {
                what: what.to_owned(),
                said: self.said,
            }),
        }
    }
}

pub fn not_run(error: io::Error) -> GitError {
    match error.kind() {
        io::ErrorKind::NotFound => GitError::Missing,
        _ => GitError::Run(error),
    }
}

/// What touches the disk, away from what serves.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(panicked) => Err(io::Error::other(panicked)),
    }
}
