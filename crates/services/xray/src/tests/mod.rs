//! Operations through their table, on an engine in a directory of the lab's.

mod groups;
mod sampling;
mod traces;

use crate::model::{Group, Policy, Rule};
use crate::{Engine, XRay};
use neargate_service::golden::check;
use neargate_service::{AwsError, Component, Service};
use neargate_testkit::Lab;
use neargate_wire::structure::OperationDef;
use std::sync::Arc;

struct Desk {
    lab: Lab,
    table: Arc<dyn Service>,
}

impl Desk {
    fn new() -> Desk {
        let lab = Lab::default();
        let engine = Engine::open(&lab.path().join("traces"), lab.clock.clone()).expect("opened");
        let table = Arc::new(XRay::new(engine)).table();
        Desk { lab, table }
    }

    async fn ask<O: OperationDef>(&self, op: O, input: O::Input) -> Result<O::Output, AwsError> {
        neargate_testkit::call(&*self.table, self.lab.cx(), op, input).await
    }
}

fn said<T: std::fmt::Debug>(refused: Result<T, AwsError>) -> String {
    let error = refused.expect_err("refused");
    format!("{} {}", error.code, error.message)
}

#[test]
fn stored_forms() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    check::<Group>(dir);
    check::<Rule>(dir);
    check::<Policy>(dir);
}
