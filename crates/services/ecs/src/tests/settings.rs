//! Account settings.

use super::{Lab, definition, said};
use neargate_api_ecs::{self as api, ops};

const USER: &str = "arn:aws:iam::000000000000:user/u";

async fn put(lab: &Lab, name: &str, value: &str, principal: Option<&str>) -> Option<String> {
    let input = api::PutAccountSettingInput {
        name: name.into(),
        value: value.into(),
        principal_arn: principal.map(Into::into),
    };
    let output = lab.call(ops::PutAccountSetting, input).await.ok()?;
    output.setting?.value
}

async fn list(lab: &Lab, input: api::ListAccountSettingsInput) -> Vec<(String, String)> {
    let (mut all, mut token) = (Vec::new(), None);
    loop {
        let input = api::ListAccountSettingsInput {
            next_token: token,
            ..input.clone()
        };
        let page = lab
            .call(ops::ListAccountSettings, input)
            .await
            .expect("listed");
        let settings = page.settings.expect("set").into_iter();
        all.extend(settings.map(|s| (s.name.expect("named"), s.value.expect("set"))));
        token = page.next_token;
        if token.is_none() {
            return all;
        }
    }
}

fn of(
    principal: Option<&str>,
    name: Option<&str>,
    effective: bool,
) -> api::ListAccountSettingsInput {
    api::ListAccountSettingsInput {
        principal_arn: principal.map(Into::into),
        name: name.map(Into::into),
        effective_settings: Some(effective),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_users_own_wins_over_the_accounts_over_awss() {
    let lab = Lab::new();
    let name = "containerInsights";
    let effective = |principal| list(&lab, of(principal, Some(name), true));
    let is = |value: &str| vec![(name.to_owned(), value.to_owned())];
    assert_eq!(effective(Some(USER)).await, is("disabled"));
    let default = api::PutAccountSettingDefaultInput {
        name: name.into(),
        value: "enabled".into(),
    };
    lab.call(ops::PutAccountSettingDefault, default)
        .await
        .expect("put");
    assert_eq!(effective(Some(USER)).await, is("enabled"));
    assert_eq!(
        put(&lab, name, "enhanced", Some(USER)).await.as_deref(),
        Some("enhanced")
    );
    assert_eq!(effective(Some(USER)).await, is("enhanced"));
    assert_eq!(
        effective(None).await,
        is("enabled"),
        "the root user is the account"
    );
    assert_eq!(
        list(&lab, of(Some(USER), None, false)).await,
        is("enhanced")
    );
    // New clusters have it.
    lab.create_cluster("c").await;
    let shown = lab
        .call(
            ops::DescribeClusters,
            api::DescribeClustersInput {
                clusters: Some(vec!["c".into()]),
                include: Some(vec!["SETTINGS".into()]),
            },
        )
        .await;
    let settings = shown.expect("described").clusters.expect("set")[0]
        .settings
        .clone();
    assert_eq!(settings.expect("set")[0].value.as_deref(), Some("enabled"));
    let input = api::DeleteAccountSettingInput {
        name: name.into(),
        principal_arn: Some(USER.into()),
    };
    let left = lab
        .call(ops::DeleteAccountSetting, input)
        .await
        .expect("deleted");
    assert_eq!(
        left.setting.expect("shown").value.as_deref(),
        Some("enabled")
    );
    assert_eq!(list(&lab, of(Some(USER), None, false)).await, []);
}

#[tokio::test]
async fn every_setting_has_a_default() {
    let lab = Lab::new();
    let all = list(&lab, of(None, None, true)).await;
    assert_eq!(all.len(), 11);
    let value = |name: &str| {
        let mut all = all.iter();
        all.find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    };
    for (name, default) in [
        ("taskLongArnFormat", "enabled"),
        ("awsvpcTrunking", "disabled"),
        ("fargateTaskRetirementWaitPeriod", "7"),
        ("tagResourceAuthorization", "on"),
        ("guardDutyActivate", "off"),
        ("defaultLogDriverMode", "non-blocking"),
    ] {
        assert_eq!(value(name), Some(default), "{name}");
    }
    let first = lab
        .call(ops::ListAccountSettings, of(None, None, true))
        .await;
    assert_eq!(
        first.expect("listed").settings.expect("set").len(),
        10,
        "a page"
    );
}

#[tokio::test]
async fn the_default_mode_of_log_drivers_is_acted_on() {
    let lab = Lab::new();
    let mut input = definition("logs");
    let log = |options: &[(&str, &str)]| api::LogConfiguration {
        log_driver: "awslogs".into(),
        options: Some(
            [
                ("awslogs-group", "g"),
                ("awslogs-region", "us-east-1"),
                ("awslogs-stream-prefix", "p"),
            ]
            .iter()
            .chain(options)
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect(),
        ),
        ..Default::default()
    };
    let mut other = input.container_definitions[0].clone();
    other.name = Some("other".into());
    other.log_configuration = Some(log(&[("mode", "non-blocking")]));
    input.container_definitions[0].log_configuration = Some(log(&[]));
    input.container_definitions.push(other);
    input.execution_role_arn = Some("arn:aws:iam::000000000000:role/x".into());
    lab.call(ops::RegisterTaskDefinition, input)
        .await
        .expect("registered");
    let blocks = async || {
        let tasks = lab.run(lab.request("logs")).await.expect("it runs");
        let arn = tasks[0].task_arn.clone().expect("an ARN");
        let tasks = lab.tasks().await.into_iter();
        let task = tasks
            .map(|t| t.value)
            .find(|t| t.spec.arn == arn)
            .expect("stored");
        let containers = task.spec.assignment.containers.into_iter();
        containers
            .map(|c| c.log_buffer.map(|buffer| buffer.blocking))
            .collect::<Vec<_>>()
    };
    assert_eq!(blocks().await, [None, Some(false)]);
    let input = api::PutAccountSettingDefaultInput {
        name: "defaultLogDriverMode".into(),
        value: "blocking".into(),
    };
    lab.call(ops::PutAccountSettingDefault, input)
        .await
        .expect("set");
    assert_eq!(blocks().await, [Some(true), Some(false)]);
}

#[tokio::test]
async fn settings_that_are_refused() {
    let lab = Lab::new();
    for (name, value, principal) in [
        ("containerInsights", "yes", None),
        ("none", "enabled", None),
        ("taskLongArnFormat", "disabled", None),
        ("fargateTaskRetirementWaitPeriod", "8", None),
        ("guardDutyActivate", "on", None),
        ("containerInsights", "enabled", Some("me")),
        (
            "containerInsights",
            "enabled",
            Some("arn:aws:iam::111122223333:user/u"),
        ),
        (
            "containerInsights",
            "enabled",
            Some("arn:aws:iam::000000000000:group/g"),
        ),
    ] {
        assert_eq!(
            put(&lab, name, value, principal).await,
            None,
            "{name} {value} {principal:?}"
        );
    }
    let value_only = api::ListAccountSettingsInput {
        value: Some("enabled".into()),
        ..Default::default()
    };
    let refused = said(lab.call(ops::ListAccountSettings, value_only).await);
    assert_eq!(refused.0, "InvalidParameterException");
    let sized = api::ListAccountSettingsInput {
        max_results: Some(11),
        ..Default::default()
    };
    let refused = said(lab.call(ops::ListAccountSettings, sized).await);
    assert_eq!(refused.0, "InvalidParameterException");
}
