//! Why an image could not be built.

use neargate_build::Located;

/// A build that failed, with the Dockerfile's lines that did not work out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", located.message)]
pub struct BuildError {
    pub located: Located,
    /// What a `RUN` ended with.
    pub exit_code: Option<i32>,
}

impl From<Located> for BuildError {
    fn from(located: Located) -> BuildError {
        BuildError {
            located,
            exit_code: None,
        }
    }
}

/// `what` went wrong on this host, whatever the Dockerfile says.
pub(super) fn failed(what: impl std::fmt::Display) -> impl FnOnce(std::io::Error) -> Located {
    move |e| Located::new(format!("{what}: {e}"))
}

pub(super) fn wrong(message: impl Into<String>) -> Located {
    Located::new(message)
}
