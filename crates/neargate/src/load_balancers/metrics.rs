//! What the edge counts, as CloudWatch's metrics of load balancers
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html>,
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-cloudwatch-metrics.html>).
//!
//! The edge's counters only grow: what is told is by how much they grew since the look before.

use neargate_base::Timestamp;
use neargate_control::ControlPlane;
use neargate_domain::load_balancer::{TargetKey, TargetState};
use neargate_edge::load_balancer::{Counted, LoadBalancerStates, Totals};
use neargate_edge::process::CountedTraffic;
use neargate_service::Scope;
use neargate_service::metrics::{Datum, Observed};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How often the health of targets is told, which is there without any traffic.
const HEALTH: Duration = Duration::from_secs(20);

/// The metrics of network load balancers among those that are counted.
const OF_NETWORK: [&str; 5] = [
    "NewFlowCount",
    "ProcessedBytes",
    "RejectedFlowCount",
    "TCP_Target_Reset_Count",
    "TCP_ELB_Reset_Count",
];

/// Tells of them until the edge's keeper is gone.
pub(super) async fn publish(
    control_plane: Arc<ControlPlane>,
    mut counted: watch::Receiver<CountedTraffic>,
    states: watch::Receiver<LoadBalancerStates>,
) {
    let mut before = CountedTraffic::default();
    let mut health = tokio::time::interval(HEALTH);
    loop {
        tokio::select! {
            changed = counted.changed() => {
                if changed.is_err() {
                    return;
                }
                let now = counted.borrow_and_update().clone();
                let healthy = healthy(&states.borrow());
                let data = grown(&before, &now, &healthy, control_plane.house.now());
                put(&control_plane, data);
                before = now;
            }
            _ = health.tick() => {
                let data = of_targets(&states.borrow(), control_plane.house.now());
                put(&control_plane, data);
            }
        }
    }
}

fn put(control_plane: &ControlPlane, data: Vec<(String, Datum)>) {
    for (arn, datum) in data {
        if let Some(scope) = Scope::of_arn(&arn) {
            control_plane.house.metrics.put(&scope, datum);
        }
    }
}

/// `app/name/id`, and `targetgroup/name/id`.
fn dimension(arn: &str) -> &str {
    let resource = arn.rsplit(':').next().unwrap_or(arn);
    resource.strip_prefix("loadbalancer/").unwrap_or(resource)
}

fn is_network(load_balancer_arn: &str) -> bool {
    dimension(load_balancer_arn).starts_with("net/")
}

fn namespace(load_balancer_arn: &str) -> &'static str {
    match is_network(load_balancer_arn) {
        true => "AWS/NetworkELB",
        false => "AWS/ApplicationELB",
    }
}

/// By target group and load balancer: its healthy targets, and the others.
type Healthy = BTreeMap<(String, String), (usize, usize)>;

fn healthy(states: &LoadBalancerStates) -> Healthy {
    let mut found = Healthy::new();
    let mut seen: BTreeSet<(&str, &str, &TargetKey)> = BTreeSet::new();
    for (arn, state) in states {
        for target in &state.targets {
            let group = target.target_group_arn.as_str();
            if !seen.insert((arn, group, &target.key)) {
                continue;
            }
            let (healthy, others) = found.entry((group.to_owned(), arn.clone())).or_default();
            match target.state {
                TargetState::Healthy => *healthy += 1,
                TargetState::Unhealthy | TargetState::UnhealthyDraining => *others += 1,
                _ => {}
            }
        }
    }
    found
}

fn of_targets(states: &LoadBalancerStates, at: Timestamp) -> Vec<(String, Datum)> {
    let mut data = Vec::new();
    for ((group, arn), (healthy, others)) in healthy(states) {
        let dimensions = [
            ("TargetGroup", dimension(&group)),
            ("LoadBalancer", dimension(&arn)),
        ];
        for (name, count) in [
            ("HealthyHostCount", healthy),
            ("UnHealthyHostCount", others),
        ] {
            let datum = Datum::new(
                namespace(&arn),
                name,
                &dimensions,
                "Count",
                count as f64,
                at,
            );
            data.push((arn.clone(), datum));
        }
    }
    data
}

/// What came since `before`, with the ARN that says whose it is.
fn grown(
    before: &CountedTraffic,
    now: &CountedTraffic,
    healthy: &Healthy,
    at: Timestamp,
) -> Vec<(String, Datum)> {
    let mut data = Vec::new();
    let nothing = Totals::default();
    let mut active: BTreeMap<&str, u64> = BTreeMap::new();
    for counted in &now.all {
        // Another process begins with zero.
        let same = before.all.iter().filter(|_| before.process == now.process);
        let last = same
            .clone()
            .find(|b| b.is_of_same(counted))
            .map_or(&nothing, |b| &b.totals);
        let arn = &counted.load_balancer_arn;
        if counted.target_group_arn.is_none() {
            *active.entry(arn).or_default() += counted.totals.active_connections;
        }
        for (name, value) in &counted.totals.values {
            let more = value.saturating_sub(last.values.get(name).copied().unwrap_or(0));
            let is_told = !is_network(arn) || OF_NETWORK.contains(&name.as_str());
            if more > 0 && is_told {
                let unit = if name == "ProcessedBytes" {
                    "Bytes"
                } else {
                    "Count"
                };
                let value = Observed::One(more as f64);
                of_all_dimensions(&mut data, counted, name, unit, &value, at);
            }
        }
        if let (Some(times), false) = (response_times(last, &counted.totals), is_network(arn)) {
            of_all_dimensions(
                &mut data,
                counted,
                "TargetResponseTime",
                "Seconds",
                &times,
                at,
            );
        }
        data.extend(per_target(counted, last, healthy, at));
    }
    for (arn, connections) in active {
        let name = if is_network(arn) {
            "ActiveFlowCount"
        } else {
            "ActiveConnectionCount"
        };
        let dimensions = [("LoadBalancer", dimension(arn))];
        let datum = Datum::new(
            namespace(arn),
            name,
            &dimensions,
            "Count",
            connections as f64,
            at,
        );
        data.push((arn.to_owned(), datum));
    }
    data
}

/// A metric is there for the whole and for each of its zones.
fn of_all_dimensions(
    data: &mut Vec<(String, Datum)>,
    counted: &Counted,
    name: &str,
    unit: &str,
    value: &Observed,
    at: Timestamp,
) {
    let arn = &counted.load_balancer_arn;
    let zone = ("AvailabilityZone", counted.availability_zone.as_str());
    let mut dimensions = vec![("LoadBalancer", dimension(arn))];
    if let Some(group) = &counted.target_group_arn {
        dimensions.push(("TargetGroup", dimension(group)));
    }
    for with_zone in [false, true] {
        if with_zone {
            dimensions.push(zone);
        }
        let datum = Datum {
            value: value.clone(),
            ..Datum::new(namespace(arn), name, &dimensions, unit, 0.0, at)
        };
        data.push((arn.clone(), datum));
    }
}

/// In seconds. The values are known by buckets; their sum is right.
fn response_times(before: &Totals, now: &Totals) -> Option<Observed> {
    let more = now.response_times.iter().filter_map(|(upper, count)| {
        let before = before.response_times.get(upper).copied().unwrap_or(0);
        let more = count.saturating_sub(before);
        // In the middle of what the bucket holds.
        (more > 0).then_some((*upper as f64 / 1e6 * 0.85, more as f64))
    });
    let mut values: Vec<(f64, f64)> = more.collect();
    let guessed: f64 = values.iter().map(|(value, count)| value * count).sum();
    let sum = now.response_micros.saturating_sub(before.response_micros) as f64 / 1e6;
    if values.is_empty() || guessed <= 0.0 {
        return None;
    }
    values
        .iter_mut()
        .for_each(|(value, _)| *value *= sum / guessed);
    Some(Observed::Values(values))
}

/// `RequestCountPerTarget`: "The number of requests received per target in a target group."
fn per_target(
    counted: &Counted,
    before: &Totals,
    healthy: &Healthy,
    at: Timestamp,
) -> Vec<(String, Datum)> {
    let (arn, Some(group)) = (&counted.load_balancer_arn, &counted.target_group_arn) else {
        return Vec::new();
    };
    let requests = |totals: &Totals| totals.values.get("RequestCount").copied().unwrap_or(0);
    let more = requests(&counted.totals).saturating_sub(requests(before));
    let (targets, _) = healthy
        .get(&(group.clone(), arn.clone()))
        .copied()
        .unwrap_or((0, 0));
    if more == 0 || is_network(arn) {
        return Vec::new();
    }
    let value = more as f64 / targets.max(1) as f64;
    let (group, balancer) = (
        ("TargetGroup", dimension(group)),
        ("LoadBalancer", dimension(arn)),
    );
    let datum = |dimensions: &[(&str, &str)]| {
        let name = "RequestCountPerTarget";
        (
            arn.clone(),
            Datum::new(namespace(arn), name, dimensions, "None", value, at),
        )
    };
    vec![datum(&[group]), datum(&[group, balancer])]
}

#[cfg(test)]
mod tests {
    use super::*;

    const LB: &str = "arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/app/web/1";
    const GROUP: &str = "arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/web/2";

    fn counted(process: u64, requests: u64, times: &[(u64, u64)], micros: u64) -> CountedTraffic {
        let totals = Totals {
            values: [("RequestCount".to_owned(), requests)].into(),
            active_connections: 3,
            response_micros: micros,
            response_times: times.iter().copied().collect(),
        };
        let of = |group: Option<&str>| Counted {
            load_balancer_arn: LB.into(),
            availability_zone: "us-east-1a".into(),
            target_group_arn: group.map(str::to_owned),
            totals: totals.clone(),
        };
        CountedTraffic {
            process,
            all: vec![of(None), of(Some(GROUP))],
        }
    }

    fn told(before: &CountedTraffic, now: &CountedTraffic) -> Vec<Datum> {
        let healthy = [((GROUP.to_owned(), LB.to_owned()), (2, 0))].into();
        let data = grown(before, now, &healthy, Timestamp::default());
        data.into_iter().map(|(_, datum)| datum).collect()
    }

    fn value(data: &[Datum], name: &str, dimensions: &[&str]) -> Option<Observed> {
        let same = |datum: &&Datum| {
            let names: Vec<&str> = datum.dimensions.iter().map(|(n, _)| n.as_str()).collect();
            datum.name == name && names == dimensions
        };
        data.iter().find(same).map(|datum| datum.value.clone())
    }

    #[test]
    fn what_grew_is_told_and_another_process_begins_anew() {
        let first = counted(1, 10, &[], 0);
        let second = counted(1, 30, &[(2_000, 20)], 30_000);
        let data = told(&first, &second);
        assert_eq!(
            value(&data, "RequestCount", &["LoadBalancer"]),
            Some(Observed::One(20.0))
        );
        assert_eq!(
            value(&data, "RequestCount", &["LoadBalancer", "AvailabilityZone"]),
            Some(Observed::One(20.0))
        );
        assert_eq!(
            value(&data, "RequestCountPerTarget", &["TargetGroup"]),
            Some(Observed::One(10.0))
        );
        assert_eq!(
            value(&data, "ActiveConnectionCount", &["LoadBalancer"]),
            Some(Observed::One(3.0))
        );
        let times = value(
            &data,
            "TargetResponseTime",
            &["LoadBalancer", "TargetGroup"],
        );
        let Some(Observed::Values(values)) = times else {
            panic!("{times:?}");
        };
        let sum: f64 = values.iter().map(|(v, n)| v * n).sum();
        assert!((sum - 0.03).abs() < 1e-9);
        assert_eq!(
            value(&told(&second, &second), "RequestCount", &["LoadBalancer"]),
            None
        );
        let anew = told(&second, &counted(2, 5, &[], 0));
        assert_eq!(
            value(&anew, "RequestCount", &["LoadBalancer"]),
            Some(Observed::One(5.0))
        );
    }
}
