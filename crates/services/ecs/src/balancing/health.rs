//! A service's tasks as its load balancers find them.

use super::groups_of;
use crate::Ecs;
use crate::fleet::{Row, ServiceId};
use crate::model::Service;
use crate::plan::balancing;
use neargate_base::Timestamp;
use neargate_service::target_health::{self, TargetGroupHealth};
use neargate_service::{AwsError, House, Stored};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The tasks, and when the grace of the next one ends. Also has the service woken by what
/// edges observe of its target groups.
///
/// # Errors
/// The store's.
pub(crate) async fn judged(
    ecs: &Ecs,
    house: &House,
    id: &ServiceId,
    service: &Stored<Service>,
    rows: Vec<Arc<Row>>,
) -> Result<(Vec<Arc<Row>>, Option<Timestamp>), AwsError> {
    let arns = || {
        let targets = rows.iter().flat_map(|row| &row.targets);
        targets.map(|t| &t.target_group_arn)
    };
    ecs.balancing.note(&id.store_key(), groups_of(arns()));
    let mut health = BTreeMap::<String, TargetGroupHealth>::new();
    let mut newest = 0;
    for arn in arns() {
        if health.contains_key(arn) {
            continue;
        }
        let (scope, group) = (&id.cluster.scope, target_health::id(arn));
        let found = house.db.get::<TargetGroupHealth>(scope, group).await?;
        newest = found.as_ref().map_or(0, |of| of.revision).max(newest);
        let of = found.map(|of| of.value).unwrap_or_default();
        health.insert(arn.clone(), of);
    }
    let grace = service.spec.health_check_grace_period_seconds.unwrap_or(0);
    let grace = Duration::from_secs(u64::try_from(grace).unwrap_or(0));
    let mut ends: Option<Duration> = None;
    let judge = |row: &Arc<Row>| {
        let ran = row.running_at.map(|at| house.clock.age(at));
        let left = grace.saturating_sub(ran.unwrap_or_default());
        if row.target_groups > 0 && row.is_running() && !left.is_zero() {
            ends = Some(ends.map_or(left, |earlier| earlier.min(left)));
        }
        let turned = || {
            ecs.balancing
                .failing_since(&row.key, newest.max(row.revision))
        };
        let judged = balancing::judged(row, &health, !left.is_zero(), turned);
        if row.target_groups > 0 && judged.failing.is_none() {
            ecs.balancing.forget(&row.key);
        }
        judged
    };
    let rows = rows.iter().map(judge).collect();
    Ok((rows, ends.map(|left| house.now() + left)))
}
