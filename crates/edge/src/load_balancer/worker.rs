//! Threads that carry traffic. Each connection of a client lives on one of them, with the
//! connections to targets that were made for it; they share nothing but what load balancers are.

use super::http::client;
use super::http::upstream::Pool;
use super::http2::upstream::Pool2;
use super::listener::{Counted, Door};
use super::udp;
use neargate_base::Rng;
use neargate_base::time::{Clock, SystemClock};
use std::cell::{Cell, RefCell};
use std::net::SocketAddrV4;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

/// How often connections that nobody uses are looked at.
const SWEEP: Duration = Duration::from_secs(5);

/// What a worker is told.
#[derive(Debug)]
pub enum ToWorker {
    Connection {
        stream: std::net::TcpStream,
        peer: SocketAddrV4,
        door: Arc<Door>,
        counted: Counted,
    },
    /// Datagrams of a port, until it is paused.
    Datagrams {
        socket: std::net::UdpSocket,
        door: Arc<Door>,
        paused: CancellationToken,
    },
    /// Connections to these targets are not used any more.
    Forget(Vec<u64>),
}

/// What everything on a thread shares.
#[derive(Debug)]
pub struct Worker {
    pub pool: Pool,
    pub pool2: Pool2,
    random: Cell<u64>,
    date: RefCell<(u64, Rc<str>)>,
}

impl Worker {
    pub fn new(rng: &Rng) -> Worker {
        Worker {
            pool: Pool::default(),
            pool2: Pool2::default(),
            random: Cell::new(rng.u64() | 1),
            date: RefCell::new((0, "".into())),
        }
    }

    /// For choices, not for secrets (xorshift).
    pub fn random(&self) -> u64 {
        let mut x = self.random.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.random.set(x);
        x.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// The time as `Date` says it.
    pub fn date(&self) -> Rc<str> {
        let now = self.now_seconds();
        let mut date = self.date.borrow_mut();
        if date.0 != now {
            let now_text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(now));
            *date = (now, now_text.into());
        }
        Rc::clone(&date.1)
    }

    /// Seconds since 1970.
    pub fn now_seconds(&self) -> u64 {
        u64::try_from(SystemClock.now().as_millis().div_euclid(1000)).unwrap_or(0)
    }

    /// For a trace: `1-<seconds>-<random>`.
    pub fn trace(&self) -> String {
        let now = self.now_seconds();
        let (high, low) = (self.random() & 0xffff_ffff, self.random());
        format!("1-{now:08x}-{high:08x}{low:016x}")
    }
}

/// Starts a worker; it ends when nobody can tell it anything more.
///
/// # Errors
/// There is no thread left.
pub fn start(rng: Arc<Rng>) -> std::io::Result<mpsc::UnboundedSender<ToWorker>> {
    let (tell, told) = mpsc::unbounded_channel();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let thread = std::thread::Builder::new().name("balancer".into());
    thread.spawn(move || {
        LocalSet::new().block_on(&runtime, run(Rc::new(Worker::new(&rng)), told));
    })?;
    Ok(tell)
}

async fn run(worker: Rc<Worker>, mut told: mpsc::UnboundedReceiver<ToWorker>) {
    let mut sweep = interval(SWEEP);
    loop {
        tokio::select! {
            told = told.recv() => match told {
                Some(ToWorker::Connection { stream, peer, door, counted }) => {
                    match TcpStream::from_std(stream) {
                        Ok(stream) => {
                            let worker = Rc::clone(&worker);
                            spawn_local(async move {
                                client::serve(worker, stream, peer, door).await;
                                drop(counted);
                            });
                        }
                        Err(error) => tracing::warn!(%error, "a connection is dropped"),
                    }
                }
                Some(ToWorker::Datagrams { socket, door, paused }) => {
                    spawn_local(udp::serve(socket, door, paused));
                }
                Some(ToWorker::Forget(targets)) => {
                    worker.pool.forget(&targets);
                    worker.pool2.forget(&targets);
                }
                None => return,
            },
            _ = sweep.tick() => {
                worker.pool.sweep();
                worker.pool2.sweep();
            }
        }
    }
}
