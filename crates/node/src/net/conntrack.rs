//! The kernel's memory of flows (`nfnetlink_conntrack.h`): forgetting UDP flows that were led to
//! an address, and every flow of an address that is given back. A sender that never pauses would
//! otherwise reach the address for ever, whoever has it, or its port, now.
//!
//! It speaks netlink in bytes: what it reads of a flow it only compares and sends back.

use super::netns;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};
use std::collections::BTreeSet;
use std::io;
use std::net::Ipv4Addr;

/// `NFNL_SUBSYS_CTNETLINK << 8`, with `IPCTNL_MSG_CT_GET` or `IPCTNL_MSG_CT_DELETE`.
const GET: u16 = 0x101;
const DELETE: u16 = 0x102;
/// `IPCTNL_MSG_CT_GET_STATS`, and `CTA_STATS_GLOBAL_ENTRIES`.
const STATISTICS: u16 = 0x105;
const ENTRIES: u16 = 1;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLMSG_HEADER: usize = 16;
/// `struct nfgenmsg` for IPv4, version 0.
const IPV4: [u8; 4] = [2, 0, 0, 0];

const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_TUPLE_IP: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
const CTA_IP_V4_SRC: u16 = 1;
const CTA_PROTO_NUM: u16 = 1;
const UDP: u8 = 17;

/// Forgets the calling thread's network's UDP flows that `address` answers.
pub(super) fn forget_udp(address: Ipv4Addr) -> io::Result<()> {
    forget_those(|flow| {
        let reply = attribute(flow, CTA_TUPLE_REPLY)?;
        let protocol = attribute(attribute(reply, CTA_TUPLE_PROTO)?, CTA_PROTO_NUM)?;
        Some(source(reply)? == address.octets() && protocol == [UDP])
    })
}

/// Forgets the calling thread's network's flows that one of `addresses` began or answers.
pub(super) fn forget(addresses: &BTreeSet<Ipv4Addr>) -> io::Result<()> {
    let ours = |tuple: &[u8]| {
        let address: Option<[u8; 4]> = source(tuple)?.try_into().ok();
        Some(addresses.contains(&address?.into()))
    };
    forget_those(|flow| {
        let began = ours(attribute(flow, CTA_TUPLE_ORIG)?)?;
        Some(began || ours(attribute(flow, CTA_TUPLE_REPLY)?)?)
    })
}

fn forget_those(is_one: impl Fn(&[u8]) -> Option<bool>) -> io::Result<()> {
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let done = forget_through(&socket, is_one);
    netns::close_at_leisure(socket);
    done
}

fn forget_through(socket: &Socket, is_one: impl Fn(&[u8]) -> Option<bool>) -> io::Result<()> {
    // A search goes through the flows of every network of the host.
    if count(socket)? == Some(0) {
        return Ok(());
    }
    for flow in flows(socket, is_one)? {
        socket.send(&message(DELETE, NLM_F_REQUEST | NLM_F_ACK, &flow), 0)?;
        // It may have ended by itself meanwhile: whatever the answer, it is gone.
        socket.recv_from_full()?;
    }
    Ok(())
}

/// How many flows there are in this network, if the kernel tells.
fn count(socket: &Socket) -> io::Result<Option<u32>> {
    socket.send(&message(STATISTICS, NLM_F_REQUEST | NLM_F_ACK, &[]), 0)?;
    let mut found = None;
    loop {
        let (datagram, _) = socket.recv_from_full()?;
        let Some(kind) = datagram.get(4..).and_then(|rest| rest.first_chunk()) else {
            return Ok(found);
        };
        // The acknowledgement, or a refusal of what this kernel does not know, comes last.
        if u16::from_ne_bytes(*kind) == NLMSG_ERROR {
            return Ok(found);
        }
        let attributes = datagram
            .get(NLMSG_HEADER + IPV4.len()..)
            .unwrap_or_default();
        let entries = attribute(attributes, ENTRIES).and_then(|value| value.first_chunk());
        found = entries.map(|count| u32::from_be_bytes(*count));
    }
}

/// The `CTA_TUPLE_ORIG` of each of these flows, which names it.
fn flows(socket: &Socket, is_one: impl Fn(&[u8]) -> Option<bool>) -> io::Result<Vec<Vec<u8>>> {
    socket.send(&message(GET, NLM_F_REQUEST | NLM_F_DUMP, &[]), 0)?;
    let mut found = Vec::new();
    loop {
        let (datagram, _) = socket.recv_from_full()?;
        let mut rest = &datagram[..];
        while rest.len() >= NLMSG_HEADER {
            let len = u32::from_ne_bytes([rest[0], rest[1], rest[2], rest[3]]) as usize;
            let kind = u16::from_ne_bytes([rest[4], rest[5]]);
            let body = rest.get(NLMSG_HEADER..len).unwrap_or_default();
            match kind {
                NLMSG_DONE => return Ok(found),
                NLMSG_ERROR => {
                    let code = body.first_chunk().map_or(0, |c| i32::from_ne_bytes(*c));
                    return Err(io::Error::from_raw_os_error(-code));
                }
                _ => {
                    let flow = body.get(4..).unwrap_or_default();
                    if is_one(flow) == Some(true) {
                        found.extend(name(flow));
                    }
                }
            }
            rest = rest
                .get(len.max(NLMSG_HEADER).next_multiple_of(4)..)
                .unwrap_or_default();
        }
    }
}

/// Who sends packets with this tuple.
fn source(tuple: &[u8]) -> Option<&[u8]> {
    attribute(attribute(tuple, CTA_TUPLE_IP)?, CTA_IP_V4_SRC)
}

/// The name of the flow with these attributes.
fn name(flow: &[u8]) -> Option<Vec<u8>> {
    let name = attribute(flow, CTA_TUPLE_ORIG)?;
    // NLA_F_NESTED
    let mut whole = header(name.len() + 4, CTA_TUPLE_ORIG | 0x8000);
    whole.extend_from_slice(name);
    whole.resize(whole.len().next_multiple_of(4), 0);
    Some(whole)
}

/// The value of the first attribute of this type.
pub(super) fn attribute(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    while let [a, b, c, d, ..] = *attributes {
        let len = usize::from(u16::from_ne_bytes([a, b]));
        // The mask takes the flags for nesting and byte order away.
        if u16::from_ne_bytes([c, d]) & 0x3fff == wanted {
            return attributes.get(4..len);
        }
        attributes = attributes.get(len.max(4).next_multiple_of(4)..)?;
    }
    None
}

fn header(len: usize, kind: u16) -> Vec<u8> {
    let len = u16::try_from(len).expect("a tuple is short");
    [len.to_ne_bytes(), kind.to_ne_bytes()].concat()
}

fn message(kind: u16, flags: u16, attributes: &[u8]) -> Vec<u8> {
    let len = u32::try_from(NLMSG_HEADER + IPV4.len() + attributes.len()).expect("it is short");
    let mut bytes = len.to_ne_bytes().to_vec();
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(&flags.to_ne_bytes());
    // Sequence and port: one question at a time, of a connected socket.
    bytes.extend_from_slice(&[0; 8]);
    bytes.extend_from_slice(&IPV4);
    bytes.extend_from_slice(attributes);
    bytes
}
