//! Getting along with a host firewall that drops what it does not know: Docker and ufw set the
//! policy of iptables' `FORWARD` chain to DROP, and no accept of ours overrules another table's
//! drop. Rules for our links go where they belong: `DOCKER-USER` if it is there
//! (<https://docs.docker.com/engine/network/packet-filtering-firewalls/>), else `FORWARD`.
//!
//! Where no such policy is set nothing is touched. An accept there does not overrule ours either:
//! what [`super::ruleset`] drops stays dropped.

use super::error::NetworkError;
use super::firewall;
use std::process::{Command, Stdio};

/// The host ends of the VPCs' uplinks, as iptables calls them.
pub(super) const UPLINKS: &str = "ngu+";

/// Inserts the rules for a bridge or [`UPLINKS`], once, if they are needed.
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
    let from = vec!["-i", bridge, "-j", "ACCEPT"];
    match bridge {
        // Public addresses are reached from outside; who reaches what else our own rules say.
        UPLINKS => vec![from, vec!["-o", bridge, "-j", "ACCEPT"]],
        // It also takes what is published on it.
        _ => vec![from, into("RELATED,ESTABLISHED"), into("DNAT")],
    }
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
