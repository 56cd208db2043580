//! What hosts say of the load balancers that they carry: whether those listen, and how their targets
//! are.

use crate::model::{LoadBalancer, State, Target};
use crate::names::Named;
use neargate_domain::load_balancer::{TargetHealth, TargetKey, TargetState};
use neargate_service::db::{self, Committed, Stored, Tx};
use neargate_service::target_health::{self, TargetGroupHealth};
use neargate_service::{AwsError, House, Scope};
use std::collections::BTreeMap;

/// Records that one transaction writes.
const BATCH: usize = 100;

/// A host carries a load balancer, or says why it cannot. One that has been active and of which not
/// everything is carried any more is `active_impaired`. Nothing happens when it is gone.
///
/// # Errors
/// The store's.
pub async fn set_state(
    house: &House,
    arn: &str,
    carried: Result<(), String>,
) -> Result<(), AwsError> {
    let Some(scope) = Scope::of_arn(arn) else {
        return Ok(());
    };
    let Some(Named::LoadBalancer(id)) = Named::parse(&scope, arn) else {
        return Ok(());
    };
    let key = db::key::<LoadBalancer>(&scope, &id);
    let change = |of: &mut LoadBalancer| {
        let (state, problem) = match &carried {
            Ok(()) => (State::Active, None),
            Err(problem) => {
                let was_active = matches!(of.state, State::Active | State::ActiveImpaired);
                let state = match was_active {
                    true => State::ActiveImpaired,
                    false => State::Failed,
                };
                (state, Some(problem.clone()))
            }
        };
        let is_new = of.state != state || of.problem != problem;
        (of.state, of.problem) = (state, problem);
        Ok(is_new)
    };
    house.db.modify::<LoadBalancer, _>(&key, change).await?;
    Ok(())
}

/// What edges observed of targets: each replaces what was known of its target. A target that has
/// drained is gone with that. Targets that are not registered are passed over.
///
/// # Errors
/// The store's.
pub async fn report(house: &House, observed: Vec<TargetHealth>) -> Result<(), AwsError> {
    let mut groups: BTreeMap<String, Vec<TargetHealth>> = BTreeMap::new();
    for one in observed {
        let of = groups.entry(one.target_group_arn.clone()).or_default();
        of.retain(|other| other.key != one.key);
        of.push(one);
    }
    let mut left: Vec<_> = groups.into_iter().collect();
    while !left.is_empty() {
        let mut tx = house.db.tx();
        let (mut written, mut taken) = (0, 0);
        for (arn, observed) in &left {
            if taken > 0 && written + observed.len() + 1 > BATCH {
                break;
            }
            let count;
            (tx, count) = of_group(house, tx, arn, observed).await?;
            written += count;
            taken += 1;
        }
        if written == 0 {
            left.drain(..taken);
        } else if let Committed::At(_) = tx.commit().await? {
            left.drain(..taken);
        }
    }
    Ok(())
}

/// Adds what was observed of one group's targets, and how many records that writes.
async fn of_group(
    house: &House,
    mut tx: Tx,
    arn: &str,
    observed: &[TargetHealth],
) -> Result<(Tx, usize), AwsError> {
    let Some(scope) = Scope::of_arn(arn) else {
        return Ok((tx, 0));
    };
    let group = target_health::id(arn);
    let prefix = format!("{}{group}/", db::prefix::<Target>(&scope));
    let targets = house.db.list_prefix::<Target>(&prefix).await?;
    let target = |key: &TargetKey| -> Option<&Stored<Target>> {
        targets
            .iter()
            .find(|t| t.id == key.id && t.port == key.port)
    };
    let read = house.db.get::<TargetGroupHealth>(&scope, group).await?;
    let before = read.as_ref().map(|r| r.value.clone()).unwrap_or_default();
    let mut new = before.clone();
    let mut written = 0;
    for one in observed {
        new.targets.retain(|t| t.key != one.key);
        let Some(target) = target(&one.key) else {
            continue;
        };
        let is_done = one.state == TargetState::Drained && target.draining_until.is_some();
        match is_done && written < BATCH {
            true => {
                tx = tx.delete(target);
                written += 1;
            }
            false => new.targets.push(one.clone()),
        }
    }
    new.targets.retain(|t| target(&t.key).is_some());
    new.targets.sort_by(|a, b| a.key.cmp(&b.key));
    if new != before {
        written += 1;
        tx = match &read {
            Some(read) => tx.update(read, &new),
            None => tx.create(db::key::<TargetGroupHealth>(&scope, group), &new),
        };
    }
    Ok((tx, written))
}
