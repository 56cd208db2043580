//! CloudWatch's operations, called through the table as the gateway calls them.

mod alarms;
mod metrics;
mod mutes;
mod stored;

use crate::{CloudWatch, Engine};
use neargate_service::{AwsError, Component, Service};
use neargate_testkit::{Lab, call};
use neargate_wire::structure::OperationDef;
use std::sync::Arc;

/// A CloudWatch over a lab.
struct Watch {
    lab: Lab,
    cloudwatch: Arc<CloudWatch>,
    table: Arc<dyn Service>,
}

impl Watch {
    fn new() -> Watch {
        let lab = Lab::default();
        let engine =
            Engine::open(&lab.path().join("metrics"), lab.clock.clone()).expect("it opens");
        let cloudwatch = Arc::new(CloudWatch::new(engine));
        let table = cloudwatch.clone().table();
        Watch {
            lab,
            cloudwatch,
            table,
        }
    }

    async fn ask<O: OperationDef>(&self, op: O, input: O::Input) -> Result<O::Output, AwsError> {
        call(&*self.table, self.lab.cx(), op, input).await
    }
}

fn said<T: std::fmt::Debug>(refused: Result<T, AwsError>) -> String {
    let error = refused.expect_err("refused");
    format!("{} {} {}", error.status, error.code, error.message)
}
