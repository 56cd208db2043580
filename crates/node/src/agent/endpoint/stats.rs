//! What containers use, in the shape of Docker's statistics
//! (<https://docs.docker.com/reference/api/engine/version/v1.43/#tag/Container/operation/ContainerStats>),
//! from their cgroups and the kernel's counters. What is not counted is left out.

use super::super::command;
use super::{Seen, TaskEndpoint, metadata};
use crate::cgroup::Usage;
use crate::runtime::Container;
use neargate_base::{Clock, Timestamp, task, time::SystemClock};
use neargate_domain::TaskNetwork;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::fs;

/// A number of the kernel's clock ticks are a second (`USER_HZ`, proc_stat(5)).
const NANOS_PER_TICK: u64 = 10_000_000;
/// Docker's time of a sample that there is not.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// One look at a container.
#[derive(Debug, Clone, Copy)]
struct Sample {
    read: Timestamp,
    usage: Usage,
    host: HostTime,
    traffic: Option<(u64, u64)>,
}

/// The processor time of the whole host.
#[derive(Debug, Clone, Copy, Default)]
struct HostTime {
    nanos: u64,
    cpus: usize,
}

/// The last look at each container, by its id here: the next is compared with it.
#[derive(Debug, Default)]
pub(super) struct Samples(Mutex<HashMap<String, Sample>>);

impl Samples {
    pub(super) fn forget(&self, id: &str) {
        self.0.lock().remove(id);
    }

    fn replace(&self, id: String, sample: Sample) -> Option<Sample> {
        self.0.lock().insert(id, sample)
    }
}

/// Of one container; `None`: it does not run.
pub(super) async fn container(endpoint: &TaskEndpoint, seen: &Seen, i: usize) -> Option<Value> {
    let running = seen.running.get(i)?.as_ref()?;
    let task = &seen.state.assignment;
    let usage = running.usage().await.ok()?;
    let own_network = !matches!(
        task.network,
        TaskNetwork::Instance(neargate_domain::InstanceNetwork::Host)
    );
    let (host, interfaces) = counters(running.as_ref(), own_network).await;
    let total = |of: fn(&Interface) -> u64| interfaces.iter().map(of).sum::<u64>();
    let sample = Sample {
        read: SystemClock.now(),
        usage,
        host,
        traffic: (!interfaces.is_empty())
            .then(|| (total(|n| n.received.bytes), total(|n| n.sent.bytes))),
    };
    let name = &task.containers[i].name;
    let before = endpoint
        .samples
        .replace(endpoint.id(&task.task_id, name), sample);
    let id = command::runtime_id(task, name);
    Some(shown((&id, name), &sample, before.as_ref(), &interfaces))
}

/// Of all, by their `DockerId`; of one that does not run there is nothing to tell.
pub(super) async fn task(endpoint: &TaskEndpoint, seen: &Seen) -> Value {
    let mut all = Map::new();
    for (i, spec) in seen.state.assignment.containers.iter().enumerate() {
        let id = command::runtime_id(&seen.state.assignment, &spec.name);
        all.insert(
            id,
            container(endpoint, seen, i).await.unwrap_or(Value::Null),
        );
    }
    all.into()
}

/// What the kernel says of its clock (adjtimex(2)).
#[allow(unsafe_code)]
pub(super) fn clock() -> Option<metadata::Clock> {
    // SAFETY: all zeroes are a value of it, by which nothing is set.
    let mut now: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes into what outlives the call.
    if unsafe { libc::adjtimex(&raw mut now) } == -1 {
        return None;
    }
    let micros = i32::try_from(now.maxerror).unwrap_or(i32::MAX);
    Some(metadata::Clock {
        is_synchronized: now.status & libc::STA_UNSYNC == 0,
        error_bound_millis: f64::from(micros) / 1_000.0,
        read_at: SystemClock.now(),
    })
}

async fn counters(container: &dyn Container, own_network: bool) -> (HostTime, Vec<Interface>) {
    let pid = container.pid();
    let read = task::spawn_blocking(move || {
        let host = fs::read_to_string("/proc/stat").unwrap_or_default();
        let network = match own_network {
            true => fs::read_to_string(format!("/proc/{pid}/net/dev")).unwrap_or_default(),
            false => String::new(),
        };
        (host_time(&host), interfaces(&network))
    });
    read.await.unwrap_or_default()
}

/// The first line of `/proc/stat` is all processors together, each of the next ones is one.
fn host_time(text: &str) -> HostTime {
    let of_all = text.lines().next().unwrap_or_default();
    let ticks = of_all.split_ascii_whitespace().skip(1).take(8);
    let ticks: u64 = ticks.filter_map(|n| n.parse::<u64>().ok()).sum();
    HostTime {
        nanos: ticks.saturating_mul(NANOS_PER_TICK),
        cpus: text
            .lines()
            .skip(1)
            .filter(|line| line.starts_with("cpu"))
            .count(),
    }
}

/// One way of an interface.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Way {
    bytes: u64,
    packets: u64,
    errors: u64,
    dropped: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Interface {
    name: String,
    received: Way,
    sent: Way,
}

/// `  eth0: <8 numbers received> <8 sent>`, below two lines of headings (proc_pid_net(5)).
fn interfaces(text: &str) -> Vec<Interface> {
    let lines = text.lines().skip(2).filter_map(|line| line.split_once(':'));
    lines
        .filter(|(name, _)| name.trim() != "lo")
        .map(|(name, numbers)| {
            let numbers: Vec<u64> = numbers
                .split_ascii_whitespace()
                .map(|n| n.parse().unwrap_or(0))
                .collect();
            let way = |at: usize| {
                let number = |n: usize| numbers.get(at + n).copied().unwrap_or(0);
                Way {
                    bytes: number(0),
                    packets: number(1),
                    errors: number(2),
                    dropped: number(3),
                }
            };
            Interface {
                name: name.trim().to_owned(),
                received: way(0),
                sent: way(8),
            }
        })
        .collect()
}

fn shown(
    (id, name): (&str, &str),
    sample: &Sample,
    before: Option<&Sample>,
    interfaces: &[Interface],
) -> Value {
    let usage = &sample.usage;
    let file_cache = usage.memory_bytes.saturating_sub(usage.working_set_bytes);
    let mut memory = json!({
        "usage": usage.memory_bytes,
        "stats": { "inactive_file": file_cache, "total_inactive_file": file_cache },
    });
    if let Some(limit) = usage.memory_limit_bytes {
        memory["limit"] = limit.into();
    }
    let mut stats = json!({
        "id": id,
        "name": name,
        "read": sample.read.rfc3339(),
        "preread": before.map_or_else(|| NEVER.to_owned(), |b| b.read.rfc3339()),
        "pids_stats": { "current": usage.pids },
        "cpu_stats": cpu(sample),
        "precpu_stats": before.map_or_else(|| json!({ "cpu_usage": { "total_usage": 0 } }), cpu),
        "memory_stats": memory,
        "blkio_stats": {},
        "storage_stats": {},
    });
    if interfaces.is_empty() {
        return stats;
    }
    let mut networks = Map::new();
    for interface in interfaces {
        let (received, sent) = (interface.received, interface.sent);
        let counted = json!({
            "rx_bytes": received.bytes,
            "rx_packets": received.packets,
            "rx_errors": received.errors,
            "rx_dropped": received.dropped,
            "tx_bytes": sent.bytes,
            "tx_packets": sent.packets,
            "tx_errors": sent.errors,
            "tx_dropped": sent.dropped,
        });
        networks.insert(interface.name.clone(), counted);
    }
    stats["networks"] = networks.into();
    if let Some(rates) = before.and_then(|before| rates(before, sample)) {
        stats["network_rate_stats"] = rates;
    }
    stats
}

fn cpu(sample: &Sample) -> Value {
    json!({
        "cpu_usage": { "total_usage": sample.usage.cpu_nanos },
        "system_cpu_usage": sample.host.nanos,
        "online_cpus": sample.host.cpus,
    })
}

/// What came and went a second since the look before.
fn rates(before: &Sample, now: &Sample) -> Option<Value> {
    let seconds = now.read.since(before.read).as_secs_f64();
    let ((received_before, sent_before), (received, sent)) = (before.traffic?, now.traffic?);
    if seconds <= 0.0 {
        return None;
    }
    #[allow(clippy::cast_precision_loss, reason = "a rate is shown, not counted")]
    let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
    Some(json!({
        "rx_bytes_per_sec": rate(received, received_before),
        "tx_bytes_per_sec": rate(sent, sent_before),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_time_is_that_of_all_processors() {
        let text =
            "cpu  10 0 20 30 0 0 0 0 5 5\ncpu0 5 0 10 15 0 0 0 0 0 0\ncpu1 5 0 10 15\nintr 1\n";
        let host = host_time(text);
        assert_eq!((host.nanos, host.cpus), (600_000_000, 2));
    }

    #[test]
    fn a_second_look_has_rates() {
        let text = "a\nb\n lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n eth0: 1000 4 0 0 0 0 0 0 70 5 1 2 0 0 0 0\n";
        let interfaces = interfaces(text);
        assert_eq!(interfaces.len(), 1);
        assert_eq!(
            interfaces[0].sent,
            Way {
                bytes: 70,
                packets: 5,
                errors: 1,
                dropped: 2
            }
        );
        let at = |millis: i64, traffic| Sample {
            read: Timestamp::from_millis(millis),
            usage: Usage::default(),
            host: HostTime::default(),
            traffic: Some(traffic),
        };
        let (before, now) = (at(1_000, (0, 0)), at(3_000, (1000, 70)));
        let first = shown(("id", "app"), &before, None, &interfaces);
        assert_eq!(first["preread"], NEVER);
        assert!(first.get("network_rate_stats").is_none());
        let second = shown(("id", "app"), &now, Some(&before), &interfaces);
        assert_eq!(second["network_rate_stats"]["rx_bytes_per_sec"], 500.0);
    }
}
