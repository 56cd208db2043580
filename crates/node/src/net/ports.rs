//! Who has which address and which host port of an instance: arithmetic, no kernel.
//!
//! Invariant: an address or a port has one holder at a time. Both are given out in turn, so that
//! what was just given back is not given out again at once.

use super::link::host_mask;
use super::ruleset::Published;
use neargate_domain::{PortMapping, PortRange, Protocol};
use std::collections::{BTreeSet, HashMap};
use std::net::Ipv4Addr;

/// What one container holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lease {
    pub(super) address: Ipv4Addr,
    pub(super) published: Vec<Published>,
}

/// Why a container gets no lease; shown in Docker's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Denied {
    /// By another container.
    Taken {
        host_port: u16,
    },
    /// By something else on the instance.
    InUse {
        protocol: Protocol,
        host_port: u16,
    },
    NoPort,
    NoAddress,
}

impl std::fmt::Display for Denied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Denied::Taken { host_port } => write!(
                f,
                "Bind for 0.0.0.0:{host_port} failed: port is already allocated"
            ),
            Denied::InUse {
                protocol,
                host_port,
            } => write!(
                f,
                "Error starting userland proxy: listen {0}4 0.0.0.0:{host_port}: bind: address already in use",
                protocol.as_str()
            ),
            Denied::NoPort => f.write_str("all ports are allocated"),
            Denied::NoAddress => f.write_str("no available IPv4 addresses on this network"),
        }
    }
}

/// The instance's addresses and ports.
#[derive(Debug)]
pub(super) struct Leases {
    gateway: Ipv4Addr,
    prefix_len: u8,
    /// First and last port that is given out to who does not ask for one.
    ephemeral: (u16, u16),
    by_endpoint: HashMap<String, Lease>,
    ports: BTreeSet<(Protocol, u16)>,
    last_address: Ipv4Addr,
    last_port: u16,
}

impl Leases {
    pub(super) fn new(gateway: Ipv4Addr, prefix_len: u8, ephemeral: (u16, u16)) -> Leases {
        Leases {
            gateway,
            prefix_len,
            ephemeral,
            by_endpoint: HashMap::new(),
            ports: BTreeSet::new(),
            last_address: gateway,
            last_port: ephemeral.1,
        }
    }

    /// Takes over a lease given out by an earlier process.
    pub(super) fn restore(&mut self, endpoint: &str, lease: Lease) {
        let ports = lease.published.iter().map(|p| (p.protocol, p.host_port));
        self.ports.extend(ports);
        self.last_address = self.last_address.max(lease.address);
        self.by_endpoint.insert(endpoint.to_owned(), lease);
    }

    /// The endpoint's lease: the one it has, if it is for these ports. `free` tells whether
    /// nothing else on the instance listens on a port. Keeps `address` if nobody has it.
    pub(super) fn take(
        &mut self,
        endpoint: &str,
        wanted: &[PortMapping],
        address: Option<Ipv4Addr>,
        free: impl Fn(Protocol, u16) -> bool,
    ) -> Result<Lease, Denied> {
        let arranged = self
            .by_endpoint
            .get_mut(endpoint)
            .and_then(|lease| Some((arrange(&lease.published, wanted)?, lease)));
        if let Some((published, lease)) = arranged {
            lease.published = published;
            return Ok(lease.clone());
        }
        self.give_back(endpoint);
        let address = match address.filter(|a| self.is_free(*a)) {
            Some(address) => address,
            None => self.next_address().ok_or(Denied::NoAddress)?,
        };
        let mut published = Vec::new();
        for mapping in wanted {
            let host_port = match mapping.host_port.filter(|p| *p != 0) {
                Some(port) if self.ports.contains(&(mapping.protocol, port)) => {
                    Err(Denied::Taken { host_port: port })
                }
                Some(port) if !free(mapping.protocol, port) => Err(Denied::InUse {
                    protocol: mapping.protocol,
                    host_port: port,
                }),
                Some(port) => Ok(port),
                None => self
                    .next_port(mapping.protocol, &free)
                    .ok_or(Denied::NoPort),
            };
            match host_port {
                Ok(host_port) => {
                    self.ports.insert((mapping.protocol, host_port));
                    published.push(Published {
                        protocol: mapping.protocol,
                        host_port,
                        container_port: mapping.container_port,
                    });
                }
                Err(denied) => {
                    self.free_ports(&published);
                    return Err(denied);
                }
            }
        }
        self.last_address = address;
        let lease = Lease { address, published };
        self.by_endpoint.insert(endpoint.to_owned(), lease.clone());
        Ok(lease)
    }

    /// The mappings that make each of `ranges` one of host ports in a row: those that the endpoint has,
    /// or free ones. Nothing is taken yet.
    pub(super) fn in_rows(
        &self,
        endpoint: &str,
        ranges: &[PortRange],
        free: impl Fn(Protocol, u16) -> bool,
    ) -> Result<Vec<PortMapping>, Denied> {
        let held = self.by_endpoint.get(endpoint);
        let mut found: Vec<PortMapping> = Vec::new();
        for range in ranges {
            let has = held
                .into_iter()
                .flat_map(|lease| &lease.published)
                .find(|p| p.protocol == range.protocol && p.container_port == range.first);
            let given = range.host_first.or(has.map(|p| p.host_port));
            let length = range.last - range.first + 1;
            let row = |first: u16| (0..length).map(move |n| first + n);
            let is_free = |port: u16| {
                let here =
                    |m: &PortMapping| m.protocol == range.protocol && m.host_port == Some(port);
                !self.ports.contains(&(range.protocol, port))
                    && !found.iter().any(here)
                    && free(range.protocol, port)
            };
            let (first, last) = self.ephemeral;
            let mut firsts = first..=last.saturating_sub(length - 1);
            let host_first = given.or_else(|| firsts.find(|first| row(*first).all(is_free)));
            let host_first = host_first.ok_or(Denied::NoPort)?;
            found.extend((0..length).map(|n| PortMapping {
                container_port: range.first + n,
                host_port: Some(host_first.saturating_add(n)),
                protocol: range.protocol,
            }));
        }
        Ok(found)
    }

    pub(super) fn held(&self, endpoint: &str) -> Option<&Lease> {
        self.by_endpoint.get(endpoint)
    }

    pub(super) fn give_back(&mut self, endpoint: &str) {
        if let Some(lease) = self.by_endpoint.remove(endpoint) {
            self.free_ports(&lease.published);
        }
    }

    fn free_ports(&mut self, published: &[Published]) {
        for p in published {
            self.ports.remove(&(p.protocol, p.host_port));
        }
    }

    fn is_free(&self, address: Ipv4Addr) -> bool {
        let (mask, bits) = (host_mask(self.prefix_len), u32::from(address));
        let inside = (bits ^ u32::from(self.gateway)) & !mask == 0;
        let host = bits & mask;
        let taken = self.by_endpoint.values().any(|l| l.address == address);
        inside && host != 0 && host != mask && address != self.gateway && !taken
    }

    fn next_address(&self) -> Option<Ipv4Addr> {
        let mask = host_mask(self.prefix_len);
        let (network, last) = (
            u32::from(self.gateway) & !mask,
            u32::from(self.last_address) & mask,
        );
        let taken: BTreeSet<Ipv4Addr> = self.by_endpoint.values().map(|l| l.address).collect();
        (1..=mask)
            .map(|n| last.wrapping_add(n) & mask)
            .filter(|host| *host != 0 && *host != mask)
            .map(|host| Ipv4Addr::from(network | host))
            .find(|a| *a != self.gateway && !taken.contains(a))
    }

    fn next_port(
        &mut self,
        protocol: Protocol,
        free: &impl Fn(Protocol, u16) -> bool,
    ) -> Option<u16> {
        let (first, last) = self.ephemeral;
        let count = u32::from(last - first) + 1;
        let from = u32::from(self.last_port.saturating_sub(first)) + 1;
        let port = (0..count)
            .map(|n| first + ((from + n) % count) as u16)
            .find(|p| !self.ports.contains(&(protocol, *p)) && free(protocol, *p))?;
        self.last_port = port;
        Some(port)
    }
}

/// The ports in the mappings' order, if they are just the ports of these mappings.
fn arrange(have: &[Published], wanted: &[PortMapping]) -> Option<Vec<Published>> {
    if have.len() != wanted.len() {
        return None;
    }
    let mut left = have.to_vec();
    let mut arranged = vec![None; wanted.len()];
    // Those that ask for a port first: any is good for the others.
    for asks in [true, false] {
        for (want, place) in wanted.iter().zip(&mut arranged) {
            let port = want.host_port.filter(|p| *p != 0);
            if port.is_some() == asks {
                let fits = |p: &Published| {
                    p.protocol == want.protocol
                        && p.container_port == want.container_port
                        && port.is_none_or(|port| port == p.host_port)
                };
                *place = Some(left.swap_remove(left.iter().position(fits)?));
            }
        }
    }
    arranged.into_iter().collect()
}
