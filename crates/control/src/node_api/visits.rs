//! Visitors to containers of other hosts ([`neargate_domain::link::Visit`]): announced on the node's
//! assignment stream, they are let in by a request that the node opens. Who may visit is not known here.
//!
//! Invariant: a visit ends with the connection of its node, and when its visitor lets go of it.

use super::NodeApi;
use super::sessions::Reception;
use crate::error::refused;
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::Response;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use neargate_base::task;
use neargate_domain::link::{Said, Visit, VisitTo};
use neargate_domain::{TerminalInput, TerminalOutput};
use neargate_service::AwsError;
use neargate_service::door::{Body, BoxError};
use neargate_service::session::{Place, Stream, Terminal};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::SocketAddrV4;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

/// How many visitors one node may have at a time.
pub(super) const VISITORS: u32 = 32;
/// How long a node may take to let somebody in.
const OPEN: Duration = Duration::from_secs(20);
/// How many pieces wait for their reader.
const PIECES: usize = 16;
const PIECE_BYTES: usize = 16 << 10;

/// Both directions of a visit that the node has opened.
#[derive(Debug)]
struct Opened {
    heard: Heard,
    say: mpsc::Sender<Bytes>,
}

/// Somebody whom a node is to let in.
#[derive(Debug)]
struct Expected {
    node: String,
    tell: oneshot::Sender<Opened>,
}

/// The visitors that are announced, by the id of their visit.
#[derive(Debug, Default)]
pub(super) struct Visits(Mutex<HashMap<String, Expected>>);

impl Visits {
    /// The node lets somebody in: what its side says comes with the body, and it hears the answer's.
    pub(super) fn arrive(
        &self,
        node: &str,
        id: &str,
        body: Incoming,
    ) -> Result<Response<Body>, AwsError> {
        let nobody = || refused("Nobody wants to be let in.").status(404);
        let expected = {
            let mut all = self.0.lock();
            let is_its = all.get(id).is_some_and(|expected| expected.node == node);
            is_its.then(|| all.remove(id)).flatten()
        };
        let (say, said) = mpsc::channel::<Bytes>(PIECES);
        let heard = Heard {
            body,
            buffer: BytesMut::new(),
        };
        let tell = expected.ok_or_else(nobody)?.tell;
        tell.send(Opened { heard, say }).map_err(|_| nobody())?;
        let pieces = stream::unfold(said, |mut said| async {
            let piece = said.recv().await?;
            Some((Ok::<_, BoxError>(Frame::data(piece)), said))
        });
        Ok(Response::new(StreamBody::new(pieces).boxed_unsync()))
    }
}

/// What the container's side says.
#[derive(Debug)]
struct Heard {
    body: Incoming,
    buffer: BytesMut,
}

impl Heard {
    /// The next; `None`: it has ended, or its node has gone.
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

/// No longer expected once this is dropped.
struct Announced<'a>(&'a Visits, &'a str);

impl Drop for Announced<'_> {
    fn drop(&mut self) {
        self.0.0.lock().remove(self.1);
    }
}

impl NodeApi {
    /// # Errors
    /// Why nobody can be let into what runs on this node, in words.
    pub fn may_visit(&self, node: &str) -> Result<(), String> {
        self.sessions.reception(node).map(drop)
    }

    /// Runs a program on a terminal in a container of another host.
    ///
    /// # Errors
    /// What its user is told.
    pub async fn terminal(&self, place: &Place, args: &[String]) -> Result<Terminal, String> {
        let to = VisitTo::Terminal(args.to_vec());
        let (opened, place_held) = self.visit(place, to).await?;
        let (input, typed) = mpsc::channel(PIECES);
        let (shown, output) = mpsc::channel(PIECES);
        task::spawn("visit", async move {
            let _held = place_held;
            carry_terminal(opened, typed, shown).await;
        });
        Ok(Terminal { input, output })
    }

    /// A connection from inside the network of a container of another host.
    ///
    /// # Errors
    /// What its user is told.
    pub async fn connect(
        &self,
        place: &Place,
        to: SocketAddrV4,
    ) -> Result<Box<dyn Stream>, String> {
        let (opened, place_held) = self.visit(place, VisitTo::Port(to)).await?;
        let (near, far) = tokio::io::duplex(PIECE_BYTES);
        task::spawn("visit", async move {
            let _held = place_held;
            carry_port(opened, far).await;
        });
        Ok(Box::new(near))
    }

    async fn visit(
        &self,
        place: &Place,
        to: VisitTo,
    ) -> Result<(Opened, OwnedSemaphorePermit), String> {
        let Reception { visits, visitors } = self.sessions.reception(&place.node)?;
        let node = &place.node;
        let held = visitors.try_acquire_owned();
        let held = held.map_err(|_| format!("{VISITORS} sessions reach into {node} already."))?;
        let id = self.control_plane.house.rng.hex(32);
        let (tell, opened) = oneshot::channel();
        let expected = Expected {
            node: node.clone(),
            tell,
        };
        self.visits.0.lock().insert(id.clone(), expected);
        let _announced = Announced(&self.visits, &id);
        let visit = Visit {
            id: id.clone(),
            task_id: place.task_id.clone(),
            container: place.container.clone(),
            to,
        };
        let gone = || format!("{node} is not connected to the control plane any more.");
        let open = async {
            visits.send(visit).await.map_err(|_| gone())?;
            let mut opened = tokio::select! {
                opened = opened => opened.map_err(|_| gone())?,
                () = visits.closed() => return Err(gone()),
            };
            match opened.heard.next().await {
                Some(Said::Opened) => Ok(opened),
                Some(Said::Failed(why)) => Err(why),
                _ => Err(gone()),
            }
        };
        let opened = tokio::time::timeout(OPEN, open).await;
        let late = |_| Err(format!("{node} does not answer in time."));
        Ok((opened.unwrap_or_else(late)?, held))
    }
}

/// The program ends with the visit, which ends with this.
async fn carry_terminal(
    opened: Opened,
    mut typed: mpsc::Receiver<TerminalInput>,
    shown: mpsc::Sender<TerminalOutput>,
) {
    let Opened { mut heard, say } = opened;
    let sent = async {
        while let Some(input) = typed.recv().await {
            let said = match input {
                TerminalInput::Bytes(bytes) => Said::Bytes(bytes),
                TerminalInput::Size { columns, rows } => Said::Size { columns, rows },
            };
            if say.send(said.encode().into()).await.is_err() {
                // What the other side says of it comes still.
                std::future::pending::<()>().await;
            }
        }
    };
    let received = async {
        while let Some(said) = heard.next().await {
            let output = match said {
                Said::Bytes(bytes) => TerminalOutput::Bytes(bytes),
                Said::Ended(code) => TerminalOutput::Ended(code),
                Said::Opened | Said::Failed(_) | Said::Size { .. } => return,
            };
            if shown.send(output).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = sent => {}
        () = received => {}
        () = shown.closed() => {}
    }
}

/// The end of either direction is the connection's.
async fn carry_port(opened: Opened, far: tokio::io::DuplexStream) {
    let Opened { mut heard, say } = opened;
    let (mut from, mut to) = tokio::io::split(far);
    let sent = async {
        let mut buffer = vec![0; PIECE_BYTES];
        while let Ok(n) = from.read(&mut buffer).await {
            let piece = Said::Bytes(buffer[..n].to_vec()).encode();
            if n == 0 || say.send(piece.into()).await.is_err() {
                return;
            }
        }
    };
    let received = async {
        while let Some(Said::Bytes(bytes)) = heard.next().await {
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = sent => {}
        () = received => {}
    }
}
