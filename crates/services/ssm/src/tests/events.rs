//! What is told of parameters.

use super::*;
use neargate_service::Scope;
use neargate_service::events::{Posted, Wants};
use serde_json::{Value, json};

/// Wants every event.
#[derive(Debug)]
struct All;

impl Wants for All {
    fn wants(&self, _: &Scope, _: &str, _: &str) -> bool {
        true
    }

    fn ready(&self) -> futures_util::future::BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

#[tokio::test]
async fn changes_of_parameters_are_told() {
    let place = place();
    place.lab.house.events.take(Arc::new(All));
    let new = || api::PutParameterInput {
        description: Some("where".into()),
        ..parameter("/app/url", "String", "one")
    };
    place.put(new()).await.unwrap();
    let again = api::PutParameterInput {
        overwrite: Some(true),
        ..new()
    };
    place.put(again).await.unwrap();
    let label = api::LabelParameterVersionInput {
        name: "/app/url".into(),
        labels: vec!["live".into()],
        ..Default::default()
    };
    place.ask(ops::LabelParameterVersion, label).await.unwrap();
    let delete = api::DeleteParameterInput {
        name: "/app/url".into(),
    };
    place.ask(ops::DeleteParameter, delete).await.unwrap();
    let posted = place.lab.house.db.list::<Posted>(&place.lab.scope);
    let events: Vec<Value> = posted
        .await
        .unwrap()
        .into_iter()
        .map(|posted| posted.value.event)
        .collect();
    let mut operations: Vec<&str> = Vec::new();
    for event in &events {
        assert_eq!(event["detail-type"], "Parameter Store Change");
        assert_eq!(event["source"], "aws.ssm");
        let arn = "arn:aws:ssm:us-east-1:000000000000:parameter/app/url";
        assert_eq!(event["resources"], json!([arn]));
        assert_eq!(event["detail"]["name"], "/app/url");
        assert_eq!(event["detail"]["type"], "String");
        assert_eq!(event["detail"]["description"], "where");
        operations.extend(event["detail"]["operation"].as_str());
    }
    operations.sort_unstable();
    assert_eq!(
        operations,
        ["Create", "Delete", "LabelParameterVersion", "Update"]
    );
}
