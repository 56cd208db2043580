//! Buildspecs, patterns, archives and what else is read.

use crate::archive::{self, Content, Entry};
use crate::buildspec::{self, OnFailure, Version};
use crate::model::{Build, Project, Report, ReportCases, ReportGroup};
use crate::plan::environment::{SecretRef, secret};
use crate::plan::glob::Patterns;
use crate::plan::mask::Mask;
use crate::plan::progress::{self, Told};
use crate::plan::report;
use neargate_api_codebuild as api;
use neargate_service::golden;

#[test]
fn a_buildspec_is_read() {
    let spec = buildspec::parse(
        "version: 0.2
run-as: root
env:
  shell: bash
  variables: {NUMBER: 1.10, TRUTH: yes, EMPTY: }
  parameter-store: {P: /p}
  secrets-manager: {S: 'name:key'}
  exported-variables: [A, B]
phases:
  install:
    runtime-versions: {python: 3.x}
    on-failure: RETRY-5
    commands: &shared [one, \"two\"]
  build: {commands: *shared, on-failure: ABORT}
artifacts:
  files: [a]
  discard-paths: yes
  secondary-artifacts: {x: {files: ['b/**/*']}}
reports: {r: {files: ['*.xml']}}
",
    );
    let spec = spec.expect("read");
    assert_eq!(spec.version, Version::V02);
    assert_eq!(spec.variables[0], ("NUMBER".into(), "1.10".into()));
    assert_eq!(spec.variables[2], ("EMPTY".into(), String::new()));
    assert_eq!(spec.install.on_failure, OnFailure::Retry(5));
    assert_eq!(spec.build.commands, ["one", "two"]);
    assert_eq!(spec.install.runtimes, [("python".into(), "3.x".into())]);
    assert!(spec.artifacts.expect("some").discard_paths);
    assert_eq!(spec.secondary_artifacts[0].0, "x");
    assert_eq!(spec.reports[0].1.format, "JUNITXML");
    assert!(spec.unserved.is_empty());
}

#[test]
fn what_is_no_buildspec_is_told() {
    for (text, said) in [
        ("", "wrong number of container tags"),
        ("- a", "wrong number of container tags"),
        ("phases: {}", "no version"),
        ("version: 3", "invalid buildspec version 3"),
        (
            "version: 0.2\nphases: {buld: {}}",
            "Invalid buildspec phase name: buld",
        ),
        (
            "version: 0.2\nphases: {build: {commands: [{a: b}]}}",
            "Expected Commands[0] to be of string type",
        ),
        ("version: 0.2\nphases: [", "at line"),
        (
            "version: 0.2\nenv: {shell: powershell.exe}",
            "is not one of Linux",
        ),
        (
            "version: 0.2\nphases: {build: {on-failure: RETRY-x.*}}",
            "regular expression",
        ),
        ("version: 0.2\nartifacts: {name: x}", "have no files"),
    ] {
        let refused = buildspec::parse(text).expect_err(text);
        assert!(refused.contains(said), "{text}: {refused}");
    }
    let mut bomb = String::from("version: 0.2\na: &a [x,x,x,x,x,x,x,x,x,x]\n");
    for level in b'b'..=b'h' {
        let (this, last) = (char::from(level), char::from(level - 1));
        let ten = vec![format!("*{last}"); 10].join(", ");
        bomb += &format!("{this}: &{this} [{ten}]\n");
    }
    let refused = buildspec::parse(&bomb).expect_err("a bomb");
    assert!(refused.contains("more than"), "{refused}");
    assert!(buildspec::parse(&"[".repeat(100_000)).is_err());
}

#[test]
fn patterns_are_as_aws_has_them() {
    let take = |pattern: &str, path: &str| {
        let patterns = Patterns::new(&[pattern.to_owned()], &["**/skip/*".to_owned()]);
        patterns.expect("a pattern").take(path)
    };
    for (pattern, path, is) in [
        ("**/*", "a", true),
        ("**/*", "a/b/c.txt", true),
        ("*", "a/b", false),
        ("*.jar", "x.jar", true),
        ("target/*.jar", "target/x.jar", true),
        ("target/*.jar", "target/sub/x.jar", false),
        ("target/**/*", "target/sub/x.jar", true),
        ("target/**/*", "target/x", true),
        ("./a+b(1).txt", "a+b(1).txt", true),
        ("**/*", "x/skip/y", false),
        ("a?c", "abc", true),
    ] {
        assert_eq!(take(pattern, path), is, "{pattern} {path}");
    }
}

#[test]
fn archives_go_there_and_back() {
    let entries = vec![
        Entry::file("a.txt", "one"),
        Entry {
            path: "bin/run".into(),
            content: Content::File {
                bytes: "#!/bin/sh\n".into(),
                mode: 0o755,
            },
        },
        Entry {
            path: "link".into(),
            content: Content::Link("a.txt".into()),
        },
    ];
    let zip = archive::zipped(&entries).expect("packed");
    assert_eq!(archive::unzip(&zip).expect("unpacked"), entries);
    let named = entries.iter().map(|e| (e.path.clone(), &e.content));
    let tar = archive::tarred(named, &["some/dir".into()], 0).expect("packed");
    assert_eq!(archive::untarred(&tar).expect("unpacked"), entries);
    assert!(archive::unzip(b"no archive").is_err());
    for (path, safe) in [
        ("../x", None),
        ("/etc/passwd", None),
        ("a/../b", None),
        ("./a//b", Some("a/b")),
        ("", None),
    ] {
        assert_eq!(archive::safe(path).as_deref(), safe, "{path}");
    }
    let out = archive::zipped(&[Entry::file("../up", "x")]).expect("packed");
    assert!(archive::unzip(&out).is_err());
}

#[test]
fn secrets_are_named_and_hidden() {
    let plain = |id: &str| SecretRef {
        id: id.into(),
        json_key: None,
        stage: None,
        version: None,
    };
    assert_eq!(secret("name"), plain("name"));
    let arn = "arn:aws:secretsmanager:us-east-1:000000000000:secret:a-b";
    assert_eq!(secret(arn), plain(arn));
    let whole = secret(&format!("{arn}:key::v1"));
    assert_eq!((&*whole.id, whole.json_key.as_deref()), (arn, Some("key")));
    assert_eq!((whole.stage, whole.version.as_deref()), (None, Some("v1")));
    let mask = Mask::new(&[
        "hush-hush".into(),
        "hush".into(),
        "ab".into(),
        "l1\nline2".into(),
    ]);
    assert_eq!(mask.apply("hush-hush hush ab line2"), "*** *** ab ***");
}

#[test]
fn nothing_that_would_not_fit_is_believed() {
    let told = progress::read(
        "B BUILD 17\nB OTHER 17\nE BUILD x FAILED\nF BUILD 2 \"a\\nb\"\nF BUILD 999 \"a\"\nZ\n\nE BUILD 18 FAILED",
    );
    assert_eq!(told.len(), 3);
    let Told::Failed(_, why) = &told[1] else {
        panic!("{told:?}")
    };
    assert_eq!(
        why,
        "Error while executing command: a\nb. Reason: exit status 2"
    );
}

#[test]
fn artifacts_have_their_places() {
    let mut target = api::ProjectArtifacts {
        r#type: "S3".into(),
        location: Some("bucket".into()),
        path: Some("/a/".into()),
        name: Some("n.zip".into()),
        namespace_type: Some("BUILD_ID".into()),
        ..Default::default()
    };
    let at = |t: &api::ProjectArtifacts| crate::run::location(t, "p", "uuid", Some("spec")).1;
    assert_eq!(at(&target), "a/uuid/n.zip");
    target.override_artifact_name = Some(true);
    target.namespace_type = None;
    assert_eq!(at(&target), "a/spec");
    target.r#type = "CODEPIPELINE".into();
    target.override_artifact_name = None;
    assert_eq!(at(&target), "a/n.zip");
}

#[test]
fn stored_forms_are_pinned() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    golden::check::<Project>(dir);
    golden::check::<Build>(dir);
    golden::check::<ReportGroup>(dir);
    golden::check::<Report>(dir);
    golden::check::<ReportCases>(dir);
}

#[test]
fn reports_are_read() {
    let junit = br#"<?xml version="1.0"?><testsuites><testsuite name="s">
        <testcase classname="c" name="ok" time="1.5"/>
        <testcase classname="c" name="bad" time="0.1"><failure message="a &lt; b">trace</failure></testcase>
        <testcase name="worse"><error><![CDATA[it <broke>]]></error></testcase>
        <testcase name="not"><skipped/></testcase></testsuite></testsuites>"#;
    let cases = report::read("JUNITXML", junit).expect("read");
    let told: Vec<_> = cases
        .iter()
        .map(|c| (&*c.name, c.status, &*c.message))
        .collect();
    assert_eq!(
        told,
        [
            ("ok", "SUCCEEDED", ""),
            ("bad", "FAILED", "a < b"),
            ("worse", "ERROR", "it <broke>"),
            ("not", "SKIPPED", "")
        ]
    );
    assert_eq!(
        (cases[0].nanos, &*cases[0].suite, &*cases[0].prefix),
        (1_500_000_000, "s", "c")
    );
    let cucumber = br#"[{"name": "f", "elements": [{"type": "background"},
        {"name": "good", "steps": [{"result": {"status": "passed", "duration": 5}}]},
        {"name": "bad", "steps": [{"result": {"status": "failed", "error_message": "no"}}]}]}]"#;
    let cases = report::read("CUCUMBERJSON", cucumber).expect("read");
    assert_eq!((cases.len(), cases[0].nanos), (2, 5));
    assert_eq!((cases[1].status, &*cases[1].message), ("FAILED", "no"));
    for (format, bytes) in [
        ("JUNITXML", &b""[..]),
        ("JUNITXML", b"<a"),
        ("CUCUMBERJSON", b"{}"),
        ("NUNITXML", b"<a/>"),
    ] {
        assert!(report::read(format, bytes).is_err(), "{format} {bytes:?}");
    }
}
