//! One Neargate per network namespace: whoever has locked the namespace's file owns its task
//! network. The kernel lets go of the lock with the process, however it ends. Only root can open
//! the file: a name that anybody may take, such as an abstract socket's, would let anybody, and a
//! container in `host` mode, keep Neargate from starting.

use super::error::NetworkError;
use neargate_base::time::Stopwatch;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

/// What is here is gone after the machine's restart, as every namespace is.
const DIR: &str = "/run/neargate";

/// Holds the lock while it lives.
#[derive(Debug)]
pub(super) struct Owner {
    _lock: File,
}

/// A child that its owner had just forked holds the name until it executes its program.
const LINGER: Duration = Duration::from_secs(2);

impl Owner {
    pub(super) fn claim() -> Result<Owner, NetworkError> {
        let waiting = Stopwatch::start();
        loop {
            match Self::try_claim() {
                Err(NetworkError::Owned { pid })
                    if pid.is_none_or(is_lingering) && waiting.elapsed() < LINGER =>
                {
                    std::thread::sleep(Duration::from_millis(5));
                }
                claimed => return claimed,
            }
        }
    }

    fn try_claim() -> Result<Owner, NetworkError> {
        let mut file = open().map_err(NetworkError::Lock)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                // For who comes second; it owns the network all the same.
                let _ = file
                    .set_len(0)
                    .and_then(|()| write!(file, "{}", std::process::id()));
                Ok(Owner { _lock: file })
            }
            Err(Errno::WOULDBLOCK) => {
                let mut pid = String::new();
                let _ = file.read_to_string(&mut pid);
                Err(NetworkError::Owned {
                    pid: pid.parse().ok(),
                })
            }
            Err(e) => Err(NetworkError::Lock(e.into())),
        }
    }
}

/// The file of the calling thread's network namespace.
fn open() -> io::Result<File> {
    let namespace = fs::metadata("/proc/thread-self/ns/net")?.ino();
    DirBuilder::new().recursive(true).mode(0o755).create(DIR)?;
    let path = Path::new(DIR).join(format!("network-{namespace}.lock"));
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    options.mode(0o600).open(path)
}

/// The owner is gone, or is this process, which would know of a network it still holds.
fn is_lingering(pid: i32) -> bool {
    std::process::id().cast_signed() == pid
        || !std::path::Path::new("/proc").join(pid.to_string()).exists()
}
