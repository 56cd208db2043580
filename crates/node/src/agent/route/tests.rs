//! Options, and what goes over the wire.

use super::super::shipper::LogWatch;
use super::gelf::chunks;
use super::options::Options;
use super::reach::Address;
use super::*;
use neargate_base::{Rng, Secret, Timestamp, task};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, UdpSocket, UnixListener};
use tokio_util::sync::CancellationToken;

/// 2026-11-03T05:30:08.123Z.
const AT: i64 = 1_793_683_808_123;

fn about() -> About {
    About {
        id: "0123456789abcdef0123456789abcdef-1234567890".into(),
        name: "app".into(),
        image: "web:1".into(),
        host: "node".into(),
        labels: [("team".into(), "blue".into())].into(),
        environment: [("STAGE".into(), "prod".into()), ("KEY".into(), "x".into())].into(),
        router_tag: "app-firelens-t1".into(),
        is_fargate: true,
        ..About::default()
    }
}

fn options(driver: &str, given: &[(&str, &str)]) -> Options {
    let given = given
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Options::new(driver, given.collect())
}

fn line(message: &str) -> Record<'_> {
    Record {
        timestamp: Timestamp::from_millis(AT),
        stderr: message.starts_with("err"),
        message: message.as_bytes(),
        length: message.len(),
    }
}

fn route(driver: &str, given: &[(&str, &str)]) -> LogRoute {
    LogRoute {
        driver: driver.into(),
        options: given
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

fn refusal(driver: &str, given: &[(&str, &str)]) -> String {
    outlet(&route(driver, given), &[], &about(), Reach::default()).unwrap_err()
}

#[test]
fn a_driver_takes_its_own_options() {
    for (driver, given, why) in [
        (
            "syslog",
            ("gelf-address", "x"),
            "unknown log opt 'gelf-address' for syslog log driver",
        ),
        ("syslog", ("syslog-format", "rfc1"), "Invalid syslog format"),
        (
            "syslog",
            ("syslog-address", "tcp+tls://a:1"),
            "the syslog driver speaks no TLS here (syslog-address tcp+tls)",
        ),
        (
            "gelf",
            ("tag", "x"),
            "gelf: gelf-address is a required parameter",
        ),
        (
            "splunk",
            ("splunk-url", "http://a:1"),
            "splunk: splunk-token is expected",
        ),
        (
            "fluentd",
            ("fluentd-async", "yes"),
            "strconv.ParseBool: parsing \"yes\": invalid syntax",
        ),
        ("json-file", ("max-size", "big"), "invalid size: 'big'"),
        (
            "journald",
            ("tag", "x"),
            "logger: no log driver named 'journald' is registered",
        ),
    ] {
        let given = match given {
            ("syslog-format", _) => vec![given, ("syslog-address", "udp://10.0.0.1")],
            given => vec![given],
        };
        assert_eq!(refusal(driver, &given), why);
    }
    // The host's own sockets are an instance's only where the host is the instance.
    let why = refusal("fluentd", &[("fluentd-address", "unix:///run/docker.sock")]);
    assert!(why.contains("is on the host"), "{why}");
    assert!(refusal("syslog", &[]).contains("/dev/log is on the host"));
}

#[test]
fn secret_options_are_options() {
    let token = SecretVariable {
        name: "splunk-token".into(),
        value: Secret::new("s3cr3t".into()),
    };
    let splunk = route("splunk", &[("splunk-url", "https://splunk.example:8088")]);
    let outlet = outlet(&splunk, &[token], &about(), Reach::default()).unwrap();
    let shown = format!("{outlet:?}");
    assert!(shown.contains("splunk.example") && !shown.contains("s3cr3t"));
}

#[test]
fn what_is_kept_is_bounded() {
    let most = |driver: &str, given: &[(&str, &str)]| match outlet(
        &route(driver, given),
        &[],
        &about(),
        Reach::default(),
    ) {
        Ok(Outlet::Kept(most)) => most,
        other => panic!("{other:?}"),
    };
    assert_eq!(most("json-file", &[]), KEPT_BYTES);
    assert_eq!(
        most("json-file", &[("max-size", "10m"), ("max-file", "3")]),
        30 << 20
    );
    assert_eq!(most("local", &[]), 100 << 20);
    assert_eq!(most("local", &[("max-file", "2")]), 40 << 20);
}

#[test]
fn tags_are_dockers() {
    let about = about();
    for (template, tag) in [
        ("{{.Name}}/{{.ID}}", "app/0123456789ab"),
        ("plain", "plain"),
        (
            "{{ .ImageName }}-{{.FullID}}",
            "web:1-0123456789abcdef0123456789abcdef-1234567890",
        ),
        ("{{.DaemonName}}", "docker"),
    ] {
        assert_eq!(about.tag(template).unwrap(), tag);
    }
    assert!(about.tag("{{.Nothing}}").is_err() && about.tag("{{.Name").is_err());
    assert_eq!(options("syslog", &[]).tag(&about).unwrap(), "0123456789ab");
    let named = options("syslog", &[("labels", "team,none"), ("env-regex", "^STA")]);
    let attributes = named.attributes(&about).unwrap();
    let wanted: BTreeMap<String, String> = [
        ("team".to_owned(), "blue".to_owned()),
        ("STAGE".to_owned(), "prod".to_owned()),
    ]
    .into();
    assert_eq!(attributes, wanted);
}

#[test]
fn addresses() {
    let parse = |text| Address::parse(text, "tcp", 514);
    let tcp = |host: &str, port| Ok(Address::Tcp(host.into(), port));
    assert_eq!(parse("tcp://10.0.0.1:601"), tcp("10.0.0.1", 601));
    assert_eq!(parse("logs.example"), tcp("logs.example", 514));
    assert_eq!(parse("[::1]:24224"), tcp("::1", 24224));
    assert_eq!(
        parse("udp://10.0.0.1"),
        Ok(Address::Udp("10.0.0.1".into(), 514))
    );
    assert_eq!(
        parse("unix:///dev/log"),
        Ok(Address::Unix("/dev/log".into()))
    );
    for wrong in ["", "tcp://", "tcp://a:port", "ftp://a:1"] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_large_message_of_gelf_is_sent_in_parts() {
    assert_eq!(chunks(&[1; 1420], 7), [vec![1; 1420]]);
    let parts = chunks(&[1; 3000], 7);
    assert_eq!(parts.len(), 3);
    assert_eq!(parts[2][..12], [0x1e, 0x0f, 0, 0, 0, 0, 0, 0, 0, 7, 2, 3]);
    assert_eq!(parts.iter().map(|p| p.len() - 12).sum::<usize>(), 3000);
    assert!(chunks(&vec![1; 1408 * 129], 7).is_empty());
}

async fn sink(driver: &str, given: &[(&str, &str)]) -> Box<dyn Sink> {
    match outlet(&route(driver, given), &[], &about(), Reach::default()) {
        Ok(Outlet::Sent(sink)) => sink,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn syslogs_forms() {
    let receiver = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = format!("udp://{}", receiver.local_addr().unwrap());
    let pid = std::process::id();
    for (form, wanted) in [
        (None, format!("<30>Nov  3 05:30:08 web[{pid}]: hi\n")),
        (
            Some("rfc3164"),
            format!("<30>Nov  3 05:30:08 node web[{pid}]: hi\n"),
        ),
        (
            Some("rfc5424"),
            format!("<30>1 2026-11-03T05:30:08Z node web {pid} web - hi\n"),
        ),
        (
            Some("rfc5424micro"),
            format!("<30>1 2026-11-03T05:30:08.123000Z node web {pid} web - hi\n"),
        ),
    ] {
        let mut given = vec![("syslog-address", address.as_str()), ("tag", "web")];
        given.extend(form.map(|form| ("syslog-format", form)));
        let mut syslog = sink("syslog", &given).await;
        syslog.send(&[line("hi")]).await.unwrap();
        let mut taken = [0; 512];
        let length = receiver.recv(&mut taken).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&taken[..length]), wanted);
    }
    let given = [
        ("syslog-address", address.as_str()),
        ("syslog-facility", "local7"),
    ];
    let mut syslog = sink("syslog", &given).await;
    syslog.send(&[line("error")]).await.unwrap();
    let mut taken = [0; 512];
    let length = receiver.recv(&mut taken).await.unwrap();
    assert!(taken[..length].starts_with(b"<187>"), "local7 and error");
}

#[tokio::test]
async fn a_record_of_the_forward_protocol() {
    let receiver = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = receiver.local_addr().unwrap().to_string();
    let given = [
        ("fluentd-address", address.as_str()),
        ("tag", "t"),
        ("fluentd-sub-second-precision", "true"),
    ];
    let mut fluentd = sink("fluentd", &given).await;
    fluentd.probe().await.unwrap();
    fluentd.send(&[line("hi"), line("err")]).await.unwrap();
    drop(fluentd);
    let (mut stream, _) = receiver.accept().await.unwrap();
    let mut taken = Vec::new();
    stream.read_to_end(&mut taken).await.unwrap();
    // [ "t", [ [ EventTime, { four pairs
    let seconds = 1_793_683_808_u32.to_be_bytes();
    let mut begin = vec![0x93, 0xa1, b't', 0x92, 0x92, 0xd7, 0x00];
    begin.extend(seconds);
    begin.extend(123_000_000_u32.to_be_bytes());
    begin.extend([0x84, 0xac]);
    begin.extend(b"container_id");
    assert_eq!(taken[..begin.len()], begin);
    assert!(taken.ends_with(b"\x81\xa4size\xce\0\0\0\x02"));
    let has = |text: &[u8]| taken.windows(text.len()).any(|part| part == text);
    assert!(has(b"\xa6source\xa6stderr\xa3log\xa3err") && has(b"\xa3log\xa2hi"));
}

#[tokio::test]
async fn a_router_is_reached_by_its_socket_and_by_no_link() {
    let dir = tempfile::tempdir().unwrap();
    let reach = |name: &str| Reach {
        router: dir.path().join(name),
        ..Reach::default()
    };
    for name in ["real", "linked"] {
        std::fs::create_dir(dir.path().join(name)).unwrap();
    }
    let socket = dir.path().join("real/fluent.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    std::os::unix::fs::symlink(&socket, dir.path().join("linked/fluent.sock")).unwrap();
    let router = Address::Router;
    reach("real").stream(&router).await.unwrap();
    listener.accept().await.unwrap();
    let why = reach("linked").stream(&router).await.unwrap_err();
    assert!(why.to_string().contains("connection refused"), "{why}");
    let why = reach("none").stream(&router).await.unwrap_err();
    assert!(
        why.to_string().contains("no such file or directory"),
        "{why}"
    );
}

#[tokio::test]
async fn nobody_there_is_said_in_dockers_words() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let given = [("fluentd-address", address.to_string())];
    let given: Vec<(&str, &str)> = given.iter().map(|(o, v)| (*o, v.as_str())).collect();
    let why = sink("fluentd", &given).await.probe().await.unwrap_err();
    assert_eq!(
        why.to_string(),
        format!("dial tcp {address}: connect: connection refused")
    );
    let mut later = given.clone();
    later.push(("fluentd-async", "true"));
    sink("fluentd", &later).await.probe().await.unwrap();
}

struct Output {
    dir: tempfile::TempDir,
    ended: CancellationToken,
}

impl Output {
    fn new() -> Output {
        Output {
            dir: tempfile::tempdir().unwrap(),
            ended: CancellationToken::new(),
        }
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    fn write(&self, lines: &[&str]) {
        use std::io::Write;
        let path = self.log();
        let mut file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        for line in lines {
            write!(file, "{AT} o {}\n{line}\n", line.len()).unwrap();
        }
    }

    fn carrier(&self, outlet: Outlet) -> Carrier {
        Carrier {
            path: self.log(),
            outlet,
            source: "t/app".into(),
            watch: Arc::new(LogWatch::start()),
            rng: Arc::new(Rng::seeded(3)),
            ended: self.ended.clone(),
            drain_limit: Duration::from_millis(300),
            discard_bytes: 64 << 10,
        }
    }
}

async fn to(address: &Path) -> Outlet {
    let reach = Reach {
        has_files: true,
        ..Reach::default()
    };
    let address = format!("unix://{}", address.display());
    outlet(
        &route("syslog", &[("syslog-address", &address)]),
        &[],
        &about(),
        reach,
    )
    .unwrap()
}

/// The node ends in the middle, and the receiver comes late: each line arrives.
#[tokio::test]
async fn a_carrier_goes_on_where_the_last_one_was() {
    let output = Output::new();
    let socket = output.dir.path().join("syslog");
    let receiver = UnixListener::bind(&socket).unwrap();
    output.write(&["one", "two"]);
    let first = task::spawn("carry", output.carrier(to(&socket).await).run());
    let (mut stream, _) = receiver.accept().await.unwrap();
    let mut taken = String::new();
    let mut buffer = [0; 4096];
    while !taken.contains("two") {
        let length = stream.read(&mut buffer).await.unwrap();
        taken += &String::from_utf8_lossy(&buffer[..length]);
    }
    let carried = output.dir.path().join("log.carried");
    while std::fs::metadata(&carried).is_err() {
        tokio::task::yield_now().await;
    }
    first.abort();
    drop((receiver, stream));
    std::fs::remove_file(&socket).unwrap();
    output.write(&["three"]);
    let second = task::spawn("carry", output.carrier(to(&socket).await).run());
    let receiver = UnixListener::bind(&socket).unwrap();
    let (mut stream, _) = receiver.accept().await.unwrap();
    output.ended.cancel();
    second.await.unwrap();
    let mut taken = String::new();
    stream.read_to_string(&mut taken).await.unwrap();
    assert!(taken.contains("three") && !taken.contains("two"), "{taken}");
}

#[tokio::test]
async fn nobody_is_waited_for_longer_than_the_drain_limit() {
    let output = Output::new();
    output.write(&["one"]);
    output.ended.cancel();
    let nowhere = output.dir.path().join("nowhere");
    let carrier = output.carrier(to(&nowhere).await).run();
    tokio::time::timeout(Duration::from_secs(10), carrier)
        .await
        .unwrap();
}
