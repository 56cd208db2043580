//! Reading and searching.

use super::*;

#[tokio::test]
async fn tokens_walk_a_stream_both_ways_and_rest_at_its_ends() {
    let w = world();
    w.group("g").await;
    w.stream("g", "s").await;
    w.put(
        "s",
        &[
            (NOW, "1"),
            (NOW, "2"),
            (NOW + 1, "3"),
            (NOW + 2, "4"),
            (NOW + 3, "5"),
        ],
    )
    .await
    .expect("puts");
    let tail = w.get(None, false, 2).await;
    assert_eq!(messages(tail.events), ["4", "5"]);
    let before = w.get(tail.next_backward_token, false, 2).await;
    assert_eq!(messages(before.events), ["2", "3"]);
    let first = w.get(before.next_backward_token, false, 2).await;
    assert_eq!(messages(first.events), ["1"]);
    let start = w.get(first.next_backward_token.clone(), false, 2).await;
    assert_eq!(
        (start.events.clone(), &start.next_backward_token),
        (Some(Vec::new()), &first.next_backward_token)
    );
    let again = w.get(start.next_forward_token, true, 10).await;
    assert_eq!(messages(again.events), ["1", "2", "3", "4", "5"]);
    let end = w.get(again.next_forward_token.clone(), true, 10).await;
    assert_eq!(
        (messages(end.events), &end.next_forward_token),
        (Vec::new(), &again.next_forward_token)
    );
    w.put("s", &[(NOW + 4, "6")]).await.expect("puts");
    assert_eq!(
        messages(w.get(end.next_forward_token, true, 10).await.events),
        ["6"]
    );
    let input = api::GetLogEventsInput {
        log_group_name: Some("g".into()),
        log_stream_name: "s".into(),
        next_token: Some("f/12/s".into()),
        ..Default::default()
    };
    let bad = events::get_log_events(w.logs.clone(), w.cx(), input).await;
    refused(
        bad,
        "InvalidParameterException",
        "The specified nextToken is invalid.",
    );
}

#[tokio::test]
async fn filter_merges_streams_pages_and_polls_as_tail_does() {
    let w = world();
    w.group("g").await;
    for stream in ["web/1", "web/2", "db"] {
        w.stream("g", stream).await;
    }
    w.put("web/1", &[(NOW, "ERROR a"), (NOW + 2, "ok c")])
        .await
        .expect("puts");
    w.put("web/2", &[(NOW + 1, "ERROR b"), (NOW + 3, "ERROR d")])
        .await
        .expect("puts");
    w.put("db", &[(NOW + 1, "ERROR db")]).await.expect("puts");
    let all = w
        .filter(|i| i.interleaved = Some(true))
        .await
        .expect("filters");
    assert_eq!(
        found(&all),
        ["ERROR a", "ERROR b", "ERROR db", "ok c", "ERROR d"]
    );
    assert_eq!(
        (all.next_token, all.searched_log_streams),
        (None, Some(Vec::new()))
    );
    let ids: std::collections::HashSet<_> = all
        .events
        .iter()
        .flatten()
        .map(|e| e.event_id.clone())
        .collect();
    assert_eq!(ids.len(), 5);

    let page = w
        .filter(|i| (i.filter_pattern, i.limit) = (Some("ERROR -db".into()), Some(2)))
        .await
        .expect("filters");
    assert_eq!(found(&page), ["ERROR a", "ERROR b"]);
    let token = page.next_token;
    assert!(token.is_some());
    let rest = w
        .filter(|i| (i.filter_pattern, i.next_token) = (Some("ERROR -db".into()), token))
        .await
        .expect("filters");
    assert_eq!((found(&rest), &rest.next_token), (vec!["ERROR d"], &None));

    let exact = w
        .filter(|i| (i.limit, i.log_stream_name_prefix) = (Some(4), Some("web/".into())))
        .await
        .expect("filters");
    assert_eq!(
        (exact.events.map(|e| e.len()), exact.next_token),
        (Some(4), None),
        "nothing behind the last one"
    );
    let named = w
        .filter(|i| i.log_stream_names = Some(vec!["db".into()]))
        .await
        .expect("filters");
    assert_eq!(found(&named), ["ERROR db"]);
    let window = w
        .filter(|i| (i.start_time, i.end_time) = (Some(NOW + 1), Some(NOW + 2)))
        .await
        .expect("filters");
    assert_eq!(
        found(&window),
        ["ERROR b", "ERROR db", "ok c"],
        "both ends are included"
    );
    let newest = w
        .filter(|i| (i.start_from_head, i.limit) = (Some(false), Some(2)))
        .await
        .expect("filters");
    assert_eq!(found(&newest), ["ERROR d", "ok c"]);
    let token = newest.next_token;
    let older = w
        .filter(|i| (i.start_from_head, i.next_token) = (Some(false), token))
        .await
        .expect("filters");
    assert_eq!(found(&older), ["ERROR db", "ERROR b", "ERROR a"]);

    let gone = w
        .filter(|i| i.log_stream_names = Some(vec!["none".into()]))
        .await;
    refused(
        gone,
        "ResourceNotFoundException",
        "The specified log stream does not exist.",
    );
    refused(
        w.filter(|i| i.filter_pattern = Some("a:b".into())).await,
        "InvalidParameterException",
        "Invalid filter pattern",
    );
    refused(
        w.filter(|i| i.next_token = Some("x".into())).await,
        "InvalidParameterException",
        "The specified nextToken is invalid.",
    );

    // `aws logs tail --follow`: without a token, from the newest time seen, ids sort out doubles.
    w.put("db", &[(NOW + 3, "late")]).await.expect("puts");
    let poll = w
        .filter(|i| (i.start_time, i.interleaved) = (Some(NOW + 3), Some(true)))
        .await
        .expect("filters");
    let new: Vec<_> = poll
        .events
        .into_iter()
        .flatten()
        .filter(|e| !ids.contains(&e.event_id))
        .filter_map(|e| e.message)
        .collect();
    assert_eq!(new, ["late"]);
}

#[tokio::test]
async fn a_pattern_can_be_tried() {
    let w = world();
    let test = |pattern: &str| {
        let input = api::TestMetricFilterInput {
            filter_pattern: pattern.into(),
            log_event_messages: vec!["GET 200".into(), "GET 404".into()],
        };
        filters::test_metric_filter(w.logs.clone(), w.cx(), input)
    };
    let matches = test("[method, status=4*]")
        .await
        .expect("tests")
        .matches
        .expect("there");
    assert_eq!(matches.len(), 1);
    assert_eq!(matches[0].event_number, Some(2));
    let values = matches[0].extracted_values.clone().expect("there");
    assert_eq!(values.get("$status").map(String::as_str), Some("404"));
    refused(
        test("[a").await,
        "InvalidParameterException",
        "If a filter pattern starts with '[' it must end with ']'",
    );
}
