//! The text of a lifecycle policy
//! (<https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_parameters.html>).

use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The most wildcards in one pattern of `tagPatternList`.
const MAX_WILDCARDS: usize = 4;

/// A policy's rules, the first priority first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub rules: Vec<Rule>,
}

/// Which images expire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub priority: i32,
    pub tags: TagStatus,
    pub count: Count,
}

/// Which images a rule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagStatus {
    Any,
    Untagged,
    /// Each pattern, in which `*` stands for any text, covers one of the image's tags.
    Tagged(Vec<String>),
}

/// Which of them expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// All but so many, the newest.
    MoreThan(usize),
    /// Those that were pushed so many days ago.
    DaysSincePushed(i64),
    /// Those that were last pulled, or else pushed, so many days ago.
    DaysSincePulled(i64),
}

impl Policy {
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Policy, String> {
        let document: Value =
            serde_json::from_str(text).map_err(|e| format!("the text is not JSON: {e}"))?;
        let rules = document.get("rules").and_then(Value::as_array);
        let rules = rules
            .filter(|r| !r.is_empty())
            .ok_or("rules must be a list of at least one rule")?;
        let mut parsed = Vec::with_capacity(rules.len());
        let mut priorities = BTreeSet::new();
        for rule in rules {
            let rule = rule.as_object().ok_or("a rule must be an object")?;
            let priority = whole(rule, "rulePriority")
                .ok_or("rulePriority must be a whole number of at least 1")?;
            if !priorities.insert(priority) {
                return Err(format!("rulePriority {priority} is used twice"));
            }
            let of_rule = |why| format!("rule {priority}: {why}");
            let (tags, count) = parse_rule(rule).map_err(of_rule)?;
            parsed.push(Rule {
                priority,
                tags,
                count,
            });
        }
        parsed.sort_by_key(|rule| rule.priority);
        for (status, name) in [(TagStatus::Any, "any"), (TagStatus::Untagged, "untagged")] {
            if parsed.iter().filter(|rule| rule.tags == status).count() > 1 {
                return Err(format!("only one rule may have the tagStatus {name}"));
            }
        }
        let last = parsed.len() - 1;
        if parsed[..last]
            .iter()
            .any(|rule| rule.tags == TagStatus::Any)
        {
            return Err("the rule of the tagStatus any must have the highest rulePriority".into());
        }
        Ok(Policy { rules: parsed })
    }
}

fn parse_rule(rule: &Map<String, Value>) -> Result<(TagStatus, Count), String> {
    known(
        rule,
        &["rulePriority", "description", "selection", "action"],
    )?;
    let action = object(rule, "action")?;
    match text(action, "type") {
        Some("expire") => {}
        Some("transition") => {
            return Err("action.type transition: images are not archived here".into());
        }
        _ => return Err("action.type must be expire or transition".into()),
    }
    let selection = object(rule, "selection")?;
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
    Ok((tag_status(selection)?, count(selection)?))
}

fn tag_status(selection: &Map<String, Value>) -> Result<TagStatus, String> {
    let lists = ["tagPatternList", "tagPrefixList"].map(|name| selection.get(name));
    match (text(selection, "tagStatus"), lists) {
        (Some("tagged"), [None, None] | [Some(_), Some(_)]) => {
            Err("tagged needs one of tagPatternList and tagPrefixList".into())
        }
        (Some("tagged"), [patterns, prefixes]) => {
            let words = patterns.or(prefixes).and_then(Value::as_array);
            let words: Option<Vec<&str>> =
                words.and_then(|w| w.iter().map(Value::as_str).collect());
            let words = words.filter(|w| !w.is_empty());
            let words = words.ok_or("a tag list must hold at least one string")?;
            if patterns.is_some() && words.iter().any(|w| w.matches('*').count() > MAX_WILDCARDS) {
                return Err(format!(
                    "a pattern may hold {MAX_WILDCARDS} wildcards at most"
                ));
            }
            let end = if patterns.is_some() { "" } else { "*" };
            let patterns = words.iter().map(|word| format!("{word}{end}"));
            Ok(TagStatus::Tagged(patterns.collect()))
        }
        (Some("untagged"), [None, None]) => Ok(TagStatus::Untagged),
        (Some("any"), [None, None]) => Ok(TagStatus::Any),
        (Some("untagged" | "any"), _) => Err("only tagged takes a tag list".into()),
        _ => Err("tagStatus must be tagged, untagged or any".into()),
    }
}

fn count(selection: &Map<String, Value>) -> Result<Count, String> {
    let number = whole(selection, "countNumber");
    let number = number.ok_or("countNumber must be a whole number of at least 1")?;
    let unit = selection.get("countUnit");
    match text(selection, "countType") {
        Some("imageCountMoreThan") if unit.is_none() => {
            Ok(Count::MoreThan(usize::try_from(number).unwrap_or_default()))
        }
        Some("imageCountMoreThan") => Err("imageCountMoreThan takes no countUnit".into()),
        Some("sinceImagePushed" | "sinceImagePulled") if unit.and_then(Value::as_str) != Some("days") => {
            Err("countUnit must be days".into())
        }
        Some("sinceImagePushed") => Ok(Count::DaysSincePushed(number.into())),
        Some("sinceImagePulled") => Ok(Count::DaysSincePulled(number.into())),
        Some("sinceImageTransitioned") => Err("countType sinceImageTransitioned: images are not archived here".into()),
        _ => Err("countType must be imageCountMoreThan, sinceImagePushed, sinceImagePulled or sinceImageTransitioned".into()),
    }
}

fn known(object: &Map<String, Value>, names: &[&str]) -> Result<(), String> {
    match object.keys().find(|k| !names.contains(&k.as_str())) {
        Some(key) => Err(format!("unknown property {key}")),
        None => Ok(()),
    }
}

fn object<'a>(
    object: &'a Map<String, Value>,
    name: &str,
) -> Result<&'a Map<String, Value>, String> {
    let found = object.get(name).and_then(Value::as_object);
    found.ok_or_else(|| format!("{name} must be an object"))
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str()
}

/// A whole number of at least one.
fn whole(object: &Map<String, Value>, name: &str) -> Option<i32> {
    let number = i32::try_from(object.get(name)?.as_i64()?).ok()?;
    (number > 0).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::Policy;
    use serde_json::{Value, json};

    fn policy(selection: Value) -> String {
        json!({ "rules": [{ "rulePriority": 1, "selection": selection, "action": { "type": "expire" } }] })
            .to_string()
    }

    fn check(text: &str) -> Result<(), String> {
        Policy::parse(text).map(drop)
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
        let any =
            json!({ "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 3 });
        let expire = json!({ "type": "expire" });
        let rule = |priority: i32, selection: &Value, action: &Value| json!({ "rulePriority": priority, "selection": selection, "action": action });
        let untagged =
            json!({ "tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 3 });
        for (rules, said) in [
            (
                vec![rule(1, &any, &expire), rule(2, &untagged, &expire)],
                "highest rulePriority",
            ),
            (
                vec![rule(1, &untagged, &expire), rule(2, &untagged, &expire)],
                "only one rule",
            ),
            (
                vec![rule(
                    1,
                    &any,
                    &json!({ "type": "transition", "targetStorageClass": "archive" }),
                )],
                "not archived here",
            ),
            (
                vec![rule(1, &any, &expire), rule(1, &untagged, &expire)],
                "used twice",
            ),
        ] {
            let why = check(&json!({ "rules": rules }).to_string()).unwrap_err();
            assert!(why.contains(said), "{why}");
        }
        assert!(check("{").is_err());
        assert!(check("{\"rules\":[]}").is_err());
    }
}
