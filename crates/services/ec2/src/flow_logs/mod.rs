//! Flow logs (<https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs.html>): what hosts see of flows
//! ([`neargate_domain::flow`]) becomes records of the logs that are about them, and these are delivered when
//! the aggregation interval of a log is over.
//!
//! What is not delivered yet is in memory: after a restart the first interval of each log says `SKIPDATA`
//! where it would have said that there was nothing.

pub(crate) mod deliver;
pub(crate) mod format;
#[cfg(test)]
mod tests;

use crate::model::{FlowLog, Tagged};
use crate::networks::Networks;
use format::{Line, Status};
use neargate_base::Timestamp;
use neargate_domain::flow::{Flow, FlowEnds, FlowReport};
use neargate_service::eni::Interface;
use neargate_service::vpc::{Subnet, Vpc};
use neargate_service::{AwsError, Committed, House, Resource, Scope, Stored, db};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

/// Between two looks at what is over.
const TICK: Duration = Duration::from_secs(5);
/// The most flows of one interval of a log: more are missing, and it says so.
const MOST_FLOWS: usize = 100_000;
/// The most that waits for the next tick.
const MOST_TOLD: usize = 4_096;

/// Where an interface is: its VPC and private address.
type Place = (String, Ipv4Addr);

/// What hosts have told, and the intervals that are not over.
#[derive(Debug, Default)]
pub struct FlowLogs {
    told: Mutex<Vec<FlowReport>>,
    windows: tokio::sync::Mutex<Windows>,
}

#[derive(Debug, Default)]
struct Windows {
    /// By the key of the log's record.
    of: BTreeMap<String, Window>,
    /// This process has looked before.
    began: bool,
}

/// One aggregation interval of a log.
#[derive(Debug)]
struct Window {
    since: Timestamp,
    /// Everything from its beginning on was told to this process.
    is_whole: bool,
    flows: BTreeMap<(Place, FlowEnds, bool, bool), Flow>,
    /// The interfaces that were looked at, or that had flows.
    interfaces: BTreeMap<Place, Watched>,
}

#[derive(Debug)]
struct Watched {
    record: Interface,
    /// A host has looked at it.
    is_heard: bool,
    /// There was no room for some of its flows.
    has_lost: bool,
}

impl FlowLogs {
    /// Takes in what a host saw.
    pub fn told(&self, reports: impl IntoIterator<Item = FlowReport>) {
        let mut told = self.told.lock();
        told.extend(reports);
        let excess = told.len().saturating_sub(MOST_TOLD);
        told.drain(..excess);
    }

    pub(crate) async fn run(self: Arc<Self>, networks: Arc<Networks>, house: Arc<House>) {
        loop {
            tokio::time::sleep(TICK).await;
            if let Err(error) = self.tick(&networks, &house).await {
                tracing::warn!(%error, "flow logs are late");
            }
        }
    }

    /// Spreads what was told over the logs, and delivers the intervals that are over.
    async fn tick(&self, networks: &Networks, house: &Arc<House>) -> Result<(), AwsError> {
        let prefix = format!("{}/", FlowLog::KIND);
        let logs = house.db.list_prefix::<FlowLog>(&prefix).await?;
        let told = std::mem::take(&mut *self.told.lock());
        let mut windows = self.windows.lock().await;
        let began = std::mem::replace(&mut windows.began, true);
        let now = house.now();
        let known: BTreeSet<&str> = logs.iter().map(|log| log.key.as_str()).collect();
        windows.of.retain(|key, _| known.contains(key.as_str()));
        for log in &logs {
            let window = || Window::new(if began { log.created_at } else { now }, began);
            windows.of.entry(log.key.clone()).or_insert_with(window);
        }
        for report in told {
            take_in(&mut windows, networks, &logs, &report);
        }
        let places = windows
            .of
            .values()
            .flat_map(|w| w.interfaces.keys().cloned());
        networks.forget_logged(&places.collect());
        for log in &logs {
            let Some(window) = windows.of.get_mut(&log.key) else {
                continue;
            };
            let end = window.since + Duration::from_secs(u64::from(log.interval_seconds));
            if now < end {
                continue;
            }
            // A clock that was set, or a process that slept, does not make up for intervals.
            let late = now.since(end) > Duration::from_secs(u64::from(log.interval_seconds));
            let next = Window::new(if late { now } else { end }, true);
            let over = std::mem::replace(window, next);
            finish(networks, house, log, &over, end).await?;
        }
        Ok(())
    }
}

impl Window {
    fn new(since: Timestamp, is_whole: bool) -> Window {
        Window {
            since,
            is_whole,
            flows: BTreeMap::new(),
            interfaces: BTreeMap::new(),
        }
    }

    fn watched(&mut self, place: &Place, record: &Interface) -> &mut Watched {
        let new = || Watched {
            record: record.clone(),
            is_heard: false,
            has_lost: false,
        };
        self.interfaces.entry(place.clone()).or_insert_with(new)
    }

    fn add(&mut self, place: &Place, record: &Interface, flow: &Flow) {
        let key = (
            place.clone(),
            flow.between,
            flow.is_ingress,
            flow.is_accepted,
        );
        let is_full = self.flows.len() >= MOST_FLOWS;
        self.watched(place, record);
        match self.flows.get_mut(&key) {
            Some(same) => same.add(flow),
            None if is_full => self.watched(place, record).has_lost = true,
            None => {
                self.flows.insert(key, flow.clone());
            }
        }
    }

    /// The records of each interface, in the order of their time.
    fn lines(&self, end: Timestamp) -> Vec<(&Interface, Vec<Line<'_>>)> {
        let mut by_place: BTreeMap<&Place, Vec<Line<'_>>> = BTreeMap::new();
        for ((place, ..), flow) in &self.flows {
            by_place.entry(place).or_default().push(Line::of(flow));
        }
        let each = self.interfaces.iter().filter_map(|(place, watched)| {
            let mut lines = by_place.remove(place).unwrap_or_default();
            let is_known = self.is_whole && !watched.has_lost;
            let status = match is_known {
                true if lines.is_empty() && watched.is_heard => Some(Status::NoData),
                false => Some(Status::SkipData),
                true => None,
            };
            let said = status.map(|status| Line {
                flow: None,
                start: self.since,
                end,
                status,
            });
            lines.extend(said);
            lines.sort_by_key(|line| line.start);
            (!lines.is_empty()).then_some((&watched.record, lines))
        });
        each.collect()
    }
}

fn take_in(
    windows: &mut Windows,
    networks: &Networks,
    logs: &[Stored<FlowLog>],
    report: &FlowReport,
) {
    let logged = |address: Ipv4Addr| networks.logged(&report.vpc_id, address);
    let wants = |log: &FlowLog, flow: &Flow| match log.traffic_type.as_str() {
        "ACCEPT" => flow.is_accepted,
        "REJECT" => !flow.is_accepted,
        _ => true,
    };
    for address in &report.interfaces {
        let Some(record) = logged(*address) else {
            continue;
        };
        for log in logs.iter().filter(|log| log.is_of(&record.interface)) {
            if let Some(window) = windows.of.get_mut(&log.key) {
                let watched = window.watched(&(report.vpc_id.clone(), *address), &record);
                watched.is_heard = true;
                watched.has_lost |= !report.is_complete;
            }
        }
    }
    for flow in &report.flows {
        let Some(record) = logged(flow.interface()) else {
            continue;
        };
        let place = (report.vpc_id.clone(), flow.interface());
        let those = logs.iter().filter(|log| log.is_of(&record.interface));
        for log in those.filter(|log| wants(log, flow)) {
            if let Some(window) = windows.of.get_mut(&log.key) {
                window.add(&place, &record, flow);
            }
        }
    }
}

/// Delivers an interval that is over, and writes down whether that went well. A log whose resource is
/// gone goes, too.
async fn finish(
    networks: &Networks,
    house: &Arc<House>,
    log: &Stored<FlowLog>,
    window: &Window,
    end: Timestamp,
) -> Result<(), AwsError> {
    let Some(scope) = Scope::of_key(&log.key) else {
        return Ok(());
    };
    let lines = window.lines(end);
    let delivered = deliver::deliver(networks, house, &scope, log, &lines, end).await;
    let failure = delivered.err().map(|error| {
        tracing::warn!(flow_log = log.id(), %error, "a flow log is not delivered");
        deliver::failure(&error).to_owned()
    });
    if failure != log.failure {
        let noted = house.db.modify::<FlowLog, _>(&log.key, |log| {
            log.failure.clone_from(&failure);
            Ok(true)
        });
        noted.await?;
    }
    if !is_there(house, &scope, log).await? {
        let tags = db::key::<Tagged>(&scope, log.id());
        // Whoever changed it meanwhile is followed the next time.
        let gone = house.db.tx().within_reserve().delete(log).delete_key(tags);
        let (Committed::At(_) | Committed::Conflict) = gone.commit().await?;
    }
    Ok(())
}

async fn is_there(house: &House, scope: &Scope, log: &FlowLog) -> Result<bool, AwsError> {
    use crate::model::LoggedKind;
    let (db, id) = (&house.db, log.resource_id.as_str());
    Ok(match log.of {
        LoggedKind::Vpc => db.get::<Vpc>(scope, id).await?.is_some(),
        LoggedKind::Subnet => db.get::<Subnet>(scope, id).await?.is_some(),
        LoggedKind::Interface => db.get::<Interface>(scope, id).await?.is_some(),
    })
}
