//! What a container instance has and has left, in ECS's words
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Resource.html>).

use crate::model::Demand;
use neargate_api_ecs as api;
use neargate_domain::{Protocol, Resources};
use std::collections::BTreeSet;

/// `registeredResources`: `PORTS` and `PORTS_UDP` are the reserved ones.
pub fn registered(all: &Resources) -> Vec<api::Resource> {
    let ports = |ports: &[u16]| ports.iter().copied().collect();
    let (tcp, udp) = (
        ports(&all.reserved_tcp_ports),
        ports(&all.reserved_udp_ports),
    );
    list(
        i64::from(all.cpu_units),
        i64::from(all.memory_mib),
        (&tcp, &udp),
        &all.gpus,
    )
}

/// `remainingResources`: `PORTS` and `PORTS_UDP` are those in use, reserved or by tasks.
/// `demands`: of the tasks that have not stopped.
pub fn remaining<'a>(
    all: &Resources,
    demands: impl Iterator<Item = &'a Demand>,
) -> Vec<api::Resource> {
    let (mut cpu, mut memory) = (i64::from(all.cpu_units), i64::from(all.memory_mib));
    let mut tcp: BTreeSet<u16> = all.reserved_tcp_ports.iter().copied().collect();
    let mut udp: BTreeSet<u16> = all.reserved_udp_ports.iter().copied().collect();
    let mut gpus = 0;
    for demand in demands {
        cpu -= i64::from(demand.cpu_units);
        memory -= i64::from(demand.memory_mib);
        gpus += usize::try_from(demand.gpus).unwrap_or(usize::MAX);
        for (protocol, port) in &demand.ports {
            match protocol {
                Protocol::Tcp => tcp.insert(*port),
                Protocol::Udp => udp.insert(*port),
            };
        }
    }
    let left = all.gpus.get(gpus..).unwrap_or_default();
    list(cpu, memory, (&tcp, &udp), left)
}

fn list(
    cpu: i64,
    memory: i64,
    (tcp, udp): (&BTreeSet<u16>, &BTreeSet<u16>),
    gpus: &[String],
) -> Vec<api::Resource> {
    let ports = |ports: &BTreeSet<u16>| ports.iter().map(u16::to_string).collect();
    let mut all = vec![
        integer("CPU", cpu),
        integer("MEMORY", memory),
        set("PORTS", ports(tcp)),
        set("PORTS_UDP", ports(udp)),
    ];
    if !gpus.is_empty() {
        all.push(set("GPU", gpus.to_vec()));
    }
    all
}

fn integer(name: &str, value: i64) -> api::Resource {
    let value = i32::try_from(value).unwrap_or(if value < 0 { i32::MIN } else { i32::MAX });
    resource(name, "INTEGER", value, None)
}

fn set(name: &str, value: Vec<String>) -> api::Resource {
    resource(name, "STRINGSET", 0, Some(value))
}

/// ECS fills in all of a resource's numbers.
fn resource(name: &str, kind: &str, integer: i32, set: Option<Vec<String>>) -> api::Resource {
    api::Resource {
        name: Some(name.into()),
        r#type: Some(kind.into()),
        double_value: Some(0.0),
        long_value: Some(0),
        integer_value: Some(integer),
        string_set_value: set,
    }
}

/// What an agent says its machine has.
///
/// # Errors
/// The name of a resource whose value cannot be.
pub fn parse(given: &[api::Resource]) -> Result<Resources, String> {
    let mut all = Resources::default();
    for resource in given {
        let name = resource.name.as_deref().unwrap_or_default();
        let integer = || {
            let value = resource.integer_value.and_then(|v| u32::try_from(v).ok());
            value.ok_or_else(|| name.to_owned())
        };
        let ports = || {
            let ports = resource.string_set_value.iter().flatten();
            let ports = ports.map(|p| p.parse::<u16>().map_err(|_| name.to_owned()));
            ports.collect::<Result<Vec<_>, _>>()
        };
        match name {
            "CPU" => all.cpu_units = integer()?,
            "MEMORY" => all.memory_mib = integer()?,
            "PORTS" => all.reserved_tcp_ports = ports()?,
            "PORTS_UDP" => all.reserved_udp_ports = ports()?,
            "GPU" => all.gpus = resource.string_set_value.clone().unwrap_or_default(),
            _ => {}
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Resources {
        Resources {
            cpu_units: 2_048,
            memory_mib: 3_900,
            reserved_tcp_ports: vec![2375, 22],
            reserved_udp_ports: vec![],
            gpus: vec!["a".into(), "b".into()],
            eni_slots: 3,
        }
    }

    #[test]
    fn what_tasks_take_is_gone() {
        let demand = Demand {
            cpu_units: 512,
            memory_mib: 4_000,
            ports: vec![(Protocol::Tcp, 80), (Protocol::Udp, 53)],
            gpus: 1,
            eni: false,
        };
        let left = remaining(&host(), std::iter::once(&demand));
        let integers: Vec<_> = left.iter().map(|r| r.integer_value.expect("set")).collect();
        assert_eq!(integers, [1_536, -100, 0, 0, 0]);
        let sets: Vec<_> = left[2..]
            .iter()
            .map(|r| r.string_set_value.clone())
            .collect();
        let strings = |s: &[&str]| Some(s.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>());
        assert_eq!(
            sets,
            [
                strings(&["22", "80", "2375"]),
                strings(&["53"]),
                strings(&["b"])
            ]
        );
    }

    #[test]
    fn what_is_registered_can_be_read_again() {
        let read = parse(&registered(&host())).expect("well formed");
        let sorted = Resources {
            reserved_tcp_ports: vec![22, 2375],
            eni_slots: 0,
            ..host()
        };
        assert_eq!(read, sorted);
        let negative = resource("CPU", "INTEGER", -1, None);
        assert_eq!(parse(&[negative]), Err("CPU".into()));
        let port = set("PORTS", vec!["70000".into()]);
        assert_eq!(parse(&[port]), Err("PORTS".into()));
    }
}
