//! What a host's kernel saw of the traffic of interfaces that somebody wants flow logs of. Hosts tell it every
//! few seconds; what is told is what was new since the look before.

use neargate_base::Timestamp;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// One look at a VPC on one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowReport {
    pub vpc_id: String,
    /// The private addresses of the interfaces that were looked at: without a flow here they had no
    /// traffic.
    pub interfaces: Vec<Ipv4Addr>,
    /// There was room for every flow. Otherwise some are missing.
    pub is_complete: bool,
    pub flows: Vec<Flow>,
}

/// Packets of one direction of one flow, as they passed an interface or were kept from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    pub between: FlowEnds,
    /// Into the interface, not out of it.
    pub is_ingress: bool,
    /// Security groups and network ACLs let it through.
    pub is_accepted: bool,
    pub packets: u64,
    /// With the headers of IP.
    pub bytes: u64,
    /// Of TCP's: FIN is 1, SYN 2, RST 4, SYN with ACK 18; several of them added up.
    pub tcp_flags: u8,
    /// When the first and the last of these packets came, to about ten seconds and to one.
    pub first_at: Timestamp,
    pub last_at: Timestamp,
}

/// From where to where. An interface is known by its private address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FlowEnds {
    pub source: Ipv4Addr,
    pub destination: Ipv4Addr,
    /// IANA's number.
    pub protocol: u8,
    /// Zero where the protocol has none.
    pub source_port: u16,
    pub destination_port: u16,
}

impl Flow {
    /// Whose flow it is: the private address of the interface.
    pub fn interface(&self) -> Ipv4Addr {
        match self.is_ingress {
            true => self.between.destination,
            false => self.between.source,
        }
    }

    /// Takes in more of the same flow.
    pub fn add(&mut self, more: &Flow) {
        self.packets += more.packets;
        self.bytes += more.bytes;
        self.tcp_flags |= more.tcp_flags;
        self.first_at = self.first_at.min(more.first_at);
        self.last_at = self.last_at.max(more.last_at);
    }
}
