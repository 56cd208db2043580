//! The sentences are as AWS services answered them (IAM, ECR, ACM, Lambda, KMS).

use super::*;
use crate::json::{Form, read};
use crate::model;
use serde_json::{Value as Tree, json};

fn shape() -> &'static Shape {
    let model = json!({
        "metadata": {"protocol": "json", "jsonVersion": "1.1"},
        "operations": {"Op": {"name": "Op", "input": {"shape": "In"}}},
        "shapes": {
            "In": {"type": "structure", "required": ["Name"], "members": {
                "Name": {"shape": "Name"}, "Size": {"shape": "Size"}, "Ratio": {"shape": "Ratio"},
                "Kind": {"shape": "Kind"}, "Tags": {"shape": "Tags"}, "Methods": {"shape": "Names"},
                "Labels": {"shape": "Labels"}, "Password": {"shape": "Password"}, "In": {"shape": "In"}}},
            "Name": {"type": "string", "min": 1, "max": 5, "pattern": "[a-z]+"},
            "Size": {"type": "integer", "min": 1, "max": 10},
            "Ratio": {"type": "double", "min": 0, "max": 1},
            "Kind": {"type": "string", "enum": ["A", "B"]},
            "Names": {"type": "list", "member": {"shape": "Name"}, "max": 2},
            "Tags": {"type": "list", "member": {"shape": "Tag"}},
            "Tag": {"type": "structure", "required": ["Key"],
                    "members": {"Key": {"shape": "Name"}, "Value": {"shape": "Text"}}},
            "Text": {"type": "string"},
            "Labels": {"type": "map", "key": {"shape": "Name"}, "value": {"shape": "Size"}},
            "Password": {"type": "string", "min": 8, "sensitive": true}
        }
    });
    let service = model::load("test", &model, |_| true).unwrap();
    service.operation("Op").unwrap().input.unwrap().get()
}

fn check(input: Tree, sentence: &str) {
    let value = read(shape(), input, Form::WIRE).unwrap();
    match validate(shape(), &value) {
        Ok(()) => assert_eq!("", sentence),
        Err(invalid) => assert_eq!(invalid.to_string(), sentence),
    }
}

#[test]
fn what_satisfies_the_model_passes() {
    check(
        json!({"Name": "abcde", "Size": 10, "Ratio": 0.5, "Kind": "A"}),
        "",
    );
    check(
        json!({"Name": "a", "Tags": [{"Key": "k"}], "Methods": ["a", "b"], "Labels": {"a": 1}}),
        "",
    );
    check(
        json!({"Name": "a", "In": {"Name": "a", "In": {"Name": "b"}}, "Password": "12345678"}),
        "",
    );
}

#[test]
fn scalars() {
    let at = "1 validation error detected: Value";
    let must = "failed to satisfy constraint: Member must";
    check(
        json!({}),
        &format!("{at} null at 'name' {must} not be null"),
    );
    check(
        json!({"Name": "abcdef"}),
        &format!("{at} 'abcdef' at 'name' {must} have length less than or equal to 5"),
    );
    check(
        json!({"Name": "a b"}),
        &format!("{at} 'a b' at 'name' {must} satisfy regular expression pattern: [a-z]+"),
    );
    check(
        json!({"Name": "a\n"}),
        &format!("{at} 'a\n' at 'name' {must} satisfy regular expression pattern: [a-z]+"),
    );
    check(
        json!({"Name": "a", "Kind": "C"}),
        &format!("{at} 'C' at 'kind' {must} satisfy enum value set: [A, B]"),
    );
    check(
        json!({"Name": "a", "Size": 0}),
        &format!("{at} '0' at 'size' {must} have value greater than or equal to 1"),
    );
    check(
        json!({"Name": "a", "Ratio": 1.5}),
        &format!("{at} '1.5' at 'ratio' {must} have value less than or equal to 1.0"),
    );
    check(
        json!({"Name": "a", "Password": "secret"}),
        &format!("{at} at 'password' {must} have length greater than or equal to 8"),
    );
}

#[test]
fn several_errors_are_counted() {
    check(
        json!({"Name": ""}),
        "2 validation errors detected: Value '' at 'name' failed to satisfy constraint: \
         Member must have length greater than or equal to 1; Value '' at 'name' failed to satisfy \
         constraint: Member must satisfy regular expression pattern: [a-z]+",
    );
    let many: Vec<Tree> = (0..1000).map(|_| json!({})).collect();
    let value = read(shape(), json!({"Name": "a", "Tags": many}), Form::WIRE).unwrap();
    assert_eq!(
        validate(shape(), &value).unwrap_err().violations.len(),
        MAX_VIOLATIONS
    );
}

#[test]
fn elements() {
    check(
        json!({"Name": "a", "Tags": [{"Key": "k"}, {"Value": "v"}]}),
        "1 validation error detected: Value null at 'tags.2.member.key' failed to satisfy \
         constraint: Member must not be null",
    );
    check(
        json!({"Name": "a", "Methods": ["get", "OPTIONS"]}),
        "1 validation error detected: Value '[get, OPTIONS]' at 'methods' failed to satisfy \
         constraint: Member must satisfy constraint: [Member must have length less than or equal \
         to 5, Member must have length greater than or equal to 1, Member must satisfy regular \
         expression pattern: [a-z]+]",
    );
    check(
        json!({"Name": "a", "Methods": ["a", "b", "c"]}),
        "1 validation error detected: Value '[a, b, c]' at 'methods' failed to satisfy \
         constraint: Member must have length less than or equal to 2",
    );
    check(
        json!({"Name": "a", "Labels": {"a": 11}}),
        "1 validation error detected: Value '{a=11}' at 'labels' failed to satisfy constraint: \
         Map value must satisfy constraint: [Member must have value less than or equal to 10, \
         Member must have value greater than or equal to 1]",
    );
    check(
        json!({"Name": "a", "Labels": {"A": 1}}),
        "1 validation error detected: Value '{A=1}' at 'labels' failed to satisfy constraint: \
         Map keys must satisfy constraint: [Member must have length less than or equal to 5, \
         Member must have length greater than or equal to 1, Member must satisfy regular \
         expression pattern: [a-z]+]",
    );
    check(
        json!({"Name": "a", "In": {"Name": "a", "Tags": [{"Key": "K"}]}}),
        "1 validation error detected: Value 'K' at 'in.tags.1.member.key' failed to satisfy \
         constraint: Member must satisfy regular expression pattern: [a-z]+",
    );
}
