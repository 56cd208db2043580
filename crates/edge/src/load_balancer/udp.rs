//! Datagrams to a network load balancer: those of one client's port go to one target and back
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/network/network-load-balancers.html>).
//!
//! Targets see the node's address. A flow keeps its target while it is registered and, where its group
//! says so, healthy; after a silence it is forgotten.

use super::listener::{Counted, Door};
use super::observed::counts::Metric;
use super::route::End;
use super::settings::Stickiness;
use super::target::Underway;
use super::tcp::spread;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::{Instant, interval, sleep};
use tokio_util::sync::CancellationToken;

/// How long a flow may be silent, as AWS has it.
const SILENCE: Duration = Duration::from_secs(120);
const SWEEP: Duration = Duration::from_secs(10);
/// How many flows a port has; datagrams of others are dropped.
const FLOWS_MAX: usize = 65_536;
const DATAGRAM_BYTES_MAX: usize = 65_536;

thread_local! {
    /// For answers, which are passed on at once.
    static SCRATCH: RefCell<Box<[u8]>> =
        RefCell::new(vec![0; DATAGRAM_BYTES_MAX].into_boxed_slice());
}

/// Carries datagrams that come to this socket, until it is paused; the flows that are there by then may
/// be answered until they are silent.
pub async fn serve(socket: std::net::UdpSocket, door: Arc<Door>, paused: CancellationToken) {
    let socket = match UdpSocket::from_std(socket) {
        Ok(socket) => Rc::new(socket),
        Err(error) => return tracing::error!(%error, "a port takes no datagrams"),
    };
    let mut flows = HashMap::<SocketAddrV4, Flow>::new();
    let mut sweep = interval(SWEEP);
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    while !(paused.is_cancelled() && flows.is_empty()) {
        let received = tokio::select! {
            received = socket.recv_from(&mut buffer), if !paused.is_cancelled() => received,
            () = paused.cancelled(), if !paused.is_cancelled() => continue,
            () = door.closed.cancelled() => return,
            _ = sweep.tick() => {
                flows.retain(|_, flow| flow.last.get().elapsed() < SILENCE && flow.is_well());
                continue;
            }
        };
        let (length, client) = match received {
            Ok((length, SocketAddr::V4(client))) => (length, client),
            Ok(_) => continue,
            Err(error) => {
                // What the network says of an earlier answer ends nothing.
                tracing::debug!(%error, "a datagram is not received");
                sleep(Duration::from_millis(1)).await;
                continue;
            }
        };
        if flows.get(&client).is_some_and(|flow| !flow.is_well()) {
            flows.remove(&client);
        }
        if !flows.contains_key(&client) {
            if flows.len() >= FLOWS_MAX {
                door.counts.count(Metric::RejectedFlowCount);
                continue;
            }
            match Flow::new(&door, &socket, client).await {
                Ok(Some(flow)) => {
                    door.counts.count(Metric::NewFlowCount);
                    flows.insert(client, flow);
                }
                Ok(None) => {}
                Err(error) => tracing::debug!(%error, "a flow has no way to its target"),
            }
        }
        if let Some(flow) = flows.get(&client) {
            flow.last.set(Instant::now());
            door.counts.add(Metric::ProcessedBytes, length as u64);
            // A target that is not there says so to nobody.
            let _ = flow.upstream.send(&buffer[..length]).await;
        }
    }
}

/// The datagrams of one client's port.
struct Flow {
    upstream: Rc<UdpSocket>,
    last: Rc<Cell<Instant>>,
    answers: AbortHandle,
    underway: Underway,
    health: CancellationToken,
    ends_with_health: bool,
    _counted: Counted,
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.answers.abort();
    }
}

impl Flow {
    /// `None`: there is no target.
    async fn new(
        door: &Arc<Door>,
        socket: &Rc<UdpSocket>,
        client: SocketAddrV4,
    ) -> io::Result<Option<Flow>> {
        let Some(front) = door.front.load_full() else {
            return Ok(None);
        };
        let Some(End::Forward(forward)) = front.routes.last().map(|route| &route.end) else {
            return Ok(None);
        };
        let Some(group) = forward.group() else {
            return Ok(None);
        };
        let address = u64::from(client.ip().to_bits());
        let number = match group.settings.stickiness {
            Stickiness::SourceIp => spread(address),
            _ => spread(address << 16 | u64::from(client.port())),
        };
        let Some(target) = group.choose_by(&door.zone, &[], number) else {
            return Ok(None);
        };
        let upstream = Rc::new(door.place.datagrams(target.address).await?);
        let last = Rc::new(Cell::new(Instant::now()));
        let back = answers(
            Rc::clone(&upstream),
            Rc::clone(socket),
            client,
            Rc::clone(&last),
            Arc::clone(door),
        );
        Ok(Some(Flow {
            upstream,
            last,
            answers: spawn_local(back).abort_handle(),
            health: target.health(),
            ends_with_health: group.settings.ends_with_health,
            underway: Underway::new(target),
            _counted: door.connections.flow(&door.counts),
        }))
    }

    /// May its target go on with it?
    fn is_well(&self) -> bool {
        let is_ill = self.ends_with_health && self.health.is_cancelled();
        !self.underway.0.gone.is_cancelled() && !is_ill
    }
}

/// Sends back what a target says.
async fn answers(
    upstream: Rc<UdpSocket>,
    socket: Rc<UdpSocket>,
    client: SocketAddrV4,
    last: Rc<Cell<Instant>>,
    door: Arc<Door>,
) {
    while upstream.readable().await.is_ok() {
        let received = SCRATCH.with_borrow_mut(|buffer| {
            let length = upstream.try_recv(buffer)?;
            last.set(Instant::now());
            door.counts.add(Metric::ProcessedBytes, length as u64);
            let _ = socket.try_send_to(&buffer[..length], client.into());
            io::Result::Ok(())
        });
        match received {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // Nobody is there, for now.
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}
