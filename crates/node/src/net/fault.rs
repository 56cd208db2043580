//! Faults of a task's network, by rules in the task's own namespace, as the ECS agent makes them
//! (aws/amazon-ecs-agent, `ecs-agent/tmds/handlers/fault/v1`). What is there is what the kernel says, so
//! that a fault is known whatever was killed since; it goes with the namespace.
//!
//! Ports are blackholed and packets lost by nftables. Latency is the work of `tc` and the kernel's netem,
//! which a host may lack.

use super::TASK_ENDPOINT;
use super::error::NetworkError;
use super::firewall::{self, nft};
use super::netns::Place;
use super::plumb::INSIDE;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Command;

/// What the names of its tables begin with.
const PREFIX: &str = "neargate_fault";
const LOSS: &str = "neargate_fault_loss";

/// Which way the packets go that a blackhole takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Ingress,
    Egress,
}

/// Packets of a protocol to a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blackhole {
    pub port: u16,
    /// `tcp` or `udp`.
    pub protocol: &'static str,
    pub way: Way,
    /// Addresses and ranges whose packets pass.
    pub passing: Vec<String>,
}

/// What goes from the task to some addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Towards {
    /// Addresses and ranges.
    pub sources: Vec<String>,
    /// Those among them that are spared.
    pub passing: Vec<String>,
    /// How much of all connections is concerned.
    pub flows_percent: u8,
}

/// A fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    Blackhole(Blackhole),
    Loss {
        percent: u8,
        towards: Towards,
    },
    Latency {
        delay_millis: u64,
        jitter_millis: u64,
        towards: Towards,
    },
}

/// Which fault is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Blackhole {
        port: u16,
        protocol: &'static str,
        way: Way,
    },
    Loss,
    Latency,
}

impl Fault {
    pub fn kind(&self) -> Kind {
        match self {
            Fault::Blackhole(b) => Kind::Blackhole {
                port: b.port,
                protocol: b.protocol,
                way: b.way,
            },
            Fault::Loss { .. } => Kind::Loss,
            Fault::Latency { .. } => Kind::Latency,
        }
    }
}

/// Makes the fault be.
///
/// # Errors
/// When the kernel cannot do it, which then does nothing.
pub async fn start(namespace: PathBuf, fault: Fault) -> Result<(), NetworkError> {
    let start = move || match &fault {
        Fault::Blackhole(blackhole) => firewall::run(&blackhole_rules(blackhole)),
        Fault::Loss { percent, towards } => firewall::run(&loss_rules(*percent, towards)),
        Fault::Latency {
            delay_millis,
            jitter_millis,
            towards,
        } => {
            let commands = latency_commands(*delay_millis, *jitter_millis, towards);
            let made = commands
                .iter()
                .try_for_each(|command| tc(command).map(drop));
            if made.is_err() {
                // Half of it is none. There may be nothing to remove.
                let _ = tc(NO_LATENCY);
            }
            made
        }
    };
    Place::At(namespace).run(start).await
}

/// Ends it, if it is there.
///
/// # Errors
/// When the kernel does not.
pub async fn stop(namespace: PathBuf, kind: Kind) -> Result<(), NetworkError> {
    let stop = move || match (is_there(kind)?, kind) {
        (false, _) => Ok(()),
        (true, Kind::Latency) => tc(NO_LATENCY).map(drop),
        (true, _) => {
            let (family, name) = table(kind);
            firewall::run(&format!("delete table {family} {name}\n"))
        }
    };
    Place::At(namespace).run(stop).await
}

/// Is it there?
///
/// # Errors
/// When nobody can say.
pub async fn is_running(namespace: PathBuf, kind: Kind) -> Result<bool, NetworkError> {
    Place::At(namespace).run(move || is_there(kind)).await
}

fn is_there(kind: Kind) -> Result<bool, NetworkError> {
    if kind == Kind::Latency {
        return match tc(&format!("qdisc show dev {INSIDE}")) {
            Ok(shown) => Ok(shown.contains("netem")),
            // Where there is no `tc`, nobody has made one.
            Err(NetworkError::TcMissing) => Ok(false),
            Err(error) => Err(error),
        };
    }
    let (family, name) = table(kind);
    let tables = nft(&["list", "tables"], "")?;
    let line = format!("table {family} {name}");
    Ok(tables.lines().any(|there| there.trim() == line))
}

fn table(kind: Kind) -> (&'static str, String) {
    match kind {
        Kind::Blackhole {
            port,
            protocol,
            way,
        } => {
            let way = match way {
                Way::Ingress => "ingress",
                Way::Egress => "egress",
            };
            ("inet", format!("{PREFIX}_{way}_{protocol}_{port}"))
        }
        Kind::Loss | Kind::Latency => ("netdev", LOSS.to_owned()),
    }
}

/// `ip` or `ip6`, as rules call the family of an address or a range.
fn family(address: &str) -> &'static str {
    match address.split('/').next().map(str::parse) {
        Some(Ok(IpAddr::V6(_))) => "ip6",
        _ => "ip",
    }
}

fn blackhole_rules(of: &Blackhole) -> String {
    let (kind, name) = table(Fault::Blackhole(of.clone()).kind());
    let (hook, end) = match of.way {
        Way::Ingress => ("input", "saddr"),
        Way::Egress => ("output", "daddr"),
    };
    let mut text = format!(
        "add table {kind} {name}\ndelete table {kind} {name}\nadd table {kind} {name}\n\
         add chain {kind} {name} {hook} {{ type filter hook {hook} priority filter; }}\n"
    );
    let mut rule = |rule: String| {
        let _ = writeln!(text, "add rule {kind} {name} {hook} {rule}");
    };
    let to = format!("{} dport {}", of.protocol, of.port);
    for address in &of.passing {
        rule(format!("{} {end} {address} {to} accept", family(address)));
    }
    rule(format!("{to} drop"));
    text
}

/// At the interface itself, as netem does it: a program is not told.
fn loss_rules(percent: u8, towards: &Towards) -> String {
    let mut text = format!(
        "add table netdev {LOSS}\ndelete table netdev {LOSS}\nadd table netdev {LOSS}\n\
         add chain netdev {LOSS} egress {{ type filter hook egress device {INSIDE} priority filter; }}\n\
         add rule netdev {LOSS} egress ip daddr {TASK_ENDPOINT} accept\n"
    );
    let mut rule = |rule: String| {
        let _ = writeln!(text, "add rule netdev {LOSS} egress {rule}");
    };
    for address in &towards.passing {
        rule(format!("{} daddr {address} accept", family(address)));
    }
    let flows = towards.flows_percent;
    for address in &towards.sources {
        let family = family(address);
        let some = match flows {
            100.. => String::new(),
            _ => format!(
                "jhash {family} saddr . {family} daddr . th sport . th dport mod 100 < {flows} "
            ),
        };
        let drop = match percent {
            100.. => "drop".to_owned(),
            _ => format!("numgen random mod 100 < {percent} drop"),
        };
        rule(format!("{family} daddr {address} {some}{drop}"));
    }
    text
}

const NO_LATENCY: &str = "qdisc del dev eth0 root";

/// The first band is late, the third is not; nothing is of the first but what a filter says.
fn latency_commands(delay: u64, jitter: u64, towards: &Towards) -> Vec<String> {
    let filter = |address: &str, order: u8, band: u8| {
        let family = family(address);
        format!(
            "filter add dev {INSIDE} protocol all parent 1:0 prio {order} u32 match {family} dst \
             {address} flowid 1:{band}"
        )
    };
    let endpoint = TASK_ENDPOINT.to_string();
    let mut commands = vec![
        format!(
            "qdisc add dev {INSIDE} root handle 1: prio priomap 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2"
        ),
        format!("qdisc add dev {INSIDE} parent 1:1 handle 10: netem delay {delay}ms {jitter}ms"),
        filter(&endpoint, 1, 3),
    ];
    commands.extend(towards.passing.iter().map(|a| filter(a, 1, 3)));
    commands.extend(towards.sources.iter().map(|a| filter(a, 2, 1)));
    commands
}

fn tc(command: &str) -> Result<String, NetworkError> {
    let failed = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::NotFound => NetworkError::TcMissing,
        _ => NetworkError::Tc(e.to_string()),
    };
    let output = Command::new("tc")
        .args(command.split(' '))
        .env("LC_ALL", "C")
        .output()
        .map_err(failed)?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let first = text.lines().next().unwrap_or("failed");
        return Err(NetworkError::Tc(first.to_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_nothing_reaches_but_what_is_spared() {
        let text = blackhole_rules(&Blackhole {
            port: 80,
            protocol: "tcp",
            way: Way::Egress,
            passing: vec!["10.0.0.0/8".into(), "fd00::1".into()],
        });
        let rules: Vec<&str> = text.lines().skip(4).collect();
        let at = "add rule inet neargate_fault_egress_tcp_80 output";
        assert_eq!(
            rules,
            [
                format!("{at} ip daddr 10.0.0.0/8 tcp dport 80 accept"),
                format!("{at} ip6 daddr fd00::1 tcp dport 80 accept"),
                format!("{at} tcp dport 80 drop"),
            ]
        );
    }

    #[test]
    fn the_task_endpoint_loses_nothing_and_is_never_late() {
        let towards = Towards {
            sources: vec!["0.0.0.0/0".into()],
            passing: vec!["10.0.0.1".into()],
            flows_percent: 40,
        };
        let text = loss_rules(15, &towards);
        let rules: Vec<&str> = text.lines().skip(4).collect();
        assert!(
            rules[0].ends_with("ip daddr 169.254.170.2 accept"),
            "{text}"
        );
        assert!(rules[1].ends_with("ip daddr 10.0.0.1 accept"), "{text}");
        assert!(
            rules[2].ends_with("mod 100 < 40 numgen random mod 100 < 15 drop"),
            "{text}"
        );
        let commands = latency_commands(100, 10, &towards);
        assert!(
            commands[1].ends_with("netem delay 100ms 10ms"),
            "{commands:?}"
        );
        assert!(
            commands[2].ends_with("dst 169.254.170.2 flowid 1:3"),
            "{commands:?}"
        );
        assert!(
            commands[4].ends_with("dst 0.0.0.0/0 flowid 1:1"),
            "{commands:?}"
        );
    }
}
