//! Stack policies: which resources an update may change. Pure
//! (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/protect-stack-resources.html>).

use crate::template::text_of;
use neargate_service::wildcard::Wildcards;
use serde_json::Value;

/// A resource that an update is about to change.
#[derive(Debug, Clone, Copy)]
pub struct Touched<'a> {
    pub logical_id: &'a str,
    pub kind: &'a str,
    /// `Update:Modify`, `Update:Replace` or `Update:Delete`.
    pub action: &'a str,
}

/// Is it a policy?
///
/// # Errors
/// AWS's sentences.
pub fn check(text: &str) -> Result<(), String> {
    let wrong = |why: &str| Err(format!("Error validating stack policy: {why}"));
    let Ok(policy) = serde_json::from_str::<Value>(text) else {
        return wrong("Invalid stack policy");
    };
    let Some(Value::Array(statements)) = policy.get("Statement") else {
        return wrong("Invalid stack policy");
    };
    for statement in statements {
        let effect = statement.get("Effect").and_then(Value::as_str);
        if !matches!(effect, Some("Allow" | "Deny")) {
            return wrong("Statement must have Effect Allow or Deny");
        }
        if statement.get("Principal").is_none_or(|p| p != "*") {
            return wrong("Statement must have Principal \"*\"");
        }
        let has =
            |one: &str, other: &str| statement.get(one).is_some() != statement.get(other).is_some();
        if !has("Action", "NotAction") || !has("Resource", "NotResource") {
            return wrong("Statement must have an Action and a Resource");
        }
        let known = [
            "Effect",
            "Principal",
            "Action",
            "NotAction",
            "Resource",
            "NotResource",
            "Condition",
            "Sid",
        ];
        if let Some(unknown) = statement
            .as_object()
            .and_then(|s| s.keys().find(|k| !known.contains(&k.as_str())))
        {
            return wrong(&format!("Unknown field {unknown}"));
        }
        if statement.get("Condition").is_some_and(|c| !is_condition(c)) {
            return wrong("Condition must be StringEquals or StringLike of ResourceType");
        }
    }
    Ok(())
}

fn is_condition(of: &Value) -> bool {
    of.as_object().is_some_and(|map| {
        map.iter().all(|(operator, of)| {
            matches!(operator.as_str(), "StringEquals" | "StringLike")
                && of
                    .as_object()
                    .is_some_and(|of| of.keys().all(|key| key == "ResourceType"))
        })
    })
}

/// # Errors
/// AWS's sentence, when the policy does not let it. Once there is a policy, what it does not allow is denied.
pub fn may(policy: Option<&str>, touched: Touched<'_>) -> Result<(), String> {
    let Some(policy) = policy.and_then(|text| serde_json::from_str::<Value>(text).ok()) else {
        return Ok(());
    };
    let statements = policy
        .get("Statement")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let mut allowed = false;
    for (number, statement) in statements.iter().enumerate() {
        if !concerns(statement, touched) {
            continue;
        }
        if statement.get("Effect").is_some_and(|e| e == "Deny") {
            return Err(format!(
                "Action denied by stack policy: Statement [#{}] denies [{}] for resource [LogicalResourceId/{}]",
                number + 1,
                touched.action,
                touched.logical_id
            ));
        }
        allowed = true;
    }
    match allowed {
        true => Ok(()),
        false => Err(format!(
            "Action not allowed by stack policy: no statement allows [{}] for resource [LogicalResourceId/{}]",
            touched.action, touched.logical_id
        )),
    }
}

fn concerns(statement: &Value, touched: Touched<'_>) -> bool {
    let any = |of: &Value, text: &str, ignore_case: bool| {
        let all = of.as_array().cloned().unwrap_or_else(|| vec![of.clone()]);
        all.iter().any(|pattern| {
            let pattern = text_of(pattern);
            match ignore_case {
                true => {
                    Wildcards::StarAndOne.matches(&pattern.to_lowercase(), &text.to_lowercase())
                }
                false => Wildcards::StarAndOne.matches(&pattern, text),
            }
        })
    };
    let resource = format!("LogicalResourceId/{}", touched.logical_id);
    let side = |yes: &str, no: &str, text: &str, ignore_case: bool| match (
        statement.get(yes),
        statement.get(no),
    ) {
        (Some(of), _) => any(of, text, ignore_case),
        (None, Some(of)) => !any(of, text, ignore_case),
        (None, None) => false,
    };
    let conditions = statement.get("Condition").and_then(Value::as_object);
    let fits = conditions.into_iter().flatten().all(|(operator, of)| {
        let kinds = of.get("ResourceType").cloned().unwrap_or_default();
        match operator.as_str() {
            "StringLike" => any(&kinds, touched.kind, false),
            _ => {
                let all = kinds
                    .as_array()
                    .cloned()
                    .unwrap_or_else(|| vec![kinds.clone()]);
                all.iter().any(|kind| kind == touched.kind)
            }
        }
    });
    fits && side("Action", "NotAction", touched.action, true)
        && side("Resource", "NotResource", &resource, false)
}
