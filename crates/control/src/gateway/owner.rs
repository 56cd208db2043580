//! Whose socket is at the other end of a connection that begins on this host: the kernel knows
//! (`sock_diag`(7), asked for one pair of addresses), and no caller can say otherwise.
//!
//! It answers for this network namespace only, so that a task's connection has no owner here.
//! Whatever is in doubt has none: a socket that its process closed already counts as root's to
//! the kernel, which is why a socket without an inode is nobody's.

use netlink_sys::{Socket, SocketAddr as Port, protocols::NETLINK_SOCK_DIAG};
use parking_lot::Mutex;
use std::io;
use std::net::{IpAddr, SocketAddr};

/// `linux/sock_diag.h`, `linux/netlink.h`, `linux/inet_diag.h`.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const HEADER: usize = 16;
const QUESTION: usize = HEADER + 56;
const ANSWER: usize = HEADER + 72;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const TCP: u8 = 6;

/// States in which the other end's process still holds its socket (`net/tcp_states.h`):
/// ESTABLISHED, and both FIN_WAIT, for a client that says that it has sent everything.
const HELD: [u8; 3] = [1, 4, 5];

/// Asks the kernel of the network namespace that it was opened in.
#[derive(Debug)]
pub(super) struct Owners(Mutex<Asking>);

#[derive(Debug)]
struct Asking {
    socket: Socket,
    number: u32,
}

impl Owners {
    pub(super) fn open() -> io::Result<Owners> {
        let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
        socket.bind_auto()?;
        socket.connect(&Port::new(0, 0))?;
        // The kernel answers within the call that asks: there is never anything to wait for.
        socket.set_non_blocking(true)?;
        Ok(Owners(Mutex::new(Asking { socket, number: 0 })))
    }

    /// The user of the socket at `peer` that is connected to `local`; `None` when there is no
    /// such socket in this network namespace, or nobody holds it any more.
    pub(super) fn of(&self, peer: SocketAddr, local: SocketAddr) -> io::Result<Option<u32>> {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let local = SocketAddr::new(local.ip().to_canonical(), local.port());
        let mut asking = self.0.lock();
        asking.number = asking.number.wrapping_add(1);
        let number = asking.number;
        asking.socket.send(&question(number, peer, local), 0)?;
        let mut read = Vec::with_capacity(8 << 10);
        loop {
            read.clear();
            asking.socket.recv(&mut read, 0)?;
            if read.len() >= HEADER && field(&read, 8) == number.to_ne_bytes() {
                return Ok(holder(&read, peer, local));
            }
        }
    }
}

/// `struct inet_diag_req_v2` behind its header: the one socket from `peer` to `local`.
fn question(number: u32, peer: SocketAddr, local: SocketAddr) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(QUESTION);
    bytes.extend((QUESTION as u32).to_ne_bytes());
    bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes.extend(NLM_F_REQUEST.to_ne_bytes());
    bytes.extend(number.to_ne_bytes());
    bytes.extend(0u32.to_ne_bytes());
    bytes.extend([family(peer.ip()), TCP, 0, 0]);
    bytes.extend(u32::MAX.to_ne_bytes());
    bytes.extend(pair(peer, local));
    // Any interface, any cookie.
    bytes.extend([0; 4]);
    bytes.extend([0xff; 8]);
    bytes
}

/// Ports and addresses as `struct inet_diag_sockid` begins.
fn pair(from: SocketAddr, to: SocketAddr) -> [u8; 36] {
    let mut bytes = [0; 36];
    bytes[..2].copy_from_slice(&from.port().to_be_bytes());
    bytes[2..4].copy_from_slice(&to.port().to_be_bytes());
    for (at, ip) in [(4, from.ip()), (20, to.ip())] {
        match ip {
            IpAddr::V4(v4) => bytes[at..at + 4].copy_from_slice(&v4.octets()),
            IpAddr::V6(v6) => bytes[at..at + 16].copy_from_slice(&v6.octets()),
        }
    }
    bytes
}

/// The user in a `struct inet_diag_msg`. A lookup may also find a listener at the peer's port, or
/// what is left of a closed connection: neither is the caller.
fn holder(answer: &[u8], peer: SocketAddr, local: SocketAddr) -> Option<u32> {
    if answer.len() < ANSWER || answer[4..6] != SOCK_DIAG_BY_FAMILY.to_ne_bytes() {
        return None;
    }
    let body = &answer[HEADER..];
    let state = body[1];
    let same = addressed(body[0], &body[4..40]) == addressed(family(peer.ip()), &pair(peer, local));
    let (user, inode) = (field(body, 64), field(body, 68));
    let held = HELD.contains(&state) && inode != [0; 4];
    (same && held).then(|| u32::from_ne_bytes(user))
}

/// Ports and addresses in a form that is the same for an IPv4 connection of an IPv6 socket.
fn addressed(family: u8, pair: &[u8]) -> (Vec<u8>, [IpAddr; 2]) {
    let ip = |at: usize| match family {
        AF_INET6 => {
            let octets: [u8; 16] = pair[at..at + 16].try_into().expect("sixteen bytes");
            IpAddr::from(octets).to_canonical()
        }
        _ => {
            let octets: [u8; 4] = pair[at..at + 4].try_into().expect("four bytes");
            IpAddr::from(octets)
        }
    };
    (pair[..4].to_vec(), [ip(4), ip(20)])
}

fn family(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(_) => AF_INET,
        IpAddr::V6(_) => AF_INET6,
    }
}

fn field(bytes: &[u8], at: usize) -> [u8; 4] {
    bytes[at..at + 4].try_into().expect("four bytes")
}

#[cfg(test)]
mod tests;
