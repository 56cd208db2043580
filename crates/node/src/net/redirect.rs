//! A task's traffic through its proxy (`proxyConfiguration` of type APPMESH), by rules in the task's own
//! network namespace, as AWS's CNI plugin for App Mesh makes them
//! (aws/amazon-ecs-cni-plugins, `plugins/aws-appmesh`).
//!
//! ```text
//! from outside, to an app port              -> the ingress port
//! from the task, to anywhere but itself     -> the egress port
//!     but what the proxy sends (its user or group), and what goes to ignored ports and addresses
//! ```

use super::error::NetworkError;
use super::firewall;
use super::netns::Place;
use neargate_domain::{Cidr, Proxy};
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::PathBuf;

const TABLE: &str = "neargate_proxy";

/// Makes it so. Idempotent.
///
/// # Errors
/// When the kernel does not take the rules.
pub async fn redirect(namespace: PathBuf, proxy: &Proxy) -> Result<(), NetworkError> {
    let rules = rules(proxy);
    Place::At(namespace)
        .run(move || firewall::run(&rules))
        .await
}

/// The table, whole, in place of the one before.
pub(super) fn rules(proxy: &Proxy) -> String {
    let mut text = format!(
        "add table ip {TABLE}\n\
         delete table ip {TABLE}\n\
         add table ip {TABLE}\n\
         add chain ip {TABLE} ingress {{ type nat hook prerouting priority dstnat; }}\n\
         add chain ip {TABLE} egress {{ type nat hook output priority -100; }}\n"
    );
    let mut rule = |chain: &str, rule: String| {
        let _ = writeln!(text, "add rule ip {TABLE} {chain} {rule}");
    };
    if let Some(ports) = set(&proxy.app_ports)
        && proxy.ingress_port != 0
    {
        let to = proxy.ingress_port;
        rule(
            "ingress",
            format!("fib saddr type != local tcp dport {ports} redirect to :{to}"),
        );
    }
    if proxy.egress_port == 0 {
        return text;
    }
    rule("egress", "fib daddr type local return".to_owned());
    if let Some(uid) = proxy.ignored_uid {
        rule("egress", format!("meta skuid {uid} return"));
    }
    if let Some(gid) = proxy.ignored_gid {
        rule("egress", format!("meta skgid {gid} return"));
    }
    if let Some(ports) = set(&proxy.egress_ignored_ports) {
        rule("egress", format!("tcp dport {ports} return"));
    }
    let is_address =
        |text: &&String| text.parse::<Ipv4Addr>().is_ok() || text.parse::<Cidr>().is_ok();
    for address in proxy.egress_ignored_ips.iter().filter(is_address) {
        rule("egress", format!("ip daddr {address} return"));
    }
    let to = proxy.egress_port;
    rule("egress", format!("meta l4proto tcp redirect to :{to}"));
    text
}

fn set(ports: &[u16]) -> Option<String> {
    let mut ports = ports.to_vec();
    ports.sort_unstable();
    ports.dedup();
    let words: Vec<String> = ports.iter().map(u16::to_string).collect();
    (!words.is_empty()).then(|| format!("{{ {} }}", words.join(", ")))
}
