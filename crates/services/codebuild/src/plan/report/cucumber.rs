//! Cucumber's JSON: features of scenarios of steps. A scenario is a case.

use super::{Case, FAILED, SKIPPED, SUCCEEDED, UNKNOWN, message};
use serde_json::Value;

pub fn read(bytes: &[u8]) -> Result<Vec<Case>, String> {
    let json: Value =
        serde_json::from_slice(bytes).map_err(|e| format!("the report is no JSON: {e}"))?;
    let features = json.as_array().ok_or("the report is no list of features")?;
    let text = |of: &Value, name: &str| of[name].as_str().unwrap_or_default().to_owned();
    let list = |of: &Value, name: &str| of[name].as_array().cloned().unwrap_or_default();
    let mut cases = Vec::new();
    for feature in features {
        for scenario in list(feature, "elements") {
            if scenario["type"] == "background" {
                continue;
            }
            let steps = list(&scenario, "steps");
            let results = steps.iter().map(|step| &step["result"]);
            let has = |status: &str| {
                results.clone().any(|r| {
                    r["status"]
                        .as_str()
                        .is_some_and(|s| s.eq_ignore_ascii_case(status))
                })
            };
            let status = if has("failed") {
                FAILED
            } else if has("undefined") || has("pending") || has("ambiguous") || steps.is_empty() {
                UNKNOWN
            } else if has("skipped") {
                SKIPPED
            } else {
                SUCCEEDED
            };
            let said = results.clone().find_map(|r| r["error_message"].as_str());
            cases.push(Case {
                suite: text(feature, "name"),
                prefix: text(feature, "name"),
                name: text(&scenario, "name"),
                status,
                nanos: results
                    .filter_map(|r| r["duration"].as_i64())
                    .fold(0, i64::saturating_add),
                message: message(said.unwrap_or_default()),
            });
        }
    }
    Ok(cases)
}
