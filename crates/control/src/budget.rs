//! What many callers share, such as connections or memory: so much of it in all, and no more than
//! so much to one of them, so that no one caller keeps the others out.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// An amount that callers, told apart by a `K`, have shares of.
#[derive(Debug, Clone)]
pub(crate) struct Budget<K> {
    in_all: usize,
    to_one: usize,
    given: Arc<Mutex<Given<K>>>,
}

#[derive(Debug)]
struct Given<K> {
    in_all: usize,
    /// Only those who have something.
    by_caller: HashMap<K, usize>,
}

/// What one caller holds of a budget, until it is dropped.
#[derive(Debug)]
pub(crate) struct Share<K: Copy + Eq + Hash> {
    budget: Budget<K>,
    caller: K,
    amount: usize,
}

impl<K: Copy + Eq + Hash> Budget<K> {
    /// So much for all callers together, and so much of it for each at most.
    pub(crate) fn new(in_all: usize, to_one: usize) -> Self {
        Budget {
            in_all,
            to_one,
            given: Arc::new(Mutex::new(Given {
                in_all: 0,
                by_caller: HashMap::new(),
            })),
        }
    }

    /// A share that is nothing at first.
    pub(crate) fn share(&self, caller: K) -> Share<K> {
        Share {
            budget: self.clone(),
            caller,
            amount: 0,
        }
    }

    /// A share of this amount, if there is so much left for the caller.
    pub(crate) fn take(&self, caller: K, amount: usize) -> Option<Share<K>> {
        let mut share = self.share(caller);
        share.grow_to(amount).then_some(share)
    }

    /// Does nobody hold anything, and is nobody remembered?
    #[cfg(test)]
    pub(crate) fn is_whole(&self) -> bool {
        let given = self.given.lock();
        given.in_all == 0 && given.by_caller.is_empty()
    }
}

impl<K: Copy + Eq + Hash> Share<K> {
    /// Hold this amount, or what is held already if that is more; answers whether there was so
    /// much left.
    pub(crate) fn grow_to(&mut self, amount: usize) -> bool {
        let more = amount.saturating_sub(self.amount);
        if more == 0 {
            return true;
        }
        let mut given = self.budget.given.lock();
        let to_one = given.by_caller.get(&self.caller).copied().unwrap_or(0);
        if given.in_all + more > self.budget.in_all || to_one + more > self.budget.to_one {
            return false;
        }
        given.in_all += more;
        given.by_caller.insert(self.caller, to_one + more);
        self.amount = amount;
        true
    }
}

impl<K: Copy + Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        if self.amount == 0 {
            return;
        }
        let mut given = self.budget.given.lock();
        given.in_all -= self.amount;
        if let Some(left) = given.by_caller.get_mut(&self.caller) {
            *left -= self.amount;
            if *left == 0 {
                given.by_caller.remove(&self.caller);
            }
        }
    }
}

/// What counts as one address: whoever has an IPv6 network has all of its addresses.
pub(crate) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_has_more_than_his_part_nor_all_more_than_there_is() {
        let budget = Budget::new(100, 60);
        let mut a = budget.share("one");
        assert!(a.grow_to(0) && a.grow_to(40));
        let mut b = budget.share("one");
        assert!(!b.grow_to(21), "more than one may have");
        assert!(b.grow_to(20));
        assert!(budget.take("other", 41).is_none(), "more than there is");
        let mut c = budget.take("other", 40).expect("there is so much");
        assert!(c.grow_to(10), "it does not shrink");
        assert!(!c.grow_to(60));
        drop(a);
        assert!(c.grow_to(60));
        assert!(!c.grow_to(61));
        drop((b, c));
        assert!(budget.is_whole(), "nothing is remembered");
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let of = |n: u128| network_of(Ipv6Addr::from_bits((0x2001_0db8 << 96) + n).into());
        assert_eq!(of(1), of(2));
        assert_ne!(of(1), of(1 << 64));
        let same_written_otherwise = "::ffff:203.0.113.1".parse().expect("an address");
        assert_eq!(
            network_of(same_written_otherwise),
            IpAddr::from([203, 0, 113, 1])
        );
    }
}
