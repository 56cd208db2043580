//! How drivers reach their receivers: in which network, and whether by files of the host.
//!
//! A driver is the instance's, as Docker's is: it connects from the instance's network, and from a
//! Fargate task's own. Names are resolved by the host's resolver.

use crate::net;
use futures_util::FutureExt;
use rustix::fs::{FileType, Mode, OFlags, fstat, open, openat};
use std::fmt::Debug;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{UdpSocket, UnixDatagram, UnixStream};
use tokio::time::timeout;

/// How long a receiver may take to accept a connection, and to take what is sent.
const CONNECT: Duration = Duration::from_secs(5);
const TAKE: Duration = Duration::from_secs(10);

/// The log router's socket, in the directory that it shares with the node.
const ROUTER_SOCKET: &str = "fluent.sock";

/// From where receivers are reached.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    /// The network namespace; `None`: the node's own.
    pub netns: Option<PathBuf>,
    /// The host is the instance: paths of sockets are its own.
    pub has_files: bool,
    /// The directory of the log router's socket.
    pub router: PathBuf,
}

/// Where a receiver listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    Tcp(String, u16),
    Udp(String, u16),
    Unix(PathBuf),
    Unixgram(PathBuf),
    /// The task's log router.
    Router,
}

impl Address {
    /// `scheme://host:port` or `unix://path`, and `default` for what it leaves out.
    ///
    /// # Errors
    /// It is no address.
    pub fn parse(text: &str, scheme: &str, port: u16) -> Result<Address, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or((scheme, text));
        match scheme {
            "unix" => return Ok(Address::Unix(rest.into())),
            "unixgram" => return Ok(Address::Unixgram(rest.into())),
            _ => {}
        }
        let rest = rest.trim_end_matches('/');
        let (host, given) = match rest.rsplit_once(':') {
            // The colons of an address of IPv6 are no port's.
            Some((host, port)) if !port.contains(']') && !host.ends_with(':') => {
                (host, port.parse().map_err(|_| wrong(text))?)
            }
            _ => (rest, port),
        };
        let host = host.trim_matches(['[', ']']).to_owned();
        if host.is_empty() {
            return Err(wrong(text));
        }
        match scheme {
            "tcp" => Ok(Address::Tcp(host, given)),
            "udp" => Ok(Address::Udp(host, given)),
            _ => Err(wrong(text)),
        }
    }

    pub fn is_stream(&self) -> bool {
        matches!(self, Address::Tcp(..) | Address::Unix(_) | Address::Router)
    }
}

fn wrong(text: &str) -> String {
    format!("{text} is not an address such as tcp://10.0.0.1:514")
}

/// A connection.
pub trait Duplex: AsyncRead + AsyncWrite + Debug + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Debug + Send + Unpin> Duplex for T {}

#[derive(Debug)]
enum Datagrams {
    Udp(UdpSocket),
    Unix(UnixDatagram),
}

impl Reach {
    /// # Errors
    /// The path is on a host that is not the task's own.
    pub fn check(&self, address: &Address) -> Result<(), String> {
        match address {
            Address::Unix(path) | Address::Unixgram(path) if !self.has_files => Err(format!(
                "{} is on the host, which is not the container instance itself: a log driver here \
                 reaches receivers by network only",
                path.display()
            )),
            _ => Ok(()),
        }
    }

    pub async fn stream(&self, address: &Address) -> io::Result<Box<dyn Duplex>> {
        let connect = async {
            Ok::<Box<dyn Duplex>, io::Error>(match address {
                Address::Tcp(host, port) => {
                    let to = resolve(host, *port).await?;
                    let stream = net::dial_tcp(self.netns.as_deref(), to).await;
                    Box::new(stream.map_err(|e| worded("tcp", &to.to_string(), &e))?)
                }
                Address::Unix(path) => Box::new(unix(path).await?),
                Address::Router => Box::new(self.router().await?),
                Address::Udp(..) | Address::Unixgram(_) => {
                    return Err(io::Error::other("no stream leads there"));
                }
            })
        };
        match timeout(CONNECT, connect).await {
            Ok(done) => done,
            Err(_) => Err(io::Error::new(ErrorKind::TimedOut, "dial: i/o timeout")),
        }
    }

    /// The directory is the router's to write in: what lies there under the socket's name may be a
    /// link to any socket of the host, and is not followed.
    async fn router(&self) -> io::Result<UnixStream> {
        let path = self.router.join(ROUTER_SOCKET);
        let failed = |e: io::Error| worded("unix", &path.display().to_string(), &e);
        let flags = OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let socket = open(&self.router, flags | OFlags::DIRECTORY, Mode::empty())
            .and_then(|dir| openat(&dir, ROUTER_SOCKET, flags, Mode::empty()))
            .map_err(|e| failed(e.into()))?;
        let stat = fstat(&socket).map_err(|e| failed(e.into()))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Socket {
            return Err(failed(ErrorKind::ConnectionRefused.into()));
        }
        let opened = format!("/proc/self/fd/{}", socket.as_raw_fd());
        UnixStream::connect(opened).await.map_err(failed)
    }

    async fn datagrams(&self, address: &Address) -> io::Result<Datagrams> {
        Ok(match address {
            Address::Udp(host, port) => {
                let to = resolve(host, *port).await?;
                Datagrams::Udp(net::dial_udp(self.netns.as_deref(), to).await?)
            }
            Address::Unixgram(path) => {
                let socket = UnixDatagram::unbound()?;
                let failed = |e| worded("unixgram", &path.display().to_string(), &e);
                socket.connect(path).map_err(failed)?;
                Datagrams::Unix(socket)
            }
            _ => return Err(io::Error::other("no datagrams lead there")),
        })
    }
}

async fn unix(path: &Path) -> io::Result<UnixStream> {
    let failed = |e| worded("unix", &path.display().to_string(), &e);
    UnixStream::connect(path).await.map_err(failed)
}

async fn resolve(host: &str, port: u16) -> io::Result<SocketAddr> {
    let found = tokio::net::lookup_host((host, port)).await;
    let first = found.ok().and_then(|mut all| all.next());
    first.ok_or_else(|| {
        let text = format!("dial tcp: lookup {host}: no such host");
        io::Error::new(ErrorKind::NotFound, text)
    })
}

/// In Go's words, which Docker hands on.
fn worded(network: &str, address: &str, error: &io::Error) -> io::Error {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let text = text.to_ascii_lowercase();
    io::Error::new(
        error.kind(),
        format!("dial {network} {address}: connect: {text}"),
    )
}

/// A way to one receiver, made again when it breaks.
#[derive(Debug)]
pub struct Wire {
    reach: Reach,
    address: Address,
    stream: Option<Box<dyn Duplex>>,
    datagrams: Option<Datagrams>,
}

impl Wire {
    pub fn new(reach: Reach, address: Address) -> Wire {
        Wire {
            reach,
            address,
            stream: None,
            datagrams: None,
        }
    }

    pub fn is_stream(&self) -> bool {
        self.address.is_stream()
    }

    /// Connects unless it is connected.
    pub async fn connect(&mut self) -> io::Result<()> {
        if !self.is_stream() {
            if self.datagrams.is_none() {
                self.datagrams = Some(self.reach.datagrams(&self.address).await?);
            }
            return Ok(());
        }
        // A receiver that has gone has closed it: what is written then is lost without an error.
        if let Some(stream) = &mut self.stream
            && matches!(
                stream.read(&mut [0; 64]).now_or_never(),
                Some(Ok(0) | Err(_))
            )
        {
            self.stream = None;
        }
        if self.stream.is_none() {
            self.stream = Some(self.reach.stream(&self.address).await?);
        }
        Ok(())
    }

    /// Sends, and waits for `answer` bytes to come back.
    pub async fn ask(&mut self, bytes: &[u8], answer: usize) -> io::Result<Vec<u8>> {
        self.connect().await?;
        let stream = self.stream.as_mut().expect("connected above");
        let mut answered = vec![0; answer];
        let exchange = async {
            stream.write_all(bytes).await?;
            stream.flush().await?;
            stream.read_exact(&mut answered).await?;
            Ok(())
        };
        let done = match timeout(TAKE, exchange).await {
            Ok(done) => done,
            Err(_) => Err(ErrorKind::TimedOut.into()),
        };
        match done {
            Ok(()) => Ok(answered),
            Err(error) => {
                self.stream = None;
                Err(error)
            }
        }
    }

    /// Sends bytes of a stream.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.ask(bytes, 0).await.map(drop)
    }

    /// Sends one datagram. Nobody may be there to take it, which is nobody's error.
    pub async fn datagram(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.connect().await?;
        let sent = match self.datagrams.as_ref().expect("connected above") {
            Datagrams::Udp(socket) => match socket.send(bytes).await {
                Err(e) if e.kind() == ErrorKind::ConnectionRefused => Ok(0),
                sent => sent,
            },
            Datagrams::Unix(socket) => socket.send(bytes).await,
        };
        if sent.is_err() {
            self.datagrams = None;
        }
        sent.map(drop)
    }
}
