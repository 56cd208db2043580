//! The metrics that the platform itself observes: they come by the house's seat.

use crate::engine::{Engine, MetricKey, Record, Set};
use neargate_base::Clock;
use neargate_service::Scope;
use neargate_service::metrics::{Datum, Metrics, Observed as Value};
use std::sync::Arc;

/// Takes the seat in the house.
#[derive(Debug)]
pub struct Observed {
    engine: Arc<Engine>,
    clock: Arc<dyn Clock>,
}

impl Observed {
    pub fn new(engine: Arc<Engine>, clock: Arc<dyn Clock>) -> Observed {
        Observed { engine, clock }
    }
}

impl Metrics for Observed {
    fn put(&self, scope: &Scope, datum: Datum) {
        let set = match datum.value {
            Value::One(value) => Set::one(value),
            Value::Values(values) => {
                let mut sets = values
                    .into_iter()
                    .map(|(value, count)| Set::of(value, count));
                let Some(mut all) = sets.next() else { return };
                sets.for_each(|set| all.add(&set));
                all
            }
            Value::Many {
                sample_count,
                sum,
                minimum,
                maximum,
            } => Set::statistics(sample_count, sum, minimum, maximum),
        };
        let finite = [set.sum, set.minimum, set.maximum]
            .iter()
            .all(|n| n.is_finite());
        if !finite || set.sample_count <= 0.0 {
            return;
        }
        let mut dimensions = datum.dimensions;
        dimensions.sort();
        let key = MetricKey {
            scope: scope.clone(),
            namespace: datum.namespace,
            name: datum.name,
            dimensions,
        };
        self.engine.observe(vec![Record {
            key: Arc::new(key),
            unit: datum.unit,
            at: datum.at,
            resolution: datum.resolution,
            set,
            put_at: self.clock.now(),
        }]);
    }
}
