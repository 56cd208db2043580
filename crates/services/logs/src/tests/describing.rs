//! Groups, streams and tags.

use super::*;

#[tokio::test]
async fn groups_are_made_described_paged_and_deleted() {
    let w = world();
    for name in ["/ecs/web", "/ecs/api", "other", "/ecs"] {
        w.group(name).await;
    }
    let input = api::CreateLogGroupInput {
        log_group_name: "other".into(),
        ..Default::default()
    };
    let twice = groups::create_log_group(w.logs.clone(), w.cx(), input).await;
    refused(
        twice,
        "ResourceAlreadyExistsException",
        "The specified log group already exists",
    );

    let page = w
        .describe(|i| (i.limit, i.log_group_name_prefix) = (Some(2), Some("/ecs".into())))
        .await
        .expect("describes");
    let names = |o: &api::DescribeLogGroupsOutput| -> Vec<String> {
        o.log_groups
            .iter()
            .flatten()
            .filter_map(|g| g.log_group_name.clone())
            .collect()
    };
    assert_eq!(names(&page), ["/ecs", "/ecs/api"]);
    let group = &page.log_groups.as_ref().expect("there")[1];
    assert_eq!(
        group.arn.as_deref(),
        Some("arn:aws:logs:us-east-1:000000000000:log-group:/ecs/api:*")
    );
    assert_eq!(
        group.log_group_arn.as_deref(),
        Some("arn:aws:logs:us-east-1:000000000000:log-group:/ecs/api")
    );
    assert_eq!(
        (
            group.creation_time,
            group.stored_bytes,
            group.retention_in_days
        ),
        (Some(NOW), Some(0), None)
    );
    let token = page.next_token.expect("more");
    let rest = w
        .describe(|i| (i.next_token, i.log_group_name_prefix) = (Some(token), Some("/ecs".into())))
        .await
        .expect("describes");
    assert_eq!(
        (names(&rest), rest.next_token),
        (vec!["/ecs/web".to_owned()], None)
    );

    let pattern = w
        .describe(|i| i.log_group_name_pattern = Some("cs/".into()))
        .await
        .expect("describes");
    assert_eq!(names(&pattern), ["/ecs/api", "/ecs/web"]);
    assert_eq!(pattern.log_groups.expect("there")[0].stored_bytes, None);
    let both = w
        .describe(|i| {
            (i.log_group_name_pattern, i.log_group_name_prefix) =
                (Some("a".into()), Some("b".into()))
        })
        .await;
    refused(
        both,
        "InvalidParameterException",
        "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
    );
    refused(
        w.describe(|i| i.next_token = Some("%%".into())).await,
        "InvalidParameterException",
        "The specified nextToken is invalid.",
    );

    let delete = || {
        groups::delete_log_group(
            w.logs.clone(),
            w.cx(),
            api::DeleteLogGroupInput {
                log_group_name: "other".into(),
            },
        )
    };
    delete().await.expect("deletes");
    refused(
        delete().await,
        "ResourceNotFoundException",
        "The specified log group does not exist.",
    );
}

#[tokio::test]
async fn a_group_made_again_is_empty() {
    let w = world();
    w.group("g").await;
    w.stream("g", "s").await;
    w.put("s", &[(NOW, "old")]).await.expect("puts");
    let input = api::DeleteLogGroupInput {
        log_group_name: "g".into(),
    };
    groups::delete_log_group(w.logs.clone(), w.cx(), input)
        .await
        .expect("deletes");
    w.group("g").await;
    refused(
        w.put("s", &[(NOW, "x")]).await,
        "ResourceNotFoundException",
        "The specified log stream does not exist.",
    );
    assert!(found(&w.filter(|_| ()).await.expect("filters")).is_empty());
}

#[tokio::test]
async fn a_protected_group_stays() {
    let w = world();
    w.group("g").await;
    let protect = |on| api::PutLogGroupDeletionProtectionInput {
        log_group_identifier: "g".into(),
        deletion_protection_enabled: on,
    };
    let delete = || {
        groups::delete_log_group(
            w.logs.clone(),
            w.cx(),
            api::DeleteLogGroupInput {
                log_group_name: "g".into(),
            },
        )
    };
    groups::put_log_group_deletion_protection(w.logs.clone(), w.cx(), protect(true))
        .await
        .expect("puts");
    assert_eq!(
        delete().await.expect_err("is refused").code,
        "ValidationException"
    );
    groups::put_log_group_deletion_protection(w.logs.clone(), w.cx(), protect(false))
        .await
        .expect("puts");
    delete().await.expect("deletes");
}

#[tokio::test]
async fn streams_are_listed_with_what_they_hold() {
    let w = world();
    w.group("g").await;
    for name in ["a", "b", "s"] {
        w.stream("g", name).await;
    }
    let again = api::CreateLogStreamInput {
        log_group_name: "g".into(),
        log_stream_name: "a".into(),
    };
    let again = streams::create_log_stream(w.logs.clone(), w.cx(), again).await;
    refused(
        again,
        "ResourceAlreadyExistsException",
        "The specified log stream already exists",
    );
    w.put("b", &[(NOW - 5, "x"), (NOW, "y")])
        .await
        .expect("puts");
    let list = |change: fn(&mut api::DescribeLogStreamsInput)| {
        let mut input = api::DescribeLogStreamsInput {
            log_group_name: Some("g".into()),
            ..Default::default()
        };
        change(&mut input);
        streams::describe_log_streams(w.logs.clone(), w.cx(), input)
    };
    let newest = list(|i| {
        (i.order_by, i.descending, i.limit) = (Some("LastEventTime".into()), Some(true), Some(1))
    });
    let newest = newest.await.expect("lists");
    let b = &newest.log_streams.as_ref().expect("there")[0];
    assert_eq!(b.log_stream_name.as_deref(), Some("b"));
    assert_eq!(
        (b.first_event_timestamp, b.last_event_timestamp),
        (Some(NOW - 5), Some(NOW))
    );
    assert_eq!(
        (b.last_ingestion_time, b.stored_bytes),
        (Some(NOW), Some(0))
    );
    assert_eq!(
        b.arn.as_deref(),
        Some("arn:aws:logs:us-east-1:000000000000:log-group:g:log-stream:b")
    );
    assert!(newest.next_token.is_some());
    let input = api::DescribeLogStreamsInput {
        log_group_identifier: Some("arn:aws:logs:us-east-1:000000000000:log-group:g:*".into()),
        next_token: newest.next_token,
        order_by: Some("LastEventTime".into()),
        descending: Some(true),
        ..Default::default()
    };
    let rest = streams::describe_log_streams(w.logs.clone(), w.cx(), input)
        .await
        .expect("lists");
    assert_eq!(rest.log_streams.expect("there").len(), 2);
    let both = list(|i| {
        (i.order_by, i.log_stream_name_prefix) = (Some("LastEventTime".into()), Some("a".into()))
    })
    .await;
    refused(
        both,
        "InvalidParameterException",
        "Cannot order by LastEventTime with a logStreamNamePrefix.",
    );
    let input = api::DeleteLogStreamInput {
        log_group_name: "g".into(),
        log_stream_name: "b".into(),
    };
    streams::delete_log_stream(w.logs.clone(), w.cx(), input.clone())
        .await
        .expect("deletes");
    let gone = streams::delete_log_stream(w.logs.clone(), w.cx(), input).await;
    refused(
        gone,
        "ResourceNotFoundException",
        "The specified log stream does not exist.",
    );
}

#[tokio::test]
async fn tags_by_name_and_by_arn() {
    let w = world();
    w.group("g").await;
    let arn = "arn:aws:logs:us-east-1:000000000000:log-group:g";
    let pair = |k: &str, v: &str| std::collections::BTreeMap::from([(k.to_owned(), v.to_owned())]);
    let input = api::TagLogGroupInput {
        log_group_name: "g".into(),
        tags: pair("a", "1"),
    };
    tags::tag_log_group(w.logs.clone(), w.cx(), input)
        .await
        .expect("tags");
    let input = api::TagResourceInput {
        resource_arn: arn.into(),
        tags: pair("b", "2"),
    };
    tags::tag_resource(w.logs.clone(), w.cx(), input)
        .await
        .expect("tags");
    let list = |arn: &str| {
        let input = api::ListTagsForResourceInput {
            resource_arn: arn.into(),
        };
        tags::list_tags_for_resource(w.logs.clone(), w.cx(), input)
    };
    assert_eq!(
        list(&format!("{arn}:*"))
            .await
            .expect("lists")
            .tags
            .expect("there")
            .len(),
        2
    );
    let input = api::UntagLogGroupInput {
        log_group_name: "g".into(),
        tags: vec!["a".into(), "none".into()],
    };
    tags::untag_log_group(w.logs.clone(), w.cx(), input)
        .await
        .expect("untags");
    assert_eq!(list(arn).await.expect("lists").tags, Some(pair("b", "2")));
    let many = (0..50).map(|n| (format!("k{n}"), String::new())).collect();
    let input = api::TagResourceInput {
        resource_arn: arn.into(),
        tags: many,
    };
    let many = tags::tag_resource(w.logs.clone(), w.cx(), input).await;
    assert_eq!(many.expect_err("is refused").code, "TooManyTagsException");
    let elsewhere = list("arn:aws:logs:eu-west-1:000000000000:log-group:g").await;
    refused(
        elsewhere,
        "ResourceNotFoundException",
        "The specified log group does not exist.",
    );
    let bad = list("arn:aws:ecs:us-east-1:000000000000:cluster/x").await;
    assert_eq!(
        bad.expect_err("is refused").code,
        "InvalidParameterException"
    );
}

#[test]
fn the_table_serves_what_it_says() {
    let w = world();
    let table = table(w.logs.clone());
    let served = |name| table.status(name) != neargate_service::Status::NotYet;
    assert!(served("FilterLogEvents") && served("TestMetricFilter"));
    assert!(served("StartQuery"));
    assert!(!served("PutDataProtectionPolicy"));
}
