//! The number of nftables' rule set in the calling thread's network (`NFT_MSG_GETGEN`): it changes
//! with every change that anybody makes, and asking costs no process.

use super::netns;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};
use std::io;

/// `NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN`.
const GET: u16 = 0xa10;
const NLM_F_REQUEST: u16 = 0x1;
const NLMSG_HEADER: usize = 16;
/// `struct nfgenmsg` of any family.
const ANY: [u8; 4] = [0; 4];

pub(super) fn now() -> io::Result<u32> {
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let len = u32::try_from(NLMSG_HEADER + ANY.len()).expect("it is short");
    let mut message = len.to_ne_bytes().to_vec();
    message.extend_from_slice(&GET.to_ne_bytes());
    message.extend_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(&ANY);
    let answer = socket
        .send(&message, 0)
        .and_then(|_| socket.recv_from_full());
    netns::close_at_leisure(socket);
    let (answer, _) = answer?;
    // The header, nfgenmsg, then the attribute NFTA_GEN_ID: length, type, number.
    let id = answer
        .get(NLMSG_HEADER + ANY.len() + 4..)
        .and_then(|a| a.first_chunk());
    id.map(|id| u32::from_be_bytes(*id))
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}
