//! How many tasks a REPLICA service starts and which it stops, in one step.
//!
//! "Good" tasks are those of the primary deployment that may stay; all others are on their way
//! out: tasks of earlier deployments, unhealthy ones, those on draining instances. Good ones are
//! started as far as `maximumPercent` allows; the others stop as good ones come to count as
//! healthy ([`Settling`]), or before, as far as `minimumHealthyPercent` allows, where nothing else
//! makes room
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html>).
//!
//! Invariants: a step never starts beyond the maximum, and stops no task that counts as healthy
//! when that would leave fewer of these than the minimum, and none that is well and on the way
//! there when that would leave fewer than the minimum that are well; protected tasks stop only
//! when they are unhealthy
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-scale-in-protection.html>).

use super::settling::Settling;
use crate::model::DeploymentRules;
use crate::row::Row;
use neargate_base::Timestamp;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What the deployment configuration comes to for a desired count: the minimum is rounded up,
/// the maximum down
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub desired: usize,
    pub minimum: usize,
    pub maximum: usize,
}

impl Limits {
    pub fn of(rules: &DeploymentRules, desired: usize) -> Limits {
        let percent = |n: u32| desired as u64 * u64::from(n);
        let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        Limits {
            desired,
            minimum: size(percent(rules.minimum_healthy_percent).div_ceil(100)),
            maximum: size(percent(rules.maximum_percent) / 100),
        }
    }
}

/// Which `count` of the tasks go first when there are too many.
pub type ScaleIn<'a> = &'a (dyn Fn(&[Arc<Row>], usize) -> Vec<Arc<Row>> + Send + Sync);

/// What the choice of a REPLICA service's tasks goes by.
#[derive(Debug)]
pub struct Inputs<'a> {
    /// `ecs-svc/…` of the primary.
    pub primary: &'a str,
    /// It failed: nothing is started any more.
    pub failed: bool,
    /// Container instances that are being emptied.
    pub draining: &'a BTreeSet<String>,
    /// Store keys of tasks that are to move elsewhere although nothing is wrong with them.
    pub misplaced: &'a BTreeSet<String>,
    /// The last launch found no place for every task.
    pub unplaced: bool,
    pub settling: &'a Settling,
    pub now: Timestamp,
}

/// What to do.
#[derive(Debug, Default, PartialEq)]
pub struct Choice {
    /// How many tasks of the primary to start.
    pub start: usize,
    pub stop: Vec<Arc<Row>>,
    /// The limits allow no step, and nothing is under way that would change that.
    pub stuck: bool,
}

/// Is the task kept from being stopped?
pub fn is_protected(row: &Row, now: Timestamp) -> bool {
    row.protection.is_some_and(|p| p.until > now)
}

impl Inputs<'_> {
    fn is_good(&self, row: &Row) -> bool {
        let primary = row
            .service
            .as_ref()
            .is_some_and(|link| link.deployment == self.primary);
        primary && !row.is_unhealthy() && !self.must_move(row)
    }

    fn must_move(&self, row: &Row) -> bool {
        let instance = row.container_instance.as_ref();
        instance.is_some_and(|id| self.draining.contains(id)) || self.misplaced.contains(&row.key)
    }
}

/// One step. `rows`: every task of the service.
pub fn choose(
    rows: &[Arc<Row>],
    limits: Limits,
    inputs: &Inputs<'_>,
    scale_in: ScaleIn<'_>,
) -> Choice {
    let live: Vec<&Arc<Row>> = rows.iter().filter(|row| row.is_live()).collect();
    let (good, out): (Vec<&Arc<Row>>, Vec<&Arc<Row>>) =
        live.iter().partition(|row| inputs.is_good(row));
    let counts = |row: &&&Arc<Row>| inputs.settling.counts(row);
    let mut floor = Floor {
        settling: inputs.settling,
        healthy: live.iter().filter(counts).count(),
        well: live.iter().filter(|row| row.is_well()).count(),
        minimum: limits.minimum,
        stop: Vec::new(),
    };
    if inputs.failed {
        // It launches no task any more, and the rest is left as it is unless it is too much.
        let over = live.len().saturating_sub(limits.maximum);
        floor.scale_in(&live, over, inputs.now, scale_in);
        return Choice {
            stop: floor.stop,
            ..Choice::default()
        };
    }
    floor.scale_in(
        &good,
        good.len().saturating_sub(limits.desired),
        inputs.now,
        scale_in,
    );
    let want = limits.desired.saturating_sub(good.len());
    let room = limits.maximum.saturating_sub(live.len());
    let start = want.min(room);
    let stoppable = |row: &&Arc<Row>| row.is_unhealthy() || !is_protected(row, inputs.now);
    let (running, pending): (Vec<&Arc<Row>>, Vec<&Arc<Row>>) =
        out.iter().partition(|row| row.is_running());
    let before = floor.stop.len();
    floor
        .stop
        .extend(pending.into_iter().filter(stoppable).cloned());
    let room_made = floor.stop.len() - before;
    let no_room = if inputs.unplaced { want } else { want - start };
    let held_back = no_room.saturating_sub(room_made);
    let good_healthy = good.iter().filter(counts).count();
    let surplus = (good_healthy + running.len()).saturating_sub(limits.desired);
    floor.replace(&running, surplus.max(held_back), stoppable, scale_in);
    let comes = |row: &&Arc<Row>| !row.is_running() || inputs.settling.has(row);
    let waits = live.iter().any(comes) || rows.iter().any(|r| is_leaving(r));
    Choice {
        start,
        stuck: want > 0 && start == 0 && floor.stop.is_empty() && !waits && !inputs.unplaced,
        stop: floor.stop,
    }
}

fn is_leaving(row: &Row) -> bool {
    row.is_stopping() && !row.is_stopped()
}

/// Picks tasks to stop without falling below the minimum of healthy ones.
struct Floor<'a> {
    settling: &'a Settling,
    /// How many count as healthy.
    healthy: usize,
    /// How many do, or will.
    well: usize,
    minimum: usize,
    stop: Vec<Arc<Row>>,
}

impl Floor<'_> {
    /// False when the task is needed.
    fn take(&mut self, row: &Arc<Row>) -> bool {
        let counts = self.settling.counts(row);
        let left = if counts { self.healthy } else { self.well };
        if row.is_well() && left <= self.minimum {
            return false;
        }
        self.healthy -= usize::from(counts);
        self.well -= usize::from(row.is_well());
        self.stop.push(row.clone());
        true
    }

    /// Those that do not count as healthy first: the newest that do not run yet, then those that
    /// do.
    fn scale_in(&mut self, of: &[&Arc<Row>], count: usize, now: Timestamp, scale_in: ScaleIn<'_>) {
        if count == 0 {
            return;
        }
        let free = of.iter().filter(|row| !is_protected(row, now));
        let (running, mut waiting): (Vec<&Arc<Row>>, Vec<&Arc<Row>>) =
            free.partition(|row| row.is_running());
        waiting.sort_by_key(|row| std::cmp::Reverse((row.created_at, row.key.clone())));
        let mut left = count;
        for row in waiting {
            if left > 0 && self.take(row) {
                left -= 1;
            }
        }
        let settling = self.settling;
        let counts = |row: &&Arc<Row>| settling.counts(row);
        let (counted, other): (Vec<&Arc<Row>>, Vec<&Arc<Row>>) =
            running.into_iter().partition(counts);
        for group in [other, counted] {
            let group: Vec<Arc<Row>> = group.into_iter().cloned().collect();
            for row in scale_in(&group, left.min(group.len())) {
                left -= usize::from(self.take(&row));
            }
        }
    }

    /// Up to `spare` running tasks that are on their way out, unhealthy ones first.
    fn replace(
        &mut self,
        running: &[&Arc<Row>],
        spare: usize,
        stoppable: impl Fn(&&Arc<Row>) -> bool,
        scale_in: ScaleIn<'_>,
    ) {
        let free = running.iter().copied().filter(stoppable);
        let (well, unwell): (Vec<&Arc<Row>>, Vec<&Arc<Row>>) =
            free.partition(|row| self.settling.counts(row));
        let mut left = spare;
        for row in unwell {
            if left > 0 && self.take(row) {
                left -= 1;
            }
        }
        if left == 0 || well.is_empty() {
            return;
        }
        let well: Vec<Arc<Row>> = well.into_iter().cloned().collect();
        for row in scale_in(&well, left.min(well.len())) {
            self.take(&row);
        }
    }
}

/// From the zone with the most of the tasks, and there from the instance with the most, so that
/// the balance stays
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_services.html>); the newest
/// first.
pub fn balanced(rows: &[Arc<Row>], count: usize) -> Vec<Arc<Row>> {
    use std::collections::BTreeMap;
    type Hosts<'a> = BTreeMap<&'a str, Vec<&'a Arc<Row>>>;
    if count >= rows.len() {
        return rows.to_vec();
    }
    let mut zones: BTreeMap<&str, Hosts<'_>> = BTreeMap::new();
    for row in rows {
        let host = row.container_instance.as_deref().unwrap_or_default();
        let hosts = zones.entry(&row.availability_zone).or_default();
        hosts.entry(host).or_default().push(row);
    }
    let mut sizes: BTreeSet<(usize, &str)> = BTreeSet::new();
    let mut by_host: BTreeMap<&str, BTreeSet<(usize, &str)>> = BTreeMap::new();
    for (zone, hosts) in &mut zones {
        for (host, tasks) in hosts.iter_mut() {
            tasks.sort_by(|a, b| (a.created_at, &a.key).cmp(&(b.created_at, &b.key)));
            by_host.entry(zone).or_default().insert((tasks.len(), host));
        }
        sizes.insert((hosts.values().map(Vec::len).sum(), zone));
    }
    let mut picked = Vec::with_capacity(count);
    while picked.len() < count {
        let Some((size, zone)) = sizes.pop_last() else {
            break;
        };
        let hosts = by_host.entry(zone).or_default();
        let Some((on_host, host)) = hosts.pop_last() else {
            continue;
        };
        let tasks = zones.get_mut(zone).and_then(|hosts| hosts.get_mut(host));
        if let Some(row) = tasks.and_then(Vec::pop) {
            picked.push(row.clone());
        }
        if on_host > 1 {
            hosts.insert((on_host - 1, host));
        }
        if size > 1 {
            sizes.insert((size - 1, zone));
        }
    }
    picked
}
