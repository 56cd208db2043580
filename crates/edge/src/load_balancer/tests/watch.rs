//! What is counted and what is written of traffic.

use super::lab::{Counted as Asked, *};
use super::secure::{asked, encrypted};
use crate::load_balancer::{Counted, LoadBalancers};
use neargate_base::Rng;
use neargate_domain::load_balancer::{Action, Condition, LoadBalancerType, Patterns, Protocol};
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Duration, sleep, timeout};

pub const ARN: &str =
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/web/50dc6c495c0c9188";

impl Lab {
    pub async fn counted(&self, group: Option<&str>, name: &str, value: u64) {
        let found = |all: Vec<Counted>| {
            let mut all = all.into_iter();
            let own = all.find(|one| one.target_group_arn.as_deref() == group);
            own.and_then(|own| own.totals.values.get(name).copied())
        };
        let wait = async {
            while found(self.balancers.counted()).unwrap_or(0) != value {
                sleep(Duration::from_millis(2)).await;
            }
        };
        let is_right = timeout(PATIENCE, wait).await.is_ok();
        assert!(is_right, "{name} {value}: {:?}", self.balancers.counted());
    }
}

fn path(value: &str) -> Vec<Condition> {
    vec![Condition::PathPattern(Patterns {
        values: vec![value.into()],
        regex_values: Vec::new(),
    })]
}

#[tokio::test]
async fn requests_are_counted_by_zone_and_by_target_group() {
    let mut lab = Lab::with(Echo("one")).await;
    let gone = Action::Redirect {
        protocol: "HTTPS".into(),
        host: "#{host}".into(),
        port: "443".into(),
        path: "/#{path}".into(),
        query: "#{query}".into(),
        status_code: 301,
    };
    let own = [
        rule(path("/fixed"), fixed("text")),
        rule(path("/gone"), gone),
        rule(path("/nobody"), forward(&[("nobody", 1)])),
    ];
    lab.rules().splice(0..0, own);
    lab.told.target_groups.push(group("nobody", &[]));
    lab.start().await;
    for target in ["/", "/fixed", "/gone", "/nobody"] {
        lab.get(target).await;
    }
    lab.ask("nonsense\r\n\r\n").await;
    lab.counted(None, "RequestCount", 1).await;
    lab.counted(Some("blue"), "RequestCount", 1).await;
    lab.counted(Some("blue"), "HTTPCode_Target_2XX_Count", 1)
        .await;
    lab.counted(None, "HTTP_Fixed_Response_Count", 1).await;
    lab.counted(None, "HTTP_Redirect_Count", 1).await;
    lab.counted(None, "HTTPCode_ELB_3XX_Count", 1).await;
    lab.counted(None, "HTTPCode_ELB_503_Count", 1).await;
    lab.counted(None, "HTTPCode_ELB_5XX_Count", 1).await;
    lab.counted(None, "HTTPCode_ELB_4XX_Count", 1).await;
    // The default one is not counted.
    lab.counted(None, "RuleEvaluations", 1 + 2 + 3 + 3).await;
    let times = lab.balancers.counted();
    let blue = times
        .iter()
        .find(|one| one.target_group_arn.as_deref() == Some("blue"));
    assert_eq!(blue.unwrap().totals.response_times.values().sum::<u64>(), 1);
    lab.counted(None, "NewConnectionCount", 5).await;
    let is_idle = async {
        while lab
            .balancers
            .counted()
            .iter()
            .any(|one| one.totals.active_connections > 0)
        {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, is_idle).await.unwrap();
}

#[tokio::test]
async fn a_client_that_goes_away_is_counted_as_460_and_one_of_many_proxies_as_463() {
    let times = Arc::new(AtomicUsize::new(0));
    let mut lab = Lab::with(Asked(Hangs, Arc::clone(&times))).await;
    lab.told
        .attributes
        .insert("idle_timeout.timeout_seconds".into(), "60".into());
    let mut client = lab.connect().await;
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let is_asked = async {
        while times.load(Ordering::SeqCst) == 0 {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, is_asked).await.unwrap();
    drop(client);
    lab.counted(None, "HTTPCode_ELB_460_Count", 1).await;
    let hops = ["10.0.0.1"; 31].join(", ");
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {hops}\r\n\r\n");
    assert_eq!(lab.ask(&request).await.status(), 463);
    lab.counted(None, "HTTPCode_ELB_463_Count", 1).await;
}

/// The text of every finished log below.
pub fn logs(dir: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(logs(&path));
        } else if path.extension().is_some_and(|kind| kind == "gz") && !path.ends_with(".open") {
            let mut text = String::new();
            let file = std::fs::File::open(&path).unwrap();
            let whole = flate2::read::GzDecoder::new(file).read_to_string(&mut text);
            if whole.is_ok() {
                found.push((path.display().to_string(), text));
            }
        }
    }
    found
}

#[tokio::test]
async fn access_and_connection_logs_have_aws_fields_in_their_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut lab = Lab::new();
    lab.told.arn = ARN.into();
    let rng = Arc::new(Rng::seeded(3));
    lab.balancers = LoadBalancers::new(None, Some(dir.path().into()), rng);
    let target = target(Echo("one")).await;
    lab.told.target_groups = vec![group("blue", &[target])];
    for (key, value) in [
        ("access_logs.s3.enabled", "true"),
        ("access_logs.s3.bucket", "logs"),
        ("access_logs.s3.prefix", "web"),
        ("connection_logs.s3.enabled", "true"),
        ("connection_logs.s3.bucket", "logs"),
    ] {
        lab.set(key, value);
    }
    lab.tell();
    let mut states = lab.balancers.states();
    let listens = states.wait_for(|s| s.get(ARN).is_some_and(|s| s.is_listening));
    timeout(PATIENCE, listens).await.unwrap().unwrap();
    let request = "GET /a?b=\"c HTTP/1.1\r\nHost: example.com\r\nUser-Agent: cu\"rl/8 x\r\n\r\n";
    assert_eq!(lab.ask(request).await.status(), 200);
    assert_eq!(lab.ask("nonsense\r\n\r\n").await.status(), 400);
    lab.counted(None, "HTTPCode_ELB_4XX_Count", 1).await;
    lab.counted(None, "HTTPCode_Target_2XX_Count", 1).await;
    let address = lab.address;
    drop(lab);
    let wait = async {
        loop {
            let found = logs(dir.path());
            let is_log = |(name, _): &&(String, String)| !name.contains("/.open/");
            if found.iter().filter(is_log).count() == 2 {
                return found;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    let found = timeout(PATIENCE, wait).await.unwrap();
    let (name, text) = found
        .iter()
        .find(|(name, _)| !name.contains("conn_log"))
        .unwrap();
    assert!(name.contains("/logs/web/AWSLogs/123456789012/elasticloadbalancing/us-east-1/"));
    assert!(name.contains("app.web.50dc6c495c0c9188_"), "{name}");
    assert!(name.contains(&format!("Z_{address}_")), "{name}");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    let fields = self::fields(lines[0]);
    assert_eq!(fields.len(), 33, "{}", lines[0]);
    assert_eq!(fields[0], "http");
    assert_eq!(fields[2], "app/web/50dc6c495c0c9188");
    assert_eq!(fields[4], target.to_string());
    assert_eq!((fields[8], fields[9]), ("200", "200"));
    assert_eq!(
        fields[12],
        "GET http://example.com:8080/a?b=\\x22c HTTP/1.1"
    );
    assert_eq!(fields[13], "cu\\x22rl/8 x");
    assert_eq!(fields[16], "blue");
    assert!(fields[17].starts_with("Root=1-"), "{}", fields[17]);
    assert_eq!((fields[20], fields[22]), ("0", "forward"));
    assert_eq!(fields[25], target.to_string());
    assert!(fields[29].starts_with("TID_"));
    let times = fields[5..8].iter().map(|time| time.parse::<f64>().unwrap());
    assert!(times.into_iter().all(|time| time >= 0.0));
    let refused = self::fields(lines[1]);
    assert_eq!(refused[4..8], ["-", "-1", "-1", "-1"]);
    assert_eq!(refused[8], "400");
    assert_eq!(refused.len(), 33, "{}", lines[1]);
    let (_, text) = found
        .iter()
        .find(|(name, _)| name.contains("conn_log."))
        .unwrap();
    assert_eq!(text.lines().count(), 2, "{text}");
    assert_eq!(self::fields(text.lines().next().unwrap()).len(), 12);
}

/// What is between quotes, or between blanks.
pub fn fields(line: &str) -> Vec<&str> {
    let mut fields = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let (field, after) = quoted.split_once('"').unwrap();
                (field, after.strip_prefix(' ').unwrap_or(after))
            }
            None => rest.split_once(' ').unwrap_or((rest, "")),
        };
        fields.push(field);
        rest = after;
    }
    fields
}

#[tokio::test]
async fn logs_of_network_load_balancers_are_of_connections_with_tls() {
    let dir = tempfile::tempdir().unwrap();
    let arn = ARN.replace("/app/", "/net/");
    let mut lab = Lab::new();
    lab.told.arn.clone_from(&arn);
    lab.told.load_balancer_type = LoadBalancerType::Network;
    lab.balancers = LoadBalancers::new(None, Some(dir.path().into()), Arc::new(Rng::seeded(3)));
    let target = target(Echo("one")).await;
    let mut group = group("blue", &[target]);
    group.protocol = Protocol::Tcp;
    lab.told.target_groups = vec![group];
    lab.told.listeners[0].protocol = Protocol::Tls;
    lab.told.listeners[0].arn = "arn:listener/net/web/50dc6c495c0c9188/g3d4b5e8bb8464cd".into();
    lab.told.listeners[0].tls = Some(asked("ELBSecurityPolicy-TLS13-1-2-2021-06"));
    lab.set("access_logs.s3.enabled", "true");
    lab.set("access_logs.s3.bucket", "logs");
    lab.tell();
    let mut states = lab.balancers.states();
    let listens = states.wait_for(|s| s.get(&arn).is_some_and(|s| s.is_listening));
    timeout(PATIENCE, listens).await.unwrap().unwrap();
    let mut stream = encrypted(&lab, "a.shop.example", b"").await;
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let mut first = [0; 16];
    stream.read_exact(&mut first).await.unwrap();
    drop(stream);
    lab.counted(None, "NewFlowCount", 1).await;
    drop(lab);
    let wait = async {
        loop {
            let found = logs(dir.path());
            match found
                .into_iter()
                .find(|(name, _)| !name.contains("/.open/"))
            {
                Some(found) => return found,
                None => sleep(Duration::from_millis(5)).await,
            }
        }
    };
    let (name, text) = timeout(PATIENCE, wait).await.unwrap();
    assert!(name.contains("net.web.50dc6c495c0c9188_"), "{name}");
    let fields = self::fields(text.trim_end());
    assert_eq!(fields.len(), 22, "{text}");
    assert_eq!(fields[..2], ["tls", "2.0"]);
    assert_eq!(
        fields[3..5],
        ["net/web/50dc6c495c0c9188", "g3d4b5e8bb8464cd"]
    );
    assert_eq!(fields[6], target.to_string());
    assert!(
        fields[9].parse::<u64>().unwrap() >= 26 && fields[10] != "0",
        "{text}"
    );
    assert_eq!(fields[12], "arn:certificate/*.shop.example");
    assert_eq!(fields[14..16], ["TLS_AES_256_GCM_SHA384", "tlsv13"]);
    assert_eq!(fields[17], "a.shop.example");
}
