//! The places that connections have. Callers who need no proof have places of their own; all
//! others share the rest, and no address (or user of this host) has more than its share, so that
//! no one caller keeps the others out.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// Connections of callers who need no proof.
const MAX_FREE: usize = 2_048;
/// Connections of everybody else, at the same time.
const MAX_OTHERS: usize = 3_072;
/// Of one origin.
const MAX_OF_ONE: usize = 1_024;

/// Who shares what: a user of this host, or an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    User(u32),
    Address(IpAddr),
}

impl Origin {
    /// What counts as one address: whoever has an IPv6 network has all of its addresses.
    pub(super) fn of(address: IpAddr) -> Origin {
        Origin::Address(match address.to_canonical() {
            IpAddr::V4(v4) => v4.into(),
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
        })
    }
}

#[derive(Debug, Default)]
pub(super) struct Places(Arc<Mutex<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    free: usize,
    others: usize,
    by: HashMap<Origin, usize>,
}

/// One connection's place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    taken: Arc<Mutex<Taken>>,
    origin: Origin,
    free: bool,
}

impl Places {
    pub(super) fn take(&self, origin: Origin, free: bool) -> Option<Place> {
        let mut taken = self.0.lock();
        if free {
            if taken.free >= MAX_FREE {
                return None;
            }
            taken.free += 1;
        } else {
            let of_one = taken.by.get(&origin).copied().unwrap_or(0);
            if taken.others >= MAX_OTHERS || of_one >= MAX_OF_ONE {
                return None;
            }
            taken.others += 1;
            taken.by.insert(origin, of_one + 1);
        }
        Some(Place {
            taken: self.0.clone(),
            origin,
            free,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock();
        if self.free {
            taken.free -= 1;
            return;
        }
        taken.others -= 1;
        if let Some(left) = taken.by.get_mut(&self.origin) {
            *left -= 1;
            if *left == 0 {
                taken.by.remove(&self.origin);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(n: u8) -> Origin {
        Origin::of([203, 0, 113, n].into())
    }

    #[test]
    fn nobody_has_more_than_a_share() {
        let places = Places::default();
        let held: Vec<Place> = (0..5_000)
            .filter_map(|_| places.take(v4(1), false))
            .collect();
        assert_eq!(held.len(), MAX_OF_ONE);
        assert!(
            places
                .take(Origin::of("::ffff:203.0.113.1".parse().unwrap()), false)
                .is_none()
        );
        assert!(places.take(v4(2), false).is_some());
        assert!(places.take(Origin::User(1), false).is_some());
        assert!(places.take(Origin::User(0), true).is_some());
        drop(held);
        assert!(places.take(v4(1), false).is_some());
        assert!(places.0.lock().by.is_empty(), "nothing is remembered");
    }

    #[test]
    fn strangers_leave_room_for_the_trusted() {
        let places = Places::default();
        let held: Vec<Place> = (0..=255)
            .flat_map(|n| (0..20).map(move |_| v4(n)))
            .filter_map(|origin| places.take(origin, false))
            .collect();
        assert_eq!(held.len(), MAX_OTHERS);
        assert!(places.take(Origin::User(1000), false).is_none());
        assert!(places.take(Origin::User(0), true).is_some());
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let of = |n: u128| Origin::of(Ipv6Addr::from_bits((0x2001_0db8 << 96) + n).into());
        assert_eq!(of(1), of(2));
        assert_ne!(of(1), of(1 << 64));
    }
}
