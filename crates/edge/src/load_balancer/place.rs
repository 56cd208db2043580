//! Where a node of a load balancer is: its sockets belong to the network namespace of its interface.

use crate::place::has_addresses;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 4096;

/// The namespace of this process, to which threads return.
static HOME: OnceLock<OwnedFd> = OnceLock::new();

/// A namespace.
#[derive(Debug)]
pub struct Place {
    /// Never used again for another one.
    pub number: u64,
    /// `None`: this process's own.
    namespace: Option<Namespace>,
}

#[derive(Debug)]
struct Namespace {
    handle: OwnedFd,
    /// The kernel's number of it.
    identity: (u64, u64),
}

impl Place {
    fn new(namespace: Option<Namespace>) -> Place {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Place {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            namespace,
        }
    }

    /// Where this process is.
    pub fn here() -> Place {
        Place::new(None)
    }

    /// # Errors
    /// There is no such namespace.
    pub fn open(namespace: &Path) -> io::Result<Place> {
        let file = File::open(namespace)?;
        let metadata = file.metadata()?;
        Ok(Place::new(Some(Namespace {
            identity: (metadata.dev(), metadata.ino()),
            handle: file.into(),
        })))
    }

    /// The kernel's number of the namespace; zeros for this process's own.
    pub fn identity(&self) -> (u64, u64) {
        self.namespace.as_ref().map_or((0, 0), |own| own.identity)
    }

    /// Is it still what the name means?
    pub fn is_at(&self, namespace: &Path) -> bool {
        self.namespace.as_ref().is_none_or(|own| {
            let metadata = std::fs::metadata(namespace);
            metadata.is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == own.identity)
        })
    }

    /// Does work that waits for nothing while this thread is in the namespace.
    fn inside<T>(&self, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let Some(namespace) = &self.namespace else {
            return work();
        };
        let home = match HOME.get() {
            Some(home) => home,
            None => {
                let own = File::open("/proc/thread-self/ns/net")?;
                HOME.get_or_init(|| own.into())
            }
        };
        let network = Some(LinkNameSpaceType::Network);
        move_into_link_name_space(namespace.handle.as_fd(), network)?;
        let done = work();
        if let Err(error) = move_into_link_name_space(home.as_fd(), network) {
            // A thread that is lost in a VPC would make every other socket there.
            tracing::error!(%error, "a thread cannot leave a namespace");
            std::process::abort();
        }
        done
    }

    /// A socket that listens there.
    ///
    /// # Errors
    /// The namespace is not whole yet, or somebody else has the port.
    pub fn listener(&self, at: SocketAddrV4) -> io::Result<TcpListener> {
        self.inside(|| {
            if self.namespace.is_some() {
                has_addresses()?;
            }
            let socket = stream_socket()?;
            sockopt::set_socket_reuseaddr(&socket, true)?;
            bind(&socket, &at)?;
            listen(&socket, BACKLOG)?;
            Ok(socket.into())
        })
    }

    /// A socket that takes datagrams there.
    ///
    /// # Errors
    /// As for [`Place::listener`].
    pub fn datagram_listener(&self, at: SocketAddrV4) -> io::Result<UdpSocket> {
        self.inside(|| {
            if self.namespace.is_some() {
                has_addresses()?;
            }
            let socket = datagram_socket()?;
            bind(&socket, &at)?;
            Ok(socket.into())
        })
    }

    /// A socket from there for datagrams to one address.
    ///
    /// # Errors
    /// There is no way to it.
    pub async fn datagrams(&self, to: SocketAddrV4) -> io::Result<tokio::net::UdpSocket> {
        let socket: UdpSocket = self
            .inside(|| {
                let socket = datagram_socket()?;
                bind(&socket, &SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0))?;
                Ok(socket)
            })?
            .into();
        let socket = tokio::net::UdpSocket::from_std(socket)?;
        socket.connect(to).await?;
        Ok(socket)
    }

    /// A connection from there.
    ///
    /// # Errors
    /// Nobody takes it in time.
    pub async fn connect(&self, to: SocketAddrV4, patience: Duration) -> io::Result<TcpStream> {
        let socket = self.inside(stream_socket)?;
        let socket = TcpSocket::from_std_stream(socket.into());
        socket.set_nodelay(true)?;
        timeout(patience, socket.connect(to.into())).await?
    }
}

fn stream_socket() -> io::Result<OwnedFd> {
    socket(SocketType::STREAM)
}

fn datagram_socket() -> io::Result<OwnedFd> {
    socket(SocketType::DGRAM)
}

fn socket(kind: SocketType) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socket_with(AddressFamily::INET, kind, flags, None)?)
}
