//! Which of a name's record sets an answer is made of
//! (<https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-how-route-53-chooses-records.html>).
//! Where nothing is healthy, everything counts as healthy.

use super::zone::RecordSet;
use neargate_base::Rng;
use neargate_domain::dns::Routing;

/// The most values of a multivalue answer.
const MOST_VALUES: usize = 8;

/// What a choice depends on besides the record sets.
pub(super) struct Around<'a> {
    pub(super) rng: &'a Rng,
    /// Where who asks is.
    pub(super) region: Option<&'a str>,
}

pub(super) fn choose<'a>(
    sets: &'a [RecordSet],
    is_healthy: &dyn Fn(&RecordSet) -> bool,
    around: &Around<'_>,
) -> Vec<&'a RecordSet> {
    let Some(first) = sets.first() else {
        return Vec::new();
    };
    if sets.len() == 1 && !matches!(first.routing, Routing::Geolocation { .. }) {
        return vec![first];
    }
    let mut candidates: Vec<&RecordSet> = sets.iter().filter(|set| is_healthy(set)).collect();
    let fails_open = candidates.is_empty();
    if fails_open {
        candidates = sets.iter().collect();
    }
    match &first.routing {
        Routing::Multivalue => {
            shuffle(&mut candidates, around.rng);
            candidates.truncate(MOST_VALUES);
            candidates
        }
        Routing::Weighted(_) => weighted(&candidates, around.rng).into_iter().collect(),
        Routing::Failover { .. } => {
            let is_primary =
                |set: &&&RecordSet| matches!(set.routing, Routing::Failover { is_primary: true });
            let primary = candidates.iter().find(is_primary);
            primary
                .or(candidates.first())
                .copied()
                .into_iter()
                .collect()
        }
        Routing::Latency(_) => {
            let here = |set: &&&RecordSet| match &set.routing {
                Routing::Latency(region) => around.region == Some(region.as_str()),
                _ => false,
            };
            let near = candidates.iter().find(here);
            near.or(candidates.first()).copied().into_iter().collect()
        }
        // Nobody knows where a private address is: it is everywhere else.
        Routing::Geolocation { .. } => {
            let is_default =
                |set: &&RecordSet| matches!(set.routing, Routing::Geolocation { is_default: true });
            candidates
                .into_iter()
                .find(is_default)
                .into_iter()
                .collect()
        }
        Routing::Simple => candidates,
    }
}

/// Those without weight count only where nothing has one.
fn weighted<'a>(candidates: &[&'a RecordSet], rng: &Rng) -> Option<&'a RecordSet> {
    let weight = |set: &RecordSet| match set.routing {
        Routing::Weighted(weight) => u64::from(weight),
        _ => 0,
    };
    let all: u64 = candidates.iter().map(|set| weight(set)).sum();
    if all == 0 {
        let count = u64::try_from(candidates.len()).unwrap_or(0).max(1);
        let at = usize::try_from(rng.below(count)).unwrap_or(0);
        return candidates.get(at).copied();
    }
    let mut left = rng.below(all);
    candidates.iter().copied().find(|set| {
        let weight = weight(set);
        let is_it = left < weight;
        left = left.saturating_sub(weight);
        is_it
    })
}

fn shuffle(sets: &mut [&RecordSet], rng: &Rng) {
    for last in (1..sets.len()).rev() {
        let count = u64::try_from(last + 1).unwrap_or(1);
        sets.swap(last, usize::try_from(rng.below(count)).unwrap_or(0));
    }
}
