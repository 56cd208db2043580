//! Tags of what there is, and of what a call makes.

use super::*;

async fn untag(p: &Place, id: &str, tags: Option<Vec<api::Tag>>) {
    let input = api::DeleteTagsInput {
        resources: vec![id.into()],
        tags,
        ..Default::default()
    };
    p.call(ops::DeleteTags, input).await.unwrap();
}

#[tokio::test]
async fn tags_are_kept_shown_and_filtered_by() {
    let p = place();
    let (vpc, subnet) = (p.first.vpc_id.as_str(), p.first.subnets[0].id.as_str());
    p.tag(&[vpc, subnet], &[("Name", "main"), ("team", "a*b")])
        .await
        .unwrap();
    p.tag(&[vpc], &[("Name", "renamed")]).await.unwrap();
    let (all, _) = p.tags(api::DescribeTagsInput::default()).await;
    assert_eq!(
        all,
        [
            "subnet Name=main",
            "subnet team=a*b",
            "vpc Name=renamed",
            "vpc team=a*b"
        ]
    );
    let kind = api::DescribeTagsInput {
        filters: filter("resource-type", &["v?c"]),
        ..Default::default()
    };
    assert_eq!(p.tags(kind).await.0.len(), 2);
    let literal = api::DescribeTagsInput {
        filters: filter("value", &["a\\*b"]),
        ..Default::default()
    };
    assert_eq!(p.tags(literal).await.0.len(), 2);
    let by_tag = api::DescribeVpcsInput {
        filters: filter("tag:Name", &["ren*"]),
        ..Default::default()
    };
    let found = p.vpcs(by_tag).await.unwrap();
    assert_eq!(found[0].tags.as_ref().unwrap().len(), 2);

    untag(&p, vpc, Some(pairs(&[("Name", "other")]))).await;
    untag(
        &p,
        vpc,
        Some(vec![api::Tag {
            key: Some("team".into()),
            value: None,
        }]),
    )
    .await;
    untag(&p, subnet, None).await;
    assert_eq!(
        p.tags(api::DescribeTagsInput::default()).await.0,
        ["vpc Name=renamed"]
    );
    untag(&p, vpc, Some(pairs(&[("Name", "renamed")]))).await;
    untag(&p, vpc, None).await;
    assert_eq!(
        p.tags(api::DescribeTagsInput::default()).await.0,
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn tags_that_are_refused() {
    let p = place();
    let vpc = p.first.vpc_id.as_str();
    let tag = [("k", "v")];
    refused(
        p.tag(&["nonsense"], &tag).await,
        "InvalidID",
        "The ID 'nonsense' is not valid",
    );
    assert_eq!(
        p.tag(&["subnet-1"], &tag).await.unwrap_err().code,
        "InvalidSubnetID.NotFound"
    );
    assert_eq!(
        p.tag(&["i-xyz"], &tag).await.unwrap_err().code,
        "InvalidInstanceID.Malformed"
    );
    assert_eq!(p.tag(&[], &tag).await.unwrap_err().code, "MissingParameter");
    assert_eq!(
        p.tag(&[vpc], &[]).await.unwrap_err().code,
        "MissingParameter"
    );
    assert_eq!(
        p.tag(&[vpc], &[("aws:x", "v")]).await.unwrap_err().code,
        "InvalidParameterValue"
    );
    for n in 0..50 {
        p.tag(&[vpc], &[(&n.to_string(), "")]).await.unwrap();
    }
    assert_eq!(
        p.tag(&[vpc], &[("one more", "")]).await.unwrap_err().code,
        "TagLimitExceeded"
    );
    // One id of two does not exist: nothing is tagged.
    p.tag(&[&p.first.subnets[0].id, "eni-1"], &tag)
        .await
        .unwrap_err();
    let (_, next) = p
        .tags(api::DescribeTagsInput {
            max_results: Some(5),
            ..Default::default()
        })
        .await;
    let rest = api::DescribeTagsInput {
        next_token: next,
        ..Default::default()
    };
    assert_eq!(p.tags(rest).await.0.len(), 45);
}

#[tokio::test]
async fn a_call_says_what_tags_its_resource_has() {
    let p = place();
    let with = |specifications| api::CreateInternetGatewayInput {
        tag_specifications: specifications,
        dry_run: None,
    };
    let make = |specifications| p.call(ops::CreateInternetGateway, with(specifications));
    let made = make(specification("internet-gateway", &[("Name", "out")])).await;
    let made = made.unwrap().internet_gateway.unwrap();
    assert_eq!(made.tags, Some(pairs(&[("Name", "out")])));
    refused(
        make(specification("vpc", &[("Name", "out")])).await,
        "InvalidParameterValue",
        "'vpc' is not a valid taggable resource type for this operation.",
    );
    refused_as(
        make(specification("internet-gateway", &[])).await,
        "InvalidParameterValue",
    );
    assert_eq!(
        p.tags(api::DescribeTagsInput::default()).await.0,
        ["internet-gateway Name=out"]
    );
    let delete = api::DeleteInternetGatewayInput {
        internet_gateway_id: made.internet_gateway_id.unwrap(),
        dry_run: None,
    };
    p.call(ops::DeleteInternetGateway, delete).await.unwrap();
    assert_eq!(p.tags(api::DescribeTagsInput::default()).await.0.len(), 0);
}

#[tokio::test]
async fn tags_of_aws_are_set_and_taken_away_by_services_only() {
    use neargate_service::Caller;
    let p = place();
    p.lab.house.caller.connect(vec![p.table.clone()]);
    let vpc = p.first.vpc_id.as_str();
    let mark = [("aws:autoscaling:groupName", "web")];
    let refusal = p.tag(&[vpc], &mark).await.unwrap_err();
    assert_eq!(refusal.code, "InvalidParameterValue");
    let input = api::CreateTagsInput {
        resources: vec![vpc.into()],
        tags: pairs(&mark),
        ..Default::default()
    };
    let (house, scope) = (&p.lab.house, &p.cx.scope);
    Caller::call::<ops::CreateTags>(house, scope, "role", &input)
        .await
        .unwrap();
    untag(&p, vpc, None).await;
    untag(&p, vpc, Some(pairs(&mark))).await;
    let (left, _) = p.tags(api::DescribeTagsInput::default()).await;
    assert_eq!(left, ["vpc aws:autoscaling:groupName=web"]);
    let input = api::DeleteTagsInput {
        resources: vec![vpc.into()],
        tags: Some(pairs(&mark)),
        ..Default::default()
    };
    Caller::call::<ops::DeleteTags>(house, scope, "role", &input)
        .await
        .unwrap();
    let (left, _) = p.tags(api::DescribeTagsInput::default()).await;
    assert_eq!(left, Vec::<String>::new());
}
