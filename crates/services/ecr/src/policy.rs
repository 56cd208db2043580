//! The grammar of a repository's or the registry's policy
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>). What does
//! not follow it to the last key is no policy: a key that is misspelt would else change whom it
//! is about without a word.

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A policy that follows the grammar.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Policy {
    #[serde(rename = "Version", default)]
    _version: Option<Version>,
    #[serde(rename = "Id", default)]
    _id: Option<String>,
    statement: OneOrMany<Statement>,
}

#[derive(Debug, Deserialize)]
enum Version {
    #[serde(rename = "2008-10-17")]
    First,
    #[serde(rename = "2012-10-17")]
    Second,
}

/// What a statement does where it applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Effect {
    /// It grants.
    Allow,
    /// It denies, whatever else grants.
    Deny,
}

/// One statement; of each pair with its opposite, exactly one is there.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Statement {
    #[serde(rename = "Sid", default)]
    _sid: Option<String>,
    /// What it does.
    pub effect: Effect,
    /// Whom it is about.
    pub principal: Option<Principal>,
    not_principal: Option<Principal>,
    action: Option<OneOrMany<String>>,
    not_action: Option<OneOrMany<String>>,
    resource: Option<OneOrMany<String>>,
    condition: Option<BTreeMap<String, BTreeMap<String, Value>>>,
}

/// Whom a statement names.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Principal {
    /// `*`, and nothing else.
    Text(String),
    /// By kind (`AWS`, `Service` and so on).
    Of(BTreeMap<String, OneOrMany<String>>),
}

/// IAM's lists may be one value.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// The one.
    One(T),
    /// The list.
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    /// All of them.
    pub fn all(&self) -> &[T] {
        match self {
            OneOrMany::One(one) => std::slice::from_ref(one),
            OneOrMany::Many(all) => all,
        }
    }
}

impl Policy {
    /// The policy of a repository, which itself is what the policy is about: no `Resource`.
    pub fn of_repository(text: &str) -> Option<Policy> {
        let policy = Policy::of_registry(text)?;
        let named = policy.statements().iter().any(|s| s.resource.is_some());
        (!named).then_some(policy)
    }

    /// The policy of a registry.
    pub fn of_registry(text: &str) -> Option<Policy> {
        // Objects only, and no null: records are otherwise read of lists too, and null as nothing.
        let document: Value = serde_json::from_str(text).ok()?;
        let statements = match document.as_object()?.get("Statement")? {
            Value::Array(all) => all.as_slice(),
            one => std::slice::from_ref(one),
        };
        let plain = |value: &Value| {
            let object = value.as_object();
            object.is_some_and(|o| !o.values().any(Value::is_null))
        };
        if !plain(&document) || !statements.iter().all(plain) {
            return None;
        }
        // The text is read, not the document: there a key that is said twice is refused.
        let policy: Policy = serde_json::from_str(text).ok()?;
        let whole = policy.statements().iter().all(Statement::is_whole);
        whole.then_some(policy)
    }

    /// Its statements.
    pub fn statements(&self) -> &[Statement] {
        self.statement.all()
    }
}

impl Statement {
    fn is_whole(&self) -> bool {
        let principals = [&self.principal, &self.not_principal];
        self.principal.is_some() != self.not_principal.is_some()
            && self.action.is_some() != self.not_action.is_some()
            && principals.into_iter().flatten().all(Principal::is_whole)
    }

    /// The actions it names; `None`: all but some.
    pub fn actions(&self) -> Option<&[String]> {
        self.action.as_ref().map(OneOrMany::all)
    }

    /// It depends on the request.
    pub fn is_conditional(&self) -> bool {
        self.condition.is_some()
    }
}

impl Principal {
    fn is_whole(&self) -> bool {
        match self {
            Principal::Text(text) => text == "*",
            Principal::Of(kinds) => {
                let known = ["AWS", "Service", "Federated", "CanonicalUser"];
                !kinds.is_empty() && kinds.keys().all(|kind| known.contains(&kind.as_str()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn statement(key: &str, value: Value) -> Value {
        let mut statement =
            json!({ "Sid": "x", "Effect": "Allow", "Principal": "*", "Action": "ecr:*" });
        statement[key] = value;
        statement
    }

    fn is_policy(statement: &Value) -> bool {
        let policy = json!({ "Version": "2012-10-17", "Id": "x", "Statement": [statement] });
        Policy::of_repository(&policy.to_string()).is_some()
    }

    #[test]
    fn every_key_is_one_of_the_grammar() {
        assert!(is_policy(&statement("Sid", json!("a statement"))));
        let bound = json!({ "StringEquals": { "aws:PrincipalOrgID": "o-1" } });
        assert!(is_policy(&statement("Condition", bound)));
        for (key, value) in [
            ("condition", json!({})),
            ("Principals", json!("*")),
            ("NotPrincipal", json!("*")),
            ("NotAction", json!("ecr:*")),
            ("Resource", json!("*")),
            ("NotResource", json!("*")),
            ("Effect", json!("allow")),
            ("Effect", json!(["Allow"])),
            ("Principal", json!("999999999999")),
            ("Principal", json!({})),
            ("Principal", json!({ "aws": "*" })),
            ("Principal", json!(["*"])),
            ("Principal", Value::Null),
            ("Action", json!({ "ecr": "*" })),
            ("Action", json!([["ecr:*"]])),
            ("Condition", json!("none")),
            ("Condition", Value::Null),
        ] {
            assert!(!is_policy(&statement(key, value.clone())), "{key}: {value}");
        }
        for key in ["Effect", "Principal", "Action"] {
            let mut less = statement("Sid", json!("x"));
            less.as_object_mut().unwrap().remove(key);
            assert!(!is_policy(&less), "without {key}");
            if key != "Effect" {
                less[format!("Not{key}")] = json!("*");
                assert!(is_policy(&less), "Not{key}");
            }
        }
        assert!(!is_policy(&json!(["x", "Allow", "*", null, "ecr:*"])));
    }

    #[test]
    fn so_is_the_document() {
        let one = statement("Sid", json!("x"));
        for (text, expected) in [
            (json!({ "Statement": one }).to_string(), true),
            (json!({ "Statement": [] }).to_string(), true),
            (
                json!({ "Version": "2008-10-17", "Statement": one }).to_string(),
                true,
            ),
            (
                json!({ "Version": "2013-10-17", "Statement": one }).to_string(),
                false,
            ),
            (json!({ "Version": "2012-10-17" }).to_string(), false),
            (
                json!({ "Statements": one, "Statement": one }).to_string(),
                false,
            ),
            (json!(["2012-10-17", "x", one]).to_string(), false),
            ("{".into(), false),
            (
                r#"{"Statement":{"Effect":"Deny","Effect":"Allow","Principal":"*","Action":"*"}}"#
                    .into(),
                false,
            ),
        ] {
            assert_eq!(Policy::of_repository(&text).is_some(), expected, "{text}");
        }
    }

    #[test]
    fn a_registrys_policy_names_resources() {
        let arn = json!("arn:aws:ecr:us-east-1:000000000000:repository/*");
        let policy = json!({ "Statement": [statement("Resource", arn)] }).to_string();
        assert!(Policy::of_registry(&policy).is_some());
        assert!(Policy::of_repository(&policy).is_none());
    }
}
