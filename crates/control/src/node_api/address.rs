//! Which addresses a node may be reached at by the others: what a peer's address becomes is where
//! every host sends what has no known place, so one that leads back to a host would blackhole it.

use neargate_domain::vpc;
use std::net::{IpAddr, Ipv4Addr};

/// Another host's own address, and nothing else.
pub(super) fn is_hosts(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            !(v4.is_loopback()
                || v4.is_unspecified()
                || v4.octets()[0] == 0
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_broadcast()
                || in_vpc(v4))
        }
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_hosts(v4.into()),
            None => {
                !(v6.is_loopback()
                    || v6.is_unspecified()
                    || v6.is_unicast_link_local()
                    || v6.is_multicast())
            }
        },
    }
}

fn in_vpc(address: Ipv4Addr) -> bool {
    let (base, length) = vpc::CIDR.split_once('/').expect("the range is a prefix");
    let base: Ipv4Addr = base.parse().expect("the range begins with an address");
    let length: u32 = length.parse().expect("the range has a length");
    let mask = u32::MAX << (32 - length);
    u32::from(address) & mask == u32::from(base)
}

#[cfg(test)]
mod tests {
    use super::is_hosts;

    #[test]
    fn only_hosts_addresses() {
        for good in [
            "10.0.0.7",
            "192.168.1.2",
            "203.0.113.9",
            "172.30.0.1",
            "fd00::1",
        ] {
            assert!(is_hosts(good.parse().unwrap()), "{good}");
        }
        for bad in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.1.1",
            "224.0.0.1",
            "255.255.255.255",
            "172.31.0.1",
            "172.31.255.254",
            "::1",
            "::",
            "fe80::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:172.31.0.9",
        ] {
            assert!(!is_hosts(bad.parse().unwrap()), "{bad}");
        }
    }
}
