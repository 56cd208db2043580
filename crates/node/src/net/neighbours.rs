//! Getting along with a host firewall that drops what it does not know: Docker and ufw set the
//! policy of iptables' `FORWARD` chain to DROP, and no accept of ours overrules another table's
//! drop. Two rules for our bridge go where they belong: `DOCKER-USER` if it is there
//! (<https://docs.docker.com/engine/network/packet-filtering-firewalls/>), else `FORWARD`.
//!
//! Where no such policy is set nothing is touched. An accept there does not overrule ours either:
//! what [`super::ruleset`] drops stays dropped.

use super::error::NetworkError;
use super::firewall;
use super::names::INSTANCE_BRIDGE;
use std::process::{Command, Stdio};

/// Inserts the rules, once, if they are needed.
///
/// An instance's bridge also takes what is published on it.
pub(super) fn accept(bridge: &str) -> Result<(), NetworkError> {
    if !forward_drops() {
        return Ok(());
    }
    let chain = if iptables(&["-S", "DOCKER-USER"]) {
        "DOCKER-USER"
    } else {
        "FORWARD"
    };
    for rule in rules(bridge) {
        let with = |action: &'static str| [vec![action, chain], rule.clone()].concat();
        if !iptables(&with("-C")) && !iptables(&with("-I")) {
            return Err(NetworkError::Nft(format!(
                "the host's firewall drops forwarded packets and iptables refused a rule for {bridge}"
            )));
        }
    }
    tracing::info!(
        bridge,
        chain,
        "the host's firewall drops forwarded packets: added our bridge"
    );
    Ok(())
}

/// Removes them, wherever they are.
pub(super) fn forget(bridge: &str) {
    if !forward_drops() {
        return;
    }
    for chain in ["DOCKER-USER", "FORWARD"] {
        for rule in rules(bridge) {
            while iptables(&[vec!["-D", chain], rule.clone()].concat()) {}
        }
    }
}

fn rules(bridge: &str) -> Vec<Vec<&str>> {
    let into = |state| {
        let matched = ["-o", bridge, "-m", "conntrack", "--ctstate", state];
        [&matched[..], &["-j", "ACCEPT"]].concat()
    };
    let mut rules = vec![
        vec!["-i", bridge, "-j", "ACCEPT"],
        into("RELATED,ESTABLISHED"),
    ];
    if bridge == INSTANCE_BRIDGE {
        rules.push(into("DNAT"));
    }
    rules
}

/// iptables has two kernels behind one name; asking it would load the one that is not in use.
fn forward_drops() -> bool {
    let nft = firewall::nft(&["list", "chain", "ip", "filter", "FORWARD"], "");
    let legacy = || {
        let tables = std::fs::read_to_string("/proc/net/ip_tables_names").unwrap_or_default();
        tables.lines().any(|t| t == "filter")
    };
    nft.is_ok_and(|chain| chain.contains("policy drop")) || legacy()
}

/// Did it succeed? `-w`: wait for the lock of another user.
fn iptables(args: &[&str]) -> bool {
    let run = Command::new("iptables")
        .args(["-w", "5"])
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    run.is_ok_and(|status| status.success())
}
