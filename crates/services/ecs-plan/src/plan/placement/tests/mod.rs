//! Placement: tables for each part, and one model that everything is checked against.

mod filters;
mod model;
mod scale_in;
mod shares;
mod strategies;

use super::*;
use crate::plan::query::Expression;
use neargate_base::Timestamp;
use neargate_domain::Protocol;
use std::sync::Arc;

const ZONE: &str = "ecs.availability-zone";

/// 4 vCPU, 8 GiB, 2 GPUs, 3 interfaces; ports 22 and 2375 reserved.
fn instance(id: &str, zone: &str) -> Instance {
    Instance {
        id: id.into(),
        ec2_instance_id: Some(format!("i-{id}")),
        attributes: [
            (ZONE.to_owned(), Some(zone.to_owned())),
            ("ecs.instance-type".to_owned(), Some("t3.xlarge".to_owned())),
        ]
        .into(),
        registered: Resources {
            cpu_units: 4096,
            memory_mib: 8192,
            gpus: 2,
            ports: [(Protocol::Tcp, 22), (Protocol::Tcp, 2375)].into(),
        },
        eni_slots: 3,
        agent_version: "1.98.0".into(),
        registered_at: Timestamp::from_millis(0),
        status: InstanceStatus::Active,
        agent_connected: true,
        capacity_provider: None,
        external: false,
    }
}

/// A quarter of a vCPU and 512 MiB, of the group `service:web`.
fn claim() -> Claim {
    Claim {
        group: "service:web".into(),
        cpu_units: 256,
        memory_mib: 512,
        ..Claim::default()
    }
}

fn request(claim: Claim, strategies: &[Strategy]) -> Request {
    Request {
        claim: Arc::new(claim),
        strategies: strategies.to_vec(),
        ..Request::default()
    }
}

fn member_of(expression: &str) -> Constraint {
    Constraint::MemberOf(Expression::parse(expression).expect("valid"))
}

fn zones() -> Strategy {
    Strategy::Spread(SpreadBy::Attribute(ZONE.into()))
}

fn capacity(instances: impl IntoIterator<Item = Instance>) -> Capacity {
    let mut capacity = Capacity::new();
    for instance in instances {
        capacity.upsert(instance);
    }
    capacity
}

/// Places so many tasks, `t0`, `t1` ..., and says where.
fn place(capacity: &mut Capacity, request: &Request, count: usize) -> Vec<InstanceId> {
    (0..count)
        .map(|n| {
            capacity
                .place(request, &format!("t{n}"), n as u64)
                .expect("it fits")
        })
        .collect()
}
