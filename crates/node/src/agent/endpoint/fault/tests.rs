//! Requests for faults, in the ECS agent's words.

use super::*;

fn refused(name: &str, body: &str) -> String {
    let (status, text) = wanted(name, Act::Start, body.as_bytes()).unwrap_err();
    assert_eq!(status, StatusCode::BAD_REQUEST);
    text
}

#[test]
fn a_blackhole_is_asked_for_in_the_agents_words() {
    let all = |body: &str| wanted("network-blackhole-port", Act::Start, body.as_bytes());
    let whole = r#"{"port": 80, "Protocol": "tcp", "TrafficType": "egress", "More": 1}"#;
    let Ok(Wanted::Fault(Fault::Blackhole(found))) = all(whole) else {
        panic!("it is one");
    };
    assert_eq!(
        (found.port, found.protocol, found.way),
        (80, "tcp", Way::Egress)
    );
    assert_eq!(found.passing, ["169.254.170.2"], "the endpoint stays");
    for (body, text) in [
        ("", "required request body is missing"),
        ("{}", "required parameter Port is missing"),
        (r#"{"Port": null}"#, "required parameter Port is missing"),
        (r#"{"Port": 1}"#, "required parameter Protocol is missing"),
        (
            r#"{"Port": 1, "Protocol": "tcp", "TrafficType": ""}"#,
            "required parameter TrafficType is missing",
        ),
        (
            r#"{"Port": 1, "Protocol": "icmp", "TrafficType": "egress"}"#,
            "invalid value icmp for parameter Protocol",
        ),
        (
            r#"{"Port": 1, "Protocol": "udp", "TrafficType": "both"}"#,
            "invalid value both for parameter TrafficType",
        ),
        (
            r#"{"Port": 70000}"#,
            "json: cannot unmarshal number 70000 into Go struct field \
             NetworkBlackholePortRequest.Port of type uint16",
        ),
        (
            r#"{"Port": 1, "Protocol": "udp", "TrafficType": "egress", "SourcesToFilter": ["1.2.3.4; drop"]}"#,
            "invalid value 1.2.3.4; drop for parameter SourcesToFilter",
        ),
    ] {
        assert_eq!(refused("network-blackhole-port", body), text);
    }
}

#[test]
fn latency_and_loss_need_their_numbers_and_addresses() {
    for (name, body, text) in [
        (
            "network-latency",
            "{}",
            "required parameter DelayMilliseconds is missing",
        ),
        (
            "network-latency",
            r#"{"DelayMilliseconds": 0, "JitterMilliseconds": 0}"#,
            "required either DelayMilliseconds or JitterMilliseconds to be non-zero",
        ),
        (
            "network-latency",
            r#"{"DelayMilliseconds": 9, "JitterMilliseconds": 0, "Sources": []}"#,
            "required parameter Sources is missing",
        ),
        (
            "network-packet-loss",
            "{}",
            "required parameter LossPercent is missing",
        ),
        (
            "network-packet-loss",
            r#"{"LossPercent": 101}"#,
            "invalid value 101 for parameter LossPercent",
        ),
        (
            "network-packet-loss",
            r#"{"LossPercent": 5, "Sources": ["10.0.0.0/33"]}"#,
            "invalid value 10.0.0.0/33 for parameter Sources",
        ),
        (
            "network-packet-loss",
            r#"{"LossPercent": 5, "Sources": ["fd00::/8"], "FlowsPercent": 0}"#,
            "invalid value 0 for parameter flowsPercent",
        ),
    ] {
        assert_eq!(refused(name, body), text);
    }
    // To stop one needs no words.
    let stopped = wanted("network-packet-loss", Act::Stop, b"");
    assert_eq!(stopped.unwrap(), Wanted::Kind(Kind::Loss));
}
