//! Connections from a VPC's router to the interfaces of this host, those of log drivers from where
//! their containers are, and those from inside containers.

use super::error::NetworkError;
use super::{Network, netns};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::path::Path;
use tokio::net::{TcpSocket, TcpStream, UdpSocket};

impl Network {
    /// A connection to an interface of this host, whatever its security groups say: what the router
    /// itself sends is not forwarded, and so they are not asked.
    ///
    /// # Errors
    /// No interface of the VPC is on this host, or nobody listens there.
    pub async fn connect(&self, vpc_id: &str, to: SocketAddrV4) -> io::Result<TcpStream> {
        dial_tcp(Some(&self.vpc_path(vpc_id)), SocketAddr::V4(to)).await
    }
}

/// A connection from the network namespace at `netns`, or from the process's own.
///
/// # Errors
/// The namespace is gone, or nobody listens there.
pub async fn dial_tcp(netns: Option<&Path>, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = socket_in(netns, to, SocketType::STREAM).await?;
    let socket = TcpSocket::from_std_stream(std::net::TcpStream::from(socket));
    socket.connect(to).await
}

/// A socket of the namespace at `netns`, or of the process's own, that sends to `to`.
///
/// # Errors
/// The namespace is gone, or has no way there.
pub async fn dial_udp(netns: Option<&Path>, to: SocketAddr) -> io::Result<UdpSocket> {
    let socket = socket_in(netns, to, SocketType::DGRAM).await?;
    let socket = UdpSocket::from_std(std::net::UdpSocket::from(socket))?;
    socket.connect(to).await?;
    Ok(socket)
}

/// A socket belongs to the namespace it was made in, wherever it is used.
async fn socket_in(netns: Option<&Path>, to: SocketAddr, kind: SocketType) -> io::Result<OwnedFd> {
    let place = netns.map_or(netns::Place::Own, |path| netns::Place::At(path.to_owned()));
    let family = match to {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let made = place.run(move || {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let made = rustix::net::socket_with(family, kind, flags, None);
        made.map_err(|e| NetworkError::link("open a socket in a namespace")(e.into()))
    });
    made.await.map_err(io::Error::other)
}
