//! The form of a lifecycle policy
//! (<https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_parameters.html>).

use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// # Errors
/// What is wrong with it.
pub(super) fn check(text: &str) -> Result<(), String> {
    let document: Value =
        serde_json::from_str(text).map_err(|e| format!("the text is not JSON: {e}"))?;
    let rules = document.get("rules").and_then(Value::as_array);
    let rules = rules
        .filter(|r| !r.is_empty())
        .ok_or("rules must be a list of at least one rule")?;
    let mut priorities = BTreeSet::new();
    for rule in rules {
        let rule = rule.as_object().ok_or("a rule must be an object")?;
        let priority = rule
            .get("rulePriority")
            .and_then(Value::as_u64)
            .filter(|p| *p > 0);
        let priority = priority.ok_or("rulePriority must be a whole number of at least 1")?;
        if !priorities.insert(priority) {
            return Err(format!("rulePriority {priority} is used twice"));
        }
        check_rule(rule).map_err(|why| format!("rule {priority}: {why}"))?;
    }
    Ok(())
}

fn check_rule(rule: &Map<String, Value>) -> Result<(), String> {
    known(
        rule,
        &["rulePriority", "description", "selection", "action"],
    )?;
    let action = rule
        .get("action")
        .and_then(Value::as_object)
        .ok_or("action must be an object")?;
    let kind = text(action, "type").unwrap_or_default();
    if !matches!(kind, "expire" | "transition") {
        return Err("action.type must be expire or transition".into());
    }
    let selection = rule
        .get("selection")
        .and_then(Value::as_object)
        .ok_or("selection must be an object")?;
    known(
        selection,
        &[
            "tagStatus",
            "tagPatternList",
            "tagPrefixList",
            "storageClass",
            "countType",
            "countUnit",
            "countNumber",
        ],
    )?;
    let lists = ["tagPatternList", "tagPrefixList"].map(|name| selection.get(name));
    match (text(selection, "tagStatus"), lists) {
        (Some("tagged"), [None, None] | [Some(_), Some(_)]) => {
            return Err("tagged needs one of tagPatternList and tagPrefixList".into());
        }
        (Some("tagged"), [list, other]) => {
            let words = list.or(other).and_then(Value::as_array);
            if !words.is_some_and(|w| !w.is_empty() && w.iter().all(Value::is_string)) {
                return Err("a tag list must hold at least one string".into());
            }
        }
        (Some("untagged" | "any"), [None, None]) => {}
        (Some("untagged" | "any"), _) => return Err("only tagged takes a tag list".into()),
        _ => return Err("tagStatus must be tagged, untagged or any".into()),
    }
    if selection
        .get("countNumber")
        .and_then(Value::as_u64)
        .is_none_or(|n| n == 0)
    {
        return Err("countNumber must be a whole number of at least 1".into());
    }
    let unit = selection.get("countUnit");
    match text(selection, "countType") {
        Some("imageCountMoreThan") if unit.is_none() => Ok(()),
        Some("imageCountMoreThan") => Err("imageCountMoreThan takes no countUnit".into()),
        Some("sinceImagePushed" | "sinceImagePulled" | "sinceImageTransitioned")
            if unit.and_then(Value::as_str) == Some("days") =>
        {
            Ok(())
        }
        Some("sinceImagePushed" | "sinceImagePulled" | "sinceImageTransitioned") => {
            Err("countUnit must be days".into())
        }
        _ => Err("countType must be imageCountMoreThan, sinceImagePushed, sinceImagePulled or sinceImageTransitioned".into()),
    }
}

fn known(object: &Map<String, Value>, names: &[&str]) -> Result<(), String> {
    match object.keys().find(|k| !names.contains(&k.as_str())) {
        Some(key) => Err(format!("unknown property {key}")),
        None => Ok(()),
    }
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::check;
    use serde_json::{Value, json};

    fn policy(selection: Value) -> String {
        json!({ "rules": [{ "rulePriority": 1, "selection": selection, "action": { "type": "expire" } }] })
            .to_string()
    }

    #[test]
    fn forms() {
        for good in [
            json!({ "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 3 }),
            json!({ "tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 14 }),
            json!({ "tagStatus": "tagged", "tagPrefixList": ["v"], "countType": "imageCountMoreThan", "countNumber": 1 }),
        ] {
            assert_eq!(check(&policy(good)), Ok(()));
        }
        for bad in [
            json!({ "tagStatus": "tagged", "countType": "imageCountMoreThan", "countNumber": 3 }),
            json!({ "tagStatus": "any", "tagPrefixList": ["v"], "countType": "imageCountMoreThan", "countNumber": 3 }),
            json!({ "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 0 }),
            json!({ "tagStatus": "any", "countType": "sinceImagePushed", "countNumber": 1 }),
            json!({ "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 3, "x": 1 }),
        ] {
            assert!(check(&policy(bad.clone())).is_err(), "{bad}");
        }
        assert!(check("{").is_err());
        assert!(check("{\"rules\":[]}").is_err());
    }
}
