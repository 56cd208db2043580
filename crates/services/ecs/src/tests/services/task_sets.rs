//! Task sets: the calls, and the controller that keeps each at its share.

use super::{Lab, Town};
use crate::model::{ServiceRevision, TaskSet};
use crate::tests::said;
use neargate_api_ecs::{self as api, ops};
use neargate_domain::vpc::DefaultVpc;
use neargate_service::{AwsError, Resource};

fn network(lab: &Lab) -> Option<api::NetworkConfiguration> {
    let vpc = DefaultVpc::of(&lab.scope.account, &lab.scope.region);
    Some(api::NetworkConfiguration {
        awsvpc_configuration: Some(api::AwsVpcConfiguration {
            subnets: vec![vpc.subnets[0].id.clone()],
            ..Default::default()
        }),
    })
}

fn scale(percent: f64) -> api::Scale {
    api::Scale {
        value: Some(percent),
        unit: Some("PERCENT".into()),
    }
}

impl Town {
    /// An EXTERNAL service of four tasks, and the definitions `web` and `next`.
    async fn external() -> Town {
        let town = Town::new().await;
        town.lab.register("web").await;
        town.lab.register("next").await;
        let created = town.create(|input| {
            input.task_definition = None;
            input.launch_type = None;
            input.network_configuration = None;
            input.desired_count = Some(4);
            input.deployment_controller = Some(api::DeploymentController {
                r#type: "EXTERNAL".into(),
            });
        });
        let service = created.await.expect("created");
        assert_eq!(service.task_sets, Some(vec![]));
        town
    }

    async fn task_set(
        &self,
        family: &str,
        percent: f64,
        change: impl FnOnce(&mut api::CreateTaskSetInput),
    ) -> Result<api::TaskSet, AwsError> {
        let mut input = api::CreateTaskSetInput {
            cluster: "c".into(),
            service: "web".into(),
            task_definition: family.into(),
            launch_type: Some("FARGATE".into()),
            network_configuration: network(&self.lab),
            scale: Some(scale(percent)),
            ..Default::default()
        };
        change(&mut input);
        let output = self.lab.call(ops::CreateTaskSet, input).await?;
        Ok(output.task_set.expect("described"))
    }

    async fn rescale(&self, set: &str, percent: f64) -> Result<api::TaskSet, AwsError> {
        let input = api::UpdateTaskSetInput {
            cluster: "c".into(),
            service: "web".into(),
            task_set: set.into(),
            scale: scale(percent),
        };
        let output = self.lab.call(ops::UpdateTaskSet, input).await?;
        Ok(output.task_set.expect("described"))
    }

    async fn delete_set(&self, set: &str, force: bool) -> Result<api::TaskSet, AwsError> {
        let input = api::DeleteTaskSetInput {
            cluster: "c".into(),
            service: "web".into(),
            task_set: set.into(),
            force: Some(force),
        };
        let output = self.lab.call(ops::DeleteTaskSet, input).await?;
        Ok(output.task_set.expect("described"))
    }

    async fn promote(&self, set: &str) -> Result<api::TaskSet, AwsError> {
        let input = api::UpdateServicePrimaryTaskSetInput {
            cluster: "c".into(),
            service: "web".into(),
            primary_task_set: set.into(),
        };
        let output = self
            .lab
            .call(ops::UpdateServicePrimaryTaskSet, input)
            .await?;
        Ok(output.task_set.expect("described"))
    }

    async fn sets(&self, named: &[&str]) -> api::DescribeTaskSetsOutput {
        let input = api::DescribeTaskSetsInput {
            cluster: "c".into(),
            service: "web".into(),
            task_sets: Some(named.iter().map(|s| (*s).to_owned()).collect()),
            include: None,
        };
        self.lab
            .call(ops::DescribeTaskSets, input)
            .await
            .expect("described")
    }

    /// Desired and running count and status of each, oldest first.
    async fn shares(&self) -> Vec<(i32, i32, String)> {
        let sets = self.sets(&[]).await.task_sets.expect("a list");
        let of = |s: api::TaskSet| {
            (
                s.computed_desired_count.unwrap_or(-1),
                s.running_count.unwrap_or(-1),
                s.status.unwrap_or_default(),
            )
        };
        sets.into_iter().map(of).collect()
    }

    async fn count<T: Resource>(&self) -> usize {
        let all = self
            .lab
            .house
            .db
            .list_prefix::<T>(&format!("{}/", T::KIND))
            .await;
        all.expect("listed").len()
    }
}

fn id(set: &api::TaskSet) -> &str {
    set.id.as_deref().expect("named")
}

#[tokio::test]
async fn a_caller_rolls_a_deployment_out() {
    let town = Town::external().await;
    town.rest(&[]).await;
    assert!(
        town.tasks().await.is_empty(),
        "nothing runs without a task set"
    );
    let blue = town.task_set("web", 100.0, |_| {}).await.expect("created");
    assert_eq!(blue.status.as_deref(), Some("ACTIVE"));
    assert_eq!(blue.stability_status.as_deref(), Some("STABILIZING"));
    assert_eq!(blue.computed_desired_count, Some(4));
    let arn = format!(
        "arn:aws:ecs:us-east-1:000000000000:task-set/c/web/{}",
        id(&blue)
    );
    assert_eq!(blue.task_set_arn.as_ref(), Some(&arn));
    assert!(id(&blue).starts_with("ecs-svc/") && id(&blue).len() == 27);
    town.rest(&[]).await;
    town.promote(id(&blue)).await.expect("promoted");
    assert_eq!(town.shares().await, [(4, 4, "PRIMARY".into())]);
    let tasks = town.live().await;
    assert!(
        tasks
            .iter()
            .all(|t| t.spec.started_by.as_deref() == Some(id(&blue)))
    );
    let service = town.describe().await;
    assert!(
        service
            .task_definition
            .is_some_and(|d| d.ends_with("/web:1"))
    );
    assert_eq!(service.deployments, Some(vec![]));

    // Green beside it, then instead of it.
    let green = town.task_set("next", 25.0, |_| {}).await.expect("created");
    town.rest(&[]).await;
    assert_eq!(
        town.shares().await,
        [(4, 4, "PRIMARY".into()), (1, 1, "ACTIVE".into())]
    );
    town.rescale(id(&green), 100.0).await.expect("scaled");
    let by_arn = green.task_set_arn.as_deref().expect("named");
    town.promote(by_arn).await.expect("promoted");
    town.rest(&[]).await;
    assert_eq!(
        said(town.delete_set(id(&blue), false).await).0,
        "InvalidParameterException"
    );
    let gone = town.delete_set(id(&blue), true).await.expect("deleted");
    assert_eq!(gone.status.as_deref(), Some("DRAINING"));
    town.rest(&[]).await;
    assert_eq!(town.shares().await, [(4, 4, "PRIMARY".into())]);
    assert_eq!(
        (
            town.count::<TaskSet>().await,
            town.count::<ServiceRevision>().await
        ),
        (1, 1)
    );
    let service = town.describe().await;
    assert!(
        service
            .task_definition
            .is_some_and(|d| d.ends_with("/next:1"))
    );
    assert_eq!(service.running_count, Some(4));
    let said = town.events().await;
    for set in [&blue, &green] {
        let steady = format!(
            "(service web, taskSet {}) has reached a steady state.",
            id(set)
        );
        assert!(said.contains(&steady), "{said:?}");
    }
    let started = format!("(service web, taskSet {}) has started 4 tasks: ", id(&blue));
    assert!(said.iter().any(|m| m.starts_with(&started)), "{said:?}");
}

#[tokio::test]
async fn shares_follow_the_service_and_tasks_are_replaced() {
    let town = Town::external().await;
    let set = town.task_set("web", 50.0, |_| {}).await.expect("created");
    town.rest(&[]).await;
    assert_eq!(town.shares().await, [(2, 2, "ACTIVE".into())]);
    town.update(|input| input.desired_count = Some(7))
        .await
        .expect("updated");
    town.rest(&[]).await;
    assert_eq!(town.shares().await, [(4, 4, "ACTIVE".into())], "3.5 is 4");
    let one = town.live().await.remove(0);
    town.ends(&one, "EssentialContainerExited").await;
    let shown = town
        .sets(&[id(&set)])
        .await
        .task_sets
        .expect("a list")
        .remove(0);
    assert_eq!(shown.running_count, Some(3));
    town.settle().await;
    let shown = town
        .sets(&[id(&set)])
        .await
        .task_sets
        .expect("a list")
        .remove(0);
    assert_eq!(shown.stability_status.as_deref(), Some("STABILIZING"));
    town.rest(&[]).await;
    assert_eq!(town.live().await.len(), 4);
    town.rescale(id(&set), 0.0).await.expect("scaled");
    town.rest(&[]).await;
    assert!(town.live().await.is_empty());
    town.delete_set(id(&set), false)
        .await
        .expect("deleted: it is scaled to 0");
    town.rest(&[]).await;
    assert!(town.shares().await.is_empty());
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let town = Town::external().await;
    let invalid = "InvalidParameterException".to_owned();
    assert_eq!(said(town.task_set("web", 100.5, |_| {}).await).0, invalid);
    let refused = town.task_set("web", 1.0, |input| {
        input.load_balancers = Some(vec![api::LoadBalancer::default()]);
    });
    assert_eq!(said(refused.await).0, invalid);
    let refused = town.task_set("web", 1.0, |input| {
        input.service_registries = Some(vec![api::ServiceRegistry::default()]);
    });
    assert_eq!(said(refused.await).0, invalid);
    assert_eq!(
        said(town.task_set("nothing", 1.0, |_| {}).await).0,
        "ClientException"
    );
    let refused = town.task_set("web", 1.0, |input| input.service = "other".into());
    assert_eq!(said(refused.await).0, "ServiceNotFoundException");
    for result in [
        town.rescale("ecs-svc/1", 1.0).await,
        town.delete_set("ecs-svc/1", true).await,
        town.promote("ecs-svc/1").await,
    ] {
        assert_eq!(said(result).0, "TaskSetNotFoundException");
    }
    let failures = town.sets(&["ecs-svc/1"]).await.failures.expect("a list");
    assert_eq!(failures[0].reason.as_deref(), Some("MISSING"));

    let first = town
        .task_set("web", 0.0, |i| i.client_token = Some("t".into()))
        .await;
    let again = town
        .task_set("web", 0.0, |i| i.client_token = Some("t".into()))
        .await;
    assert_eq!(first.expect("created").id, again.expect("the same").id);
    let other = town
        .task_set("web", 1.0, |i| i.client_token = Some("t".into()))
        .await;
    assert_eq!(
        said(other),
        (
            invalid.clone(),
            "Creation of task set was not idempotent.".into()
        )
    );
    for _ in 1..5 {
        town.task_set("web", 0.0, |_| {}).await.expect("created");
    }
    let sixth = town.task_set("web", 0.0, |_| {}).await;
    assert_eq!(
        said(sixth).1,
        "5 deployments exist on the service. Unable to create new TaskSet since this exceeds the maximum limit."
    );

    let usual = Town::with_service().await;
    assert_eq!(
        said(usual.task_set("web", 1.0, |_| {}).await),
        (
            invalid,
            "Amazon ECS only supports task set management on services configured to use external deployment controllers.".into()
        )
    );
}

#[tokio::test]
async fn sets_go_with_their_service_and_its_name_is_free() {
    let town = Town::external().await;
    town.task_set("web", 100.0, |_| {}).await.expect("created");
    town.rest(&[]).await;
    assert_eq!(town.live().await.len(), 4);
    town.delete(true).await.expect("deleted");
    town.rest(&[]).await;
    assert!(town.live().await.is_empty());
    assert_eq!(town.count::<TaskSet>().await, 0);
    assert_eq!(town.describe().await.status.as_deref(), Some("INACTIVE"));
}

#[tokio::test]
async fn a_set_whose_tasks_never_run_waits_and_says_so() {
    let town = Town::external().await;
    let set = town.task_set("web", 25.0, |_| {}).await.expect("created");
    for _ in 0..4 {
        town.settle().await;
        town.obey(&[1]).await;
    }
    town.settle().await;
    let said = town.events().await;
    let impaired = format!(
        "(service web, taskSet {}) is unable to consistently start",
        id(&set)
    );
    assert_eq!(
        said.iter().filter(|m| m.starts_with(&impaired)).count(),
        1,
        "{said:?}"
    );
    let before = town.tasks().await.len();
    town.settle().await;
    assert_eq!(town.tasks().await.len(), before, "throttled");
}

#[tokio::test]
async fn task_sets_have_tags() {
    let town = Town::external().await;
    let set = town.task_set("web", 0.0, |input| {
        input.tags = Some(vec![api::Tag {
            key: Some("team".into()),
            value: Some("a".into()),
        }]);
    });
    let set = set.await.expect("created");
    let input = api::ListTagsForResourceInput {
        resource_arn: set.task_set_arn.expect("named"),
    };
    let tags = town
        .lab
        .call(ops::ListTagsForResource, input)
        .await
        .expect("listed")
        .tags;
    assert_eq!(tags.expect("a list")[0].key.as_deref(), Some("team"));
}

#[tokio::test]
async fn a_task_set_has_tags_and_holds_its_definition() {
    let town = Town::external().await;
    let set = town.task_set("web", 50.0, |_| {}).await.expect("created");
    let arn = set.task_set_arn.expect("named");
    let tag = api::TagResourceInput {
        resource_arn: arn.clone(),
        tags: vec![api::Tag {
            key: Some("a".into()),
            value: Some("b".into()),
        }],
    };
    town.lab
        .call(ops::TagResource, tag.clone())
        .await
        .expect("tagged");
    let list = |arn: &str| {
        let input = api::ListTagsForResourceInput {
            resource_arn: arn.into(),
        };
        town.lab.call(ops::ListTagsForResource, input)
    };
    assert_eq!(list(&arn).await.expect("listed").tags, Some(tag.tags));
    for bad in [
        arn.replace("/ecs-svc/", "/ecs-svc/9"),
        arn.replace("us-east-1", "eu-west-1"),
        arn.replace("/c/web/ecs-svc/", "/"),
    ] {
        let refused = said(list(&bad).await);
        assert_eq!(refused.0, "ResourceNotFoundException", "{bad}");
    }
    let definition = api::DeregisterTaskDefinitionInput {
        task_definition: "web:1".into(),
    };
    town.lab
        .call(ops::DeregisterTaskDefinition, definition)
        .await
        .expect("deregistered");
    let delete = api::DeleteTaskDefinitionsInput {
        task_definitions: vec!["web:1".into()],
    };
    town.lab
        .call(ops::DeleteTaskDefinitions, delete)
        .await
        .expect("marked");
    assert!(!crate::tests::used::is_doomed(&town.lab, "web").await);
}
