//! The condition keys that policies ask for, as they write them
//! (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetContextKeysForCustomPolicy.html>).

use super::simulate::principal_policies;
use crate::call::View;
use crate::document;
use neargate_api_iam as api;
use neargate_service::AwsError;
use serde_json::Value;
use std::collections::BTreeMap;

/// Keys in the order of their names, each once whatever its case.
#[derive(Debug, Default)]
pub struct Keys(BTreeMap<String, String>);

impl Keys {
    /// Adds those of a policy.
    pub fn add(&mut self, policy: &str) {
        let Ok(policy) = serde_json::from_str::<Value>(policy) else {
            return;
        };
        match &policy["Statement"] {
            Value::Array(all) => all.iter().for_each(|one| self.of_statement(one)),
            one => self.of_statement(one),
        }
    }

    fn of_statement(&mut self, statement: &Value) {
        for resources in [&statement["Resource"], &statement["NotResource"]] {
            self.of_variables(resources);
        }
        let Some(operators) = statement["Condition"].as_object() else {
            return;
        };
        for tests in operators.values().filter_map(Value::as_object) {
            for (key, values) in tests {
                self.insert(key);
                self.of_variables(values);
            }
        }
    }

    /// `${aws:username}`, or with what stands for it where there is none.
    fn of_variables(&mut self, value: &Value) {
        match value {
            Value::Array(all) => all.iter().for_each(|one| self.of_variables(one)),
            Value::String(text) => {
                let variables = text.split("${").skip(1);
                for variable in variables.filter_map(|v| v.split('}').next()) {
                    let key = variable.split(',').next().unwrap_or_default().trim();
                    if key.contains(':') {
                        self.insert(key);
                    }
                }
            }
            _ => {}
        }
    }

    fn insert(&mut self, key: &str) {
        self.0
            .entry(key.to_lowercase())
            .or_insert_with(|| key.to_owned());
    }

    pub fn names(self) -> Vec<String> {
        self.0.into_values().collect()
    }
}

pub fn get_context_keys_for_custom_policy(
    _: &View,
    input: api::GetContextKeysForCustomPolicyInput,
) -> Result<api::GetContextKeysForPolicyResponse, AwsError> {
    let mut keys = Keys::default();
    for policy in &input.policy_input_list {
        document::check_identity(policy)?;
        keys.add(policy);
    }
    Ok(api::GetContextKeysForPolicyResponse {
        context_key_names: Some(keys.names()),
    })
}

pub fn get_context_keys_for_principal_policy(
    view: &View,
    input: api::GetContextKeysForPrincipalPolicyInput,
) -> Result<api::GetContextKeysForPolicyResponse, AwsError> {
    let mut keys = Keys::default();
    for (_, policy) in principal_policies(view, &input.policy_source_arn)?.identity {
        keys.add(&policy);
    }
    for policy in &input.policy_input_list.unwrap_or_default() {
        document::check_identity(policy)?;
        keys.add(policy);
    }
    Ok(api::GetContextKeysForPolicyResponse {
        context_key_names: Some(keys.names()),
    })
}
