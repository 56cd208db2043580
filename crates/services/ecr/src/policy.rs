//! A repository's or the registry's policy: IAM's grammar
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>). What does
//! not follow it to the last key is no policy: a key that is misspelt would else change whom it
//! is about without a word.

use neargate_policy::{Document, Use};

/// The policy of a repository, which itself is what the policy is about: no `Resource`.
pub fn of_repository(text: &str) -> Option<Document> {
    let policy = of_registry(text)?;
    let named = policy.statements.iter().any(|s| s.resources.is_some());
    (!named).then_some(policy)
}

/// The policy of a registry.
pub fn of_registry(text: &str) -> Option<Document> {
    Document::parse_as(Use::Resource, text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn statement(key: &str, value: Value) -> Value {
        let mut statement =
            json!({ "Sid": "x", "Effect": "Allow", "Principal": "*", "Action": "ecr:*" });
        statement[key] = value;
        statement
    }

    fn is_policy(statement: &Value) -> bool {
        let policy = json!({ "Version": "2012-10-17", "Id": "x", "Statement": [statement] });
        of_repository(&policy.to_string()).is_some()
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
            assert_eq!(of_repository(&text).is_some(), expected, "{text}");
        }
    }

    #[test]
    fn a_registrys_policy_names_resources() {
        let arn = json!("arn:aws:ecr:us-east-1:000000000000:repository/*");
        let policy = json!({ "Statement": [statement("Resource", arn)] }).to_string();
        assert!(of_registry(&policy).is_some());
        assert!(of_repository(&policy).is_none());
    }
}
