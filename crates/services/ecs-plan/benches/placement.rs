//! Placements per second of one processor, planned: no store, no API.
//!
//! `cargo bench -p neargate-ecs-plan --bench placement [-- INSTANCES...]`. Instances of three
//! sizes in three zones; each line fills the cluster to about two thirds (several services: with
//! 12,000 tasks), then replaces tasks at random (one given back, one placed) so that what is
//! measured is a cluster in use. Seeds are fixed.

use neargate_base::Timestamp;
use neargate_ecs_plan::plan::placement::{
    Capacity, Claim, Constraint, Instance, InstanceStatus, Request, Resource, Resources, SpreadBy,
    Strategy,
};
use neargate_ecs_plan::plan::query::Expression;
use std::sync::Arc;

const ZONE: &str = "ecs.availability-zone";

fn cluster(instances: u64) -> Capacity {
    let mut capacity = Capacity::new();
    for n in 0..instances {
        let (kind, vcpus) = [("m5.large", 2), ("m5.xlarge", 4), ("c5.4xlarge", 16)][n as usize % 3];
        let attribute = |name: &str, value: String| (name.to_owned(), Some(value));
        capacity.upsert(Instance {
            id: format!("{:032x}", mix(n)),
            ec2_instance_id: Some(format!("i-{n:017x}")),
            attributes: [
                attribute(
                    ZONE,
                    format!("us-east-1{}", ["a", "b", "c"][mix(n) as usize % 3]),
                ),
                attribute("ecs.instance-type", kind.to_owned()),
                attribute("ecs.os-type", "linux".to_owned()),
                attribute("rack", format!("r{}", n % 40)),
            ]
            .into(),
            registered: Resources {
                cpu_units: vcpus * 1024,
                memory_mib: vcpus * 4096,
                ..Resources::default()
            },
            eni_slots: 8,
            agent_version: "1.98.0".into(),
            registered_at: Timestamp::from_millis(0),
            status: InstanceStatus::Active,
            agent_connected: true,
            capacity_provider: None,
            external: false,
        });
    }
    capacity
}

fn request(service: usize, strategies: &[Strategy], expression: Option<&str>) -> Request {
    let member_of = |e| Constraint::MemberOf(Expression::parse(e).expect("valid"));
    Request {
        claim: Arc::new(Claim {
            group: format!("service:{service}"),
            cpu_units: 256,
            memory_mib: 512,
            ..Claim::default()
        }),
        strategies: strategies.to_vec(),
        constraints: expression.into_iter().map(member_of).collect(),
        ..Request::default()
    }
}

/// This thread's time on a processor: the same on a busy machine as on an idle one.
struct Stopwatch(f64);

impl Stopwatch {
    fn start() -> Stopwatch {
        Stopwatch(Self::seconds())
    }

    fn seconds() -> f64 {
        let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
        let nanos = stat.split(' ').next().and_then(|n| n.parse::<u64>().ok());
        nanos.expect("nanoseconds first") as f64 / 1e9
    }

    fn per_second(&self, count: u64) -> f64 {
        count as f64 / (Self::seconds() - self.0)
    }
}

fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z ^ (z >> 31)
}

/// (filling, replacing), each in placements per second; `requests` take turns.
fn measure(instances: u64, requests: &[Request]) -> (f64, f64) {
    let mut capacity = cluster(instances);
    let tasks = match requests.len() {
        1 => instances * 18,
        _ => 12_000,
    };
    let place = |capacity: &mut Capacity, n: u64, id: u64| {
        let request = &requests[n as usize % requests.len()];
        let placed = capacity.place(request, &format!("{id:032x}"), mix(n));
        assert!(placed.is_ok(), "{placed:?}");
    };
    let watch = Stopwatch::start();
    for n in 0..tasks {
        place(&mut capacity, n, n);
    }
    let filling = watch.per_second(tasks);
    let watch = Stopwatch::start();
    for n in 0..tasks {
        let id = mix(n) % tasks;
        capacity.give_back(&format!("{id:032x}"));
        place(&mut capacity, n, id);
    }
    (filling, watch.per_second(tasks))
}

/// (placements of a request never seen before, refusals), each per second.
fn measure_cold(instances: u64) -> (f64, f64) {
    const ROUNDS: u64 = 1000;
    let mut capacity = cluster(instances);
    let new: Vec<_> = (0..ROUNDS)
        .map(|n| request(n as usize, &Strategy::service_default(), None))
        .collect();
    let mut big = request(0, &[], None);
    Arc::make_mut(&mut big.claim).memory_mib = u32::MAX;
    let watch = Stopwatch::start();
    for (n, request) in new.iter().enumerate() {
        let placed = capacity.place(request, &format!("{n:032x}"), n as u64);
        assert!(placed.is_ok());
    }
    let placed = watch.per_second(ROUNDS);
    let watch = Stopwatch::start();
    for n in 0..ROUNDS {
        assert!(capacity.place(&big, "none", n).is_err());
    }
    (placed, watch.per_second(ROUNDS))
}

fn main() {
    let zones = Strategy::Spread(SpreadBy::Attribute(ZONE.into()));
    let racks = Strategy::Spread(SpreadBy::Attribute("rack".into()));
    let instance = Strategy::Spread(SpreadBy::Instance);
    let memory = Strategy::Binpack(Resource::Memory);
    let not_small = "attribute:ecs.instance-type =~ '(m5.xlarge|c5.*)' and attribute:rack != r7";
    let apart = "not (task:group == service:other) and runningTasksCount < 1000";
    let cases: &[(&str, &[Strategy], Option<&str>, usize)] = &[
        (
            "spread(az), spread(instance)",
            &[zones.clone(), instance.clone()],
            None,
            1,
        ),
        (
            "  and memberOf attributes",
            &[zones.clone(), instance.clone()],
            Some(not_small),
            1,
        ),
        (
            "  and memberOf tasks",
            &[zones.clone(), instance.clone()],
            Some(apart),
            1,
        ),
        (
            "  20 services in turn",
            &[zones.clone(), instance.clone()],
            None,
            20,
        ),
        (
            "  200 services in turn",
            &[zones.clone(), instance.clone()],
            None,
            200,
        ),
        (
            "spread(az), spread(rack), instance",
            &[zones.clone(), racks, instance.clone()],
            None,
            1,
        ),
        ("binpack(memory)", std::slice::from_ref(&memory), None, 1),
        (
            "  and memberOf attributes",
            std::slice::from_ref(&memory),
            Some(not_small),
            1,
        ),
        (
            "spread(az), binpack(memory)",
            &[zones.clone(), memory.clone()],
            None,
            1,
        ),
        ("random", &[Strategy::Random], None, 1),
        (
            "  and memberOf attributes",
            &[Strategy::Random],
            Some(not_small),
            1,
        ),
    ];
    println!(
        "{:<36} {:>10} {:>12} {:>12}",
        "placements/s", "instances", "filling", "replacing"
    );
    let given: Vec<u64> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let sizes = if given.is_empty() {
        vec![1_000, 10_000]
    } else {
        given
    };
    for instances in sizes {
        for (name, strategies, expression, services) in cases {
            let requests: Vec<_> = (0..*services)
                .map(|n| request(n, strategies, *expression))
                .collect();
            let (filling, replacing) = measure(instances, &requests);
            println!("{name:<36} {instances:>10} {filling:>12.0} {replacing:>12.0}");
        }
        let (placed, refused) = measure_cold(instances);
        println!(
            "{:<36} {instances:>10} {placed:>12.0}",
            "each a new request"
        );
        println!("{:<36} {instances:>10} {refused:>12.0}", "refusals");
    }
}
