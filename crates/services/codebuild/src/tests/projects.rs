//! Projects and builds through the table. No driver runs here: a build stays as its call left it.

use super::{Place, place, project};
use neargate_api_codebuild::{self as api, ops};
use neargate_service::AwsError;
use std::time::Duration;

fn said<T: std::fmt::Debug>(refused: Result<T, AwsError>) -> (String, String) {
    let error = refused.expect_err("refused");
    (error.code, error.message)
}

impl Place {
    async fn created(&self, name: &str) -> api::Project {
        let made = self.call(ops::CreateProject, project(name)).await;
        made.expect("created").project.expect("shown")
    }

    async fn start(&self, input: api::StartBuildInput) -> Result<api::Build, AwsError> {
        let started = self.call(ops::StartBuild, input).await?;
        Ok(started.build.expect("shown"))
    }
}

fn start(name: &str) -> api::StartBuildInput {
    api::StartBuildInput {
        project_name: name.into(),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_project_is_kept() {
    let place = place();
    let made = place.created("web").await;
    let arn = "arn:aws:codebuild:us-east-1:000000000000:project/web";
    assert_eq!(made.arn.as_deref(), Some(arn));
    assert_eq!(
        (made.timeout_in_minutes, made.queued_timeout_in_minutes),
        (Some(60), Some(480))
    );
    let again = place.call(ops::CreateProject, project("web")).await;
    assert_eq!(said(again).0, "ResourceAlreadyExistsException");
    let change = api::UpdateProjectInput {
        name: "web".into(),
        description: Some("a site".into()),
        concurrent_build_limit: Some(2),
        ..Default::default()
    };
    let changed = place.call(ops::UpdateProject, change).await;
    let changed = changed.expect("changed").project.expect("shown");
    assert_eq!(changed.description.as_deref(), Some("a site"));
    assert_eq!(changed.source, made.source);
    let get = api::BatchGetProjectsInput {
        names: vec![arn.into(), "none".into()],
    };
    let got = place.call(ops::BatchGetProjects, get).await.expect("got");
    assert_eq!(got.projects.expect("some").len(), 1);
    assert_eq!(got.projects_not_found, Some(vec!["none".into()]));
    place.created("api").await;
    let list = place.call(ops::ListProjects, api::ListProjectsInput::default());
    let listed = list.await.expect("listed").projects.expect("some");
    assert_eq!(listed, ["api", "web"]);
    let delete = api::DeleteProjectInput { name: "web".into() };
    place.call(ops::DeleteProject, delete).await.expect("gone");
    assert_eq!(
        said(place.start(start("web")).await).0,
        "ResourceNotFoundException"
    );
}

#[tokio::test]
async fn what_is_not_built_is_named() {
    let place = place();
    type Change = fn(&mut api::CreateProjectInput);
    let changes: [(&str, Change); 6] = [
        ("BUILD_LAMBDA_1GB", |p| {
            p.environment.compute_type = "BUILD_LAMBDA_1GB".into()
        }),
        ("WINDOWS_SERVER_2022_CONTAINER", |p| {
            p.environment.r#type = "WINDOWS_SERVER_2022_CONTAINER".into();
        }),
        ("badges", |p| p.badge_enabled = Some(true)),
        ("fleets", |p| {
            p.environment.fleet = Some(api::ProjectFleet::default())
        }),
        ("buildspec must be specified", |p| p.source.buildspec = None),
        ("location must be specified", |p| {
            p.source.r#type = "S3".into()
        }),
    ];
    for (words, change) in changes {
        let mut input = project("web");
        change(&mut input);
        let (code, message) = said(place.call(ops::CreateProject, input).await);
        assert_eq!(code, "InvalidInputException");
        assert!(message.contains(words), "{words}: {message}");
    }
}

#[tokio::test]
async fn a_start_overrides_its_project() {
    let place = place();
    place.created("web").await;
    let variable = |name: &str, value: &str| api::EnvironmentVariable {
        name: name.into(),
        value: value.into(),
        r#type: None,
    };
    let input = api::StartBuildInput {
        environment_variables_override: Some(vec![variable("A", "1")]),
        image_override: Some("other".into()),
        timeout_in_minutes_override: Some(5),
        idempotency_token: Some("once".into()),
        ..start("web")
    };
    let build = place.start(input.clone()).await.expect("started");
    assert_eq!(build.build_number, Some(1));
    assert_eq!(build.build_status.as_deref(), Some("IN_PROGRESS"));
    assert_eq!(build.current_phase.as_deref(), Some("QUEUED"));
    assert_eq!(build.timeout_in_minutes, Some(5));
    let environment = build.environment.clone().expect("some");
    assert_eq!(environment.image, "other");
    let variables = environment.environment_variables.expect("some");
    assert_eq!(variables[0].r#type.as_deref(), Some("PLAINTEXT"));
    let logs = build.logs.clone().expect("some");
    assert_eq!(logs.group_name.as_deref(), Some("/aws/codebuild/web"));
    // The same call is the same build for five minutes.
    let again = place.start(input.clone()).await.expect("the same");
    assert_eq!(again.id, build.id);
    let other = api::StartBuildInput {
        image_override: None,
        ..input.clone()
    };
    assert_eq!(said(place.start(other).await).0, "InvalidInputException");
    place.lab.clock.advance(Duration::from_secs(301));
    let later = place.start(input).await.expect("another");
    assert_ne!(later.id, build.id);
    let list = api::ListBuildsForProjectInput {
        project_name: "web".into(),
        ..Default::default()
    };
    let listed = place.call(ops::ListBuildsForProject, list).await;
    let listed = listed.expect("listed").ids.expect("some");
    assert_eq!(
        listed,
        [later.id, build.id.clone()].map(|id| id.expect("named"))
    );
    let retry = api::RetryBuildInput {
        id: build.id,
        ..Default::default()
    };
    let retried = place.call(ops::RetryBuild, retry).await.expect("started");
    let retried = retried.build.expect("shown");
    assert_eq!(retried.build_number, Some(3));
    assert_eq!(retried.environment.expect("some").image, "other");
}

#[tokio::test]
async fn a_project_bounds_its_builds() {
    let place = place();
    let mut input = project("web");
    input.concurrent_build_limit = Some(1);
    place
        .call(ops::CreateProject, input)
        .await
        .expect("created");
    let build = place.start(start("web")).await.expect("started");
    let (code, message) = said(place.start(start("web")).await);
    assert_eq!(code, "AccountLimitExceededException");
    assert!(
        message.contains("Cannot have more than 1 builds"),
        "{message}"
    );
    let id = build.id.expect("named");
    let delete = api::BatchDeleteBuildsInput {
        ids: vec![id.clone()],
    };
    let kept = place
        .call(ops::BatchDeleteBuilds, delete)
        .await
        .expect("told");
    assert_eq!(kept.builds_not_deleted.expect("some").len(), 1);
    let stop = api::StopBuildInput { id };
    place.call(ops::StopBuild, stop).await.expect("asked");
    let none = api::StopBuildInput {
        id: "web:none".into(),
    };
    assert_eq!(
        said(place.call(ops::StopBuild, none).await).0,
        "ResourceNotFoundException"
    );
}
