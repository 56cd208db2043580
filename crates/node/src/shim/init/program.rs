//! Finding and executing the container's program, with the words Docker users know.

use super::super::sys;
use super::environment::Environment;
use crate::runtime::{StartFailure, StartFailureKind};
use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;
use std::ffi::CString;
use std::fs;

#[derive(Debug)]
pub(super) struct Program {
    path: CString,
    args: Vec<CString>,
    env: Vec<CString>,
}

/// What `runc` answers when the program exists but the kernel will not execute it.
const NOT_EXECUTED: i32 = 255;

impl Program {
    /// Looks for the program as its user, in the container.
    pub fn find(args: &[String], env: Environment) -> Result<Program, StartFailure> {
        let Some(name) = args.first().filter(|name| !name.is_empty()) else {
            return Err(failure(StartFailureKind::Config, "no command specified"));
        };
        let path = if name.contains('/') {
            examine(name).map_err(|e| describe(name, e))?;
            name.clone()
        } else {
            search(name, &env.path)?
        };
        let nul = |_| failure(StartFailureKind::Config, "an argument contains a zero byte");
        Ok(Program {
            path: CString::new(path).map_err(nul)?,
            args: args
                .iter()
                .map(|arg| CString::new(arg.as_str()).map_err(nul))
                .collect::<Result<_, _>>()?,
            env: env.strings,
        })
    }

    /// Returns an exit code when the kernel refuses: a wrong architecture, an interpreter that
    /// the image lacks. Told on the container's stderr, so that it lands in its log.
    pub fn execute(&self) -> i32 {
        let error = sys::execute(&self.path, &self.args, &self.env);
        let reason = match error.raw_os_error() {
            Some(libc::ENOEXEC) => "exec format error".to_owned(),
            Some(libc::ENOENT) => "no such file or directory".to_owned(),
            Some(libc::EACCES) => "permission denied".to_owned(),
            _ => error.to_string(),
        };
        let text = format!("exec {}: {reason}\n", self.path.to_string_lossy());
        let _ = rustix::io::write(rustix::stdio::stderr(), text.as_bytes());
        NOT_EXECUTED
    }
}

fn failure(kind: StartFailureKind, text: impl std::fmt::Display) -> StartFailure {
    StartFailure::new(
        kind,
        format!("unable to start container process: {text}: unknown"),
    )
}

fn search(name: &str, path: &str) -> Result<String, StartFailure> {
    let mut denied = None;
    for directory in path.split(':') {
        // An empty entry is the working directory: execvp(3).
        let candidate = match directory {
            "" => format!("./{name}"),
            directory => format!("{directory}/{name}"),
        };
        match examine(&candidate) {
            Ok(()) => return Ok(candidate),
            Err(Errno::ACCESS) => denied = Some(Errno::ACCESS),
            Err(_) => {}
        }
    }
    match denied {
        Some(e) => Err(describe(name, e)),
        None => Err(failure(
            StartFailureKind::NotFound,
            format_args!("exec: {name:?}: executable file not found in $PATH"),
        )),
    }
}

/// A file that this user may execute.
fn examine(path: &str) -> Result<(), Errno> {
    let metadata = fs::metadata(path).map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))?;
    if metadata.is_dir() {
        return Err(Errno::ISDIR);
    }
    accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS)
}

fn describe(name: &str, e: Errno) -> StartFailure {
    match e {
        Errno::NOENT | Errno::NOTDIR => failure(
            StartFailureKind::NotFound,
            format_args!("exec: {name:?}: stat {name}: no such file or directory"),
        ),
        Errno::ISDIR => failure(
            StartFailureKind::NotExecutable,
            format_args!("exec: {name:?}: is a directory"),
        ),
        Errno::ACCESS | Errno::PERM => failure(
            StartFailureKind::NotExecutable,
            format_args!("exec: {name:?}: permission denied"),
        ),
        e => failure(
            StartFailureKind::NotExecutable,
            format_args!("exec: {name:?}: {e}"),
        ),
    }
}
