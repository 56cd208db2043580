//! Every stored form of this crate's own resources, and of the pinning itself.

use neargate_domain::alarm::AlarmReading;
use neargate_service::eni::Interface;
use neargate_service::events::Posted;
use neargate_service::instance::Instance;
use neargate_service::invocation::Invocation;
use neargate_service::target_health::TargetGroupHealth;
use neargate_service::{Resource, golden, vpc};
use serde::{Deserialize, Serialize};

const DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");

#[test]
fn interfaces_and_vpcs() {
    golden::check::<AlarmReading>(DIR);
    golden::check::<Posted>(DIR);
    golden::check::<Invocation>(DIR);
    golden::check::<Interface>(DIR);
    golden::check::<vpc::Vpc>(DIR);
    golden::check::<vpc::Subnet>(DIR);
    golden::check::<vpc::SecurityGroup>(DIR);
    golden::check::<vpc::RouteTable>(DIR);
    golden::check::<vpc::InternetGateway>(DIR);
    golden::check::<vpc::NatGateway>(DIR);
    golden::check::<vpc::NetworkAcl>(DIR);
    golden::check::<vpc::ElasticIp>(DIR);
    golden::check::<vpc::DhcpOptions>(DIR);
    golden::check::<vpc::PeeringConnection>(DIR);
    golden::check::<vpc::Endpoint>(DIR);
    golden::check::<vpc::EgressOnlyGateway>(DIR);
    golden::check::<vpc::ManagedPrefixList>(DIR);
}

#[test]
fn health_of_targets() {
    golden::check::<TargetGroupHealth>(DIR);
}

#[test]
fn instances() {
    golden::check::<Instance>(DIR);
}

/// A resource at its second version, as the files of the first and second pin it.
#[derive(Debug, Serialize, Deserialize)]
struct Renamed {
    new_name: String,
}

impl Resource for Renamed {
    const KIND: &'static str = "test/renamed";
    const VERSION: u32 = 2;

    fn upgrade(version: u32, mut value: serde_json::Value) -> Result<serde_json::Value, String> {
        match version {
            1 => Ok(serde_json::json!({ "new_name": value["old_name"].take() })),
            _ => Err(format!("no version {version}")),
        }
    }
}

/// The same form with a member that nobody gave a version.
#[derive(Debug, Serialize, Deserialize)]
struct Careless {
    new_name: String,
    added: Option<u32>,
}

impl Resource for Careless {
    const KIND: &'static str = "test/careless";
}

fn write(dir: &tempfile::TempDir, name: &str, text: &str) {
    std::fs::write(dir.path().join(name), text).expect("written");
}

#[test]
fn an_older_version_is_upgraded() {
    let dir = tempfile::tempdir().expect("directory");
    write(
        &dir,
        "test.renamed.v1.json",
        r#"{"v":1,"r":{"old_name":"a"}}"#,
    );
    write(
        &dir,
        "test.renamed.v2.json",
        r#"{"v":2,"r":{"new_name":"a"}}"#,
    );
    golden::check::<Renamed>(dir.path());
}

#[test]
#[should_panic(expected = "pin each stored version")]
fn a_version_without_its_file_fails() {
    let dir = tempfile::tempdir().expect("directory");
    write(
        &dir,
        "test.renamed.v1.json",
        r#"{"v":1,"r":{"old_name":"a"}}"#,
    );
    golden::check::<Renamed>(dir.path());
}

#[test]
#[should_panic(expected = "changed without a new version")]
fn an_added_member_fails() {
    let dir = tempfile::tempdir().expect("directory");
    write(
        &dir,
        "test.careless.v1.json",
        r#"{"v":1,"r":{"new_name":"a"}}"#,
    );
    golden::check::<Careless>(dir.path());
}

/// A form with a member that may be missing, as older records have it.
#[derive(Debug, Serialize, Deserialize)]
struct Grown {
    name: String,
    #[serde(default)]
    added: u32,
}

impl Resource for Grown {
    const KIND: &'static str = "test/grown";
}

fn grown(before: &str) {
    let dir = tempfile::tempdir().expect("directory");
    let now = r#"{"v":1,"r":{"name":"a","added":1}}"#;
    write(&dir, "test.grown.v1.json", now);
    write(&dir, "test.grown.v1.before-added.json", before);
    // Others' files.
    write(&dir, "test.grown.v10.json", "{}");
    write(&dir, "test.grown-up.v1.before.json", "{}");
    golden::check::<Grown>(dir.path());
}

#[test]
fn an_earlier_form_of_the_same_version_is_read() {
    grown(r#"{"v":1,"r":{"name":"a"}}"#);
}

#[test]
#[should_panic(expected = "before-added.json can no longer be read")]
fn an_earlier_form_that_cannot_be_read_fails() {
    grown(r#"{"v":1,"r":{"added":1}}"#);
}
