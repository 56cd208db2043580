//! The kernel asked about real connections of this process.

use super::*;
use std::net::{Ipv6Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt as _;

/// The user that this process's sockets belong to.
fn me() -> u32 {
    std::fs::metadata("/proc/self").expect("it runs").uid()
}

fn connected(listener: &TcpListener, to: SocketAddr) -> (TcpStream, TcpStream) {
    let client = TcpStream::connect(to).expect("connects");
    (client, listener.accept().expect("accepted").0)
}

fn ends(server: &TcpStream) -> (SocketAddr, SocketAddr) {
    let peer = server.peer_addr().expect("connected");
    (peer, server.local_addr().expect("connected"))
}

#[test]
fn a_client_has_an_owner_by_every_kind_of_address() {
    let owners = Owners::open().expect("the kernel is asked");
    let four = TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = four.local_addr().expect("bound").port();
    let mapped = "127.0.0.1".parse::<std::net::Ipv4Addr>().expect("one");
    let mapped = SocketAddr::new(mapped.to_ipv6_mapped().into(), port);
    for to in [four.local_addr().expect("bound"), mapped] {
        let (_client, server) = connected(&four, to);
        let (peer, local) = ends(&server);
        assert_eq!(owners.of(peer, local).expect("asked"), Some(me()), "{to}");
    }
    let Ok(six) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) else {
        return;
    };
    let (_client, server) = connected(&six, six.local_addr().expect("bound"));
    let (peer, local) = ends(&server);
    assert_eq!(owners.of(peer, local).expect("asked"), Some(me()));
}

/// The kernel says 0 of an orphan: it must not become root.
#[test]
fn a_closed_socket_is_nobodys() {
    let owners = Owners::open().expect("the kernel is asked");
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let (client, server) = connected(&listener, listener.local_addr().expect("bound"));
    let (peer, local) = ends(&server);
    client.shutdown(Shutdown::Write).expect("half closed");
    assert_eq!(owners.of(peer, local).expect("asked"), Some(me()));
    drop(client);
    assert_eq!(owners.of(peer, local).expect("asked"), None, "orphaned");
    drop(server);
    assert_eq!(owners.of(peer, local).expect("asked"), None, "gone");
}

#[test]
fn only_the_very_connection_counts() {
    let owners = Owners::open().expect("the kernel is asked");
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let own = listener.local_addr().expect("bound");
    let elsewhere = SocketAddr::new([192, 0, 2, 1].into(), 4566);
    // A lookup that finds no connection finds the listener at its first address.
    assert_eq!(owners.of(own, elsewhere).expect("asked"), None);
    let (client, server) = connected(&listener, own);
    let (peer, local) = ends(&server);
    assert_eq!(owners.of(peer, elsewhere).expect("asked"), None);
    let another = SocketAddr::new(peer.ip(), peer.port() ^ 1);
    assert_eq!(owners.of(another, local).expect("asked"), None);
    drop(client);
}
