//! Connections of callers that have not shown a node's certificate: few at a time, fewer of one
//! address, so that whoever only knocks never keeps the nodes out.
//!
//! The addresses that nodes are known by have places of their own, for a node's connection is a
//! stranger's too until its certificate was seen.

use crate::budget::{Budget, Share, network_of};
use std::net::IpAddr;

/// Connections of strangers at the same time; more are turned away.
const MAX_STRANGERS: usize = 64;
/// Connections from addresses that nodes are known by.
const MAX_FAMILIAR: usize = 64;
/// Connections from one address, an IPv6 network of 64 bits counting as one.
const MAX_OF_ONE: usize = 8;

#[derive(Debug)]
pub(super) struct Door {
    strangers: Budget<()>,
    familiar: Budget<()>,
    /// Both kinds together: an address may become familiar while it has connections.
    addresses: Budget<IpAddr>,
}

/// The place of one connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _one: Share<()>,
    _of_address: Share<IpAddr>,
}

impl Default for Door {
    fn default() -> Self {
        Door {
            strangers: Budget::new(MAX_STRANGERS, MAX_STRANGERS),
            familiar: Budget::new(MAX_FAMILIAR, MAX_FAMILIAR),
            addresses: Budget::new(MAX_STRANGERS + MAX_FAMILIAR, MAX_OF_ONE),
        }
    }
}

impl Door {
    /// A place for a connection from this address, which may be one that a node is known by.
    pub(super) fn enter(&self, from: IpAddr, familiar: bool) -> Option<Place> {
        let places = if familiar {
            &self.familiar
        } else {
            &self.strangers
        };
        Some(Place {
            _one: places.take((), 1)?,
            _of_address: self.addresses.take(network_of(from), 1)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv6Addr;

    fn v4(n: u8) -> IpAddr {
        [203, 0, 113, n].into()
    }

    #[test]
    fn one_address_has_few_places() {
        let door = Door::default();
        let mut places: Vec<Place> = (0..MAX_OF_ONE)
            .map(|_| door.enter(v4(1), false).expect("there is room"))
            .collect();
        assert!(door.enter(v4(1), false).is_none());
        assert!(
            door.enter("::ffff:203.0.113.1".parse().unwrap(), false)
                .is_none(),
            "the same written otherwise"
        );
        assert!(door.enter(v4(2), false).is_some());
        places.pop();
        assert!(door.enter(v4(1), false).is_some());
        drop(places);
        assert!(door.addresses.is_whole(), "nothing is remembered");
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let door = Door::default();
        let of = |n: u128| Ipv6Addr::from_bits((0x2001_0db8 << 96) + n).into();
        let places: Vec<_> = (0..20).map(|n| door.enter(of(n), false)).collect();
        assert_eq!(places.iter().flatten().count(), MAX_OF_ONE);
        assert!(door.enter(of(1 << 64), false).is_some(), "another network");
    }

    #[test]
    fn strangers_do_not_keep_nodes_out() {
        let door = Door::default();
        let places: Vec<_> = (0..=255).map(|n| door.enter(v4(n), false)).collect();
        assert_eq!(places.iter().flatten().count(), MAX_STRANGERS);
        assert!(door.enter(v4(250), false).is_none());
        assert!(door.enter(v4(250), true).is_some());
    }
}
