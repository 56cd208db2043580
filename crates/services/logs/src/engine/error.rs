//! What can go wrong in the engine.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why the engine did not do what was asked. Cloneable: one failed commit answers many callers.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineError {
    #[error("cannot {action} {}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: Arc<io::Error>,
    },
    #[error("{} is corrupt: {why}", path.display())]
    Corrupt { path: PathBuf, why: &'static str },
    #[error("{} was written by a newer version of this program", path.display())]
    Newer { path: PathBuf },
    #[error("{} is in use by another process", path.display())]
    Locked { path: PathBuf },
    #[error("the log stream does not exist")]
    NoStream,
    #[error("a batch of {bytes} bytes is too big")]
    TooBig { bytes: usize },
    /// Writes are refused after a failed fsync (its data may be lost), or while sealing fails
    /// and memory is full; or the engine is closed.
    #[error("the log engine takes no writes: {0}")]
    Stopped(&'static str),
}

impl EngineError {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> EngineError {
        let path = path.to_owned();
        move |e| EngineError::Io {
            action,
            path,
            source: Arc::new(e),
        }
    }

    pub(super) fn corrupt(path: &Path, why: &'static str) -> EngineError {
        EngineError::Corrupt {
            path: path.to_owned(),
            why,
        }
    }
}
