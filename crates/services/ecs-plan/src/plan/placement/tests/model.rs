//! A model that looks at everything, and random histories that hold the indexes against it.

use super::*;
use crate::plan::placement::Strategy;
use proptest::prelude::{
    Just, ProptestConfig, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
};
use proptest::strategy::Strategy as Generate;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// What is told and asked, in any order.
#[derive(Debug, Clone)]
enum Step {
    Upsert(Instance),
    Remove(usize),
    Take(usize, usize, usize),
    GiveBack(usize),
    Running(usize, bool),
    Stopping(usize),
    Place(usize, usize, u64),
}

const INSTANCES: usize = 8;
const TASKS: usize = 24;

/// A task: its instance, its claim, whether it is RUNNING, whether it is to stop.
type There = (String, Arc<Claim>, bool, bool);

#[derive(Default)]
struct Model {
    instances: BTreeMap<String, Instance>,
    tasks: BTreeMap<String, There>,
}

impl Model {
    fn on<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a There> {
        self.tasks.values().filter(move |(on, ..)| on == id)
    }

    fn free(&self, i: &Instance) -> (i64, i64, i64, i64) {
        let mut free = (
            i.registered.cpu_units,
            i.registered.memory_mib,
            i.registered.gpus,
            i64::from(i.eni_slots),
        );
        for (_, claim, ..) in self.on(&i.id) {
            free.0 -= i64::from(claim.cpu_units);
            free.1 -= i64::from(claim.memory_mib);
            free.2 -= i64::from(claim.gpus);
            free.3 -= i64::from(claim.eni);
        }
        free
    }

    fn groups(&self, i: &Instance, group: &str) -> usize {
        self.on(&i.id)
            .filter(|(_, c, _, stopping)| c.group == group && !stopping)
            .count()
    }

    /// The expressions of [`requests`], said again by hand.
    fn selects(&self, i: &Instance, expression: &str) -> bool {
        let zone = i.attributes.get(ZONE).and_then(Option::as_deref);
        match expression {
            "attribute:ecs.availability-zone != z0" => zone.is_some_and(|z| z != "z0"),
            "not (task:group == g1)" => self.groups(i, "g1") == 0,
            "runningTasksCount < 2" => self.on(&i.id).filter(|(_, _, r, _)| *r).count() < 2,
            other => panic!("{other}"),
        }
    }

    fn fits(&self, i: &Instance, request: &Request) -> bool {
        let (claim, free) = (&request.claim, self.free(i));
        let enough = |needed: u32, free: i64| needed == 0 || i64::from(needed) <= free;
        let port = |port: &Port| {
            i.registered.ports.contains(port)
                || self.on(&i.id).any(|(_, c, ..)| c.ports.contains(port))
        };
        i.status == InstanceStatus::Active
            && i.agent_connected
            && i.external == request.external
            && (request.capacity_provider.is_none()
                || request.capacity_provider == i.capacity_provider)
            && request.required_attributes.iter().all(|(name, value)| {
                let own = i.attributes.get(name);
                own.is_some_and(|own| value.is_none() || own == value)
            })
            && enough(claim.cpu_units, free.0)
            && enough(claim.memory_mib, free.1)
            && enough(claim.gpus, free.2)
            && enough(u32::from(claim.eni), free.3)
            && !claim.ports.iter().any(port)
            && request.constraints.iter().all(|c| match c {
                Constraint::DistinctInstance => self.groups(i, &claim.group) == 0,
                Constraint::MemberOf(e) => self.selects(i, e.source()),
                Constraint::Zones(zones) => {
                    let zone = i.attributes.get(ZONE).cloned().flatten();
                    zone.is_some_and(|z| zones.contains(&z))
                }
            })
    }

    /// How good an instance is: smaller is better.
    fn worth(&self, i: &Instance, request: &Request) -> Vec<i64> {
        let mut path: Vec<&str> = Vec::new();
        let group = &request.claim.group;
        let mut worth = Vec::new();
        for strategy in &request.strategies {
            worth.push(match strategy {
                Strategy::Random => break,
                Strategy::Spread(SpreadBy::Instance) => self.groups(i, group) as i64,
                Strategy::Binpack(Resource::Cpu) => self.free(i).0.max(0),
                Strategy::Binpack(Resource::Memory) => self.free(i).1.max(0),
                Strategy::Spread(SpreadBy::Attribute(name)) => {
                    path.push(name);
                    let own = |i: &Instance| -> Vec<_> {
                        path.iter().map(|n| i.attributes.get(*n).cloned()).collect()
                    };
                    let same = self.instances.values().filter(|o| own(o) == own(i));
                    same.map(|o| self.groups(o, group) as i64).sum()
                }
            });
        }
        worth
    }

    fn check(&self, request: &Request, placed: &Result<InstanceId, Refusal>) {
        let fitting: Vec<_> = self
            .instances
            .values()
            .filter(|i| self.fits(i, request))
            .collect();
        match placed {
            Ok(id) => {
                let chosen = self.instances.get(id).expect("an instance");
                assert!(self.fits(chosen, request), "{id} does not fit {request:?}");
                let best = fitting.iter().map(|i| self.worth(i, request)).min();
                assert_eq!(Some(self.worth(chosen, request)), best, "{request:?}");
            }
            Err(refusal) => {
                assert!(fitting.is_empty(), "{request:?}");
                let concerned = self.instances.values().filter(|i| {
                    i.status == InstanceStatus::Active
                        && i.external == request.external
                        && (request.capacity_provider.is_none()
                            || i.capacity_provider == request.capacity_provider)
                });
                assert_eq!(refusal.considered, concerned.count());
                assert_eq!(refusal.failed.values().sum::<usize>(), refusal.considered);
                assert_eq!(refusal.nowhere().is_some(), refusal.considered == 0);
            }
        }
    }

    /// The same state told anew, in another order.
    fn retold(&self) -> Capacity {
        let mut capacity = Capacity::new();
        for (task, (on, claim, running, stopping)) in self.tasks.iter().rev() {
            capacity.take(on, task, Arc::clone(claim));
            if *stopping {
                capacity.set_stopping(task);
            }
            capacity.set_running(task, *running);
        }
        for instance in self.instances.values().rev() {
            capacity.upsert(instance.clone());
        }
        capacity
    }

    fn assert_same(&self, capacity: &Capacity) {
        let ids: Vec<_> = capacity.instances().map(|i| &i.id).collect();
        assert_eq!(ids, self.instances.keys().collect::<Vec<_>>());
        for i in self.instances.values() {
            let (left, free) = (capacity.remaining(&i.id).expect("known"), self.free(i));
            assert_eq!(
                (left.cpu_units, left.memory_mib, left.gpus),
                (free.0, free.1, free.2)
            );
            let used = self.on(&i.id).flat_map(|(_, c, ..)| c.ports.clone());
            assert_eq!(left.ports, used.chain(i.registered.ports.clone()).collect());
            let running = self.on(&i.id).filter(|(_, _, r, _)| *r).count() as u32;
            let pending = self.on(&i.id).count() as u32 - running;
            assert_eq!(capacity.counts(&i.id), Some(Counts { running, pending }));
        }
        for n in 0..TASKS {
            let task = task(n);
            let on = self.tasks.get(&task).map(|(on, ..)| on.as_str());
            assert_eq!(capacity.instance_of(&task), on);
        }
    }

    fn apply(&mut self, capacity: &mut Capacity, requests: &[Request], step: Step) {
        match step {
            Step::Upsert(instance) => {
                capacity.upsert(instance.clone());
                self.instances.insert(instance.id.clone(), instance);
            }
            Step::Remove(n) => {
                capacity.remove(&id(n));
                self.instances.remove(&id(n));
            }
            Step::Take(on, n, of) => {
                let claim = Arc::clone(&requests[of % requests.len()].claim);
                capacity.take(&id(on), &task(n), Arc::clone(&claim));
                let (running, stopping) = match self.tasks.get(&task(n)) {
                    Some((_, _, running, stopping)) => (*running, *stopping),
                    None => (false, false),
                };
                self.tasks
                    .insert(task(n), (id(on), claim, running, stopping));
            }
            Step::GiveBack(n) => {
                capacity.give_back(&task(n));
                self.tasks.remove(&task(n));
            }
            Step::Running(n, is) => {
                capacity.set_running(&task(n), is);
                if let Some((_, _, running, _)) = self.tasks.get_mut(&task(n)) {
                    *running = is;
                }
            }
            Step::Stopping(n) => {
                capacity.set_stopping(&task(n));
                if let Some((.., stopping)) = self.tasks.get_mut(&task(n)) {
                    *stopping = true;
                }
            }
            Step::Place(n, of, seed) => {
                let request = &requests[of % requests.len()];
                if let Some((on, ..)) = self.tasks.get(&task(n)) {
                    assert_eq!(capacity.place(request, &task(n), seed).as_ref(), Ok(on));
                    return;
                }
                let placed = capacity.place(request, &task(n), seed);
                self.check(request, &placed);
                // Neither the history nor a round trip leaves a trace.
                assert_eq!(self.retold().place(request, &task(n), seed), placed);
                capacity.give_back(&task(n));
                self.assert_same(capacity);
                assert_eq!(capacity.place(request, &task(n), seed), placed);
                let fitting = self.instances.values().filter(|i| self.fits(i, request));
                let fitting: Vec<_> = fitting.map(|i| i.id.clone()).collect();
                assert_eq!(self.retold().matching(request), fitting);
                if let Ok(on) = placed {
                    self.tasks
                        .insert(task(n), (on, Arc::clone(&request.claim), false, false));
                }
            }
        }
    }
}

fn id(n: usize) -> String {
    format!("i{n}")
}

fn task(n: usize) -> String {
    format!("t{n}")
}

fn instances() -> impl Generate<Value = Instance> {
    let zone = prop_oneof![Just(None), (0..3).prop_map(Some)];
    let flags = (any::<bool>(), 0..8_u8, 0..8_u8, 0..8_u8, 0..8_u8);
    (0..INSTANCES, zone, 0..5_i64, 0..5_i64, flags).prop_map(
        |(n, zone, cpu, memory, (rack, away, draining, provider, external))| {
            let mut i = instance(&id(n), "z");
            i.attributes.clear();
            if let Some(zone) = zone {
                i.attributes.insert(ZONE.into(), Some(format!("z{zone}")));
            }
            if rack {
                i.attributes.insert("rack".into(), None);
            }
            i.registered.cpu_units = cpu * 512;
            i.registered.memory_mib = memory * 512;
            i.agent_connected = away != 0;
            if draining == 0 {
                i.status = InstanceStatus::Draining;
            }
            i.capacity_provider = (provider == 0).then(|| "p".into());
            i.external = external == 0;
            i
        },
    )
}

fn requests() -> impl Generate<Value = Vec<Request>> {
    let strategy = prop_oneof![
        Just(zones()),
        Just(Strategy::Spread(SpreadBy::Attribute("rack".into()))),
        Just(Strategy::Spread(SpreadBy::Instance)),
        Just(Strategy::Binpack(Resource::Cpu)),
        Just(Strategy::Binpack(Resource::Memory)),
        Just(Strategy::Random),
    ];
    let constraint = prop_oneof![
        Just(Constraint::DistinctInstance),
        Just(member_of("attribute:ecs.availability-zone != z0")),
        Just(member_of("not (task:group == g1)")),
        Just(member_of("runningTasksCount < 2")),
        Just(Constraint::Zones(["z1".to_owned(), "z2".to_owned()].into())),
    ];
    let claims = (
        0..3_u8,
        0..3_u32,
        0..3_u32,
        0..6_u16,
        0..6_u32,
        any::<bool>(),
    );
    let one = (
        claims,
        prop::collection::vec(strategy, 0..4),
        prop::collection::vec(constraint, 0..2),
        (0..8_u8, 0..8_u8, 0..8_u8),
    )
        .prop_map(
            |((g, cpu, memory, port, gpu, eni), strategies, constraints, flags)| {
                let attribute = ("rack".to_owned(), None);
                Request {
                    claim: Arc::new(Claim {
                        group: format!("g{g}"),
                        cpu_units: cpu * 256,
                        memory_mib: memory * 256,
                        ports: (port < 2)
                            .then_some((Protocol::Tcp, 80 + port))
                            .into_iter()
                            .collect(),
                        gpus: u32::from(gpu == 0),
                        eni,
                    }),
                    required_attributes: (flags.0 == 0).then_some(attribute).into_iter().collect(),
                    constraints,
                    strategies,
                    capacity_provider: (flags.1 == 0).then(|| "p".into()),
                    external: flags.2 == 0,
                }
            },
        );
    prop::collection::vec(one, 1..4)
}

fn steps() -> impl Generate<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => instances().prop_map(Step::Upsert),
        1 => (0..INSTANCES).prop_map(Step::Remove),
        1 => (0..INSTANCES, 0..TASKS, any::<usize>()).prop_map(|(i, t, r)| Step::Take(i, t, r)),
        2 => (0..TASKS).prop_map(Step::GiveBack),
        1 => (0..TASKS).prop_map(Step::Stopping),
        2 => (0..TASKS, any::<bool>()).prop_map(|(t, is)| Step::Running(t, is)),
        8 => (0..TASKS, any::<usize>(), any::<u64>()).prop_map(|(t, r, s)| Step::Place(t, r, s)),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_history_is_what_the_model_says(
        first in prop::collection::vec(instances(), 0..INSTANCES),
        requests in requests(),
        steps in steps(),
    ) {
        let (mut capacity, mut model) = (Capacity::new(), Model::default());
        for step in first.into_iter().map(Step::Upsert).chain(steps) {
            model.apply(&mut capacity, &requests, step);
        }
        model.assert_same(&capacity);
    }

    #[test]
    fn equal_instances_are_filled_evenly(
        zones in prop::collection::vec(1..4_usize, 1..5),
        tasks in 0..40_usize,
        seed in any::<u64>(),
    ) {
        let instances = zones.iter().enumerate().flat_map(|(zone, n)| {
            (0..*n).map(move |i| {
                let mut i = instance(&format!("{zone}-{i}"), &format!("z{zone}"));
                i.registered.cpu_units = 1 << 20;
                i.registered.memory_mib = 1 << 20;
                i
            })
        });
        let mut capacity = capacity(instances);
        let asks = request(claim(), &Strategy::service_default());
        for n in 0..tasks {
            capacity.place(&asks, &task(n), seed ^ n as u64).expect("room for all");
        }
        let mut of_zone: BTreeMap<_, Vec<u32>> = BTreeMap::new();
        for i in capacity.instances() {
            let pending = capacity.counts(&i.id).expect("known").pending;
            of_zone.entry(i.attributes[ZONE].clone()).or_default().push(pending);
        }
        let even = |counts: &[u32]| {
            let (least, most) = (counts.iter().min(), counts.iter().max());
            least.zip(most).is_none_or(|(least, most)| most - least <= 1)
        };
        prop_assert!(of_zone.values().all(|counts| even(counts)));
        let sums: Vec<u32> = of_zone.values().map(|counts| counts.iter().sum()).collect();
        prop_assert!(even(&sums));
    }

    #[test]
    fn what_stops_leaves_the_balance(on in prop::collection::vec(0..6_usize, 1..6), count in 0..20_usize, seed in any::<u64>()) {
        let mut capacity = capacity((0..on.len()).map(|n| instance(&id(n), &format!("z{}", n % 3))));
        let claim = Arc::new(claim());
        let mut tasks = Vec::new();
        for (n, tasks_there) in on.iter().enumerate() {
            for t in 0..*tasks_there {
                tasks.push(format!("{n}-{t}"));
                capacity.take(&id(n), &tasks[tasks.len() - 1], Arc::clone(&claim));
            }
        }
        let names: Vec<_> = tasks.iter().map(String::as_str).collect();
        let gone = capacity.surplus(&names, &Strategy::service_default(), count, seed);
        prop_assert_eq!(gone.len(), count.min(names.len()));
        let mut zones = [0_usize; 3];
        for (n, there) in on.iter().enumerate() {
            zones[n % 3] += there;
        }
        for task in &gone {
            let n: usize = task.split('-').next().and_then(|n| n.parse().ok()).expect("its instance");
            prop_assert_eq!(zones[n % 3].cmp(zones.iter().max().expect("three")), Ordering::Equal);
            zones[n % 3] -= 1;
            capacity.give_back(task);
        }
    }
}
