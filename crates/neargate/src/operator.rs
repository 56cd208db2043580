//! Talks to the Neargate that runs on this host, through its operator's socket.

use crate::config::Config;
use crate::running::Which;
use anyhow::{Context, Result, bail};
use neargate_domain::link::Refusal;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

/// Where the socket of an installation is.
pub fn socket(installation: &str) -> PathBuf {
    crate::machine::run_dir(installation).join("operator.sock")
}

/// One request and its answer.
pub fn ask<Q: Serialize, A: DeserializeOwned>(
    which: &Which,
    method: &str,
    path: &str,
    question: &Q,
) -> Result<A> {
    let found = which.find()?;
    match ask_at(&found.config, method, path, question) {
        Err(error) if error.is::<Absent>() => Err(which.nothing_runs(&found)),
        answered => answered,
    }
}

/// Nobody answers.
#[derive(Debug, thiserror::Error)]
#[error("has neargate up run?")]
struct Absent;

/// One request to the one with this configuration, and its answer.
pub fn ask_at<Q: Serialize, A: DeserializeOwned>(
    config: &Config,
    method: &str,
    path: &str,
    question: &Q,
) -> Result<A> {
    let file = config.data.join(crate::installation::FILE);
    let installation = match std::fs::read_to_string(&file) {
        Ok(installation) => installation,
        Err(e) if e.kind() == ErrorKind::PermissionDenied => bail!(
            "cannot read {}: this needs the user of `neargate up`, try sudo",
            file.display()
        ),
        Err(_) => return Err(Absent.into()),
    };
    let socket = socket(installation.trim());
    let mut stream = UnixStream::connect(&socket).map_err(|_| Absent)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let body = serde_json::to_vec(question)?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: operator\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), &body].concat())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).context("no answer")?;
    read(&answer)
}

/// The answer always has its length, and ends the connection.
fn read<A: DeserializeOwned>(answer: &[u8]) -> Result<A> {
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n");
    let (head, body) = answer.split_at(end.context("the answer broke off")? + 4);
    let status = head.split(|b| *b == b' ').nth(1).unwrap_or_default();
    if status == b"200" {
        return serde_json::from_slice(body).context("the answer is not understood");
    }
    let refusal: Refusal = serde_json::from_slice(body).context("the answer is not understood")?;
    bail!("{}", refusal.message)
}
