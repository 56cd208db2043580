//! What a pipeline may be, and what is kept of it.

use super::{World, action, aws, custom, makes, pipeline, said, stage, takes, with, worked};
use neargate_api_codepipeline::{self as api, ops};

async fn refused(world: &World, given: api::PipelineDeclaration) -> String {
    said(world.create(given).await)
}

#[tokio::test]
async fn structures_are_refused_in_the_words_of_aws() {
    let world = World::default();
    let told = refused(&world, worked()).await;
    assert_eq!(
        told,
        "400 InvalidActionDeclarationException ActionType (Category: 'Source', Provider: 'Worker', Owner: 'Custom', \
         Version: '1') in action 'src' is not available in region"
    );
    world.custom_types().await;
    let mut one = worked();
    one.stages.truncate(1);
    let told = refused(&world, one).await;
    assert_eq!(
        told,
        "400 InvalidStructureException Pipeline has only 1 stage(s). There should be a minimum of 2 stages in a \
         pipeline"
    );
    let mut turned = worked();
    turned.stages.reverse();
    let told = refused(&world, turned).await;
    assert!(told.contains("Pipeline should start with a stage that only contains source actions"));
    let mut hungry = worked();
    hungry.stages[1].actions[0] = takes(action("go", custom("Deploy")), "other");
    let told = refused(&world, hungry).await;
    assert!(
        told.contains("Input Artifact Bundle other in action go is not declared"),
        "{told}"
    );
    let mut twice = worked();
    let again = makes(action("more", custom("Source")), "app");
    twice.stages[0].actions.push(again);
    let told = refused(&world, twice).await;
    assert!(told.contains("app has been used more than once"), "{told}");
    let mut missing = worked();
    missing.stages[0].actions[0] = makes(
        with(action("src", aws("Source", "S3")), &[("S3Bucket", "b")]),
        "app",
    );
    let told = refused(&world, missing).await;
    assert!(
        told.contains("is missing required configuration 'S3ObjectKey'"),
        "{told}"
    );
    let mut v1 = worked();
    v1.pipeline_type = None;
    v1.execution_mode = Some("QUEUED".into());
    let told = refused(&world, v1).await;
    assert!(
        told.contains("QUEUED is not supported for pipelines of type V1"),
        "{told}"
    );
}

#[tokio::test]
async fn what_is_not_built_is_refused_by_its_name() {
    let world = World::default();
    let mut lambda = worked();
    lambda.stages[0].actions[0] = makes(
        with(
            action("src", aws("Source", "S3")),
            &[("S3Bucket", "b"), ("S3ObjectKey", "k")],
        ),
        "app",
    );
    lambda.stages[1].actions[0] = action("go", aws("Invoke", "Lambda"));
    let told = refused(&world, lambda).await;
    assert!(
        told.contains("does not implement codepipeline:actions of the provider Lambda (Invoke)"),
        "{told}"
    );
}

#[tokio::test]
async fn versions_are_kept_and_a_name_is_taken_once() {
    let world = World::default();
    world.custom_types().await;
    world.create(worked()).await.expect("made");
    let told = said(world.create(worked()).await);
    assert_eq!(
        told,
        "400 PipelineNameInUseException A pipeline with the name 'p' already exists in account '000000000000'"
    );
    let mut changed = worked();
    changed.stages[1].name = "Ship".into();
    let input = api::UpdatePipelineInput { pipeline: changed };
    let after = world
        .ask(ops::UpdatePipeline, input)
        .await
        .expect("changed");
    assert_eq!(after.pipeline.expect("told").version, Some(2));
    for (version, name) in [(Some(1), "Deploy"), (None, "Ship"), (Some(2), "Ship")] {
        let input = api::GetPipelineInput {
            name: "p".into(),
            version,
        };
        let told = world.ask(ops::GetPipeline, input).await.expect("told");
        let told = told.pipeline.expect("a pipeline");
        assert_eq!(told.stages[1].name, name);
        assert_eq!(told.stages[1].actions[0].run_order, Some(1));
    }
    let gone = api::DeletePipelineInput { name: "p".into() };
    world.ask(ops::DeletePipeline, gone).await.expect("gone");
    let input = api::GetPipelineStateInput { name: "p".into() };
    assert_eq!(
        said(world.ask(ops::GetPipelineState, input).await),
        "400 PipelineNotFoundException Account '000000000000' does not have a pipeline with name 'p'"
    );
    let types = world.ask(ops::ListActionTypes, Default::default()).await;
    assert_eq!(types.expect("listed").action_types.expect("some").len(), 14);
    let _ = pipeline(vec![stage("s", Vec::new())]);
}
