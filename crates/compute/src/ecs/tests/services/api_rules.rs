//! What the operations on services accept, and what they say.

use super::super::said;
use super::Town;
use neargate_api::ecs::{self as api, ops};

#[tokio::test]
async fn the_same_call_is_made_once() {
    let town = Town::new().await;
    town.lab.register("web").await;
    let first = town
        .create(|c| c.client_token = Some("t".into()))
        .await
        .expect("created");
    let again = town
        .create(|c| c.client_token = Some("u".into()))
        .await
        .expect("the same");
    assert_eq!(first.created_at, again.created_at);
    let other = said(town.create(|c| c.desired_count = Some(3)).await);
    assert_eq!(other.1, "Creation of service was not idempotent.");
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let town = Town::new().await;
    town.lab.register("web").await;
    type Change = fn(&mut api::CreateServiceInput);
    let cases: [(&str, &str, Change); 12] = [
        ("ClusterNotFoundException", "Cluster not found.", |c| {
            c.cluster = Some("x".into())
        }),
        ("InvalidParameterException", "Invalid service name", |c| {
            c.service_name = "a b".into()
        }),
        ("ClientException", "TaskDefinition not found.", |c| {
            c.task_definition = Some("x".into())
        }),
        (
            "InvalidParameterException",
            "TaskDefinition can not be blank.",
            |c| c.task_definition = None,
        ),
        (
            "InvalidParameterException",
            "desired count is required",
            |c| c.desired_count = None,
        ),
        ("InvalidParameterException", "desiredCount", |c| {
            c.desired_count = Some(-1)
        }),
        (
            "InvalidParameterException",
            "Network Configuration must be provided",
            |c| {
                c.network_configuration = None;
            },
        ),
        (
            "InvalidParameterException",
            "Both maximumPercent and minimumHealthyPercent cannot be 100",
            |c| {
                c.deployment_configuration = Some(api::DeploymentConfiguration {
                    maximum_percent: Some(100),
                    ..Default::default()
                });
            },
        ),
        ("UnsupportedFeatureException", "strategy BLUE_GREEN", |c| {
            c.deployment_configuration = Some(api::DeploymentConfiguration {
                strategy: Some("BLUE_GREEN".into()),
                ..Default::default()
            });
        }),
        ("UnsupportedFeatureException", "loadBalancers", |c| {
            c.load_balancers = Some(vec![api::LoadBalancer::default()]);
        }),
        (
            "UnsupportedFeatureException",
            "deploymentController CODE_DEPLOY",
            |c| {
                c.deployment_controller = Some(api::DeploymentController {
                    r#type: "CODE_DEPLOY".into(),
                });
            },
        ),
        (
            "InvalidParameterException",
            "does not support a desired count",
            |c| {
                c.scheduling_strategy = Some("DAEMON".into());
            },
        ),
    ];
    for (code, message, change) in cases {
        let (c, m) = said(town.create(change).await);
        assert_eq!(c, code, "{message}: {m}");
        assert!(m.contains(message), "{m}");
    }
    assert_eq!(
        said(town.update(|_| {}).await).0,
        "ServiceNotFoundException"
    );
    assert_eq!(said(town.delete(true).await).0, "ServiceNotFoundException");
}

#[tokio::test]
async fn services_are_listed_page_by_page() {
    let town = Town::new().await;
    town.lab.register("web").await;
    for n in 0..12 {
        town.create(|c| {
            c.service_name = format!("s{n:02}");
            c.desired_count = Some(0);
        })
        .await
        .expect("created");
    }
    let list = |token: Option<String>, launch_type: Option<&str>| {
        let input = api::ListServicesInput {
            cluster: Some("c".into()),
            next_token: token,
            launch_type: launch_type.map(Into::into),
            ..Default::default()
        };
        town.lab.call(ops::ListServices, input)
    };
    let first = list(None, Some("FARGATE")).await.expect("listed");
    assert_eq!(first.service_arns.as_ref().map(Vec::len), Some(10));
    let rest = list(first.next_token, Some("FARGATE"))
        .await
        .expect("listed");
    assert_eq!(
        rest.service_arns.expect("two"),
        ["s10", "s11"].map(|n| format!("arn:aws:ecs:us-east-1:000000000000:service/c/{n}"))
    );
    let none = list(None, Some("EC2")).await.expect("listed");
    assert_eq!(none.service_arns, Some(Vec::new()));
}
