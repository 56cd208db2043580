//! Clusters: deletion, names, other regions.

use super::{Lab, after, said};
use crate::model::Cluster;
use futures_util::future::join3;
use neargate_api_ecs::{self as api, ops};
use neargate_service::Scope;

fn delete(cluster: &str) -> api::DeleteClusterInput {
    api::DeleteClusterInput {
        cluster: cluster.into(),
    }
}

/// Whatever the order, a deleted cluster holds no task, and one that holds a task is not deleted.
#[tokio::test]
async fn a_deletion_never_crosses_a_start() {
    let (mut deleted, mut kept) = (0, 0);
    for seed in 0..40 {
        let lab = Lab::seeded(seed);
        lab.create_cluster("c").await;
        lab.register("web").await;
        // Written by whoever needs it first, it would always let the deletion be first.
        neargate_service::vpc::ensure_default(&lab.house, &lab.scope)
            .await
            .expect("a default VPC");
        let request = api::RunTaskInput {
            cluster: Some("c".into()),
            ..lab.request("web")
        };
        let (first, gone, second) = join3(
            lab.run(request.clone()),
            // It has less to read than a start, and so comes late in some of the orders.
            after(seed, lab.call(ops::DeleteCluster, delete("c"))),
            lab.run(request),
        )
        .await;
        let started = first.is_ok() || second.is_ok();
        assert!(
            started != gone.is_ok(),
            "seed {seed}: {first:?} {gone:?} {second:?}"
        );
        let found = lab
            .house
            .db
            .get::<Cluster>(&lab.scope, "c")
            .await
            .expect("read");
        let active = found.expect("kept, if only as INACTIVE").active;
        assert_eq!(active, started, "seed {seed}");
        assert_eq!(lab.tasks().await.is_empty(), !started, "seed {seed}");
        if started {
            kept += 1;
            assert_eq!(
                gone.expect_err("seed").code,
                "ClusterContainsTasksException"
            );
        } else {
            deleted += 1;
            assert_eq!(first.expect_err("refused").code, "ClusterNotFoundException");
        }
    }
    assert!(
        deleted > 0 && kept > 0,
        "both orders were tried: {deleted} {kept}"
    );
}

/// A cluster that changes while a task starts in it must not keep the start waiting for ever.
#[tokio::test]
async fn a_change_of_the_cluster_does_not_stop_a_start() {
    for seed in 0..12 {
        let lab = Lab::seeded(seed);
        lab.create_cluster("c").await;
        lab.register("web").await;
        let request = api::RunTaskInput {
            cluster: Some("c".into()),
            ..lab.request("web")
        };
        let settings = api::UpdateClusterSettingsInput {
            cluster: "c".into(),
            settings: vec![api::ClusterSetting {
                name: Some("containerInsights".into()),
                value: Some("enabled".into()),
            }],
        };
        let (run, update, again) = join3(
            lab.run(request.clone()),
            lab.call(ops::UpdateClusterSettings, settings),
            lab.run(request),
        )
        .await;
        assert!(
            run.is_ok() && update.is_ok() && again.is_ok(),
            "seed {seed}"
        );
    }
}

#[tokio::test]
async fn a_cluster_made_again_after_its_deletion_is_empty_and_usable() {
    let lab = Lab::new();
    lab.register("web").await;
    let request = api::RunTaskInput {
        cluster: Some("c".into()),
        ..lab.request("web")
    };
    for _ in 0..2 {
        assert_eq!(
            said(lab.run(request.clone()).await).0,
            "ClusterNotFoundException"
        );
        lab.create_cluster("c").await;
        let tasks = lab.run(request.clone()).await.expect("started");
        assert_eq!(
            said(lab.call(ops::DeleteCluster, delete("c")).await).0,
            "ClusterContainsTasksException"
        );
        lab.end(&super::arn(&tasks[0])).await;
        let gone = lab
            .call(ops::DeleteCluster, delete("c"))
            .await
            .expect("deleted");
        assert_eq!(
            gone.cluster.expect("shown").status.as_deref(),
            Some("INACTIVE")
        );
    }
}

#[tokio::test]
async fn the_default_cluster_is_made_by_whatever_names_it() {
    for named in [
        None,
        Some(""),
        Some("default"),
        Some("arn:aws:ecs:us-east-1:000000000000:cluster/default"),
    ] {
        let lab = Lab::new();
        lab.register("web").await;
        let request = api::RunTaskInput {
            cluster: named.map(Into::into),
            ..lab.request("web")
        };
        assert!(lab.run(request).await.is_ok(), "{named:?}");
    }
}

#[tokio::test]
async fn regions_and_accounts_see_only_their_own() {
    let lab = Lab::new();
    lab.create_cluster("c").await;
    lab.register("web").await;
    let elsewhere = Scope {
        region: "eu-west-1".parse().expect("region"),
        ..lab.scope.clone()
    };
    let other = Scope {
        account: "111122223333".parse().expect("account"),
        ..lab.scope.clone()
    };
    for scope in [&elsewhere, &other] {
        let listed = lab
            .call_in(scope, ops::ListClusters, api::ListClustersInput::default())
            .await;
        assert_eq!(listed.expect("listed").cluster_arns, Some(Vec::new()));
        let found = lab.call_in(
            scope,
            ops::DescribeTaskDefinition,
            api::DescribeTaskDefinitionInput {
                task_definition: "web".into(),
                ..Default::default()
            },
        );
        assert_eq!(said(found.await).0, "ClientException");
        let here = "arn:aws:ecs:us-east-1:000000000000:cluster/c";
        let request = api::RunTaskInput {
            cluster: Some(here.into()),
            ..lab.request("web")
        };
        assert_eq!(
            said(lab.call_in(scope, ops::RunTask, request).await).0,
            "ClusterNotFoundException"
        );
        let asked = api::DescribeClustersInput {
            clusters: Some(vec![here.into(), "c".into()]),
            ..Default::default()
        };
        let shown = lab
            .call_in(scope, ops::DescribeClusters, asked)
            .await
            .expect("described");
        assert_eq!(shown.clusters, Some(Vec::new()));
        let failures = shown.failures.expect("two");
        assert!(
            failures
                .iter()
                .all(|f| f.reason.as_deref() == Some("MISSING"))
        );
        assert_eq!(
            failures[0].arn.as_deref(),
            Some(here),
            "as it was asked for"
        );
        assert_ne!(
            failures[1].arn.as_deref(),
            Some(here),
            "of the caller's own scope"
        );
    }
}

#[tokio::test]
async fn creating_it_again_takes_the_same_arguments() {
    let lab = Lab::new();
    let create = async |change: fn(&mut api::CreateClusterInput)| {
        let mut input = api::CreateClusterInput {
            cluster_name: Some("c".into()),
            ..Default::default()
        };
        change(&mut input);
        lab.call(ops::CreateCluster, input).await
    };
    let tagged = |c: &mut api::CreateClusterInput| {
        c.tags = Some(vec![api::Tag {
            key: Some("a".into()),
            value: Some("b".into()),
        }]);
    };
    create(tagged).await.expect("created");
    create(tagged).await.expect("the same");
    let plain = create(|_| {}).await.expect("what is left out agrees");
    assert_eq!(
        plain.cluster.expect("described").tags.map(|t| t.len()),
        Some(1)
    );
    let others: [fn(&mut api::CreateClusterInput); 2] = [
        |c| c.capacity_providers = Some(vec!["FARGATE".into()]),
        |c| {
            c.settings = Some(vec![api::ClusterSetting {
                name: Some("containerInsights".into()),
                value: Some("enhanced".into()),
            }]);
        },
    ];
    for other in others {
        assert_eq!(
            said(create(other).await).1,
            "Arguments on this idempotent request are inconsistent with arguments used in previous request(s)."
        );
    }
    // No settings given: what there is stays.
    let update = api::UpdateClusterSettingsInput {
        cluster: "c".into(),
        settings: Vec::new(),
    };
    let kept = lab.call(ops::UpdateClusterSettings, update).await;
    let kept = kept.expect("answered").cluster.expect("described");
    assert_eq!(kept.settings.map(|s| s.len()), Some(1));
    let twice = api::DescribeClustersInput {
        clusters: Some(vec![
            "c".into(),
            "arn:aws:ecs:us-east-1:000000000000:cluster/c".into(),
        ]),
        include: None,
    };
    let once = lab.call(ops::DescribeClusters, twice).await;
    assert_eq!(once.expect("described").clusters.map(|c| c.len()), Some(1));
}
