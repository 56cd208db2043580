//! The commands for people: each talks to a running Neargate as any AWS client does.

pub mod authority;
pub mod build;
pub mod compose;
pub mod deploy;
pub mod doctor;
pub mod envoy;
pub mod events;
pub mod exec;
pub mod instance;
pub mod logs;
pub mod mail;
pub mod pipeline;
pub mod ps;
pub mod publish;
pub mod services;
pub mod spot;
mod tasks;
pub mod top;
pub mod trace;
mod yaml;

use crate::client::{ClientError, Code};
use anyhow::Result;
use std::process::ExitCode;

/// Runs a command's asynchronous part.
pub fn block_on(work: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(work)
}

/// An optional answer: `None` where Neargate does not have it (yet).
fn optional<T>(answer: Result<T, ClientError>) -> Result<Option<T>, ClientError> {
    let lacking = [Code::NotImplemented, Code::UnknownOperation];
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if lacking.iter().any(|code| error.is(*code)) => Ok(None),
        Err(error) => Err(error),
    }
}
