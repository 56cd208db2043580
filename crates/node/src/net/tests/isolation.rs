//! A task sends as itself or not at all. Each test sends the false packet first and an honest one
//! after it: what arrives first is the honest one.

use super::place::*;
use crate::net::netlink::Netlink;
use crate::net::{link, names};
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;

#[test]
fn another_address_is_dropped() {
    isolated(|dir| async move {
        let network = start(dir.path()).await;
        let (a, b) = (eni(0, 4), eni(0, 5));
        let path_a = network.attach("a", &a).await.unwrap();
        let path_b = network.attach("b", &b).await.unwrap();
        let target = udp(&path_b, (b.private_ipv4, 9)).await;
        let to = (b.private_ipv4, 9);
        let own = a.private_ipv4;
        within(&path_a, move || {
            let mut nl = Netlink::open().unwrap();
            let eth0 = link::find(&mut nl, "eth0").unwrap().unwrap().index;
            let stolen = Ipv4Addr::new(172, 31, 0, 6);
            link::add_address(&mut nl, eth0, stolen, 20).unwrap();
            // The honest socket resolves the neighbour first, so that ARP is not what stops it.
            let honest = UdpSocket::bind((own, 0)).unwrap();
            honest.send_to(b"honest 1", to).unwrap();
            UdpSocket::bind((stolen, 0))
                .unwrap()
                .send_to(b"stolen", to)
                .unwrap();
            honest.send_to(b"honest 2", to).unwrap();
        })
        .await;
        assert_eq!(receive(&target), ("honest 1".into(), own));
        assert_eq!(receive(&target), ("honest 2".into(), own));
    });
}

#[test]
fn forged_frames_are_dropped() {
    isolated(|dir| async move {
        let network = start(dir.path()).await;
        let (a, b) = (eni(0, 4), eni(0, 5));
        let path_a = network.attach("a", &a).await.unwrap();
        let path_b = network.attach("b", &b).await.unwrap();
        let target = udp(&path_b, (b.private_ipv4, 9)).await;
        let own_mac = crate::net::parse_mac(&a.mac).unwrap();
        let to_mac = router_mac(dir.path(), "a").await;
        let (own, to) = (a.private_ipv4, b.private_ipv4);
        let other = Ipv4Addr::new(172, 31, 0, 6);
        within(&path_a, move || {
            send_frame(&frame([2, 9, 9, 9, 9, 9], to_mac, own, to, b"forged MAC"));
            send_frame(&frame(own_mac, to_mac, other, to, b"forged IP"));
            send_frame(&frame(own_mac, to_mac, own, to, b"honest"));
        })
        .await;
        assert_eq!(receive(&target), ("honest".into(), own));
    });
}

/// What the router has on its end of a task's interface.
async fn router_mac(dir: &Path, task: &str) -> [u8; 6] {
    let veth = names::veth(task);
    let find = move || {
        link::find(&mut Netlink::open().unwrap(), &veth)
            .unwrap()
            .unwrap()
    };
    within(&dir.join("vpc/vpc-1"), find)
        .await
        .mac
        .try_into()
        .unwrap()
}

#[test]
fn arp_speaks_for_nobody_else() {
    isolated(|dir| async move {
        let network = start(dir.path()).await;
        let (a, b) = (eni(0, 4), eni(0, 5));
        let path_a = network.attach("a", &a).await.unwrap();
        let path_b = network.attach("b", &b).await.unwrap();
        let target = udp(&path_b, (b.private_ipv4, 9)).await;
        let own_mac = crate::net::parse_mac(&a.mac).unwrap();
        let router = router_mac(dir.path(), "a").await;
        let (own, other) = (a.private_ipv4, b.private_ipv4);
        let gateway = a.gateway;
        let answers = within(&path_a, move || {
            let socket = packet_socket();
            // As the other task, as nobody, with another's address: to the gateway, by broadcast.
            for (mac, sender) in [
                (own_mac, other),
                (own_mac, Ipv4Addr::UNSPECIFIED),
                ([2, 9, 9, 9, 9, 9], own),
            ] {
                for to in [router, [0xff; 6]] {
                    socket.send(&arp(mac, to, sender, gateway));
                }
            }
            socket.send(&arp(own_mac, [0xff; 6], own, gateway));
            socket.answer()
        });
        assert_eq!(
            answers.await,
            own,
            "the honest question has the first answer"
        );
        let sender = udp(&path_a, (own, 9)).await;
        sender.send_to(b"honest", (other, 9)).unwrap();
        assert_eq!(receive(&target), ("honest".into(), own));
        udp_here((HOST, 0)).send_to(b"host", (other, 9)).unwrap();
        assert_eq!(
            receive(&target),
            ("host".into(), HOST),
            "the router knows who is where"
        );
    });
}

/// A question for `wanted` (RFC 826).
fn arp(mac: [u8; 6], to: [u8; 6], sender: Ipv4Addr, wanted: Ipv4Addr) -> Vec<u8> {
    let question = [0, 1, 8, 0, 6, 4, 0, 1];
    [
        &to[..],
        &mac,
        &[8, 6],
        &question,
        &mac,
        &sender.octets(),
        &[0; 6],
        &wanted.octets(),
    ]
    .concat()
}

/// An Ethernet frame with a UDP datagram to port 9 (RFC 791, RFC 768; no UDP checksum).
fn frame(from_mac: [u8; 6], to_mac: [u8; 6], from: Ipv4Addr, to: Ipv4Addr, data: &[u8]) -> Vec<u8> {
    let udp_len = (8 + data.len()) as u16;
    let mut ip = vec![0x45, 0];
    ip.extend((20 + udp_len).to_be_bytes());
    ip.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    ip.extend(from.octets());
    ip.extend(to.octets());
    let sum: u32 = ip
        .chunks(2)
        .map(|w| u32::from(u16::from_be_bytes([w[0], w[1]])))
        .sum();
    let checksum = !((sum & 0xffff) + (sum >> 16)) as u16;
    ip[10..12].copy_from_slice(&checksum.to_be_bytes());
    let udp = [
        9u16.to_be_bytes(),
        9u16.to_be_bytes(),
        udp_len.to_be_bytes(),
        [0, 0],
    ]
    .concat();
    [&to_mac[..], &from_mac, &[8, 0], &ip, &udp, data].concat()
}

/// Sends it out of eth0 as it is.
fn send_frame(frame: &[u8]) {
    packet_socket().send(frame);
}

/// A socket for whole frames of eth0 (packet(7)).
struct PacketSocket {
    socket: std::fs::File,
}

#[allow(unsafe_code)]
fn packet_socket() -> PacketSocket {
    use std::os::fd::{AsRawFd, FromRawFd};
    const ARP: u16 = 0x0806;
    let mut nl = Netlink::open().unwrap();
    let eth0 = link::find(&mut nl, "eth0").unwrap().unwrap().index;
    // SAFETY: plain system calls; the descriptor is owned at once, the address is a whole
    // sockaddr_ll.
    unsafe {
        let fd = libc::socket(libc::AF_PACKET, libc::SOCK_RAW, i32::from(ARP.to_be()));
        assert!(fd >= 0);
        let socket = std::fs::File::from_raw_fd(fd);
        let mut address: libc::sockaddr_ll = std::mem::zeroed();
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = ARP.to_be();
        address.sll_ifindex = eth0 as i32;
        let len = size_of::<libc::sockaddr_ll>() as u32;
        let bound = libc::bind(socket.as_raw_fd(), (&raw const address).cast(), len);
        assert_eq!(bound, 0);
        PacketSocket { socket }
    }
}

impl PacketSocket {
    fn send(&self, frame: &[u8]) {
        use std::io::Write;
        assert_eq!((&self.socket).write(frame).unwrap(), frame.len());
    }

    /// Whom the next answer by ARP is for.
    fn answer(&self) -> Ipv4Addr {
        use std::io::Read;
        let mut frame = [0; 64];
        loop {
            let length = (&self.socket).read(&mut frame).unwrap();
            if length >= 42 && frame[20..22] == [0, 2] {
                return Ipv4Addr::new(frame[38], frame[39], frame[40], frame[41]);
            }
        }
    }
}

#[test]
fn unprivileged_users_bind_low_ports_and_ipv6_stays_inside() {
    isolated(|dir| async move {
        let network = start(dir.path()).await;
        let path = network.attach("a", &eni(0, 4)).await.unwrap();
        let read = |name: &str| std::fs::read_to_string(format!("/proc/sys/net/{name}"));
        let settings = within(&path, move || {
            ["ipv4/ip_unprivileged_port_start", "ipv4/ping_group_range"].map(|n| read(n).unwrap())
        });
        let [port, ping] = settings
            .await
            .map(|s| s.split_whitespace().collect::<Vec<_>>().join(" "));
        assert_eq!((port.as_str(), ping.as_str()), ("0", "0 2147483647"));
        let v6 = within(&path, || {
            std::fs::read_to_string("/proc/thread-self/net/if_inet6").unwrap_or_default()
        });
        assert!(!v6.await.contains("eth0"));
    });
}
