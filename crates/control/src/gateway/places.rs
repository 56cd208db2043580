//! The places that connections have. Callers who need no proof have places of their own; all
//! others share the rest, and no address (or user of this host) has more than its share, so that
//! no one caller keeps the others out.

use crate::budget::{Budget, Share, network_of};
use std::net::IpAddr;

/// Connections of callers who need no proof.
const MAX_FREE: usize = 2_048;
/// Connections of everybody else, at the same time.
const MAX_OTHERS: usize = 3_072;
/// Connections of one origin among those.
const MAX_OF_ONE: usize = 1_024;

/// Who has a share: a user of this host, or an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    User(u32),
    Address(IpAddr),
}

impl Origin {
    /// All of an IPv6 network is one origin.
    pub(super) fn of(address: IpAddr) -> Origin {
        Origin::Address(network_of(address))
    }
}

#[derive(Debug)]
pub(super) struct Places {
    free: Budget<Origin>,
    others: Budget<Origin>,
}

/// One connection's place, until it is dropped.
pub(super) type Place = Share<Origin>;

impl Default for Places {
    fn default() -> Self {
        Places {
            free: Budget::new(MAX_FREE, MAX_FREE),
            others: Budget::new(MAX_OTHERS, MAX_OF_ONE),
        }
    }
}

impl Places {
    pub(super) fn take(&self, origin: Origin, free: bool) -> Option<Place> {
        let places = if free { &self.free } else { &self.others };
        places.take(origin, 1)
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
        assert!(places.others.is_whole(), "nothing is remembered");
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
}
