//! The language of templates.

use crate::template::Template;
use crate::template::functions::Frame;
use crate::template::parameters::{Given, values};
use crate::template::yaml::parse;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const HEAD: &str = "
Parameters:
  Env: {Type: String, Default: prod}
  Ports: {Type: CommaDelimitedList, Default: '80, 443'}
Mappings:
  Sizes: {prod: {cpu: 512}, test: {cpu: 256}}
Conditions:
  IsProd: !Equals [!Ref Env, prod]
  IsTest: !Not [!Condition IsProd]
Resources:
  Q: {Type: AWS::SQS::Queue}
";

fn evaluated(expression: &str) -> Result<Option<Value>, String> {
    let template = Template::read(&format!("{HEAD}Outputs:\n  X:\n    Value: {expression}\n"))?;
    let parameters = values(&template.parameters, &BTreeMap::new(), &BTreeMap::new())?;
    let mut frame = Frame::new(&template, parameters);
    frame.pseudo = BTreeMap::from([
        ("AWS::Region", json!("us-east-1")),
        ("AWS::StackName", json!("s")),
    ]);
    frame.zones = vec!["us-east-1a".into(), "us-east-1b".into()];
    frame.resolve(&template.outputs[0].1.value)
}

#[test]
fn functions() {
    for (expression, expected) in [
        ("!Ref Env", json!("prod")),
        ("!Ref Ports", json!(["80", "443"])),
        (
            "!Sub '${Env}-${AWS::StackName}-${!kept}'",
            json!("prod-s-${kept}"),
        ),
        (
            "!Sub ['${a}.${Env}', {a: !Ref AWS::Region}]",
            json!("us-east-1.prod"),
        ),
        ("!Join ['-', [a, !Ref Env]]", json!("a-prod")),
        ("!Split [',', 'a,b']", json!(["a", "b"])),
        ("!Select [1, !Ref Ports]", json!("443")),
        ("!FindInMap [Sizes, !Ref Env, cpu]", json!(512)),
        ("!If [IsTest, a, b]", json!("b")),
        ("!If [IsProd, [a, !Ref AWS::NoValue], b]", json!(["a"])),
        ("!Base64 abc", json!("YWJj")),
        (
            "!Cidr [10.0.0.0/16, 3, 8]",
            json!(["10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24"]),
        ),
        ("!Select [0, !GetAZs '']", json!("us-east-1a")),
        ("{Fn::Length: !Ref Ports}", json!(2)),
        (
            "{Fn::ToJsonString: {a: !Ref Env}}",
            json!(r#"{"a":"prod"}"#),
        ),
    ] {
        assert_eq!(evaluated(expression), Ok(Some(expected)), "{expression}");
    }
    assert_eq!(evaluated("!Ref AWS::NoValue"), Ok(None));
    for (expression, said) in [
        (
            "!Ref Nothing",
            "Template format error: Unresolved resource dependencies [Nothing] in the Outputs block of the template",
        ),
        (
            "!GetAtt No.Arn",
            "Template error: instance of Fn::GetAtt references undefined resource No",
        ),
        (
            "!FindInMap [Sizes, none, cpu]",
            "Template error: Unable to get mapping for Sizes::none::cpu",
        ),
        (
            "!Select [7, !Ref Ports]",
            "Template error: Fn::Select cannot select nonexistent value at index 7",
        ),
        ("!ImportValue x", "No export named x found."),
        (
            "{Fn::Nonsense: x}",
            "Template validation error: Template error: unrecognized function Fn::Nonsense",
        ),
    ] {
        assert_eq!(evaluated(expression), Err(said.into()), "{expression}");
    }
}

#[test]
fn what_is_no_template() {
    for (text, said) in [
        ("[]", "Template format error: unsupported structure."),
        (
            "Resources: {}",
            "Template format error: At least one Resources member must be defined.",
        ),
        (
            "Colour: red",
            "Invalid template property or properties [Colour]",
        ),
        (
            "Resources: {A: {}}",
            "Template format error: [/Resources/A] Every Resources object must contain a Type member.",
        ),
        (
            "Resources: {A: {Type: T, DependsOn: B}, B: {Type: T, DependsOn: C}, C: {Type: T, Properties: {x: !Ref B}}}",
            "Circular dependency between resources: [B, C]",
        ),
        (
            "{Transform: AWS::Serverless-2016-10-31, Resources: {A: {Type: T}}}",
            "Neargate does not support the transform AWS::Serverless-2016-10-31 yet.",
        ),
    ] {
        assert_eq!(Template::read(text).expect_err(text), said);
    }
}

#[test]
fn values_of_parameters() {
    let text = "
Parameters:
  Count: {Type: Number, MinValue: 1, MaxValue: 3}
  Name: {Type: String, AllowedPattern: '[a-z]+', MinLength: 2}
  Size: {Type: String, AllowedValues: [s, m], ConstraintDescription: s or m}
Resources: {Q: {Type: T}}
";
    let template = Template::read(text).expect("a template");
    let given = |count: &str, name: &str, size: &str| {
        let all = [("Count", count), ("Name", name), ("Size", size)];
        let all = all.map(|(k, v)| (k.to_owned(), Given::Value(v.to_owned())));
        values(&template.parameters, &BTreeMap::from(all), &BTreeMap::new()).map(drop)
    };
    assert_eq!(given("2", "ab", "s"), Ok(()));
    assert_eq!(
        given("x", "ab", "s"),
        Err("Parameter 'Count' must be a number.".into())
    );
    assert_eq!(
        given("4", "ab", "s"),
        Err("Parameter 'Count' must be a number not greater than 3".into())
    );
    assert_eq!(
        given("2", "A", "s"),
        Err("Parameter 'Name' must match pattern [a-z]+".into())
    );
    assert_eq!(
        given("2", "a", "s"),
        Err("Parameter 'Name' must contain at least 2 characters".into())
    );
    assert_eq!(
        given("2", "ab", "l"),
        Err("Parameter Size failed to satisfy constraint: s or m".into())
    );
    let none = values(&template.parameters, &BTreeMap::new(), &BTreeMap::new());
    assert_eq!(
        none,
        Err("Parameters: [Count, Name, Size] must have values".into())
    );
}

#[test]
fn texts() {
    let all = parse("{a: 012, b: 12, c: 1.10, d: yes, e: true, f: 2012-10-17, g: null, h: '1'}")
        .expect("YAML");
    let expected = json!({"a": "012", "b": 12, "c": "1.10", "d": "yes", "e": true, "f": "2012-10-17", "g": null, "h": "1"});
    assert_eq!(all, expected);
    assert_eq!(
        parse("a: &x {b: 1}\nc: {<<: *x, d: 2}"),
        Ok(json!({"a": {"b": 1}, "c": {"b": 1, "d": 2}}))
    );
    let mut laughs = "a0: &a0 [x]\n".to_owned();
    for i in 1..12 {
        let before = format!("*a{},", i - 1).repeat(9);
        laughs += &format!("a{i}: &a{i} [{before}]\n");
    }
    assert_eq!(parse(&laughs), Err("its aliases stand for too much".into()));
    assert!(parse(&"[".repeat(5000)).is_err());
    assert!(parse("a: !Nonsense b").is_err());
}

#[test]
fn loops() {
    let text = "
Transform: AWS::LanguageExtensions
Parameters:
  Env: {Type: String}
Mappings:
  Names: {prod: {Of: [x, y]}}
Outputs:
  Fn::ForEach::Named:
    - Name
    - !FindInMap [Names, !Ref Env, Of]
    - 'Out${Name}': {Value: !Ref Name}
Resources:
  Fn::ForEach::Queues:
    - Name
    - [a, b-c]
    - Queue&{Name}:
        Type: AWS::SQS::Queue
        Properties: {QueueName: !Sub 'q-${Name}'}
";
    assert!(Template::read(text).is_err());
    let given = BTreeMap::from([("Env".to_owned(), "prod".to_owned())]);
    let (template, _) = Template::read_with(text, &given).expect("a template");
    let outputs = template
        .outputs
        .iter()
        .map(|(name, output)| (name.as_str(), &output.value));
    let outputs: Vec<(&str, &Value)> = outputs.collect();
    assert_eq!(outputs, [("Outx", &json!("x")), ("Outy", &json!("y"))]);
    let names: Vec<&str> = template
        .resources
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["Queuea", "Queuebc"]);
    assert_eq!(
        template.resources[1].1.properties,
        json!({"QueueName": {"Fn::Sub": "q-b-c"}})
    );
}

/// How many of the templates below `CFN_TEMPLATES` are read; what is said of the others is printed. For
/// cfn-lint's fixtures: `CFN_TEMPLATES=…/fixtures/templates/good cargo test -p neargate-cloudformation corpus -- --ignored --nocapture`.
#[test]
#[ignore = "asks for a corpus"]
fn corpus() {
    let root = std::env::var("CFN_TEMPLATES").expect("a directory");
    let mut open = vec![std::path::PathBuf::from(root)];
    let (mut read, mut served, mut refused) = (0, 0, 0);
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(
                std::fs::read_dir(&path)
                    .expect("listed")
                    .flatten()
                    .map(|e| e.path()),
            );
            continue;
        }
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        match Template::read(&text) {
            Ok(template) => {
                read += 1;
                let unknown = template
                    .types()
                    .into_iter()
                    .find(|t| crate::types::kind(t).is_none());
                served += usize::from(unknown.is_none());
            }
            Err(why) => {
                refused += 1;
                println!("{}: {why}", path.display());
            }
        }
    }
    println!("read {read}, of types that are served {served}, refused {refused}");
}
