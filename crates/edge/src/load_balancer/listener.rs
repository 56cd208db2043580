//! Open ports of nodes, and what a request meets behind one.

use super::observed::counts::{Counts, Metric};
use super::observed::files::{Destination, Logs};
use super::place::Place;
use super::route::Route;
use super::settings::Settings;
use super::tls;
use super::worker::ToWorker;
use arc_swap::ArcSwapOption;
use neargate_domain::load_balancer::Protocol;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How long nothing is accepted when the process has no files left.
const PAUSE: Duration = Duration::from_millis(50);

/// A listener as it is now. Requests see one from their beginning to their end.
#[derive(Debug)]
pub struct Front {
    pub load_balancer_arn: String,
    pub listener_arn: String,
    pub dns_name: String,
    pub port: u16,
    pub protocol: Protocol,
    pub settings: Settings,
    /// `None`: without TLS.
    pub tls: Option<tls::Server>,
    pub logs: LogsOf,
    /// In their order; the last one is for every request.
    pub routes: Vec<Route>,
}

/// Where what is observed is written, if it is.
#[derive(Debug, Default)]
pub struct LogsOf {
    pub logs: Option<Logs>,
    pub access: Option<Arc<Destination>>,
    pub connections: Option<Arc<Destination>>,
}

impl LogsOf {
    /// Writes a line to one of the two, which makes the line only then.
    pub fn write(&self, to: Option<&Arc<Destination>>, door: &Door, line: impl FnOnce() -> String) {
        if let (Some(logs), Some(to)) = (&self.logs, to) {
            logs.write(to, door.address, line());
        }
    }
}

/// An open port of a node. It stays open while listeners behind it change.
#[derive(Debug)]
pub struct Door {
    pub zone: String,
    pub interface_id: String,
    /// As clients know the node: its public address, if it has one.
    pub address: Ipv4Addr,
    pub port: u16,
    pub place: Arc<Place>,
    /// `None` once no listener is behind it.
    pub front: ArcSwapOption<Front>,
    /// Those of clients, of all load balancers.
    pub connections: Connections,
    /// Of the node's zone.
    pub counts: Arc<Counts>,
    /// Another process has the port: connections end with their next answer.
    pub leaving: CancellationToken,
    /// It is closed: connections end as soon as they are idle.
    pub closed: CancellationToken,
}

/// How many connections clients have.
#[derive(Debug, Clone, Default)]
pub struct Connections(Arc<AtomicUsize>);

impl Connections {
    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    fn another(&self, counts: &Arc<Counts>) -> Counted {
        self.0.fetch_add(1, Ordering::SeqCst);
        counts.connected();
        Counted(self.clone(), Arc::clone(counts))
    }

    /// One that is known by its datagrams only.
    pub fn flow(&self, counts: &Arc<Counts>) -> Counted {
        self.another(counts)
    }
}

/// A connection, which counts until this is dropped.
#[derive(Debug)]
pub struct Counted(Connections, Arc<Counts>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
        self.1.disconnected();
    }
}

/// Takes connections and hands them to the workers in turn, until the future is dropped.
pub async fn accept(
    listener: TcpListener,
    door: Arc<Door>,
    workers: Arc<[mpsc::UnboundedSender<ToWorker>]>,
) {
    static TURN: AtomicUsize = AtomicUsize::new(0);
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok((stream, SocketAddr::V4(peer))) => (stream, peer),
            Ok(_) => continue,
            Err(error) => {
                if is_of_process(&error) {
                    door.counts.count(Metric::RejectedConnectionCount);
                    tracing::warn!(%error, "a load balancer accepts no connections for a moment");
                    tokio::time::sleep(PAUSE).await;
                }
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let Ok(stream) = stream.into_std() else {
            continue;
        };
        let turn = TURN.fetch_add(1, Ordering::Relaxed) % workers.len();
        let connection = ToWorker::Connection {
            stream,
            peer,
            counted: door.connections.another(&door.counts),
            door: Arc::clone(&door),
        };
        // Workers end after this.
        let _ = workers[turn].send(connection);
    }
}

/// Is it about this process rather than about the connection?
fn is_of_process(error: &std::io::Error) -> bool {
    use rustix::io::Errno;
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(
        errno,
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)
    )
}
