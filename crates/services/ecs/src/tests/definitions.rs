//! Task definitions: revisions, lists, sizes.

use super::{Lab, definition, said};
use futures_util::future::join_all;
use neargate_api_ecs::{self as api, ops};
use std::collections::BTreeSet;

#[tokio::test]
async fn revisions_are_handed_out_once() {
    for seed in 0..6 {
        let lab = Lab::seeded(seed);
        let calls = (0..20).map(|_| lab.call(ops::RegisterTaskDefinition, definition("web")));
        let revisions: BTreeSet<i32> = join_all(calls)
            .await
            .into_iter()
            .map(|r| {
                r.expect("registered")
                    .task_definition
                    .expect("shown")
                    .revision
                    .expect("set")
            })
            .collect();
        assert_eq!(revisions, (1..=20).collect(), "seed {seed}");
    }
}

async fn deregister(lab: &Lab, named: &str) -> Option<String> {
    let input = api::DeregisterTaskDefinitionInput {
        task_definition: named.into(),
    };
    let output = lab
        .call(ops::DeregisterTaskDefinition, input)
        .await
        .expect("deregistered");
    output.task_definition.expect("shown").status
}

#[tokio::test]
async fn a_revision_is_never_used_again() {
    let lab = Lab::new();
    lab.register("web").await;
    lab.register("web").await;
    assert_eq!(deregister(&lab, "web:2").await.as_deref(), Some("INACTIVE"));
    assert_eq!(
        deregister(&lab, "web:2").await.as_deref(),
        Some("INACTIVE"),
        "twice is once"
    );
    // The latest active one is what the family alone names.
    let found = api::DescribeTaskDefinitionInput {
        task_definition: "web".into(),
        ..Default::default()
    };
    let found = lab
        .call(ops::DescribeTaskDefinition, found)
        .await
        .expect("found");
    assert_eq!(found.task_definition.expect("shown").revision, Some(1));
    let delete = api::DeleteTaskDefinitionsInput {
        task_definitions: vec!["web:2".into(), "web:1".into()],
    };
    let gone = lab
        .call(ops::DeleteTaskDefinitions, delete)
        .await
        .expect("answered");
    assert_eq!(gone.task_definitions.expect("one").len(), 1);
    assert_eq!(gone.failures.expect("one").len(), 1, "an active one stays");
    assert!(lab.register("web").await.ends_with("task-definition/web:3"));
}

#[tokio::test]
async fn starting_from_an_inactive_revision_is_refused() {
    let lab = Lab::new();
    lab.register("web").await;
    deregister(&lab, "web:1").await;
    for named in ["web:1", "web", "web:7", "none"] {
        let refused = said(lab.run(lab.request(named)).await);
        assert_eq!(refused.0, "ClientException", "{named}: {}", refused.1);
    }
    let (code, _) = said(lab.run(lab.request("web:x")).await);
    assert_eq!(code, "InvalidParameterException");
}

#[tokio::test]
async fn a_definition_of_more_than_64_kib_is_refused() {
    let lab = Lab::new();
    let mut large = definition("web");
    large.container_definitions[0].command = Some(vec!["x".repeat(66_000)]);
    let (code, message) = said(lab.call(ops::RegisterTaskDefinition, large).await);
    assert_eq!(code, "ClientException");
    assert!(
        message.ends_with("Max allowed length is '65536' bytes."),
        "{message}"
    );
}

async fn listed(lab: &Lab, sort: &str, token: Option<String>) -> (Vec<String>, Option<String>) {
    let input = api::ListTaskDefinitionsInput {
        sort: Some(sort.into()),
        max_results: Some(2),
        next_token: token,
        ..Default::default()
    };
    let page = lab
        .call(ops::ListTaskDefinitions, input)
        .await
        .expect("listed");
    let short = |arn: String| arn.rsplit('/').next().unwrap_or_default().to_owned();
    (
        page.task_definition_arns
            .expect("set")
            .into_iter()
            .map(short)
            .collect(),
        page.next_token,
    )
}

/// Ten comes behind nine, a family behind the one its name begins with; and a page goes on
/// where the last one ended, though others were registered meanwhile.
#[tokio::test]
async fn lists_are_ordered_and_their_tokens_hold() {
    let lab = Lab::new();
    for _ in 0..11 {
        lab.register("web").await;
    }
    lab.register("web-a").await;
    for (sort, expected) in [
        (
            "ASC",
            ["web:1", "web:2", "web:3", "web:10", "web:11", "web-a:1"],
        ),
        (
            "DESC",
            ["web-a:1", "web:11", "web:10", "web:3", "web:2", "web:1"],
        ),
    ] {
        let (mut all, mut token) = listed(&lab, sort, None).await;
        // Sorts to the front either way, behind which the token must not slip.
        lab.register(if sort == "ASC" { "aaa" } else { "zzz" })
            .await;
        while let Some(t) = token {
            let (page, next) = listed(&lab, sort, Some(t)).await;
            all.extend(page);
            token = next;
        }
        let distinct: BTreeSet<&String> = all.iter().collect();
        assert_eq!(distinct.len(), all.len(), "{sort}: {all:?}");
        let places = expected.map(|e| all.iter().position(|a| a == e).expect("listed"));
        assert!(places.is_sorted(), "{sort}: {all:?}");
    }
    let (code, message) = said(
        lab.call(
            ops::ListTaskDefinitions,
            api::ListTaskDefinitionsInput {
                next_token: Some("?".into()),
                ..Default::default()
            },
        )
        .await,
    );
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("InvalidParameterException", "Invalid token")
    );
}

async fn families(lab: &Lab, status: Option<&str>, prefix: Option<&str>) -> Vec<String> {
    let input = api::ListTaskDefinitionFamiliesInput {
        status: status.map(Into::into),
        family_prefix: prefix.map(Into::into),
        ..Default::default()
    };
    let page = lab.call(ops::ListTaskDefinitionFamilies, input).await;
    page.expect("listed").families.expect("set")
}

#[tokio::test]
async fn families_active_and_not() {
    let lab = Lab::new();
    lab.register("api").await;
    lab.register("web").await;
    lab.register("web-old").await;
    deregister(&lab, "web-old:1").await;
    assert_eq!(families(&lab, None, None).await, ["api", "web", "web-old"]);
    assert_eq!(
        families(&lab, Some("ALL"), Some("web")).await,
        ["web", "web-old"]
    );
    assert_eq!(families(&lab, Some("ACTIVE"), Some("web")).await, ["web"]);
    assert_eq!(families(&lab, Some("INACTIVE"), None).await, ["web-old"]);
}

fn with(change: impl FnOnce(&mut api::ContainerDefinition)) -> api::RegisterTaskDefinitionInput {
    let mut input = definition("web");
    change(&mut input.container_definitions[0]);
    input
}

#[tokio::test]
async fn health_checks_are_held_to_their_limits() {
    let lab = Lab::new();
    let check = |command: &[&str]| api::HealthCheck {
        command: command.iter().map(|&part| part.to_owned()).collect(),
        ..Default::default()
    };
    let answer = lab
        .call(
            ops::RegisterTaskDefinition,
            with(|c| c.health_check = Some(check(&["CMD-SHELL", "true"]))),
        )
        .await
        .expect("registered");
    let definition = answer.task_definition.expect("shown");
    let containers = definition.container_definitions.expect("shown");
    let shown = containers[0].health_check.as_ref().expect("shown");
    assert_eq!(
        (shown.interval, shown.timeout, shown.retries),
        (Some(30), Some(5), Some(3))
    );
    assert_eq!(shown.start_period, None);
    let fine = check(&["CMD", "true"]);
    let wrong = [
        check(&[]),
        api::HealthCheck {
            interval: Some(301),
            ..fine.clone()
        },
        api::HealthCheck {
            timeout: Some(1),
            ..fine.clone()
        },
        api::HealthCheck {
            retries: Some(11),
            ..fine.clone()
        },
        api::HealthCheck {
            start_period: Some(-1),
            ..fine
        },
    ];
    for wrong in wrong {
        let input = with(|c| c.health_check = Some(wrong.clone()));
        let (code, text) = said(lab.call(ops::RegisterTaskDefinition, input).await);
        assert_eq!(code, "ClientException", "{wrong:?}");
        assert!(
            text.starts_with("Health check ") && text.ends_with(" for container 'app'"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn restart_policies_are_held_to_their_limits() {
    let lab = Lab::new();
    let policy = |period: Option<i32>, codes: usize| api::ContainerRestartPolicy {
        enabled: true,
        ignored_exit_codes: Some(vec![0; codes]),
        restart_attempt_period: period,
    };
    for (given, is_fine) in [
        (policy(None, 0), true),
        (policy(Some(60), 50), true),
        (policy(Some(1800), 1), true),
        (policy(Some(59), 1), false),
        (policy(Some(1801), 1), false),
        (policy(None, 51), false),
    ] {
        let input = with(|c| c.restart_policy = Some(given.clone()));
        let answer = lab.call(ops::RegisterTaskDefinition, input).await;
        assert_eq!(answer.is_ok(), is_fine, "{given:?}");
    }
}
