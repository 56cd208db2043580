//! Reads what the kernel counts of flows ([`vpc::flows`](super::vpc::flows)), and makes of it what is new
//! since the look before.
//!
//! It speaks netlink in bytes (`nf_tables.h`): a set may have many elements, and `nft` would write each as
//! text.

use super::conntrack::attribute;
use super::error::NetworkError;
use super::netns::{self, Place};
use super::table::{COUNTED, MOST_COUNTED};
use super::vpc::flows;
use super::{Network, is_no_namespace};
use neargate_base::Timestamp;
use neargate_domain::flow::{Flow, FlowEnds, FlowReport};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::Ipv4Addr;

/// `NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSETELEM`.
const GET: u16 = 0xa0d;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLMSG_HEADER: usize = 16;
/// `NFPROTO_INET`, version 0.
const INET: [u8; 4] = [1, 0, 0, 0];
const TABLE: u16 = 1;
const SET: u16 = 2;
const ELEMENTS: u16 = 3;
const KEY: u16 = 1;
const VALUE: u16 = 1;
const EXPIRATION: u16 = 5;
const EXPRESSION: u16 = 7;
const EXPRESSION_DATA: u16 = 2;
const COUNTER_BYTES: u16 = 1;
const COUNTER_PACKETS: u16 = 2;
const TCP: u8 = 6;

/// What was counted of a flow since the kernel has known it.
#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    packets: u64,
    bytes: u64,
    /// So long ago its last packet came.
    ago_millis: u64,
}

/// A flow as it is counted: between whom, into the interface, let through.
type Key = (FlowEnds, bool, bool);

/// One look at a VPC.
#[derive(Debug, Default)]
struct Look {
    at: Timestamp,
    flows: HashMap<Key, Counted>,
    /// How many packets had each of [`flows::FLAGS`], of which flows, let through or not.
    flags: HashMap<(FlowEnds, bool), [u64; flows::FLAGS.len()]>,
    is_complete: bool,
}

/// The looks before, by VPC.
#[derive(Debug, Default)]
pub struct FlowMeter(BTreeMap<String, Look>);

impl FlowMeter {
    /// Looks at every VPC of this host in which somebody wants flow logs. What cannot be read is not
    /// told of.
    pub async fn look(&mut self, network: &Network, now: Timestamp) -> Vec<FlowReport> {
        let logged = network.vpcs.logged();
        self.0.retain(|vpc_id, _| logged.contains_key(vpc_id));
        let mut reports = Vec::new();
        for (vpc_id, interfaces) in logged {
            let look = match read(network, &vpc_id, now).await {
                Ok(look) => look,
                // It is being made, or went with its last interface.
                Err(NetworkError::Path { source, .. }) if is_no_namespace(&source) => continue,
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, vpc_id, "flows are not told");
                    continue;
                }
            };
            let before = self.0.entry(vpc_id.clone()).or_default();
            reports.push(FlowReport {
                vpc_id,
                interfaces,
                is_complete: look.is_complete,
                flows: look.since(before),
            });
            *before = look;
        }
        reports
    }
}

impl Look {
    /// What came since the look before. A counter that is less than it was began anew.
    fn since(&self, before: &Look) -> Vec<Flow> {
        let flow = |(key, now): (&Key, &Counted)| {
            let (between, is_ingress, is_accepted) = *key;
            let was = before.flows.get(key).copied();
            let was = was.filter(|was| was.packets <= now.packets && was.bytes <= now.bytes);
            let was = was.unwrap_or_default();
            let packets = now.packets - was.packets;
            let ago = i64::try_from(now.ago_millis).unwrap_or_default();
            let last_at = self.at.shift(-ago);
            let first_at = match packets {
                0 => return None,
                1 => last_at,
                _ => last_at.min(before.at.max(self.at.shift(-FIRST_LOOK_MILLIS))),
            };
            Some(Flow {
                between,
                is_ingress,
                is_accepted,
                packets,
                bytes: now.bytes - was.bytes,
                tcp_flags: self.flags_since(before, (between, is_accepted)),
                first_at,
                last_at,
            })
        };
        self.flows.iter().filter_map(flow).collect()
    }

    /// The flags that more packets have had than before.
    fn flags_since(&self, before: &Look, of: (FlowEnds, bool)) -> u8 {
        let Some(now) = self.flags.get(&of) else {
            return 0;
        };
        let was = before.flags.get(&of).copied().unwrap_or_default();
        let new = flows::FLAGS.iter().zip(now.iter().zip(was));
        let new = new.filter(|(_, (now, was))| *now != was);
        new.fold(0, |all, ((_, number, _), _)| all | number)
    }
}

/// What was counted before the first look is so old at the most.
const FIRST_LOOK_MILLIS: i64 = 10_000;

async fn read(network: &Network, vpc_id: &str, now: Timestamp) -> Result<Look, NetworkError> {
    let work = || {
        let mut socket =
            Socket::new(NETLINK_NETFILTER).map_err(NetworkError::link("ask nftables"))?;
        let read = read_through(&mut socket);
        netns::close_at_leisure(socket);
        read.map_err(NetworkError::link("read what is counted of flows"))
    };
    let look = Place::At(network.vpcs.namespace(vpc_id)).run(work).await?;
    Ok(Look { at: now, ..look })
}

fn read_through(socket: &mut Socket) -> io::Result<Look> {
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut look = Look {
        is_complete: true,
        ..Look::default()
    };
    for (is_ingress, is_accepted) in [(false, false), (false, true), (true, false), (true, true)] {
        for set in flows::counted(is_ingress, is_accepted) {
            let all = elements(socket, &set)?;
            look.is_complete &= all.len() < MOST_COUNTED;
            let known = all.into_iter().filter_map(|(key, counted)| {
                Some(((ends(&key)?, is_ingress, is_accepted), counted))
            });
            look.flows.extend(known);
        }
    }
    for is_accepted in [false, true] {
        for (n, (flag, ..)) in flows::FLAGS.into_iter().enumerate() {
            for (key, counted) in elements(socket, &flows::flagged(flag, is_accepted))? {
                if let Some(ends) = ends_of_tcp(&key) {
                    look.flags.entry((ends, is_accepted)).or_default()[n] = counted.packets;
                }
            }
        }
    }
    Ok(look)
}

/// The elements of a set in this network: their keys, and what was counted. None where there is no such
/// set.
fn elements(socket: &Socket, set: &str) -> io::Result<Vec<(Vec<u8>, Counted)>> {
    socket.send(&question(set), 0)?;
    let mut found = Vec::new();
    loop {
        let (datagram, _) = socket.recv_from_full()?;
        let mut rest = &datagram[..];
        while let [a, b, c, d, e, f, ..] = *rest {
            let len = u32::from_ne_bytes([a, b, c, d]) as usize;
            let body = rest.get(NLMSG_HEADER..len).unwrap_or_default();
            match u16::from_ne_bytes([e, f]) {
                NLMSG_DONE => return Ok(found),
                NLMSG_ERROR => {
                    let code = body.first_chunk().map_or(0, |c| i32::from_ne_bytes(*c));
                    let error = io::Error::from_raw_os_error(-code);
                    return match error.kind() {
                        io::ErrorKind::NotFound => Ok(found),
                        _ => Err(error),
                    };
                }
                _ => {
                    let list = attribute(body.get(INET.len()..).unwrap_or_default(), ELEMENTS);
                    found.extend(each(list.unwrap_or_default()).filter_map(element));
                }
            }
            let next = len.max(NLMSG_HEADER).next_multiple_of(4);
            rest = rest.get(next..).unwrap_or_default();
        }
    }
}

/// The values of a list of attributes.
fn each(mut list: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let [a, b, ..] = *list else {
            return None;
        };
        let len = usize::from(u16::from_ne_bytes([a, b]));
        let value = list.get(4..len)?;
        list = list.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(value)
    })
}

fn element(element: &[u8]) -> Option<(Vec<u8>, Counted)> {
    let number = |of: &[u8]| of.first_chunk().map(|eight| u64::from_be_bytes(*eight));
    let key = attribute(attribute(element, KEY)?, VALUE)?;
    let counter = attribute(attribute(element, EXPRESSION)?, EXPRESSION_DATA)?;
    let left = attribute(element, EXPIRATION).and_then(number);
    let counted = Counted {
        packets: number(attribute(counter, COUNTER_PACKETS)?)?,
        bytes: number(attribute(counter, COUNTER_BYTES)?)?,
        ago_millis: left.map_or(0, |left| (COUNTED * 1_000).saturating_sub(left)),
    };
    Some((key.to_vec(), counted))
}

/// Each part of a key has whole words of four bytes.
fn ends(key: &[u8]) -> Option<FlowEnds> {
    let port = |at: usize| {
        let two = key.get(at..)?.first_chunk()?;
        Some(u16::from_be_bytes(*two))
    };
    Some(FlowEnds {
        source: address(key, 0)?,
        destination: address(key, 4)?,
        protocol: *key.get(8)?,
        source_port: port(12).unwrap_or_default(),
        destination_port: port(16).unwrap_or_default(),
    })
}

fn ends_of_tcp(key: &[u8]) -> Option<FlowEnds> {
    let (ends_at, ports) = key.split_at_checked(8)?;
    let whole = [ends_at, &[TCP, 0, 0, 0], ports].concat();
    ends(&whole)
}

fn address(key: &[u8], at: usize) -> Option<Ipv4Addr> {
    let four: &[u8; 4] = key.get(at..)?.first_chunk()?;
    Some(Ipv4Addr::from(*four))
}

fn question(set: &str) -> Vec<u8> {
    let mut body = INET.to_vec();
    for (kind, text) in [(TABLE, "neargate"), (SET, set)] {
        let len = u16::try_from(text.len() + 5).expect("a name is short");
        body.extend_from_slice(&len.to_ne_bytes());
        body.extend_from_slice(&kind.to_ne_bytes());
        body.extend_from_slice(text.as_bytes());
        body.push(0);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    let len = u32::try_from(NLMSG_HEADER + body.len()).expect("it is short");
    let mut bytes = len.to_ne_bytes().to_vec();
    bytes.extend_from_slice(&GET.to_ne_bytes());
    bytes.extend_from_slice(&(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    // Sequence and port: one question at a time, of a connected socket.
    bytes.extend_from_slice(&[0; 8]);
    bytes.extend_from_slice(&body);
    bytes
}
