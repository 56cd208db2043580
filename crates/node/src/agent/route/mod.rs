//! Log drivers other than `awslogs`: each takes a container's lines to a receiver of its kind, as
//! Docker's driver of that name does it (<https://docs.docker.com/engine/logging/configure/>).
//!
//! What a container writes is in its log file first ([`crate::runtime::Records`]); a [`Carrier`]
//! takes it on from there and notes how far it has come. So a receiver that is slow or gone holds
//! up nobody but, where the definition's `mode` says so, the container itself; and what was not
//! taken when the node ended is sent by the next one.

mod about;
mod carrier;
mod fluentd;
mod gelf;
mod options;
mod pack;
mod reach;
mod splunk;
mod syslog;
#[cfg(test)]
mod tests;

pub use about::About;
pub use carrier::Carrier;
pub use reach::Reach;

use self::options::Options;
use crate::runtime::Record;
use async_trait::async_trait;
use neargate_domain::{LogRoute, SecretVariable};
use std::fmt::Debug;
use std::io;

/// What is kept of a container's output where nothing limits it.
const KEPT_BYTES: u64 = 512 << 20;
/// Docker's defaults for `local`: five files of 20 MB
/// (<https://docs.docker.com/engine/logging/drivers/local/>).
const LOCAL_BYTES: u64 = 20 << 20;
const LOCAL_FILES: u64 = 5;

/// Takes lines to a receiver.
#[async_trait]
pub trait Sink: Debug + Send {
    /// Looks whether the receiver is there, as Docker does it before a container starts.
    ///
    /// # Errors
    /// Docker's words for why it is not.
    async fn probe(&mut self) -> io::Result<()>;

    /// Hands lines over. After an error all of them are sent again.
    async fn send(&mut self, lines: &[Record<'_>]) -> io::Result<()>;
}

/// What becomes of a container's output.
#[derive(Debug)]
pub enum Outlet {
    /// It stays on the node, the newest of it: so many bytes.
    Kept(u64),
    Sent(Box<dyn Sink>),
}

/// The outlet of a route, whose options `secrets` are among.
///
/// # Errors
/// Docker's words for options that its driver would not take.
pub fn outlet(
    route: &LogRoute,
    secrets: &[SecretVariable],
    about: &About,
    reach: Reach,
) -> Result<Outlet, String> {
    let mut all = route.options.clone();
    for secret in secrets {
        all.insert(secret.name.clone(), secret.value.expose().clone());
    }
    let options = Options::new(&route.driver, all);
    let sink: Box<dyn Sink> = match route.driver.as_str() {
        "json-file" => return kept(&options, None),
        "local" => return kept(&options, Some((LOCAL_BYTES, LOCAL_FILES))),
        "syslog" => Box::new(syslog::Syslog::new(&options, about, reach)?),
        "fluentd" => Box::new(fluentd::Fluentd::new(&options, about, reach)?),
        "awsfirelens" => Box::new(fluentd::Fluentd::to_router(about, reach)),
        "gelf" => Box::new(gelf::Gelf::new(&options, about, reach)?),
        "splunk" => Box::new(splunk::Splunk::new(&options, about, reach)?),
        other => {
            return Err(format!(
                "logger: no log driver named '{other}' is registered"
            ));
        }
    };
    Ok(Outlet::Sent(sink))
}

/// `max-size` and `max-file`: what Docker keeps of a container's output at most.
fn kept(options: &Options, default: Option<(u64, u64)>) -> Result<Outlet, String> {
    options.only(&["max-size", "max-file", "compress"])?;
    let size = match options.get("max-size") {
        None | Some("-1") => None,
        Some(size) => Some(options::bytes(size)?),
    };
    let files = options.number("max-file")?;
    let (size, files) = match (default, size) {
        (Some((of_file, many)), size) => (size.unwrap_or(of_file), files.unwrap_or(many)),
        (None, Some(size)) => (size, files.unwrap_or(1)),
        (None, None) => return Ok(Outlet::Kept(KEPT_BYTES)),
    };
    Ok(Outlet::Kept(size.saturating_mul(files).min(KEPT_BYTES)))
}
