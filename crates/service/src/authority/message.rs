//! The message that EC2 adds to a denial, which only `sts:DecodeAuthorizationMessage` reads
//! (<https://docs.aws.amazon.com/STS/latest/APIReference/API_DecodeAuthorizationMessage.html>).

use crate::ctx::House;
use crate::sealing::Sealed;
use neargate_policy::{Decision, Denial, Request};
use serde_json::{Value, json};

/// What messages are sealed for.
const CONTEXT: &str = "authorization message";

/// The message for a denial.
pub fn encode(house: &House, user_id: &str, request: &Request, denial: Denial) -> String {
    let said = document(user_id, request, Decision::Denied(denial));
    let sealed = house.root_key.seal(CONTEXT, said.to_string().as_bytes());
    sealed.into()
}

/// What a message says, in JSON; `None`: it is none of ours.
pub fn decode(house: &House, message: &str) -> Option<String> {
    let sealed = Sealed::try_from(message.to_owned()).ok()?;
    let plain = house.root_key.open(CONTEXT, &sealed)?;
    String::from_utf8(plain).ok()
}

fn document(user_id: &str, request: &Request, decision: Decision) -> Value {
    let conditions = request.context.iter().map(|(key, values)| {
        let values: Vec<Value> = values.iter().map(|v| json!({ "value": v })).collect();
        json!({ "key": key, "values": { "items": values } })
    });
    let conditions: Vec<Value> = conditions.collect();
    let is_explicit = matches!(decision, Decision::Denied(Denial::Explicit(_)));
    json!({
        "allowed": decision.is_allowed(),
        "explicitDeny": is_explicit,
        "matchedStatements": { "items": [] },
        "failures": { "items": [] },
        "context": {
            "principal": { "id": user_id, "arn": request.requester.arn },
            "action": request.action,
            "resource": request.resource,
            "conditions": { "items": conditions },
        },
    })
}
