//! "Parameter Store Change"
//! (<https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-cwe.html>).

use crate::model::Parameter;
use crate::name;
use neargate_service::events::Event;
use neargate_service::{House, Scope, Tx};
use serde_json::json;

const SOURCE: &str = "aws.ssm";
const DETAIL_TYPE: &str = "Parameter Store Change";

/// What happened to a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Create,
    Update,
    Delete,
    LabelParameterVersion,
}

/// Tells that the transaction does this.
pub(crate) fn posted(
    tx: Tx,
    house: &House,
    scope: &Scope,
    parameter: &Parameter,
    change: Change,
) -> Tx {
    house.events.post(tx, scope, SOURCE, DETAIL_TYPE, || {
        let newest = parameter.newest();
        let mut detail = json!({
            "operation": format!("{change:?}"),
            "name": parameter.name,
            "type": newest.value.kind(),
        });
        if let Some(description) = &newest.description {
            detail["description"] = description.as_str().into();
        }
        let resources = vec![name::arn(scope, &parameter.name)];
        Event::new(house, SOURCE, DETAIL_TYPE, resources, detail)
    })
}
