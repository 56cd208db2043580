//! Connections from a VPC's router to the interfaces of this host, and from inside containers.

use super::error::NetworkError;
use super::{Network, netns};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use tokio::net::{TcpSocket, TcpStream};

impl Network {
    /// A connection to an interface of this host, whatever its security groups say: what the router
    /// itself sends is not forwarded, and so they are not asked.
    ///
    /// # Errors
    /// No interface of the VPC is on this host, or nobody listens there.
    pub async fn connect(&self, vpc_id: &str, to: SocketAddrV4) -> io::Result<TcpStream> {
        connect_in(self.vpc_path(vpc_id), to).await
    }
}

/// A connection from inside a network namespace, whose file this is.
///
/// # Errors
/// There is no such namespace, or nobody listens there.
pub(crate) async fn connect_in(namespace: PathBuf, to: SocketAddrV4) -> io::Result<TcpStream> {
    let place = netns::Place::At(namespace);
    // A socket belongs to the namespace it was made in, wherever it is used.
    let made = netns::on_own_thread(move || {
        place.join()?;
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let made = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None);
        made.map_err(|e| NetworkError::link("open a socket in a namespace")(e.into()))
    });
    let socket = made.await.map_err(io::Error::other)?;
    let socket = TcpSocket::from_std_stream(std::net::TcpStream::from(socket));
    socket.connect(SocketAddr::V4(to)).await
}
