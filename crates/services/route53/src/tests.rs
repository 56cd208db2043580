//! Route 53's operations, called through the table as the gateway calls them.

use crate::Route53;
use crate::model::{Change, HealthCheck};
use neargate_api_route53::{self as api, ops};
use neargate_service::dns::HealthStatus;
use neargate_service::golden::check;
use neargate_service::vpc::{self, Vpc};
use neargate_service::{AwsError, Component, Scope};
use neargate_testkit::{Lab, call};
use neargate_wire::structure::OperationDef;
use std::sync::Arc;

async fn ask<O: OperationDef>(lab: &Lab, op: O, input: O::Input) -> Result<O::Output, AwsError> {
    call(&*Arc::<Route53>::default().table(), lab.cx(), op, input).await
}

fn said<T: std::fmt::Debug>(refused: Result<T, AwsError>) -> String {
    let error = refused.expect_err("refused");
    format!("{} {}", error.code, error.message)
}

async fn zone(lab: &Lab, name: &str, vpc: Option<api::VPC>) -> Result<String, AwsError> {
    let input = api::CreateHostedZoneInput {
        name: name.into(),
        caller_reference: lab.house.rng.uuid(),
        vpc,
        ..Default::default()
    };
    let made = ask(lab, ops::CreateHostedZone, input).await?;
    let id = made.hosted_zone.unwrap().id.unwrap();
    Ok(id.trim_start_matches("/hostedzone/").to_owned())
}

async fn a_vpc(lab: &Lab, region: &str) -> api::VPC {
    let scope = Scope {
        account: lab.scope.account.clone(),
        region: region.parse().unwrap(),
    };
    vpc::ensure_default(&lab.house, &scope).await.unwrap();
    let all = lab.house.db.list::<Vpc>(&scope).await.unwrap();
    api::VPC {
        vpc_region: Some(region.into()),
        vpc_id: Some(all[0].id().to_owned()),
    }
}

fn set(name: &str, record_type: &str, values: &[&str]) -> api::ResourceRecordSet {
    let record = |value: &&str| api::ResourceRecord {
        value: (*value).into(),
    };
    api::ResourceRecordSet {
        name: name.into(),
        r#type: record_type.into(),
        ttl: Some(60),
        resource_records: Some(values.iter().map(record).collect()),
        ..Default::default()
    }
}

async fn change(
    lab: &Lab,
    zone: &str,
    changes: Vec<(&str, api::ResourceRecordSet)>,
) -> Result<(), AwsError> {
    let change = |(action, set): (&str, api::ResourceRecordSet)| api::Change {
        action: action.into(),
        resource_record_set: set,
    };
    let input = api::ChangeResourceRecordSetsInput {
        hosted_zone_id: zone.into(),
        change_batch: api::ChangeBatch {
            comment: None,
            changes: changes.into_iter().map(change).collect(),
        },
    };
    ask(lab, ops::ChangeResourceRecordSets, input)
        .await
        .map(drop)
}

async fn names(lab: &Lab, zone: &str) -> Vec<String> {
    let input = api::ListResourceRecordSetsInput {
        hosted_zone_id: zone.into(),
        ..Default::default()
    };
    let got = ask(lab, ops::ListResourceRecordSets, input).await.unwrap();
    let shown = |set: api::ResourceRecordSet| format!("{} {}", set.name, set.r#type);
    got.resource_record_sets
        .unwrap()
        .into_iter()
        .map(shown)
        .collect()
}

#[tokio::test]
async fn a_zone_from_its_beginning_to_its_end() {
    let lab = Lab::default();
    let id = zone(&lab, "Example.com", None).await.unwrap();
    assert_eq!(
        names(&lab, &id).await,
        ["example.com. NS", "example.com. SOA"]
    );
    let got = ask(
        &lab,
        ops::GetHostedZone,
        api::GetHostedZoneInput { id: id.clone() },
    );
    let got = got.await.unwrap();
    assert_eq!(got.delegation_set.unwrap().name_servers.unwrap().len(), 4);
    let shown = got.hosted_zone.unwrap();
    assert_eq!(shown.name.as_deref(), Some("example.com."));
    assert_eq!(shown.resource_record_set_count, Some(2));
    change(
        &lab,
        &id,
        vec![("CREATE", set("www.example.com", "A", &["192.0.2.1"]))],
    )
    .await
    .unwrap();
    let delete = || api::DeleteHostedZoneInput { id: id.clone() };
    assert!(
        said(ask(&lab, ops::DeleteHostedZone, delete()).await).starts_with("HostedZoneNotEmpty")
    );
    change(
        &lab,
        &id,
        vec![("DELETE", set("www.example.com", "A", &["192.0.2.1"]))],
    )
    .await
    .unwrap();
    ask(&lab, ops::DeleteHostedZone, delete()).await.unwrap();
    assert_eq!(
        said(ask(&lab, ops::DeleteHostedZone, delete()).await),
        format!("NoSuchHostedZone No hosted zone found with ID: {id}")
    );
}

#[tokio::test]
async fn a_caller_reference_is_used_once() {
    let lab = Lab::default();
    let input = |name: &str| api::CreateHostedZoneInput {
        name: name.into(),
        caller_reference: "once".into(),
        ..Default::default()
    };
    ask(&lab, ops::CreateHostedZone, input("a.com"))
        .await
        .unwrap();
    let twice = ask(&lab, ops::CreateHostedZone, input("b.com")).await;
    assert!(said(twice).starts_with("HostedZoneAlreadyExists"));
    // Two zones may have one name.
    zone(&lab, "a.com", None).await.unwrap();
    assert!(said(zone(&lab, "a..com", None).await).starts_with("InvalidDomainName"));
}

#[tokio::test]
async fn private_zones_have_vpcs() {
    let lab = Lab::default();
    let here = a_vpc(&lab, "us-east-1").await;
    let there = a_vpc(&lab, "eu-west-1").await;
    let id = zone(&lab, "corp.local", Some(here.clone())).await.unwrap();
    assert!(
        said(zone(&lab, "corp.local", Some(here.clone())).await)
            .starts_with("ConflictingDomainExists")
    );
    let none = api::VPC {
        vpc_id: Some("vpc-none".into()),
        ..here.clone()
    };
    assert!(said(zone(&lab, "b.local", Some(none)).await).starts_with("InvalidVPCId"));
    let join = |vpc: &api::VPC| api::AssociateVPCWithHostedZoneInput {
        hosted_zone_id: id.clone(),
        vpc: vpc.clone(),
        comment: None,
    };
    ask(&lab, ops::AssociateVPCWithHostedZone, join(&there))
        .await
        .unwrap();
    let of_vpc = api::ListHostedZonesByVPCInput {
        vpc_id: there.vpc_id.clone().unwrap(),
        vpc_region: "eu-west-1".into(),
        ..Default::default()
    };
    let listed = ask(&lab, ops::ListHostedZonesByVPC, of_vpc).await.unwrap();
    assert_eq!(listed.hosted_zone_summaries.unwrap().len(), 1);
    let leave = |vpc: &api::VPC| api::DisassociateVPCFromHostedZoneInput {
        hosted_zone_id: id.clone(),
        vpc: vpc.clone(),
        comment: None,
    };
    ask(&lab, ops::DisassociateVPCFromHostedZone, leave(&here))
        .await
        .unwrap();
    let last = ask(&lab, ops::DisassociateVPCFromHostedZone, leave(&there)).await;
    assert!(said(last).starts_with("LastVPCAssociation"));
}

#[tokio::test]
async fn a_batch_is_done_as_a_whole_or_not_at_all() {
    let lab = Lab::default();
    let id = zone(&lab, "example.com", None).await.unwrap();
    let a = |name: &str| set(name, "A", &["192.0.2.1"]);
    let refused = change(
        &lab,
        &id,
        vec![
            ("CREATE", a("www.example.com")),
            ("DELETE", a("none.example.com")),
            ("CREATE", a("www.example.org")),
            ("UPSERT", set("x.example.com", "A", &["x"])),
        ],
    );
    assert_eq!(
        said(refused.await),
        "InvalidChangeBatch [Tried to delete resource record set [name='none.example.com.', type='A'] \
         but it was not found, RRSet with DNS name www.example.org. is not permitted in zone \
         example.com., Invalid Resource Record: 'FATAL problem: ARRDATAIllegalIPv4Address (Value is \
         not a valid IPv4 address) encountered with 'x'']"
    );
    assert_eq!(names(&lab, &id).await.len(), 2);
    change(&lab, &id, vec![("CREATE", a("www.example.com"))])
        .await
        .unwrap();
    let refused = [
        (
            vec![("CREATE", a("www.example.com"))],
            "Tried to create resource record set [name='www.example.com.', type='A'] but it already exists",
        ),
        (
            vec![("DELETE", set("www.example.com", "A", &["192.0.2.9"]))],
            "Tried to delete resource record set [name='www.example.com.', type='A'] but the values \
             provided do not match the current values",
        ),
        (
            vec![(
                "CREATE",
                set("www.example.com", "CNAME", &["a.example.com"]),
            )],
            "RRSet of type CNAME with DNS name www.example.com. is not permitted as it conflicts with \
             other records with the same DNS name in zone example.com.",
        ),
        (
            vec![("CREATE", set("example.com", "CNAME", &["a.example.com"]))],
            "RRSet of type CNAME with DNS name example.com. is not permitted at apex in zone example.com.",
        ),
    ];
    for (changes, why) in refused {
        let wanted = format!("InvalidChangeBatch [{why}]");
        assert_eq!(said(change(&lab, &id, changes).await), wanted);
    }
    // A record may be replaced by one of another type in one batch.
    change(
        &lab,
        &id,
        vec![
            ("DELETE", a("www.example.com")),
            (
                "CREATE",
                set("www.example.com", "CNAME", &["a.example.com"]),
            ),
        ],
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn a_large_batch_is_one_batch() {
    let lab = Lab::default();
    let id = zone(&lab, "example.com", None).await.unwrap();
    let all = (0..500).map(|n| {
        let name = format!("h{n:03}.example.com");
        ("CREATE", set(&name, "A", &["192.0.2.1"]))
    });
    change(&lab, &id, all.collect()).await.unwrap();
    let page = |from: Option<String>| api::ListResourceRecordSetsInput {
        hosted_zone_id: id.clone(),
        start_record_name: from,
        ..Default::default()
    };
    let first = ask(&lab, ops::ListResourceRecordSets, page(None))
        .await
        .unwrap();
    assert_eq!(first.resource_record_sets.unwrap().len(), 300);
    let next = first.next_record_name;
    assert_eq!(next.as_deref(), Some("h298.example.com."));
    let rest = ask(&lab, ops::ListResourceRecordSets, page(next))
        .await
        .unwrap();
    assert_eq!(rest.resource_record_sets.unwrap().len(), 202);
    assert_eq!(rest.is_truncated, Some(false));
    // The next one is taken.
    let one = set("h000.example.com", "A", &["192.0.2.1"]);
    change(&lab, &id, vec![("DELETE", one)]).await.unwrap();
    let many = (0..1_001).map(|n| {
        (
            "CREATE",
            set(&format!("x{n}.example.com"), "A", &["192.0.2.1"]),
        )
    });
    assert_eq!(
        said(change(&lab, &id, many.collect()).await),
        "InvalidChangeBatch Number of records limit of 1000 exceeded."
    );
}

#[tokio::test]
async fn names_are_listed_by_their_labels_from_the_last() {
    let lab = Lab::default();
    let id = zone(&lab, "example.com", None).await.unwrap();
    let of =
        |name: &str, record_type: &str, value: &str| ("CREATE", set(name, record_type, &[value]));
    change(
        &lab,
        &id,
        vec![
            of("b.example.com", "A", "192.0.2.1"),
            of("a.b.example.com", "A", "192.0.2.1"),
            of("*.example.com", "TXT", "\"x\""),
            of("a.example.com", "AAAA", "::1"),
            of("a.example.com", "A", "192.0.2.1"),
        ],
    )
    .await
    .unwrap();
    assert_eq!(
        names(&lab, &id).await,
        [
            "example.com. NS",
            "example.com. SOA",
            "\\052.example.com. TXT",
            "a.example.com. A",
            "a.example.com. AAAA",
            "b.example.com. A",
            "a.b.example.com. A",
        ]
    );
    let input = api::ListResourceRecordSetsInput {
        hosted_zone_id: id.clone(),
        start_record_name: Some("a.example.com".into()),
        start_record_type: Some("AAAA".into()),
        max_items: Some("1".into()),
        ..Default::default()
    };
    let got = ask(&lab, ops::ListResourceRecordSets, input).await.unwrap();
    assert_eq!(got.resource_record_sets.unwrap()[0].r#type, "AAAA");
    assert_eq!(got.next_record_name.as_deref(), Some("b.example.com."));
}

async fn tested(lab: &Lab, zone: &str, name: &str, record_type: &str) -> String {
    let input = api::TestDNSAnswerInput {
        hosted_zone_id: zone.into(),
        record_name: name.into(),
        record_type: record_type.into(),
        ..Default::default()
    };
    let got = ask(lab, ops::TestDNSAnswer, input).await.unwrap();
    format!(
        "{} {}",
        got.response_code.unwrap(),
        got.record_data.unwrap().join(",")
    )
}

#[tokio::test]
async fn answers_are_tried_out() {
    let lab = Lab::default();
    let id = zone(&lab, "example.com", None).await.unwrap();
    let weighted = |name: &str, weight: i64, value: &str| api::ResourceRecordSet {
        weight: Some(weight),
        set_identifier: Some(format!("w{weight}")),
        ..set(name, "A", &[value])
    };
    change(
        &lab,
        &id,
        vec![
            ("CREATE", weighted("w.example.com", 0, "192.0.2.1")),
            ("CREATE", weighted("w.example.com", 5, "192.0.2.2")),
            ("CREATE", set("*.example.com", "A", &["192.0.2.9"])),
        ],
    )
    .await
    .unwrap();
    assert_eq!(
        tested(&lab, &id, "w.example.com", "A").await,
        "NOERROR 192.0.2.2"
    );
    assert_eq!(
        tested(&lab, &id, "x.y.example.com", "A").await,
        "NOERROR 192.0.2.9"
    );
    assert_eq!(tested(&lab, &id, "w.example.com", "MX").await, "NOERROR ");
    assert_eq!(tested(&lab, &id, "a.w.example.com", "A").await, "NXDOMAIN ");
    let simple = change(
        &lab,
        &id,
        vec![("CREATE", set("w.example.com", "A", &["192.0.2.3"]))],
    )
    .await;
    assert!(said(simple).contains("cannot be created as other RRSets exist"));
    let without = api::ResourceRecordSet {
        set_identifier: None,
        ..weighted("v.example.com", 1, "192.0.2.3")
    };
    assert!(
        said(change(&lab, &id, vec![("CREATE", without)]).await)
            .starts_with("InvalidInput Invalid request: Missing field 'SetIdentifier'")
    );
}

#[tokio::test]
async fn tags_and_counts() {
    let lab = Lab::default();
    let id = zone(&lab, "example.com", None).await.unwrap();
    let input = api::ChangeTagsForResourceInput {
        resource_type: "hostedzone".into(),
        resource_id: id.clone(),
        add_tags: Some(vec![api::Tag {
            key: Some("team".into()),
            value: Some("web".into()),
        }]),
        remove_tag_keys: None,
    };
    ask(&lab, ops::ChangeTagsForResource, input).await.unwrap();
    let input = api::ListTagsForResourceInput {
        resource_type: "hostedzone".into(),
        resource_id: id,
    };
    let tags = ask(&lab, ops::ListTagsForResource, input).await.unwrap();
    assert_eq!(tags.resource_tag_set.unwrap().tags.unwrap().len(), 1);
    let count = ask(&lab, ops::GetHostedZoneCount, Default::default())
        .await
        .unwrap();
    assert_eq!(count.hosted_zone_count, Some(1));
}

async fn checked(lab: &Lab, config: api::HealthCheckConfig) -> Result<String, AwsError> {
    let input = api::CreateHealthCheckInput {
        caller_reference: lab.house.rng.uuid(),
        health_check_config: config,
    };
    let made = ask(lab, ops::CreateHealthCheck, input).await?;
    Ok(made.health_check.unwrap().id.unwrap())
}

fn http(address: &str) -> api::HealthCheckConfig {
    api::HealthCheckConfig {
        r#type: "HTTP".into(),
        ip_address: Some(address.into()),
        ..Default::default()
    }
}

#[tokio::test]
async fn health_checks_from_their_beginning_to_their_end() {
    let lab = Lab::default();
    let id = checked(&lab, http("198.19.0.5")).await.unwrap();
    let get = || api::GetHealthCheckInput {
        health_check_id: id.clone(),
    };
    let shown = ask(&lab, ops::GetHealthCheck, get())
        .await
        .unwrap()
        .health_check
        .unwrap();
    let config = shown.health_check_config.unwrap();
    assert_eq!((config.port, config.request_interval), (Some(80), Some(30)));
    assert!(said(checked(&lab, http("127.0.0.1")).await).contains("reachable from the internet"));
    let calculated = api::HealthCheckConfig {
        r#type: "CALCULATED".into(),
        health_threshold: Some(1),
        child_health_checks: Some(vec![id.clone()]),
        ..Default::default()
    };
    let parent = checked(&lab, calculated).await.unwrap();
    let delete = |id: &str| api::DeleteHealthCheckInput {
        health_check_id: id.into(),
    };
    let used = ask(&lab, ops::DeleteHealthCheck, delete(&id)).await;
    assert!(said(used).starts_with("HealthCheckInUse"));
    let update = api::UpdateHealthCheckInput {
        health_check_id: id.clone(),
        health_check_version: Some(1),
        port: Some(8080),
        ..Default::default()
    };
    ask(&lab, ops::UpdateHealthCheck, update.clone())
        .await
        .unwrap();
    let late = ask(&lab, ops::UpdateHealthCheck, update).await;
    assert!(said(late).starts_with("HealthCheckVersionMismatch"));
    let zone = zone(&lab, "example.com", None).await.unwrap();
    let with = |check: &str| api::ResourceRecordSet {
        health_check_id: Some(check.into()),
        ..set("www.example.com", "A", &["192.0.2.1"])
    };
    let none = change(&lab, &zone, vec![("CREATE", with("none"))]).await;
    assert!(said(none).starts_with("NoSuchHealthCheck"));
    change(&lab, &zone, vec![("CREATE", with(&id))])
        .await
        .unwrap();
    ask(&lab, ops::DeleteHealthCheck, delete(&parent))
        .await
        .unwrap();
    ask(&lab, ops::DeleteHealthCheck, delete(&id))
        .await
        .unwrap();
    assert!(said(ask(&lab, ops::GetHealthCheck, get()).await).starts_with("NoSuchHealthCheck"));
}

#[test]
fn stored_forms() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    check::<Change>(dir);
    check::<HealthCheck>(dir);
    check::<HealthStatus>(dir);
}
