//! Connections of callers that have not shown a node's certificate: few at a time, fewer of one
//! address, so that whoever only knocks never keeps the nodes out.
//!
//! The addresses that nodes are known by have places of their own, for a node's connection is a
//! stranger's too until its certificate was seen.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// At the same time; more are turned away.
const MAX_STRANGERS: usize = 64;
/// From addresses that nodes are known by.
const MAX_FAMILIAR: usize = 64;
/// From one address, an IPv6 network of 64 bits counting as one.
const MAX_OF_ONE: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Door(Arc<Mutex<Inside>>);

#[derive(Debug, Default)]
struct Inside {
    strangers: usize,
    familiar: usize,
    of_one: HashMap<IpAddr, usize>,
}

/// The place of one connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    inside: Arc<Mutex<Inside>>,
    from: IpAddr,
    familiar: bool,
}

impl Door {
    /// A place for a connection from this address, which may be one that a node is known by.
    pub(super) fn enter(&self, from: IpAddr, familiar: bool) -> Option<Place> {
        let from = origin(from);
        let mut inside = self.0.lock();
        let (taken, most) = match familiar {
            true => (inside.familiar, MAX_FAMILIAR),
            false => (inside.strangers, MAX_STRANGERS),
        };
        let of_one = inside.of_one.get(&from).copied().unwrap_or(0);
        if taken >= most || of_one >= MAX_OF_ONE {
            return None;
        }
        inside.of_one.insert(from, of_one + 1);
        *inside.pool(familiar) += 1;
        Some(Place {
            inside: self.0.clone(),
            from,
            familiar,
        })
    }
}

impl Inside {
    fn pool(&mut self, familiar: bool) -> &mut usize {
        match familiar {
            true => &mut self.familiar,
            false => &mut self.strangers,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.inside.lock();
        *inside.pool(self.familiar) -= 1;
        if let Some(left) = inside.of_one.get_mut(&self.from) {
            *left -= 1;
            if *left == 0 {
                inside.of_one.remove(&self.from);
            }
        }
    }
}

/// What counts as one address: whoever has an IPv6 network has all of its addresses.
fn origin(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(door.0.lock().of_one.is_empty(), "nothing is remembered");
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
