//! Instance refreshes.

use super::{Place, place, some};
use neargate_api_autoscaling::{self as api, ops};

impl Place {
    async fn refresh(
        &self,
        version: Option<&str>,
        preferences: api::RefreshPreferences,
    ) -> Result<String, neargate_service::AwsError> {
        let input = api::StartInstanceRefreshInput {
            auto_scaling_group_name: "web".into(),
            strategy: None,
            desired_configuration: version.map(|version| api::DesiredConfiguration {
                launch_template: Some(api::LaunchTemplateSpecification {
                    launch_template_id: some("lt-1"),
                    launch_template_name: None,
                    version: some(version),
                }),
                mixed_instances_policy: None,
            }),
            preferences: Some(preferences),
        };
        let started = self.call(ops::StartInstanceRefresh, input).await?;
        Ok(started.instance_refresh_id.unwrap())
    }

    async fn refreshed(&self) -> api::InstanceRefresh {
        let input = api::DescribeInstanceRefreshesInput {
            auto_scaling_group_name: "web".into(),
            ..Default::default()
        };
        let found = self
            .call(ops::DescribeInstanceRefreshes, input)
            .await
            .unwrap();
        found.instance_refreshes.unwrap().remove(0)
    }

    async fn versions(&self) -> Vec<String> {
        let all = self.described().await.instances.unwrap().into_iter();
        let mut all: Vec<_> = all.filter_map(|i| i.launch_template?.version).collect();
        all.sort();
        all
    }

    async fn of_three(&self) {
        *self.ec2.latest.lock() = 1;
        self.create(api::CreateAutoScalingGroupInput {
            launch_template: Some(api::LaunchTemplateSpecification {
                launch_template_id: some("lt-1"),
                launch_template_name: None,
                version: some("1"),
            }),
            ..self.new_group(3, 6)
        })
        .await;
        self.live().await;
        // What was started before and since is told by the time.
        self.later(1);
    }
}

#[tokio::test]
async fn all_instances_are_replaced_one_after_the_other() {
    let p = place();
    p.of_three().await;
    let preferences = api::RefreshPreferences {
        instance_warmup: Some(10),
        ..Default::default()
    };
    p.refresh(Some("2"), preferences.clone()).await.unwrap();
    let twice = p.refresh(None, preferences).await.unwrap_err();
    assert_eq!(twice.code, "InstanceRefreshInProgress");
    p.live().await;
    assert_eq!(
        p.versions().await,
        ["1", "1", "2"],
        "the next waits for this to warm up"
    );
    let shown = p.refreshed().await;
    assert_eq!(shown.status.as_deref(), Some("InProgress"));
    assert_eq!(
        (shown.percentage_complete, shown.instances_to_update),
        (Some(33), Some(2))
    );
    for expected in [["1", "2", "2"], ["2", "2", "2"]] {
        p.later(11);
        p.live().await;
        assert_eq!(p.versions().await, expected);
    }
    p.later(11);
    p.live().await;
    assert_eq!(p.refreshed().await.status.as_deref(), Some("Successful"));
    let template = p.described().await.launch_template.unwrap();
    assert_eq!(
        template.version.as_deref(),
        Some("2"),
        "the group is configured so from now on"
    );
    let matching = api::RefreshPreferences {
        skip_matching: Some(true),
        ..Default::default()
    };
    p.refresh(Some("2"), matching).await.unwrap();
    p.live().await;
    let shown = p.refreshed().await;
    assert_eq!(shown.status.as_deref(), Some("Successful"));
    assert_eq!(p.activities().await.len(), 3 + 6, "nothing was replaced");
}

#[tokio::test]
async fn new_instances_may_come_first() {
    let p = place();
    p.of_three().await;
    p.refresh(
        Some("2"),
        api::RefreshPreferences {
            min_healthy_percentage: Some(100),
            max_healthy_percentage: Some(134),
            ..Default::default()
        },
    )
    .await
    .unwrap();
    p.settle().await;
    assert_eq!(p.in_state("InService").await.len(), 3, "none has gone");
    assert_eq!(p.in_state("Pending").await.len(), 1);
    p.live().await;
    assert_eq!(p.versions().await, ["2", "2", "2"]);
    assert_eq!(p.refreshed().await.status.as_deref(), Some("Successful"));
}

#[tokio::test]
async fn a_refresh_waits_at_checkpoints_goes_back_and_is_cancelled() {
    let p = place();
    p.of_three().await;
    let preferences = api::RefreshPreferences {
        checkpoint_percentages: Some(vec![30, 100]),
        checkpoint_delay: Some(600),
        ..Default::default()
    };
    p.refresh(Some("2"), preferences.clone()).await.unwrap();
    p.live().await;
    p.later(300);
    p.live().await;
    assert_eq!(p.versions().await, ["1", "1", "2"]);
    let group = || api::RollbackInstanceRefreshInput {
        auto_scaling_group_name: "web".into(),
    };
    p.call(ops::RollbackInstanceRefresh, group()).await.unwrap();
    p.live().await;
    assert_eq!(p.versions().await, ["1", "1", "1"]);
    let shown = p.refreshed().await;
    assert_eq!(shown.status.as_deref(), Some("RollbackSuccessful"));
    let details = shown.rollback_details.unwrap();
    assert_eq!(details.percentage_complete_on_rollback, Some(33));
    let e = p
        .call(ops::RollbackInstanceRefresh, group())
        .await
        .unwrap_err();
    assert_eq!(e.code, "ActiveInstanceRefreshNotFound");

    p.later(1);
    p.refresh(None, preferences).await.unwrap();
    let e = p
        .call(ops::RollbackInstanceRefresh, group())
        .await
        .unwrap_err();
    assert_eq!(e.code, "IrreversibleInstanceRefresh");
    let cancel = api::CancelInstanceRefreshInput {
        auto_scaling_group_name: "web".into(),
        wait_for_transitioning_instances: None,
    };
    p.live().await;
    p.call(ops::CancelInstanceRefresh, cancel).await.unwrap();
    p.live().await;
    assert_eq!(p.refreshed().await.status.as_deref(), Some("Cancelled"));
}
