//! A node's assignment stream: the changes of its [`NodePort`], the peers of its network and a
//! beat, one JSON text a line. While it is open the node counts as connected.

use super::{NodeApi, members};
use crate::NodePort;
use crate::node_port::Change;
use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt, StreamBody};
use neargate_base::task;
use neargate_domain::dns::ZoneChange;
use neargate_domain::link::{Frame, Peer, Visit};
use neargate_domain::vpc_network::NetworkChange;
use neargate_ecs::model::KnownNode;
use neargate_service::door::{Body, BoxError};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

/// Lines under way between the store's watch and the socket.
const QUEUE: usize = 64;
/// How often a quiet stream says that it lives.
pub(super) const BEAT: Duration = Duration::from_secs(5);
/// How the control plane's own node is called among peers.
const OWN: &str = "local";

type Line = Result<hyper::body::Frame<Bytes>, BoxError>;

/// The node has gone.
struct Gone;

/// Open the stream. `own` is where the control plane's own node is reached.
/// `visits`: the node lets visitors in.
pub(super) fn open(
    api: &Arc<NodeApi>,
    node: KnownNode,
    own: IpAddr,
    visits: bool,
) -> Response<Body> {
    let (lines, queue) = mpsc::channel::<Line>(QUEUE);
    let api = api.clone();
    // Connected from here on: whoever sees the answer may count on it.
    let port = NodePort::connect(api.control_plane.clone(), &node.id, node.kind);
    let port = Arc::new(port);
    let (ask, visitors) = mpsc::channel(QUEUE);
    let end = api.sessions.open(&port, visits.then_some(ask));
    task::spawn("node-stream", async move {
        tracing::info!(node = node.id, "a node is connected");
        tokio::select! {
            _ = run(&api, &port, &lines, visitors, own) => {}
            () = end.cancelled() => {}
        }
        api.sessions.close(&port);
        tracing::info!(node = node.id, "a node is no longer connected");
    });
    let stream = futures_util::stream::unfold(queue, |mut queue| async {
        queue.recv().await.map(|line| (line, queue))
    });
    Response::new(StreamBody::new(stream).boxed_unsync())
}

/// Tell a removed node that it has no tasks, and why.
pub(super) fn dismiss() -> Response<Body> {
    let lines = [Frame::Begin, Frame::End, Frame::Dismissed];
    let text: Vec<u8> = lines.iter().flat_map(encode).collect();
    Response::new(crate::gateway::body::full(text))
}

async fn run(
    api: &NodeApi,
    port: &NodePort,
    lines: &mpsc::Sender<Line>,
    mut visitors: mpsc::Receiver<Visit>,
    own: IpAddr,
) -> Result<(), Gone> {
    let mut changes = port.assignments();
    let mut networks = port.networks();
    let mut zones = port.zones();
    let mut peers = api.peers();
    peers.mark_changed();
    let mut beat = tokio::time::interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = lines.closed() => return Err(Gone),
            change = changes.recv() => match change {
                Some(Change::Snapshot(all)) => {
                    send(lines, &Frame::Begin).await?;
                    for assignment in all {
                        send(lines, &Frame::Item(assignment)).await?;
                    }
                    send(lines, &Frame::End).await?;
                }
                Some(Change::Changed(one)) => send(lines, &Frame::Changed(*one)).await?,
                Some(Change::Removed(id)) => send(lines, &Frame::Removed(id)).await?,
                None => return Ok(()),
            },
            Some(visit) = visitors.recv() => send(lines, &Frame::Visit(visit)).await?,
            Some(change) = networks.recv() => for frame in network_frames(change) {
                send(lines, &frame).await?;
            },
            Some(change) = zones.recv() => for frame in zone_frames(change) {
                send(lines, &frame).await?;
            },
            Ok(()) = peers.changed() => {
                let mut all = peers.borrow_and_update().clone();
                // Nobody else is where the receiver or the control plane is.
                let me = all.iter().find(|p| p.id == port.node()).map(|p| p.address);
                all.retain(|p| p.id != port.node() && Some(p.address) != me && p.address != own);
                all.push(Peer { id: OWN.into(), address: own });
                send(lines, &Frame::Peers(all)).await?;
            }
            _ = beat.tick() => {
                send(lines, &Frame::Beat).await?;
                if !api.still_belongs(port.node()).await {
                    // It comes back, and hears of it.
                    return Ok(());
                }
            }
        }
    }
}

impl NodeApi {
    /// Whether the node was not removed. One that is no container instance yet becomes one when
    /// its cluster is there (again).
    async fn still_belongs(&self, id: &str) -> bool {
        let house = &self.control_plane.house;
        let node = match house.db.get_key::<KnownNode>(&KnownNode::key(id)).await {
            Ok(Some(node)) if !node.dismissed => node,
            Ok(_) => return false,
            // The store will answer another time.
            Err(_) => return true,
        };
        if node.instance.is_none()
            && let Ok(Some(why)) | Err(why) = members::register(house, &node).await
        {
            tracing::debug!(node = id, %why, "the node is no container instance yet");
        }
        true
    }
}

/// Interfaces in one line: a line has its limit.
const INTERFACES: usize = 2_000;

/// A snapshot in parts, each short enough for a line.
fn network_frames(change: NetworkChange) -> Vec<Frame> {
    let NetworkChange::Snapshot { vpcs, interfaces } = change else {
        return vec![Frame::Network(change)];
    };
    let part = |vpcs, interfaces| Frame::Networks {
        vpcs,
        interfaces,
        is_last: false,
    };
    let of_vpcs = vpcs.into_iter().map(|vpc| part(vec![vpc], Vec::new()));
    let of_interfaces = interfaces
        .chunks(INTERFACES)
        .map(|i| part(Vec::new(), i.to_vec()));
    let last = Frame::Networks {
        vpcs: Vec::new(),
        interfaces: Vec::new(),
        is_last: true,
    };
    of_vpcs.chain(of_interfaces).chain([last]).collect()
}

/// Zones, and names and types of records, in one line.
const RECORDS: usize = 1_000;

fn zone_frames(change: ZoneChange) -> Vec<Frame> {
    let ZoneChange::Snapshot { zones, records } = change else {
        return vec![Frame::Zone(change)];
    };
    let part = |zones, records, is_last| Frame::Zones {
        zones,
        records,
        is_last,
    };
    let of_zones = zones.chunks(RECORDS);
    let of_zones = of_zones.map(|zones| part(zones.to_vec(), Vec::new(), false));
    let of_records = records.chunks(RECORDS);
    let of_records = of_records.map(|records| part(Vec::new(), records.to_vec(), false));
    let last = part(Vec::new(), Vec::new(), true);
    of_zones.chain(of_records).chain([last]).collect()
}

fn encode(frame: &Frame) -> Vec<u8> {
    let mut line = serde_json::to_vec(frame).expect("frames have string keys only");
    line.push(b'\n');
    line
}

async fn send(lines: &mpsc::Sender<Line>, frame: &Frame) -> Result<(), Gone> {
    let line = hyper::body::Frame::data(encode(frame).into());
    lines.send(Ok(line)).await.map_err(|_| Gone)
}
