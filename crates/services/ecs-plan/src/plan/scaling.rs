//! Managed scaling of a capacity provider's Auto Scaling group, its termination protection and its
//! draining: pure
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/managed-scaling-behavior.html>,
//! <https://aws.amazon.com/blogs/containers/deep-dive-on-amazon-ecs-cluster-auto-scaling/>).
//!
//! `CapacityProviderReservation = M / N * 100`, where N is what the group has and M what its tasks
//! need: the instances with tasks that are no daemons, and as many as those that wait would fill.
//! The group is to have so many that the reservation meets the target.

use crate::model::Demand;
use neargate_base::Timestamp;
use std::time::Duration;

/// An instance without tasks that is so young may be about to get some that wait.
const FRESH: Duration = Duration::from_secs(10);

/// What a provider asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// It scales its group.
    pub scales: bool,
    /// Percent: 1 to 100.
    pub target: u32,
    pub least_step: u32,
    pub most_step: u32,
    pub warmup: Duration,
    /// Instances with tasks are protected from scale-in.
    pub protects: bool,
    /// Instances are emptied before they end.
    pub drains: bool,
    /// How long there must be too many before the group shrinks.
    pub patience: Duration,
}

/// What an instance has to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub cpu_units: u32,
    pub memory_mib: u32,
    /// For tasks with interfaces of their own.
    pub interfaces: u32,
}

/// An instance of the group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// `i-…`.
    pub id: String,
    pub life: Life,
    pub protected: bool,
    /// `None`: it is no container instance of the provider yet.
    pub registered: Option<Registered>,
}

/// Where it is in its life, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It starts: it counts and cannot be protected.
    Starts,
    InService,
    /// It waits to end until our hook is answered.
    Waits,
    /// Standing by, or past all waiting.
    Other,
}

/// The container instance that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// The key of its record.
    pub key: String,
    pub at: Timestamp,
    pub drains: bool,
    /// Tasks that have not stopped and are no daemon's.
    pub tasks: usize,
}

/// What the planner sees.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    pub asked: Asked,
    pub desired: u32,
    pub min: u32,
    pub max: u32,
    pub machines: Vec<Machine>,
    /// What each task that waits needs.
    pub waiting: Vec<Demand>,
    /// What an instance has to give; `None`: it is not known.
    pub size: Option<Size>,
    /// Since when there are too many.
    pub low_since: Option<Timestamp>,
}

/// What to do, in this order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    pub protect: Vec<String>,
    pub unprotect: Vec<String>,
    /// The desired capacity of the group.
    pub resize: Option<u32>,
    /// Keys of container instances that take no more tasks.
    pub drain: Vec<String>,
    /// Instances that may end.
    pub release: Vec<String>,
    /// There are too many, but not for long enough.
    pub is_low: bool,
    pub wake_at: Option<Timestamp>,
}

/// `CapacityProviderReservation`, in percent. Of nothing, all is needed; where something waits, twice
/// of that.
pub fn reservation(view: &View) -> f64 {
    let counts = |m: &&Machine| matches!(m.life, Life::Starts | Life::InService);
    let has = count(view.machines.iter().filter(counts));
    let is_busy = |m: &&Machine| m.registered.as_ref().is_some_and(|r| r.tasks > 0);
    let busy = count(view.machines.iter().filter(counts).filter(is_busy));
    let needed = busy + needed(&view.waiting, view.size);
    match (needed, has) {
        (0, 0) => 100.0,
        (_, 0) => 200.0,
        (needed, has) => f64::from(needed) / f64::from(has) * 100.0,
    }
}

/// What is to be done now.
pub fn plan(view: &View, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    for machine in &view.machines {
        let busy = machine.registered.as_ref().is_some_and(|r| r.tasks > 0);
        if view.asked.protects && machine.life == Life::InService && busy && !machine.protected {
            plan.protect.push(machine.id.clone());
        }
        if machine.life == Life::Waits {
            match &machine.registered {
                Some(r) if !r.drains && view.asked.drains => plan.drain.push(r.key.clone()),
                Some(r) if r.tasks > 0 && view.asked.drains => {}
                _ => plan.release.push(machine.id.clone()),
            }
        }
    }
    if view.asked.scales {
        scale(view, now, &mut plan);
    }
    plan
}

fn scale(view: &View, now: Timestamp, plan: &mut Plan) {
    let counting = || {
        let counts = |m: &&Machine| matches!(m.life, Life::Starts | Life::InService);
        view.machines.iter().filter(counts)
    };
    let registered = || counting().filter_map(|m| Some((m, m.registered.as_ref()?)));
    let empty = || registered().filter(|(_, r)| r.tasks == 0);
    let busy = count(registered().filter(|(_, r)| r.tasks > 0));
    let waiting = needed(&view.waiting, view.size);
    // What waits does not fit on those that have been there for a while.
    let (mut useless, mut warming) = (0, 0);
    for (_, r) in empty() {
        if !view.waiting.is_empty() {
            match r.at + FRESH > now {
                true => wake(plan, r.at + FRESH),
                false => useless += 1,
            }
        }
        if r.at + view.asked.warmup > now {
            warming += 1;
            wake(plan, r.at + view.asked.warmup);
        }
    }
    let grown = for_target(busy + useless + waiting, view.asked.target).min(view.max);
    if waiting > 0 && grown > view.desired {
        let step = (grown - view.desired).clamp(view.asked.least_step, view.asked.most_step);
        plan.resize = Some((view.desired + step).min(view.max));
        return;
    }
    // Those that start were asked for a moment ago.
    let starting = count(counting().filter(|m| m.registered.is_none()));
    let kept = busy + waiting.max(warming) + starting;
    let shrunk = for_target(kept, view.asked.target).clamp(view.min, view.max);
    if shrunk >= view.desired || waiting > 0 {
        return;
    }
    plan.is_low = true;
    let since = view.low_since.unwrap_or(now);
    if since + view.asked.patience > now {
        return wake(plan, since + view.asked.patience);
    }
    if view.asked.protects {
        let less = usize::try_from(view.desired - shrunk).unwrap_or(usize::MAX);
        let mut free: Vec<_> = empty().filter(|(m, _)| m.life == Life::InService).collect();
        free.sort_by_key(|(m, r)| (m.protected, r.at));
        let protected = free.into_iter().take(less).filter(|(m, _)| m.protected);
        plan.unprotect.extend(protected.map(|(m, _)| m.id.clone()));
    }
    plan.resize = Some(shrunk);
}

fn wake(plan: &mut Plan, at: Timestamp) {
    plan.wake_at = Some(plan.wake_at.map_or(at, |earlier| earlier.min(at)));
}

fn count(of: impl Iterator) -> u32 {
    u32::try_from(of.count()).unwrap_or(u32::MAX)
}

/// How many there are when `needed` of them are the target's share.
fn for_target(needed: u32, target: u32) -> u32 {
    needed.saturating_mul(100).div_ceil(target.max(1))
}

/// How many empty instances the tasks fill, the largest first; one at least where nothing is known
/// of instances.
fn needed(waiting: &[Demand], size: Option<Size>) -> u32 {
    let Some(size) = size else {
        return u32::from(!waiting.is_empty());
    };
    let mut demands: Vec<&Demand> = waiting.iter().collect();
    demands.sort_by_key(|d| std::cmp::Reverse((d.memory_mib, d.cpu_units)));
    let mut machines: Vec<(Size, Vec<&Demand>)> = Vec::new();
    for demand in demands {
        let fits = |(left, tasks): &(Size, Vec<&Demand>)| {
            let has_port = |d: &&Demand| d.ports.iter().any(|p| demand.ports.contains(p));
            left.cpu_units >= demand.cpu_units
                && left.memory_mib >= demand.memory_mib
                && left.interfaces >= u32::from(demand.eni)
                && !tasks.iter().any(has_port)
        };
        let at = machines.iter().position(fits).unwrap_or_else(|| {
            machines.push((size, Vec::new()));
            machines.len() - 1
        });
        let (left, tasks) = &mut machines[at];
        left.cpu_units = left.cpu_units.saturating_sub(demand.cpu_units);
        left.memory_mib = left.memory_mib.saturating_sub(demand.memory_mib);
        left.interfaces = left.interfaces.saturating_sub(u32::from(demand.eni));
        tasks.push(demand);
    }
    count(machines.iter())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(10_000_000);

    fn view(desired: u32, machines: Vec<Machine>, waiting: usize) -> View {
        View {
            asked: Asked {
                scales: true,
                target: 100,
                least_step: 1,
                most_step: 10_000,
                warmup: Duration::from_secs(300),
                protects: false,
                drains: true,
                patience: Duration::from_secs(900),
            },
            desired,
            min: 0,
            max: 10,
            machines,
            waiting: vec![
                Demand {
                    cpu_units: 1_024,
                    memory_mib: 400,
                    ..Demand::default()
                };
                waiting
            ],
            size: Some(Size {
                cpu_units: 2_048,
                memory_mib: 1_900,
                interfaces: 2,
            }),
            low_since: None,
        }
    }

    fn machine(id: &str, tasks: usize) -> Machine {
        Machine {
            id: id.into(),
            life: Life::InService,
            protected: false,
            registered: Some(Registered {
                key: format!("key of {id}"),
                at: NOW.shift(-1_000_000),
                drains: false,
                tasks,
            }),
        }
    }

    fn starts(id: &str) -> Machine {
        Machine {
            life: Life::Starts,
            registered: None,
            ..machine(id, 0)
        }
    }

    #[test]
    fn a_reservation_is_what_is_needed_of_what_there_is() {
        let busy = || vec![machine("a", 1), machine("b", 0)];
        for (machines, waiting, expected) in [
            (vec![], 0, 100.0),
            (vec![], 3, 200.0),
            (busy(), 0, 50.0),
            (busy(), 4, 150.0),
        ] {
            assert_eq!(reservation(&view(2, machines, waiting)), expected);
        }
    }

    #[test]
    fn a_group_grows_by_what_waits() {
        let resized = |view: &View| plan(view, NOW).resize;
        assert_eq!(resized(&view(0, vec![], 0)), None);
        assert_eq!(resized(&view(0, vec![], 1)), Some(1));
        assert_eq!(resized(&view(0, vec![], 5)), Some(3), "two fit on one");
        assert_eq!(resized(&view(1, vec![machine("a", 2)], 1)), Some(2));
        assert_eq!(
            resized(&view(3, vec![starts("a"), starts("b"), starts("c")], 5)),
            None
        );
        assert_eq!(resized(&view(9, vec![], 99)), Some(10), "the group's most");
        let mut steps = view(0, vec![], 9);
        steps.asked.most_step = 2;
        assert_eq!(resized(&steps), Some(2));
        let mut steps = view(0, vec![], 1);
        steps.asked.least_step = 4;
        assert_eq!(resized(&steps), Some(4));
        let mut half = view(1, vec![machine("a", 2)], 1);
        half.asked.target = 50;
        assert_eq!(resized(&half), Some(4), "half of them stay free");
        let mut unknown = view(0, vec![], 3);
        unknown.size = None;
        assert_eq!(resized(&unknown), Some(1));
        let mut unmanaged = view(0, vec![], 3);
        unmanaged.asked.scales = false;
        assert_eq!(plan(&unmanaged, NOW), Plan::default());
    }

    #[test]
    fn what_is_free_is_used_first() {
        let mut fresh = machine("a", 0);
        fresh.registered.as_mut().expect("registered").at = NOW.shift(-1_000);
        let soon = plan(&view(1, vec![fresh], 1), NOW);
        assert_eq!((soon.resize, soon.wake_at), (None, Some(NOW.shift(9_000))));
        // The task does not fit there.
        assert_eq!(
            plan(&view(1, vec![machine("a", 0)], 1), NOW).resize,
            Some(2)
        );
    }

    #[test]
    fn a_group_shrinks_when_it_was_too_large_for_long() {
        let mut large = view(
            3,
            vec![machine("a", 1), machine("b", 0), machine("c", 0)],
            0,
        );
        let first = plan(&large, NOW);
        assert!(first.is_low && first.resize.is_none());
        assert_eq!(first.wake_at, Some(NOW.shift(900_000)));
        large.low_since = Some(NOW.shift(-900_000));
        assert_eq!(plan(&large, NOW).resize, Some(1));
        large.min = 2;
        assert_eq!(plan(&large, NOW).resize, Some(2));
        large.min = 0;
        large.machines[1].registered.as_mut().expect("it is").at = NOW.shift(-1_000);
        assert_eq!(plan(&large, NOW).resize, Some(2), "one of them warms up");
        large.desired = 4;
        large.machines.push(starts("d"));
        assert_eq!(plan(&large, NOW).resize, Some(3), "and one starts");
    }

    #[test]
    fn instances_with_tasks_are_protected_and_empty_ones_let_go() {
        let mut held = view(2, vec![machine("a", 1), machine("b", 0)], 0);
        held.asked.protects = true;
        held.machines[1].protected = true;
        let first = plan(&held, NOW);
        assert_eq!(
            (first.protect, first.unprotect),
            (vec!["a".to_owned()], vec![])
        );
        held.low_since = Some(NOW.shift(-900_000));
        let then = plan(&held, NOW);
        assert_eq!(
            (then.unprotect, then.resize),
            (vec!["b".to_owned()], Some(1))
        );
    }

    #[test]
    fn an_instance_is_emptied_before_it_ends() {
        let mut ending = view(1, vec![machine("a", 1)], 0);
        ending.machines[0].life = Life::Waits;
        let first = plan(&ending, NOW);
        assert_eq!(first.drain, ["key of a"]);
        assert_eq!(first.release, Vec::<String>::new());
        ending.machines[0]
            .registered
            .as_mut()
            .expect("it is")
            .drains = true;
        let then = plan(&ending, NOW);
        assert_eq!((then.drain.len(), then.release.len()), (0, 0));
        ending.machines[0].registered.as_mut().expect("it is").tasks = 0;
        assert_eq!(plan(&ending, NOW).release, ["a"]);
        ending.machines[0].registered = None;
        assert_eq!(plan(&ending, NOW).release, ["a"]);
    }
}
