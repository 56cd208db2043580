//! What clones and fetches are given.

use super::body::Incoming;
use super::refusal::Refusal;
use super::{Call, Entered, Response, Service, reply, text};
use crate::git::not_run;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use neargate_base::task;
use neargate_service::door::RequestBody;
use std::io;
use std::process::Stdio;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio_util::io::ReaderStream;

/// What is read of a program at once.
pub(super) const PIECE_BYTES: usize = 64 << 10;

impl Call {
    /// Which references there are, or of the second protocol what can be asked.
    pub(super) async fn advertise(
        &self,
        entered: &Entered,
        service: Service,
    ) -> Result<Response, Refusal> {
        let git = &self.codecommit.git;
        let _turn = git.turn().await;
        let mut child = self.spawn(entered, service, true, Stdio::null())?;
        drop(child.stdin.take());
        let output = child.wait_with_output().await;
        let output = output.map_err(|e| Refusal::from(not_run(e)))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            tracing::error!(%said, "git does not advertise");
            return Err(Refusal::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "The repository cannot be read.",
            ));
        }
        let is_second = self
            .protocol()
            .is_some_and(|said| said.contains("version=2"));
        let mut bytes = Vec::new();
        if !(is_second && service == Service::UploadPack) {
            let name = format!("# service={}\n", service.name());
            bytes.extend(format!("{:04x}{name}0000", name.len() + 4).into_bytes());
        }
        bytes.extend(output.stdout);
        let response = reply::full(StatusCode::OK, bytes);
        Ok(reply::marked(
            response,
            &format!("{}-advertisement", service.name()),
        ))
    }

    /// Is the body what git's client sends for this?
    pub(super) fn check_type(&self, service: Service) -> Result<(), Refusal> {
        let wanted = format!("application/x-{}-request", service.name());
        match text(&self.parts, CONTENT_TYPE) == Some(&wanted) {
            true => Ok(()),
            false => Err(Refusal::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "The body is not of this kind.",
            )),
        }
    }

    pub(super) async fn fetch(
        &self,
        entered: &Entered,
        body: RequestBody,
    ) -> Result<Response, Refusal> {
        self.check_type(Service::UploadPack)?;
        let mut child = self.spawn(entered, Service::UploadPack, false, Stdio::null())?;
        let (stdin, stdout) = ends(&mut child);
        let incoming = Incoming::new(&self.parts, body);
        // The program ends when its input does, and its input ends with the client's connection.
        task::spawn("git-fetch", async move {
            if let Err(error) = feed(incoming, Bytes::new(), stdin).await {
                tracing::debug!(%error, "a fetch ended early");
            }
        });
        // Whoever drops the answer ends the program.
        let pieces = ReaderStream::with_capacity(stdout, PIECE_BYTES);
        let pieces = stream::unfold((pieces, child), |(mut pieces, child)| async {
            let piece = pieces.next().await?;
            Some((piece, (pieces, child)))
        });
        Ok(reply::stream(pieces, "git-upload-pack-result"))
    }

    pub(super) fn spawn(
        &self,
        entered: &Entered,
        service: Service,
        advertises: bool,
        complains: Stdio,
    ) -> Result<Child, Refusal> {
        let git = &self.codecommit.git;
        let id = &entered.repository.id;
        let mut command = git.command(id);
        command
            .arg(service.name().trim_start_matches("git-"))
            .arg("--stateless-rpc")
            .args(advertises.then_some("--http-backend-info-refs"))
            .arg(git.path(id))
            .env_remove("GIT_DIR")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(complains);
        if let Some(protocol) = self.protocol() {
            command.env("GIT_PROTOCOL", protocol);
        }
        command.spawn().map_err(|e| not_run(e).into())
    }
}

/// Both ends of a program that was given pipes.
pub(super) fn ends(child: &mut Child) -> (ChildStdin, ChildStdout) {
    let stdin = child.stdin.take();
    let stdout = child.stdout.take();
    (stdin.expect("a pipe"), stdout.expect("a pipe"))
}

/// Hands a program what the client sends, beginning with what has come already.
pub(super) async fn feed(
    mut incoming: Incoming,
    head: Bytes,
    mut stdin: ChildStdin,
) -> io::Result<()> {
    stdin.write_all(&head).await?;
    while let Some(piece) = incoming.next().await? {
        stdin.write_all(&piece).await?;
    }
    stdin.shutdown().await
}

/// Reads the next piece of what a program says; `None` at its end.
pub(super) async fn piece(stdout: &mut ChildStdout) -> io::Result<Option<Bytes>> {
    let mut bytes = bytes::BytesMut::with_capacity(PIECE_BYTES);
    let read = stdout.read_buf(&mut bytes).await?;
    Ok((read > 0).then(|| bytes.freeze()))
}
