//! The data channels of sessions: `wss://…/v1/data-channel/SESSION` on the API's own port, which
//! AWS's session-manager-plugin connects to.
//!
//! A session is driven by one task ([`run`]) from its first connection on; a connection ends and
//! another takes its place without anything getting lost ([`channel`]).

mod audit;
mod channel;
mod cipher;
mod message;
mod run;
#[cfg(test)]
mod tests;
mod websocket;

pub use channel::Channel;
pub use message::{ACKNOWLEDGE, Acknowledged, CHANNEL_CLOSED, ChannelEnd, Message, Payload, Side};
pub use websocket::{Frame, Outgoing, read, write};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use message::OpenDataChannel;
use neargate_base::{Rng, task};
use neargate_service::House;
use neargate_service::door::{Body, HttpDoor, RequestBody, Visitor};
use neargate_service::session::{Phase, Session};
use run::Connection;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

/// Where data channels are.
pub const PATH: &str = "/v1/data-channel/";
/// A client shows its token within this time.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many messages wait on a connection in each direction.
const QUEUED: usize = 64;

/// Close codes (RFC 6455, 7.4.1).
const NORMAL: u16 = 1000;
const POLICY_VIOLATION: u16 = 1008;

/// What answers under [`PATH`].
#[derive(Debug, Default)]
pub struct DataChannels {
    /// Where each session that is driven takes connections.
    driven: Mutex<HashMap<String, mpsc::Sender<Connection>>>,
}

/// The door to them.
#[derive(Debug)]
pub struct DataChannelDoor(pub Arc<DataChannels>);

#[async_trait]
impl HttpDoor for DataChannelDoor {
    async fn serve(
        &self,
        house: Arc<House>,
        _: Visitor,
        request: Request<RequestBody>,
    ) -> Response<Body> {
        let path = request.uri().path();
        let id = path.strip_prefix(PATH).unwrap_or_default();
        let session = house.sessions.get(id);
        let Some(session) = session.filter(|s| s.phase() != Phase::Terminated) else {
            return refused(StatusCode::NOT_FOUND, "There is no such session.");
        };
        let Some(headers) = websocket::accept(request.headers()) else {
            return refused(
                StatusCode::UPGRADE_REQUIRED,
                "A data channel is a WebSocket.",
            );
        };
        let upgrade = hyper::upgrade::on(request);
        let channels = self.0.clone();
        task::spawn("data-channel", async move {
            let Ok(upgraded) = upgrade.await else {
                return;
            };
            let (from, to) = tokio::io::split(TokioIo::new(upgraded));
            channels.converse(house, session, from, to).await;
        });
        let mut response = refused(StatusCode::SWITCHING_PROTOCOLS, "");
        response
            .headers_mut()
            .extend(headers.map(|(n, v)| (Some(n), v)));
        response
    }
}

/// `NAME-0123456789abcdef0`, by who begins it.
pub fn session_id(owner: &str, rng: &Rng) -> String {
    let name = owner.rsplit(['/', ':']).next().unwrap_or_default();
    format!("{name}-0{}", rng.hex(16))
}

fn refused(status: StatusCode, text: &'static str) -> Response<Body> {
    let body = Full::new(Bytes::from_static(text.as_bytes()));
    let body = body.map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

impl DataChannels {
    /// Carries one connection to its end.
    async fn converse(
        self: Arc<Self>,
        house: Arc<House>,
        session: Arc<Session>,
        mut from: impl AsyncRead + Unpin + Send,
        mut to: impl AsyncWrite + Unpin + Send + 'static,
    ) {
        let mut partial = None;
        let first = tokio::time::timeout(
            PATIENCE,
            websocket::read(&mut from, &mut partial, Side::Container),
        );
        let token = match first.await {
            Ok(Ok(Frame::Text(text))) => serde_json::from_slice::<OpenDataChannel>(&text).ok(),
            _ => None,
        };
        if !token.is_some_and(|open| session.admits(&open.token, house.now())) {
            let _ = websocket::write(&mut to, Outgoing::Close(POLICY_VIOLATION), None).await;
            return;
        }
        let (outgoing, mut queued) = mpsc::channel(QUEUED);
        let (received, incoming) = mpsc::channel(QUEUED);
        let connection = Connection {
            incoming,
            outgoing: outgoing.clone(),
        };
        if !self.hand_over(&house, &session, connection).await {
            let _ = websocket::write(&mut to, Outgoing::Close(NORMAL), None).await;
            return;
        }
        let write = task::spawn("data-channel-out", async move {
            while let Some(frame) = queued.recv().await {
                let is_last = matches!(frame, Outgoing::Close(_));
                if websocket::write(&mut to, frame, None).await.is_err() || is_last {
                    return;
                }
            }
        });
        loop {
            let frame = tokio::select! {
                frame = websocket::read(&mut from, &mut partial, Side::Container) => frame,
                // The session is over, or has another connection.
                () = received.closed() => break,
            };
            match frame {
                Ok(Frame::Binary(bytes)) => {
                    if received.send(bytes).await.is_err() {
                        break;
                    }
                }
                Ok(Frame::Ping(content)) => {
                    if outgoing.send(Outgoing::Pong(content)).await.is_err() {
                        break;
                    }
                }
                Ok(Frame::Text(_) | Frame::Pong) => {}
                Ok(Frame::Close) | Err(_) => break,
            }
        }
        drop((received, outgoing));
        // What was said last still goes out; who does not take it is left.
        let _ = tokio::time::timeout(PATIENCE, write).await;
    }

    /// To the task that drives the session, which begins with its first connection.
    async fn hand_over(
        self: &Arc<Self>,
        house: &Arc<House>,
        session: &Arc<Session>,
        connection: Connection,
    ) -> bool {
        let id = session.wanted.id.clone();
        let sender = {
            let mut driven = self.driven.lock().expect("nobody panics while holding it");
            driven
                .entry(id.clone())
                .or_insert_with(|| {
                    let (sender, connections) = mpsc::channel(1);
                    let (house, session, channels) = (house.clone(), session.clone(), self.clone());
                    task::spawn("session", async move {
                        run::run(&house, &session, connections).await;
                        session.enter(Phase::Terminated, house.now());
                        let mut driven = channels
                            .driven
                            .lock()
                            .expect("nobody panics while holding it");
                        driven.remove(&id);
                    });
                    sender
                })
                .clone()
        };
        sender.send(connection).await.is_ok()
    }
}
