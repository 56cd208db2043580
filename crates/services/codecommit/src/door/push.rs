//! What comes of pushes.
//!
//! The references that a push is for stand at its head: they are judged, and written down as a change, before
//! git sees it. Git's program is waited for whether or not the client stays, and the client's answer ends when
//! what became of the references is told.

use super::body::Incoming;
use super::commands::{self, Head, MAX_HEAD_BYTES};
use super::fetch::{ends, feed, piece};
use super::refusal::Refusal;
use super::{Call, Entered, Response, Service, reply};
use crate::git::blocking;
use crate::model::Change;
use crate::{CodeCommit, changes};
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::StatusCode;
use neargate_base::task;
use neargate_service::door::RequestBody;
use neargate_service::{House, Stored};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use tokio::process::{Child, ChildStdout};
use tokio::sync::mpsc;

/// Pieces of the answer that wait for the client.
const WAITING: usize = 8;
const RESULT: &str = "git-receive-pack-result";

/// A push that git works at.
struct Pushing {
    codecommit: Arc<CodeCommit>,
    house: Arc<House>,
    change: Stored<Change>,
    child: Child,
    trace: PathBuf,
}

impl Call {
    pub(super) async fn push(
        &self,
        entered: Entered,
        body: RequestBody,
    ) -> Result<Response, Refusal> {
        self.check_type(Service::ReceivePack)?;
        let mut incoming = Incoming::new(&self.parts, body);
        let (head, names) = head(&mut incoming).await?;
        if names.is_empty() {
            // Git's client asks so whether it may, before it sends what cannot be sent twice.
            let response = reply::full(StatusCode::OK, Bytes::new());
            return Ok(reply::marked(response, RESULT));
        }
        self.may_push(&entered, &names).await?;
        let git = &self.codecommit.git;
        git.takes_more()?;
        let (scope, caller) = (&entered.scope, &entered.principal.arn);
        let repository = &entered.repository;
        let change = changes::begin(&self.house, scope, repository, caller, names, None).await?;
        let trace = git.trace(change.id());
        let complains = trace.clone();
        let complains = blocking(move || locked(&complains)).await;
        let spawned = match complains {
            Ok(file) => self.spawn(&entered, Service::ReceivePack, false, Stdio::from(file)),
            Err(error) => Err(crate::git::GitError::Run(error).into()),
        };
        let mut child = match spawned {
            Ok(child) => child,
            Err(refusal) => {
                changes::settle(&self.codecommit, &self.house, &change).await?;
                return Err(refusal);
            }
        };
        let (stdin, stdout) = ends(&mut child);
        task::spawn("git-push-body", async move {
            // Git judges what came, and takes nothing of a push that is not whole.
            if let Err(error) = feed(incoming, head, stdin).await {
                tracing::debug!(%error, "a push ended early");
            }
        });
        let (answer, pieces) = mpsc::channel(WAITING);
        let pushing = Pushing {
            codecommit: self.codecommit.clone(),
            house: self.house.clone(),
            change,
            child,
            trace,
        };
        task::spawn("git-push", pushing.run(stdout, answer));
        let pieces = stream::unfold(pieces, |mut pieces| async {
            let piece: io::Result<Bytes> = pieces.recv().await?;
            Some((piece, pieces))
        });
        Ok(reply::stream(pieces, RESULT))
    }
}

/// What a push begins with, and the references that it is for.
async fn head(incoming: &mut Incoming) -> Result<(Bytes, Vec<String>), Refusal> {
    let mut came = BytesMut::new();
    let broken = |_| Refusal::bad("The push ended before it was whole.");
    while let Some(piece) = incoming.next().await.map_err(broken)? {
        came.extend_from_slice(&piece);
        match commands::read(&came) {
            Head::Whole(names) => return Ok((came.freeze(), names)),
            Head::Malformed => break,
            Head::Open if came.len() > MAX_HEAD_BYTES => {
                let status = StatusCode::PAYLOAD_TOO_LARGE;
                return Err(Refusal::new(status, "The push is for too many references."));
            }
            Head::Open => {}
        }
    }
    Err(Refusal::bad("The push is not understood."))
}

/// A new file that is locked for as long as somebody has it open.
fn locked(path: &PathBuf) -> io::Result<File> {
    let file = OpenOptions::new()
        .create_new(true)
        .append(true)
        .open(path)?;
    file.lock()?;
    Ok(file)
}

impl Pushing {
    async fn run(mut self, mut stdout: ChildStdout, answer: mpsc::Sender<io::Result<Bytes>>) {
        loop {
            match piece(&mut stdout).await {
                // A client that has left is no reason to end what it has sent whole.
                Ok(Some(piece)) => drop(answer.send(Ok(piece)).await),
                Ok(None) => break,
                Err(error) => {
                    drop(answer.send(Err(error)).await);
                    break;
                }
            }
        }
        drop(stdout);
        let ended = self.child.wait().await;
        let told = changes::settle(&self.codecommit, &self.house, &self.change).await;
        if let Err(error) = told {
            tracing::error!(%error, "what became of a push is told at the next start");
            return;
        }
        let trace = self.trace;
        let is_good = ended.is_ok_and(|status| status.success());
        let said = blocking(move || {
            let said = std::fs::read_to_string(&trace).unwrap_or_default();
            std::fs::remove_file(&trace).map(|()| said)
        });
        let said = said.await.unwrap_or_default();
        if !is_good {
            tracing::info!(said = said.trim(), "a push failed");
        }
    }
}
