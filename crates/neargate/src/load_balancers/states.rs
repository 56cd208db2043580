//! What the edge observes of load balancers and their targets, written down as it changes.

use neargate_base::backoff::Backoff;
use neargate_control::ControlPlane;
use neargate_domain::load_balancer::{TargetHealth, TargetKey};
use neargate_edge::load_balancer::LoadBalancerStates;
use neargate_elbv2::edges;
use neargate_service::AwsError;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

const AGAIN_FIRST: Duration = Duration::from_millis(50);
const AGAIN_MAX: Duration = Duration::from_secs(5);

/// What was written down last.
#[derive(Default)]
struct Written {
    /// By ARN.
    carried: HashMap<String, Result<(), String>>,
    targets: HashMap<(String, TargetKey), TargetHealth>,
}

pub(super) async fn report(
    control_plane: Arc<ControlPlane>,
    mut states: watch::Receiver<LoadBalancerStates>,
) {
    let mut written = Written::default();
    let mut backoff = Backoff::new(AGAIN_FIRST, AGAIN_MAX);
    loop {
        let now = states.borrow_and_update().clone();
        match write(&control_plane, &now, &mut written).await {
            Ok(()) => {
                backoff.reset();
                if states.changed().await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "what the edge observes cannot be stored");
                tokio::time::sleep(backoff.next_delay(&control_plane.house.rng)).await;
            }
        }
    }
}

async fn write(
    control_plane: &ControlPlane,
    now: &LoadBalancerStates,
    written: &mut Written,
) -> Result<(), AwsError> {
    let house = &control_plane.house;
    written.carried.retain(|arn, _| now.contains_key(arn));
    let mut news = Vec::new();
    let mut targets = HashMap::new();
    for (arn, state) in now {
        let carried = match (state.is_listening, state.problems.is_empty()) {
            (true, _) => Some(Ok(())),
            (false, false) => Some(Err(state.problems.join("; "))),
            // It is being opened.
            (false, true) => None,
        };
        if let Some(carried) = carried.filter(|carried| written.carried.get(arn) != Some(carried)) {
            edges::set_state(house, arn, carried.clone()).await?;
            written.carried.insert(arn.clone(), carried);
        }
        for target in &state.targets {
            let key = (target.target_group_arn.clone(), target.key.clone());
            if written.targets.get(&key) != Some(target) {
                news.push(target.clone());
            }
            targets.insert(key, target.clone());
        }
    }
    edges::report(house, news).await?;
    written.targets = targets;
    Ok(())
}
