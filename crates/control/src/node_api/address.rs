//! Which addresses a node may be reached at by the others: what a peer's address becomes is where
//! every host sends what has no known place, so one that leads back to a host would blackhole it.

use neargate_domain::vpc::VpcRange;
use std::net::IpAddr;

/// Another host's own address, and nothing else; `vpc` is the range of the tasks.
pub(super) fn is_hosts(address: IpAddr, vpc: VpcRange) -> bool {
    match address {
        IpAddr::V4(v4) => {
            !(v4.is_loopback()
                || v4.is_unspecified()
                || v4.octets()[0] == 0
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_broadcast()
                || vpc.contains(v4))
        }
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_hosts(v4.into(), vpc),
            None => {
                !(v6.is_loopback()
                    || v6.is_unspecified()
                    || v6.is_unicast_link_local()
                    || v6.is_multicast())
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::is_hosts;
    use neargate_domain::vpc::VpcRange;

    #[test]
    fn only_hosts_addresses() {
        for good in [
            "10.0.0.7",
            "192.168.1.2",
            "203.0.113.9",
            "172.30.0.1",
            "fd00::1",
        ] {
            assert!(
                is_hosts(good.parse().unwrap(), VpcRange::default()),
                "{good}"
            );
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
            assert!(
                !is_hosts(bad.parse().unwrap(), VpcRange::default()),
                "{bad}"
            );
        }
    }
}
