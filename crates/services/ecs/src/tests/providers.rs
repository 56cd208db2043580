//! Capacity providers, and clusters that use them.

use super::{Lab, said};
use futures_util::future::join;
use neargate_api_ecs::{self as api, ops};

fn group(name: &str) -> api::CreateCapacityProviderInput {
    api::CreateCapacityProviderInput {
        name: name.into(),
        auto_scaling_group_provider: Some(api::AutoScalingGroupProvider {
            auto_scaling_group_arn: format!(
                "arn:aws:autoscaling:us-east-1:000000000000:autoScalingGroup:0:autoScalingGroupName/{name}"
            ),
            ..Default::default()
        }),
        tags: Some(vec![api::Tag {
            key: Some("k".into()),
            value: Some("v".into()),
        }]),
        ..Default::default()
    }
}

fn item(name: &str, base: i32, weight: i32) -> api::CapacityProviderStrategyItem {
    api::CapacityProviderStrategyItem {
        capacity_provider: name.into(),
        base: Some(base),
        weight: Some(weight),
    }
}

fn put(
    providers: &[&str],
    strategy: Vec<api::CapacityProviderStrategyItem>,
) -> api::PutClusterCapacityProvidersInput {
    api::PutClusterCapacityProvidersInput {
        cluster: "c".into(),
        capacity_providers: providers.iter().map(|p| (*p).to_owned()).collect(),
        default_capacity_provider_strategy: strategy,
    }
}

fn delete(name: &str) -> api::DeleteCapacityProviderInput {
    api::DeleteCapacityProviderInput {
        capacity_provider: name.into(),
        ..Default::default()
    }
}

async fn describe(lab: &Lab, named: &[&str]) -> (Vec<api::CapacityProvider>, Vec<api::Failure>) {
    let input = api::DescribeCapacityProvidersInput {
        capacity_providers: Some(named.iter().map(|n| (*n).to_owned()).collect()),
        include: Some(vec!["TAGS".into()]),
        ..Default::default()
    };
    let output = lab.call(ops::DescribeCapacityProviders, input).await;
    let output = output.expect("described");
    (
        output.capacity_providers.expect("set"),
        output.failures.expect("set"),
    )
}

#[tokio::test]
async fn the_life_of_a_provider() {
    let lab = Lab::new();
    let made = lab.call(ops::CreateCapacityProvider, group("mine")).await;
    let made = made.expect("created").capacity_provider.expect("shown");
    let arn = "arn:aws:ecs:us-east-1:000000000000:capacity-provider/mine";
    assert_eq!(made.capacity_provider_arn.as_deref(), Some(arn));
    let (all, failures) = describe(&lab, &[]).await;
    let names: Vec<_> = all.iter().filter_map(|p| p.name.as_deref()).collect();
    assert_eq!(
        (names, failures.len()),
        (vec!["FARGATE", "FARGATE_SPOT", "mine"], 0)
    );
    let (found, failures) = describe(&lab, &[arn, "none", "FARGATE"]).await;
    assert_eq!(found[0].tags.as_ref().map(Vec::len), Some(1));
    assert_eq!(found[0].r#type.as_deref(), Some("EC2_AUTOSCALING"));
    assert_eq!(found[1].status.as_deref(), Some("ACTIVE"));
    assert_eq!(failures[0].reason.as_deref(), Some("MISSING"));
    let update = api::UpdateCapacityProviderInput {
        name: "mine".into(),
        auto_scaling_group_provider: Some(api::AutoScalingGroupProviderUpdate {
            managed_scaling: Some(api::ManagedScaling {
                status: Some("ENABLED".into()),
                target_capacity: Some(80),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    };
    let updated = lab.call(ops::UpdateCapacityProvider, update.clone()).await;
    let updated = updated.expect("updated").capacity_provider.expect("shown");
    let scaling = updated
        .auto_scaling_group_provider
        .expect("set")
        .managed_scaling;
    let scaling = scaling.expect("set");
    assert_eq!(
        (scaling.target_capacity, scaling.instance_warmup_period),
        (Some(80), Some(300))
    );
    assert_eq!(updated.update_status.as_deref(), Some("UPDATE_COMPLETE"));
    let gone = lab.call(ops::DeleteCapacityProvider, delete(arn)).await;
    let gone = gone.expect("deleted").capacity_provider.expect("shown");
    assert_eq!(gone.status.as_deref(), Some("INACTIVE"));
    assert_eq!(gone.update_status.as_deref(), Some("DELETE_COMPLETE"));
    assert_eq!(
        describe(&lab, &["mine"]).await.0[0].status.as_deref(),
        Some("INACTIVE")
    );
    for again in [
        said(lab.call(ops::DeleteCapacityProvider, delete("mine")).await),
        said(lab.call(ops::UpdateCapacityProvider, update).await),
        said(
            lab.call(ops::DeleteCapacityProvider, delete("FARGATE"))
                .await,
        ),
    ] {
        assert_eq!(again.0, "ClientException", "{}", again.1);
    }
    lab.call(ops::CreateCapacityProvider, group("mine"))
        .await
        .expect("created again");
}

#[tokio::test]
async fn providers_that_are_refused() {
    let lab = Lab::new();
    lab.call(ops::CreateCapacityProvider, group("mine"))
        .await
        .expect("created");
    let same_group = api::CreateCapacityProviderInput {
        name: "other".into(),
        ..group("mine")
    };
    let no_kind = api::CreateCapacityProviderInput {
        auto_scaling_group_provider: None,
        ..group("x")
    };
    let mut no_group = group("x");
    if let Some(provider) = &mut no_group.auto_scaling_group_provider {
        provider.auto_scaling_group_arn = "arn:aws:ecs:us-east-1:0:cluster/x".into();
    }
    let mut unprotected = group("x");
    if let Some(provider) = &mut unprotected.auto_scaling_group_provider {
        provider.managed_termination_protection = Some("ENABLED".into());
    }
    let in_cluster = api::CreateCapacityProviderInput {
        cluster: Some("default".into()),
        ..group("x")
    };
    for bad in [
        group("mine"),
        group("aws-x"),
        group("FARGATE"),
        group("a b"),
        group(""),
        same_group,
        no_kind,
        no_group,
        unprotected,
        in_cluster,
    ] {
        let (code, why) = said(lab.call(ops::CreateCapacityProvider, bad.clone()).await);
        let known = ["ClientException", "InvalidParameterException"];
        assert!(known.contains(&code.as_str()), "{bad:?}: {code} {why}");
    }
}

#[tokio::test]
async fn clusters_use_providers_by_their_rules() {
    let lab = Lab::new();
    lab.create_cluster("c").await;
    lab.call(ops::CreateCapacityProvider, group("mine"))
        .await
        .expect("created");
    let changed = lab
        .call(
            ops::PutClusterCapacityProviders,
            put(
                &[
                    "FARGATE",
                    "FARGATE_SPOT",
                    "arn:aws:ecs:us-east-1:000000000000:capacity-provider/mine",
                ],
                vec![item("FARGATE", 1, 1), item("FARGATE_SPOT", 0, 3)],
            ),
        )
        .await;
    let cluster = changed.expect("put").cluster.expect("shown");
    let names = ["FARGATE", "FARGATE_SPOT", "mine"].map(String::from);
    assert_eq!(cluster.capacity_providers, Some(names.into()));
    assert_eq!(
        cluster.attachments_status.as_deref(),
        Some("UPDATE_COMPLETE")
    );
    for bad in [
        put(&["none"], vec![]),
        put(&["FARGATE", "FARGATE"], vec![]),
        put(&["FARGATE"], vec![item("FARGATE_SPOT", 0, 1)]),
        put(
            &["FARGATE", "mine"],
            vec![item("FARGATE", 0, 1), item("mine", 0, 1)],
        ),
        put(
            &["FARGATE", "FARGATE_SPOT"],
            vec![item("FARGATE", 1, 1), item("FARGATE_SPOT", 1, 1)],
        ),
    ] {
        let (code, _) = said(
            lab.call(ops::PutClusterCapacityProviders, bad.clone())
                .await,
        );
        assert_eq!(code, "InvalidParameterException", "{bad:?}");
    }
    let associated = said(lab.call(ops::DeleteCapacityProvider, delete("mine")).await);
    assert_eq!(associated.0, "ClientException");
    // Tasks run by the default strategy: one on demand, then three of four on spot.
    lab.register("web").await;
    let run = api::RunTaskInput {
        cluster: Some("c".into()),
        launch_type: None,
        count: Some(5),
        ..lab.request("web")
    };
    let tasks = lab.run(run).await.expect("started");
    let spot = tasks
        .iter()
        .filter(|t| t.capacity_provider_name.as_deref() == Some("FARGATE_SPOT"));
    assert_eq!(spot.count(), 3);
    let only_fargate = put(&["FARGATE"], vec![item("FARGATE", 0, 1)]);
    let in_use = lab
        .call(ops::PutClusterCapacityProviders, only_fargate.clone())
        .await;
    assert_eq!(said(in_use).0, "ResourceInUseException");
    for task in super::arns(&tasks) {
        lab.end(&task).await;
    }
    lab.call(ops::PutClusterCapacityProviders, only_fargate)
        .await
        .expect("free now");
    lab.call(ops::DeleteCapacityProvider, delete("mine"))
        .await
        .expect("free, too");
    let created = api::CreateClusterInput {
        cluster_name: Some("d".into()),
        capacity_providers: Some(vec!["mine".into()]),
        ..Default::default()
    };
    let refused = said(lab.call(ops::CreateCluster, created).await);
    assert_eq!(refused.0, "InvalidParameterException");
}

#[tokio::test]
async fn managed_instances_belong_to_their_cluster() {
    let lab = Lab::new();
    lab.create_cluster("c").await;
    let input = |cluster: Option<&str>| api::CreateCapacityProviderInput {
        name: "managed".into(),
        cluster: cluster.map(Into::into),
        managed_instances_provider: Some(api::CreateManagedInstancesProviderConfiguration {
            infrastructure_role_arn: "arn:aws:iam::000000000000:role/r".into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let nowhere = said(lab.call(ops::CreateCapacityProvider, input(None)).await);
    assert_eq!(nowhere.0, "InvalidParameterException");
    let unknown = said(
        lab.call(ops::CreateCapacityProvider, input(Some("none")))
            .await,
    );
    assert_eq!(unknown.0, "ClusterNotFoundException");
    let made = lab
        .call(ops::CreateCapacityProvider, input(Some("c")))
        .await;
    let made = made.expect("created").capacity_provider.expect("shown");
    assert_eq!(made.r#type.as_deref(), Some("MANAGED_INSTANCES"));
    let remove = api::DeleteClusterInput {
        cluster: "c".into(),
    };
    let refused = said(lab.call(ops::DeleteCluster, remove.clone()).await);
    assert_eq!(refused.0, "ClusterContainsCapacityProviderException");
    lab.call(ops::DeleteCapacityProvider, delete("managed"))
        .await
        .expect("deleted");
    lab.call(ops::DeleteCluster, remove).await.expect("deleted");
}

/// Whatever order they come in: no cluster names a provider that is gone.
#[tokio::test]
async fn a_deletion_never_crosses_an_association() {
    let mut outcomes = [0, 0];
    for seed in 0..24 {
        let lab = Lab::seeded(seed);
        lab.create_cluster("c").await;
        let made = lab.call(ops::CreateCapacityProvider, group("mine")).await;
        made.expect("created");
        let create = api::CreateClusterInput {
            cluster_name: Some("d".into()),
            capacity_providers: Some(vec!["mine".into()]),
            ..Default::default()
        };
        let (used, gone) = if seed % 2 == 0 {
            let (used, gone) = join(
                lab.call(ops::PutClusterCapacityProviders, put(&["mine"], vec![])),
                lab.call(ops::DeleteCapacityProvider, delete("mine")),
            )
            .await;
            (used.is_ok(), gone.is_ok())
        } else {
            let (used, gone) = join(
                lab.call(ops::CreateCluster, create),
                lab.call(ops::DeleteCapacityProvider, delete("mine")),
            )
            .await;
            (used.is_ok(), gone.is_ok())
        };
        assert_ne!(used, gone, "seed {seed}");
        outcomes[usize::from(gone)] += 1;
    }
    assert!(
        outcomes[0] > 0 && outcomes[1] > 0,
        "both orders were tried: {outcomes:?}"
    );
}
