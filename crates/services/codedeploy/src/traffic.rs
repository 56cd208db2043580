//! The actions of a listener or a rule, with the shares that two target groups have. Pure.

use serde_json::{Value, json};

/// `None`: these actions forward to neither group.
pub fn shifted(actions: &Value, blue: &str, green: &str, weight: u8) -> Option<Value> {
    let mut found = false;
    let all = actions.as_array()?.iter().map(|action| {
        if action["Type"] != "forward" || !forwards(action, blue, green) {
            return action.clone();
        }
        found = true;
        let mut forward = json!({
            "TargetGroups": [
                { "TargetGroupArn": blue, "Weight": 100 - i32::from(weight) },
                { "TargetGroupArn": green, "Weight": i32::from(weight) },
            ],
        });
        let stickiness = &action["ForwardConfig"]["TargetGroupStickinessConfig"];
        if !stickiness.is_null() {
            forward["TargetGroupStickinessConfig"] = stickiness.clone();
        }
        let mut after = json!({ "Type": "forward", "ForwardConfig": forward });
        if !action["Order"].is_null() {
            after["Order"] = action["Order"].clone();
        }
        after
    });
    let all: Vec<Value> = all.collect();
    found.then_some(Value::Array(all))
}

fn forwards(action: &Value, blue: &str, green: &str) -> bool {
    let is_one = |arn: &Value| arn == blue || arn == green;
    let groups = action["ForwardConfig"]["TargetGroups"].as_array();
    let mut groups = groups.into_iter().flatten();
    is_one(&action["TargetGroupArn"]) || groups.any(|group| is_one(&group["TargetGroupArn"]))
}
