//! Lets visitors of the control plane into containers of this host ([`neargate_domain::link::Visit`]).
//!
//! Each has a request of its own on the node's connection: what the container's side says is its body,
//! what the visitor says its answer. Invariant: when either ends, or the connection breaks, the other
//! ends too, and with it the program that ran for the visitor.

use super::call::Caller;
use crate::runtime::{ShimRuntime, Terminal};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::Method;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use neargate_base::task;
use neargate_domain::link::{Said, Visit, VisitTo};
use neargate_domain::{TerminalInput, TerminalOutput};
use std::convert::Infallible;
use std::fmt::Debug;
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// How many pieces wait for their reader.
const PIECES: usize = 16;
const PIECE_BYTES: usize = 16 << 10;
/// The control plane has answered by then, or does not know who is to be let in.
const OPEN: Duration = Duration::from_secs(10);

/// What visitors are let into. Errors are what a visitor's user is told.
#[async_trait]
pub trait Visited: Debug + Send + Sync {
    async fn terminal(
        &self,
        task_id: &str,
        container: &str,
        args: &[String],
    ) -> Result<Terminal, String>;

    async fn connect(
        &self,
        task_id: &str,
        container: &str,
        to: SocketAddrV4,
    ) -> Result<TcpStream, String>;
}

#[async_trait]
impl Visited for ShimRuntime {
    async fn terminal(
        &self,
        task_id: &str,
        container: &str,
        args: &[String],
    ) -> Result<Terminal, String> {
        let opened = ShimRuntime::terminal(self, task_id, container, args).await;
        opened.map_err(|error| error.told())
    }

    async fn connect(
        &self,
        task_id: &str,
        container: &str,
        to: SocketAddrV4,
    ) -> Result<TcpStream, String> {
        let connected = ShimRuntime::connect(self, task_id, container, to).await;
        connected.map_err(|error| error.to_string())
    }
}

/// What the visitor was let into.
enum Entry {
    Terminal(Terminal),
    Port(TcpStream),
}

/// Lets the visitor in, beside everything else.
pub(super) fn admit(caller: Arc<Caller>, visited: Option<Arc<dyn Visited>>, visit: Visit) {
    task::spawn("visit", async move {
        let id = visit.id.clone();
        if let Err(why) = run(&caller, visited, visit).await {
            tracing::debug!(id, why, "a visit was not");
        }
    });
}

async fn run(
    caller: &Caller,
    visited: Option<Arc<dyn Visited>>,
    visit: Visit,
) -> Result<(), String> {
    let Visit {
        id,
        task_id,
        container,
        to,
    } = visit;
    let entry = match visited {
        None => Err("The container's node is only starting.".to_owned()),
        Some(visited) => match to {
            VisitTo::Terminal(args) => {
                let opened = visited.terminal(&task_id, &container, &args).await;
                opened.map(Entry::Terminal)
            }
            VisitTo::Port(to) => {
                let connected = visited.connect(&task_id, &container, to).await;
                connected.map(Entry::Port)
            }
        },
    };
    let (say, said) = mpsc::channel::<Bytes>(PIECES);
    let first = match &entry {
        Ok(_) => Said::Opened,
        Err(why) => Said::Failed(why.clone()),
    };
    // There is room for it.
    let _ = say.send(first.encode().into()).await;
    let pieces = stream::unfold(said, |mut said| async {
        let piece = said.recv().await?;
        Some((Ok::<_, Infallible>(Frame::data(piece)), said))
    });
    let body = StreamBody::new(pieces).boxed_unsync();
    let path = format!("/v1/visit/{id}");
    let opened = tokio::time::timeout(OPEN, caller.send(Method::POST, &path, body)).await;
    let response = opened.map_err(|late| late.to_string())?;
    let response = response.map_err(|error| error.to_string())?;
    let mut visitor = Heard {
        body: response.into_body(),
        buffer: BytesMut::new(),
    };
    match entry {
        Ok(Entry::Terminal(terminal)) => carry_terminal(terminal, &mut visitor, say).await,
        Ok(Entry::Port(stream)) => carry_port(stream, &mut visitor, say).await,
        Err(_) => drop(say),
    }
    // Who lets go of an answer before its end resets the stream, and what was said last would be lost.
    let gone = async { while visitor.next().await.is_some() {} };
    let _ = tokio::time::timeout(OPEN, gone).await;
    Ok(())
}

/// What the visitor says.
struct Heard {
    body: Incoming,
    buffer: BytesMut,
}

impl Heard {
    /// The next; `None`: it has gone.
    async fn next(&mut self) -> Option<Said> {
        loop {
            if let Some((said, taken)) = Said::decode(&self.buffer).ok()? {
                let _ = self.buffer.split_to(taken);
                return Some(said);
            }
            if let Ok(data) = self.body.frame().await?.ok()?.into_data() {
                self.buffer.extend_from_slice(&data);
            }
        }
    }
}

/// The program ends with the terminal's channels, which end with this.
async fn carry_terminal(terminal: Terminal, visitor: &mut Heard, say: mpsc::Sender<Bytes>) {
    let Terminal { input, mut output } = terminal;
    let typed = async {
        while let Some(said) = visitor.next().await {
            let typed = match said {
                Said::Bytes(bytes) => TerminalInput::Bytes(bytes),
                Said::Size { columns, rows } => TerminalInput::Size { columns, rows },
                Said::Opened | Said::Failed(_) | Said::Ended(_) => return,
            };
            if input.send(typed).await.is_err() {
                // The program has ended; what it said last is still on its way.
                std::future::pending::<()>().await;
            }
        }
    };
    let shown = async {
        while let Some(output) = output.recv().await {
            let said = match output {
                TerminalOutput::Bytes(bytes) => Said::Bytes(bytes),
                TerminalOutput::Ended(code) => Said::Ended(code),
            };
            if say.send(said.encode().into()).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = typed => {}
        () = shown => {}
        () = say.closed() => {}
    }
}

/// The end of either direction is the connection's, as it is where no host is between.
async fn carry_port(mut stream: TcpStream, visitor: &mut Heard, say: mpsc::Sender<Bytes>) {
    let (mut from, mut to) = stream.split();
    let sent = async {
        while let Some(Said::Bytes(bytes)) = visitor.next().await {
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    let received = async {
        let mut buffer = vec![0; PIECE_BYTES];
        while let Ok(n) = from.read(&mut buffer).await {
            let piece = Said::Bytes(buffer[..n].to_vec()).encode();
            if n == 0 || say.send(piece.into()).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = sent => {}
        () = received => {}
        () = say.closed() => {}
    }
}
