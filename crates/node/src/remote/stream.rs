//! The assignment stream, opened again after every break; what the agent hears is one stream
//! without an end.

use super::call::Caller;
use super::visit::{self, Visited};
use crate::upstream::{AssignmentChange, UpstreamError};
use bytes::BytesMut;
use http::Method;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use neargate_base::Rng;
use neargate_base::backoff::Backoff;
use neargate_domain::dns::ZoneChange;
use neargate_domain::link::{Frame, MAX_MESSAGE_BYTES, Peer, VISITS};
use neargate_domain::vpc_network::NetworkChange;
use neargate_domain::{Assignment, NodeAbout};
use std::mem::take;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

const AGAIN_FIRST: Duration = Duration::from_millis(100);
const AGAIN_MAX: Duration = Duration::from_secs(5);
const OPEN: Duration = Duration::from_secs(30);
/// A stream that says nothing for this long is opened again: the control plane beats more often.
const QUIET: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) caller: Arc<Caller>,
    pub(super) about: NodeAbout,
    pub(super) rng: Arc<Rng>,
    pub(super) changes: mpsc::Sender<AssignmentChange>,
    pub(super) peers: watch::Sender<Vec<Peer>>,
    pub(super) networks: mpsc::Sender<NetworkChange>,
    pub(super) zones: mpsc::Sender<ZoneChange>,
    pub(super) visited: Arc<OnceLock<Arc<dyn Visited>>>,
    pub(super) dismissed: CancellationToken,
}

/// Why one stream ended.
enum Ended {
    /// The agent listens no more.
    Unheard,
    Broken(String),
}

impl Stream {
    pub(super) async fn follow(self) {
        let mut backoff = Backoff::new(AGAIN_FIRST, AGAIN_MAX);
        let mut told = String::new();
        loop {
            tokio::select! {
                () = self.caller.connected() => {}
                () = self.changes.closed() => return,
            }
            match self.once(&mut backoff).await {
                Ended::Unheard => return,
                Ended::Broken(why) => {
                    if why == told {
                        tracing::debug!(why, "the assignment stream ended");
                    } else {
                        tracing::warn!(why, "the assignment stream ended; tasks go on");
                        told = why;
                    }
                }
            }
            tokio::time::sleep(backoff.next_delay(&self.rng)).await;
        }
    }

    /// Nobody may be listening any more.
    async fn tell(&self, change: NetworkChange) {
        let _ = self.networks.send(change).await;
    }

    async fn once(&self, backoff: &mut Backoff) -> Ended {
        let path = format!("/v1/assignments?{VISITS}");
        let opened = self.caller.open(Method::POST, &path, &self.about);
        let opened = match tokio::time::timeout(OPEN, opened).await {
            Ok(Ok(response)) => response,
            Ok(Err(UpstreamError::Unavailable(why) | UpstreamError::Refused(why))) => {
                return Ended::Broken(why);
            }
            Err(_) => return Ended::Broken("it does not answer in time".into()),
        };
        let mut lines = Lines::new(opened.into_body());
        let mut snapshot: Option<Vec<Assignment>> = None;
        let (mut vpcs, mut interfaces) = (Vec::new(), Vec::new());
        let (mut zones, mut records) = (Vec::new(), Vec::new());
        loop {
            let next = tokio::select! {
                next = tokio::time::timeout(QUIET, lines.next()) => next,
                () = self.changes.closed() => return Ended::Unheard,
            };
            let frame = match next {
                Ok(Ok(frame)) => frame,
                Ok(Err(why)) => return Ended::Broken(why),
                Err(_) => return Ended::Broken("it fell silent".into()),
            };
            let change = match frame {
                Frame::Begin => {
                    snapshot = Some(Vec::new());
                    continue;
                }
                Frame::Item(assignment) => match &mut snapshot {
                    Some(all) => {
                        all.push(assignment);
                        continue;
                    }
                    None => return Ended::Broken("it sent a part of no snapshot".into()),
                },
                Frame::End => match snapshot.take() {
                    Some(all) => {
                        backoff.reset();
                        AssignmentChange::Snapshot(all)
                    }
                    None => return Ended::Broken("it ended no snapshot".into()),
                },
                Frame::Changed(assignment) => AssignmentChange::Changed(assignment),
                Frame::Removed(id) => AssignmentChange::Removed(id),
                Frame::Peers(peers) => {
                    self.peers.send_replace(peers);
                    continue;
                }
                Frame::Networks {
                    vpcs: more_vpcs,
                    interfaces: more_interfaces,
                    is_last,
                } => {
                    vpcs.extend(more_vpcs);
                    interfaces.extend(more_interfaces);
                    if is_last {
                        let (vpcs, interfaces) = (take(&mut vpcs), take(&mut interfaces));
                        self.tell(NetworkChange::Snapshot { vpcs, interfaces })
                            .await;
                    }
                    continue;
                }
                Frame::Network(change) => {
                    self.tell(change).await;
                    continue;
                }
                Frame::Zones {
                    zones: more_zones,
                    records: more_records,
                    is_last,
                } => {
                    zones.extend(more_zones);
                    records.extend(more_records);
                    if is_last {
                        let (zones, records) = (take(&mut zones), take(&mut records));
                        let all = ZoneChange::Snapshot { zones, records };
                        let _ = self.zones.send(all).await;
                    }
                    continue;
                }
                Frame::Zone(change) => {
                    let _ = self.zones.send(change).await;
                    continue;
                }
                Frame::Visit(visit) => {
                    visit::admit(self.caller.clone(), self.visited.get().cloned(), visit);
                    continue;
                }
                Frame::Beat => continue,
                Frame::Dismissed => {
                    if !self.dismissed.is_cancelled() {
                        tracing::error!(
                            "this node was removed from its control plane: its tasks stop"
                        );
                        self.dismissed.cancel();
                    }
                    continue;
                }
            };
            if self.changes.send(change).await.is_err() {
                return Ended::Unheard;
            }
        }
    }
}

/// The lines of a body.
struct Lines {
    body: Incoming,
    buffer: BytesMut,
    /// So much of the buffer has no line's end.
    seen: usize,
}

impl Lines {
    fn new(body: Incoming) -> Lines {
        Lines {
            body,
            buffer: BytesMut::new(),
            seen: 0,
        }
    }

    /// The next line. Nothing is lost when this is given up half-way.
    async fn next(&mut self) -> Result<Frame, String> {
        loop {
            let end = self.buffer[self.seen..].iter().position(|b| *b == b'\n');
            if let Some(end) = end {
                let line = self.buffer.split_to(self.seen + end + 1);
                self.seen = 0;
                return serde_json::from_slice(&line).map_err(|e| format!("it said nonsense: {e}"));
            }
            self.seen = self.buffer.len();
            if self.seen > MAX_MESSAGE_BYTES {
                return Err("it sent an endless line".into());
            }
            match self.body.frame().await {
                None => return Err("it closed the stream".into()),
                Some(Err(error)) => return Err(error.to_string()),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
            }
        }
    }
}
