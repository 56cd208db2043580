//! Every protocol of every served service answers.

use super::Lab;
use super::client::{ECS, form, json, request};

#[tokio::test]
async fn every_served_service_answers_in_its_protocol() {
    let lab = Lab::new().await;
    for (target, body, member) in [
        (format!("{ECS}.ListClusters"), "{}", "clusterArns"),
        (format!("{ECS}.ListClusters"), "", "clusterArns"),
        (
            "AmazonEC2ContainerRegistry_V20150921.DescribeRepositories".into(),
            "{}",
            "repositories",
        ),
        ("Logs_20140328.DescribeLogGroups".into(), "{}", "logGroups"),
    ] {
        let reply = lab.json(&target, body).await;
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (200, "application/x-amz-json-1.1"),
            "{target}"
        );
        assert!(reply.json()[member].is_array(), "{}", reply.text());
        reply.request_id();
    }
    let sts = "Action=GetCallerIdentity&Version=2011-06-15";
    let ec2 = "Action=DescribeVpcs&Version=2016-11-15";
    for (bytes, begins, holds) in [
        (
            form(&[], sts.as_bytes()),
            "<GetCallerIdentityResponse",
            "<Account>000000000000</Account>",
        ),
        (
            request("GET", &format!("/?{sts}"), &[], b""),
            "<GetCallerIdentityResponse",
            "<Arn>",
        ),
        (
            form(&[], ec2.as_bytes()),
            "<DescribeVpcsResponse",
            "<cidrBlock>172.31.0.0/16</cidrBlock>",
        ),
        (
            request("GET", &format!("/?{ec2}"), &[], b""),
            "<DescribeVpcsResponse",
            "<isDefault>true</isDefault>",
        ),
    ] {
        let reply = lab.send(bytes).await;
        let text = reply.text();
        assert_eq!(reply.status, 200, "{text}");
        assert!(
            reply.header("content-type").starts_with("text/xml"),
            "{reply:?}"
        );
        assert!(text.contains(begins) && text.contains(holds), "{text}");
        // EC2 spells it `requestId`.
        assert!(text.contains(reply.request_id()), "{text}");
    }
}

#[tokio::test]
async fn the_credential_scope_tells_region_and_account() {
    let lab = Lab::new().await;
    let scope = "AWS4-HMAC-SHA256 Credential=111122223333/20231114/eu-west-1/ecs/aws4_request, SignedHeaders=host, Signature=0";
    let date = ("X-Amz-Date", "20231114T221320Z");
    let signed = [("Authorization", scope), date];
    let created = lab
        .send(json(&format!("{ECS}.CreateCluster"), &signed, b"{}"))
        .await;
    let arn = "arn:aws:ecs:eu-west-1:111122223333:cluster/default";
    assert_eq!(
        created.json()["cluster"]["clusterArn"],
        arn,
        "{}",
        created.text()
    );
    let here = lab.json(&format!("{ECS}.ListClusters"), "{}").await;
    assert_eq!(here.json()["clusterArns"], serde_json::json!([]));
}

#[tokio::test]
async fn health_says_what_runs() {
    let lab = Lab::new().await;
    let reply = lab.send(request("GET", "/health", &[], b"")).await;
    assert_eq!(reply.status, 200);
    let health = reply.json();
    assert_eq!(health["status"], "ok");
    for service in lab.control_plane.house.caller.services() {
        assert_eq!(health["services"][service.schema().id], "running");
    }
    let mut client = lab.connect().await;
    client.send(request("HEAD", "/health", &[], b"")).await;
    client.finish().await;
}
