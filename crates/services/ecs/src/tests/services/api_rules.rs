//! What the operations on services accept, and what they say.

use super::super::said;
use super::Town;
use neargate_api_ecs::{self as api, ops};

#[tokio::test]
async fn the_same_call_is_made_once() {
    let town = Town::new().await;
    town.lab.register("web").await;
    let first = town
        .create(|c| c.client_token = Some("t".into()))
        .await
        .expect("created");
    let again = town
        .create(|c| c.client_token = Some("t".into()))
        .await
        .expect("the same");
    assert_eq!(first.created_at, again.created_at);
    // "specify a client token in the request": without it, or with another, it is another call
    // (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/ECS_Idempotency.html>).
    type Change = fn(&mut api::CreateServiceInput);
    let others: [Change; 3] = [
        |_| {},
        |c| c.client_token = Some("u".into()),
        |c| {
            c.client_token = Some("t".into());
            c.desired_count = Some(3);
        },
    ];
    for other in others {
        let (_, message) = said(town.create(other).await);
        assert_eq!(message, "Creation of service was not idempotent.");
    }
}

/// Some clients send every argument they know
/// (<https://docs.ansible.com/ansible/latest/collections/community/aws/ecs_service_module.html>:
/// the default of `role` is the empty string).
#[tokio::test]
async fn what_is_empty_is_as_if_not_given() {
    let town = Town::new().await;
    town.lab.register("web").await;
    let created = town.create(|c| {
        c.role = Some(String::new());
        c.client_token = Some(String::new());
        c.platform_version = Some(String::new());
        c.load_balancers = Some(Vec::new());
        c.service_registries = Some(Vec::new());
        c.placement_constraints = Some(Vec::new());
        c.placement_strategy = Some(Vec::new());
    });
    let created = created.await.expect("created");
    assert_eq!(created.platform_version.as_deref(), Some("LATEST"));
    let updated = town.update(|u| {
        u.task_definition = Some(String::new());
        u.platform_version = Some(String::new());
        u.load_balancers = Some(Vec::new());
    });
    let updated = updated.await.expect("updated");
    assert_eq!(updated.task_definition, created.task_definition);
    let external = town.create(|c| {
        c.service_name = "sets".into();
        c.deployment_controller = Some(api::DeploymentController {
            r#type: "EXTERNAL".into(),
        });
        c.task_definition = Some(String::new());
        c.launch_type = None;
        c.platform_version = Some(String::new());
        c.network_configuration = None;
    });
    external.await.expect("created");
    let (_, why) = said(
        town.create(|c| {
            c.service_name = "other".into();
            c.role = Some("ecsServiceRole".into());
        })
        .await,
    );
    assert!(why.contains("role"), "{why}");
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let town = Town::new().await;
    town.lab.register("web").await;
    type Change = fn(&mut api::CreateServiceInput);
    let cases: [(&str, &str, Change); 11] = [
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
            "DesiredCount is missing",
            |c| c.desired_count = None,
        ),
        (
            "InvalidParameterException",
            "DesiredCount can not be lesser than 0",
            |c| c.desired_count = Some(-1),
        ),
        (
            "InvalidParameterException",
            "Network Configuration must be provided",
            |c| {
                c.network_configuration = None;
            },
        ),
        (
            "InvalidParameterException",
            "Assign public IP is not supported for this launch type.",
            |c| {
                c.launch_type = Some("EC2".into());
                let vpc = c.network_configuration.as_mut().expect("given");
                let vpc = vpc.awsvpc_configuration.as_mut().expect("given");
                vpc.assign_public_ip = Some("ENABLED".into());
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
        (
            "InvalidParameterException",
            "Load balancers are required",
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

/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-rebalancing.html>
#[tokio::test]
async fn services_are_balanced_across_zones_if_they_can_be() {
    let town = Town::new().await;
    town.lab.register("web").await;
    let mut bridge = super::definition("bridge");
    bridge.network_mode = None;
    bridge.requires_compatibilities = None;
    let made = town.lab.call(ops::RegisterTaskDefinition, bridge).await;
    made.expect("registered");
    let on_ec2 = |c: &mut api::CreateServiceInput| {
        c.task_definition = Some("bridge".into());
        c.launch_type = Some("EC2".into());
        c.network_configuration = None;
    };
    let full = |c: &mut api::CreateServiceInput| {
        c.deployment_configuration = Some(api::DeploymentConfiguration {
            minimum_healthy_percent: Some(0),
            maximum_percent: Some(100),
            ..Default::default()
        });
    };
    let by = |c: &mut api::CreateServiceInput, kind: &str, field: &str| {
        c.placement_strategy = Some(vec![api::PlacementStrategy {
            r#type: Some(kind.into()),
            field: Some(field.into()),
        }]);
    };
    let zone = "attribute:ecs.availability-zone";
    type Change<'a> = Box<dyn Fn(&mut api::CreateServiceInput) + Send + Sync + 'a>;
    let cases: [(&str, &str, Change<'_>); 5] = [
        ("a", "ENABLED", Box::new(|_| {})),
        ("b", "DISABLED", Box::new(full)),
        (
            "c",
            "ENABLED",
            Box::new(move |c| {
                on_ec2(c);
                by(c, "spread", zone);
            }),
        ),
        (
            "d",
            "DISABLED",
            Box::new(move |c| {
                on_ec2(c);
                by(c, "binpack", "memory");
            }),
        ),
        (
            "e",
            "DISABLED",
            Box::new(move |c| {
                on_ec2(c);
                c.placement_constraints = Some(vec![api::PlacementConstraint {
                    r#type: Some("memberOf".into()),
                    expression: Some(format!("{zone} == us-east-1a")),
                }]);
            }),
        ),
    ];
    for (name, expected, change) in &cases {
        let made = town.create(|c| {
            c.service_name = (*name).into();
            change(c);
        });
        let made = made.await.expect("created");
        let balanced = made.availability_zone_rebalancing;
        assert_eq!(balanced.as_deref(), Some(*expected), "{name}");
        if *expected == "DISABLED" {
            let asked = town.create(|c| {
                c.service_name = format!("{name}-asked");
                c.availability_zone_rebalancing = Some("ENABLED".into());
                change(c);
            });
            let (_, message) = said(asked.await);
            assert!(
                message.starts_with("Availability Zone Rebalancing does not"),
                "{message}"
            );
        }
    }
    town.create(|_| {}).await.expect("created");
    let asked = town.update(|u| {
        u.deployment_configuration = Some(api::DeploymentConfiguration {
            minimum_healthy_percent: Some(0),
            maximum_percent: Some(100),
            ..Default::default()
        });
    });
    assert_eq!(
        said(asked.await).1,
        "Availability Zone Rebalancing does not support maximumPercent <= 100 % as deployment configuration."
    );
    let negative = town.update(|u| u.desired_count = Some(-1));
    assert_eq!(
        said(negative.await).1,
        "Task count can not be lesser than 0"
    );
}

#[tokio::test]
async fn revisions_of_one_service_are_described_together() {
    let town = Town::with_service().await;
    let revisions = |service: &api::Service| {
        let all = service.current_service_revisions.iter().flatten();
        all.filter_map(|r| r.arn.clone()).collect::<Vec<_>>()
    };
    let web = revisions(&town.describe().await);
    let other = town.create(|c| c.service_name = "other".into()).await;
    let other = revisions(&other.expect("created"));
    let describe = async |arns: Vec<String>| {
        let input = api::DescribeServiceRevisionsInput {
            service_revision_arns: arns,
        };
        town.lab.call(ops::DescribeServiceRevisions, input).await
    };
    let missing = format!("{}1", web[0]);
    let shown = describe(vec![web[0].clone(), missing.clone()]).await;
    let shown = shown.expect("described");
    assert_eq!(shown.service_revisions.map(|r| r.len()), Some(1));
    assert_eq!(shown.failures.expect("one")[0].arn, Some(missing));
    for (arns, part) in [
        (vec![], "The Service ARN provided is invalid."),
        (vec!["x".into()], "The ServiceRevision ARN is invalid."),
        (vec![web[0].clone(); 21], "count cannot exceed 20"),
        (
            [web.clone(), other].concat(),
            "Cross service requests are not allowed.",
        ),
    ] {
        let (code, message) = said(describe(arns).await);
        assert_eq!(code, "InvalidParameterException");
        assert!(message.contains(part), "{message}");
    }
    town.delete(true).await.expect("deleted");
    town.rest(&[]).await;
    let (_, message) = said(describe(web).await);
    assert!(message.contains("a service that is INACTIVE"), "{message}");
}

/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html>
#[tokio::test]
async fn other_capacity_needs_a_forced_deployment() {
    let town = Town::with_service().await;
    let put = api::PutClusterCapacityProvidersInput {
        cluster: "c".into(),
        capacity_providers: vec!["FARGATE_SPOT".into()],
        default_capacity_provider_strategy: Vec::new(),
    };
    let put = town.lab.call(ops::PutClusterCapacityProviders, put).await;
    put.expect("put");
    let spot = |base| api::CapacityProviderStrategyItem {
        capacity_provider: "FARGATE_SPOT".into(),
        weight: Some(1),
        base,
    };
    let strategy = async |of: Vec<api::CapacityProviderStrategyItem>, force: bool| {
        let updated = town.update(|u| {
            u.capacity_provider_strategy = Some(of);
            u.force_new_deployment = force.then_some(true);
        });
        updated.await
    };
    let (_, message) = said(strategy(vec![spot(None)], false).await);
    assert!(
        message.ends_with("you must force a new deployment."),
        "{message}"
    );
    let service = strategy(vec![spot(None)], true).await.expect("updated");
    assert_eq!(service.launch_type, None);
    assert_eq!(service.deployments.map(|d| d.len()), Some(2));
    let same = strategy(vec![spot(Some(0))], false)
        .await
        .expect("the same");
    assert_eq!(
        same.deployments.map(|d| d.len()),
        Some(2),
        "no other deployment"
    );
    let (_, message) = said(strategy(Vec::new(), false).await);
    assert!(
        message.ends_with("you must force a new deployment."),
        "{message}"
    );
    let back = strategy(Vec::new(), true).await.expect("updated");
    assert_eq!(back.launch_type.as_deref(), Some("FARGATE"));
    assert_eq!(back.capacity_provider_strategy, None);
}
