//! `{{resolve:…}}` in properties: read when a call is made, and not kept
//! (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html>).

use crate::engine::provision::Provider;
use crate::engine::reason::Problem;
use crate::template::text_of;
use crate::types::expression::at;
use serde_json::{Value, json};
use std::collections::BTreeMap;

impl Provider<'_> {
    pub async fn dynamic(&self, mut value: Value) -> Result<Value, Problem> {
        let mut found = BTreeMap::new();
        collect(&value, &mut found);
        if found.is_empty() {
            return Ok(value);
        }
        for (reference, resolved) in &mut found {
            *resolved = self.resolved(reference).await?;
        }
        replace(&mut value, &found);
        Ok(value)
    }

    async fn resolved(&self, reference: &str) -> Result<String, Problem> {
        let malformed = || {
            Problem::new(format!(
                "Invalid dynamic reference {{{{resolve:{reference}}}}}"
            ))
        };
        let (service, rest) = reference.split_once(':').ok_or_else(malformed)?;
        match service {
            "ssm" | "ssm-secure" => {
                let input = json!({"Name": rest, "WithDecryption": service == "ssm-secure"});
                let answer = self
                    .call("ssm", "GetParameter", input)
                    .await
                    .map_err(|e| self.problem(&e))?;
                let is_secure = at(&answer, "Parameter.Type") == Some(json!("SecureString"));
                if is_secure != (service == "ssm-secure") {
                    return Err(malformed());
                }
                at(&answer, "Parameter.Value")
                    .map(|v| text_of(&v))
                    .ok_or_else(malformed)
            }
            "secretsmanager" => self.secret_value(rest).await,
            _ => Err(malformed()),
        }
    }

    /// `id:SecretString:key:stage:version`; the id may be an ARN, which has colons of its own.
    async fn secret_value(&self, of: &str) -> Result<String, Problem> {
        let (id, rest) = match of.strip_prefix("arn:") {
            None => of.split_once(':').unwrap_or((of, "")),
            Some(_) => match of.match_indices(':').nth(6) {
                Some((at, _)) => (&of[..at], &of[at + 1..]),
                None => (of, ""),
            },
        };
        let mut parts = rest.split(':');
        let (_, key) = (parts.next(), parts.next().unwrap_or_default());
        let mut input = json!({"SecretId": id});
        for (name, value) in [("VersionStage", parts.next()), ("VersionId", parts.next())] {
            if let Some(value) = value.filter(|v| !v.is_empty()) {
                input[name] = json!(value);
            }
        }
        let answer = self
            .call("secretsmanager", "GetSecretValue", input)
            .await
            .map_err(|e| self.problem(&e))?;
        let secret = at(&answer, "SecretString")
            .map(|v| text_of(&v))
            .unwrap_or_default();
        if key.is_empty() {
            return Ok(secret);
        }
        let whole: Option<Value> = serde_json::from_str(&secret).ok();
        let value = whole.as_ref().and_then(|whole| whole.get(key)).map(text_of);
        value.ok_or_else(|| {
            Problem::new(format!(
                "Could not find a value associated with JSONKey in SecretString: {key}"
            ))
        })
    }
}

const BEGIN: &str = "{{resolve:";

fn each_in(text: &str, mut see: impl FnMut(&str)) {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(BEGIN) {
        let Some((reference, after)) = after.split_once("}}") else {
            return;
        };
        see(reference);
        rest = after;
    }
}

fn collect(value: &Value, into: &mut BTreeMap<String, String>) {
    match value {
        Value::String(text) => each_in(text, |reference| {
            into.insert(reference.to_owned(), String::new());
        }),
        Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
        Value::Object(map) => map.values().for_each(|item| collect(item, into)),
        _ => {}
    }
}

fn replace(value: &mut Value, by: &BTreeMap<String, String>) {
    match value {
        Value::String(text) if text.contains(BEGIN) => {
            // One pass over what was there: what a secret says is not read as a reference.
            let (mut out, mut rest) = (String::new(), text.as_str());
            while let Some((before, after)) = rest.split_once(BEGIN) {
                let Some((reference, behind)) = after.split_once("}}") else {
                    break;
                };
                out.push_str(before);
                out.push_str(by.get(reference).map_or("", String::as_str));
                rest = behind;
            }
            out.push_str(rest);
            *text = out;
        }
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, by)),
        Value::Object(map) => map.values_mut().for_each(|item| replace(item, by)),
        _ => {}
    }
}
