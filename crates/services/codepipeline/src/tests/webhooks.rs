//! Webhooks, and the calls of strangers.

use super::{World, said, worked};
use crate::webhook::{Along, steps, trigger};
use http::{Method, Request};
use neargate_api_codepipeline::{self as api, ops};

fn wanted(authentication: &str, secret: Option<&str>) -> api::WebhookDefinition {
    api::WebhookDefinition {
        name: "hook".into(),
        target_pipeline: "p".into(),
        target_action: "src".into(),
        filters: vec![api::WebhookFilterRule {
            json_path: "$.commits[0].branch".into(),
            match_equals: Some("main".into()),
        }],
        authentication: authentication.into(),
        authentication_configuration: api::WebhookAuthConfiguration {
            allowed_ip_range: None,
            secret_token: secret.map(str::to_owned),
        },
    }
}

async fn put(world: &World, webhook: api::WebhookDefinition) -> String {
    let input = api::PutWebhookInput {
        webhook,
        tags: None,
    };
    let put = world.ask(ops::PutWebhook, input).await.expect("put");
    put.webhook.and_then(|w| w.url).expect("an address")
}

async fn called(world: &World, url: &str, body: &str, signature: Option<&str>) -> u16 {
    let mut request = Request::builder().method(Method::POST).uri(url);
    if let Some(signature) = signature {
        request = request.header("x-hub-signature-256", signature);
    }
    let (parts, ()) = request.body(()).expect("a request").into_parts();
    let status = trigger(&world.lab.house, &parts, body.as_bytes()).await;
    status.as_u16()
}

#[tokio::test]
async fn who_knows_the_address_starts_the_pipeline_where_the_filters_fit() {
    let world = World::default();
    world.custom_types().await;
    world.create(worked()).await.expect("made");
    let url = put(&world, wanted("UNAUTHENTICATED", None)).await;
    let body = r#"{"commits": [{"branch": "main"}]}"#;
    assert_eq!(called(&world, &url, "no JSON", None).await, 400);
    assert_eq!(called(&world, &url, r#"{"commits": []}"#, None).await, 200);
    assert_eq!(called(&world, "http://h/?t=AAAA", body, None).await, 404);
    assert_eq!(world.executions().await.len(), 1);
    assert_eq!(called(&world, &url, body, None).await, 200);
    assert_eq!(world.executions().await.len(), 2);
    // Put again it has the same address, and asks for a signature now.
    let again = put(&world, wanted("GITHUB_HMAC", Some("s"))).await;
    assert_eq!(again, url);
    assert_eq!(called(&world, &url, body, None).await, 403);
    assert_eq!(called(&world, &url, body, Some("sha256=00")).await, 403);
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"s");
    let signature = hex::encode(ring::hmac::sign(&key, body.as_bytes()));
    let signature = format!("sha256={signature}");
    assert_eq!(called(&world, &url, body, Some(&signature)).await, 200);
    assert_eq!(world.executions().await.len(), 3);
    let listed = world.ask(ops::ListWebhooks, Default::default()).await;
    let listed = listed.expect("listed").webhooks.expect("one");
    let shown = listed[0].definition.clone().expect("shown");
    let secret = shown.authentication_configuration.secret_token;
    assert_eq!(secret.as_deref(), Some("****"));
}

#[tokio::test]
async fn what_is_no_webhook_is_refused() {
    let world = World::default();
    world.custom_types().await;
    world.create(worked()).await.expect("made");
    let refused = async |webhook| {
        let input = api::PutWebhookInput {
            webhook,
            tags: None,
        };
        said(world.ask(ops::PutWebhook, input).await)
    };
    let told = refused(wanted("GITHUB_HMAC", None)).await;
    assert!(
        told.contains("InvalidWebhookAuthenticationParametersException"),
        "{told}"
    );
    let told = refused(wanted("IP", None)).await;
    assert!(told.contains("authenticated by IP"), "{told}");
    let mut odd = wanted("UNAUTHENTICATED", None);
    odd.filters[0].json_path = "commits".into();
    let told = refused(odd).await;
    assert!(
        told.contains("InvalidWebhookFilterPatternException"),
        "{told}"
    );
    let mut other = wanted("UNAUTHENTICATED", None);
    other.target_action = "go".into();
    let told = refused(other).await;
    assert!(told.contains("does not have a source action"), "{told}");
}

#[test]
fn paths_are_read_in_steps() {
    let member = |name: &str| Along::Member(name.into());
    assert_eq!(steps("$"), Some(Vec::new()));
    assert_eq!(
        steps("$.a['b c'][2]"),
        Some(vec![member("a"), member("b c"), Along::At(2)])
    );
    assert_eq!(steps("$..a"), None);
    assert_eq!(steps("$.a[x]"), None);
    assert_eq!(steps("a"), None);
}
