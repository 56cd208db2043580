//! Who may send to a bus: its policy, and what `PutPermission` and `RemovePermission` make of it
//! (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-bus-perms.html>).

use crate::error;
use crate::model::Bus;
use crate::name::BusName;
use neargate_api_events as api;
use neargate_policy::{Document, Use};
use neargate_service::{AwsError, House, Scope};
use serde_json::{Value, json};

/// The longest policy.
const MOST_BYTES: usize = 10_240;
const ACTION: &str = "events:PutEvents";

/// The policy with the statement that is asked for, or the whole one that is given.
pub fn with(
    policy: Option<Value>,
    input: &api::PutPermissionInput,
    bus_arn: &str,
) -> Result<Value, AwsError> {
    let policy = match &input.policy {
        Some(text) => read(text)?,
        None => add(policy, input, bus_arn)?,
    };
    match policy.to_string().len() > MOST_BYTES {
        true => Err(AwsError::client(
            "PolicyLengthExceededException",
            "The policy exceeds the allowed size limit of 10240 bytes.",
        )),
        false => Ok(policy),
    }
}

fn read(text: &str) -> Result<Value, AwsError> {
    let wrong = |why: String| error::parameter("Policy", &why);
    let value: Value = serde_json::from_str(text).map_err(|e| wrong(e.to_string()))?;
    Document::parse_as(Use::Resource, text).map_err(|e| wrong(e.to_string()))?;
    Ok(value)
}

fn add(
    policy: Option<Value>,
    input: &api::PutPermissionInput,
    bus_arn: &str,
) -> Result<Value, AwsError> {
    let needed = |name: &str, given: &Option<String>| {
        given
            .clone()
            .ok_or_else(|| error::validation(format!("Parameter {name} must be specified.")))
    };
    let action = needed("Action", &input.action)?;
    let principal = needed("Principal", &input.principal)?;
    let sid = needed("StatementId", &input.statement_id)?;
    if action != ACTION {
        return Err(error::validation(
            "Provided value in parameter 'action' is not supported.",
        ));
    }
    let is_account = principal.len() == 12 && principal.bytes().all(|b| b.is_ascii_digit());
    let principal = match principal.as_str() {
        "*" => json!("*"),
        account if is_account => json!({ "AWS": format!("arn:aws:iam::{account}:root") }),
        _ => {
            return Err(error::validation(
                "Provided value in parameter 'principal' is not valid.",
            ));
        }
    };
    let mut statement = json!({
        "Sid": sid,
        "Effect": "Allow",
        "Principal": principal,
        "Action": action,
        "Resource": bus_arn,
    });
    if let Some(condition) = &input.condition {
        if condition.r#type != "StringEquals" || condition.key != "aws:PrincipalOrgID" {
            return Err(error::parameter(
                "Condition",
                "Only StringEquals of aws:PrincipalOrgID is supported.",
            ));
        }
        let (kind, key) = (condition.r#type.as_str(), condition.key.as_str());
        statement["Condition"] = json!({ kind: { key: condition.value } });
    }
    let mut statements = statements(policy.as_ref());
    statements.retain(|other| other["Sid"] != sid.as_str());
    statements.push(statement);
    Ok(of(statements))
}

/// The policy without a statement; `None`: nothing is left of it.
pub fn without(policy: Option<&Value>, sid: &str) -> Result<Option<Value>, AwsError> {
    let mut left = statements(policy);
    let before = left.len();
    left.retain(|statement| statement["Sid"] != sid);
    if left.len() == before {
        return Err(error::not_found(
            "Statement with the provided id does not exist.",
        ));
    }
    Ok((!left.is_empty()).then(|| of(left)))
}

fn of(statements: Vec<Value>) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

fn statements(policy: Option<&Value>) -> Vec<Value> {
    match policy.map(|policy| &policy["Statement"]) {
        Some(Value::Array(all)) => all.clone(),
        Some(Value::Object(one)) => vec![Value::Object(one.clone())],
        _ => Vec::new(),
    }
}

/// May a rule of `from` send to the bus? To one of its own account it may; another account's policy must let
/// the account.
///
/// # Errors
/// When there is no such bus, or it may not.
pub async fn admits(house: &House, from: &Scope, bus: &BusName) -> Result<(), AwsError> {
    let stored = house.db.get::<Bus>(&bus.scope, &bus.name).await?;
    let is_default = bus.name == neargate_service::events::DEFAULT_BUS;
    if stored.is_none() && !is_default {
        return Err(error::bus_not_found(&bus.name));
    }
    if from.account == bus.scope.account {
        return Ok(());
    }
    let policy = stored.and_then(|bus| bus.value.policy);
    match allows(policy.as_ref(), from) {
        true => Ok(()),
        false => Err(AwsError::client(
            "AccessDeniedException",
            format!(
                "No resource-based policy lets account {} send events to {}",
                from.account,
                bus.arn()
            ),
        )),
    }
}

/// Does a statement name the account, and ask for nothing more? What has conditions grants nothing: nobody is
/// in an organization here.
pub fn allows(policy: Option<&Value>, from: &Scope) -> bool {
    let account = from.account.as_str();
    let root = format!("arn:aws:iam::{account}:root");
    let names = |value: &Value| match value {
        Value::String(text) => text == "*" || text == account || *text == root,
        Value::Array(all) => all
            .iter()
            .any(|one| *one == account || *one == root.as_str()),
        _ => false,
    };
    statements(policy).iter().any(|statement| {
        let principal = &statement["Principal"];
        statement["Effect"] == "Allow"
            && statement.get("Condition").is_none()
            && (names(principal) || names(&principal["AWS"]))
    })
}
