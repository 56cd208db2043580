//! Event types, their patterns, and what is stored.

use crate::kinds::{KINDS, Of, pattern};
use crate::model::{Name, Rule};
use neargate_service::golden::check;
use serde_json::json;
use std::collections::BTreeSet;

#[test]
fn stored_forms() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    check::<Rule>(dir);
    check::<Name>(dir);
}

#[test]
fn types_are_named_once_by_their_service() {
    let ids: BTreeSet<&str> = KINDS.iter().map(|kind| kind.id).collect();
    assert_eq!(ids.len(), KINDS.len());
    for kind in KINDS {
        let begins = kind.of.name().to_lowercase();
        let noun = kind.of.resource_type().to_lowercase();
        assert!(
            kind.id.starts_with(&format!("{begins}-{noun}-")),
            "{}",
            kind.id
        );
    }
}

#[test]
fn a_pattern_holds_what_was_chosen_and_no_more() {
    let arn = "arn:aws:codepipeline:us-east-1:000000000000:web";
    let ids = [
        "codepipeline-pipeline-pipeline-execution-failed".to_owned(),
        "codepipeline-pipeline-pipeline-execution-succeeded".to_owned(),
    ];
    let told = pattern(Of::CodePipeline, arn, "web", &ids);
    assert_eq!(
        told,
        json!({
            "source": ["aws.codepipeline"],
            "detail-type": ["CodePipeline Pipeline Execution State Change"],
            "detail": { "state": ["FAILED", "SUCCEEDED"], "pipeline": ["web"] },
        })
    );
    let ids: Vec<String> = KINDS
        .iter()
        .filter(|kind| kind.of == Of::CodePipeline)
        .map(|kind| kind.id.to_owned())
        .collect();
    let told = pattern(Of::CodePipeline, arn, "web", &ids);
    assert_eq!(told["$or"].as_array().map(Vec::len), Some(4));
    assert!(told.to_string().len() < 2_048);
    let parsed = neargate_service::event_pattern::Pattern::parse(&told.to_string());
    assert!(parsed.is_ok(), "{told}");
}

#[test]
fn resources_are_those_that_notify() {
    let of = |service: &str, resource: &str| Of::of_resource(service, resource).map(|(of, _)| of);
    assert_eq!(of("codebuild", "project/web"), Some(Of::CodeBuild));
    assert_eq!(of("codedeploy", "application:web"), Some(Of::CodeDeploy));
    assert_eq!(of("codecommit", "web"), Some(Of::CodeCommit));
    assert_eq!(of("codepipeline", "web/stage"), None);
    assert_eq!(of("s3", "web"), None);
}
