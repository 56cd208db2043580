//! Lines of access and connection logs, in AWS's order of fields
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html>,
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-connection-logs.html>).

use super::record::Record;
use crate::load_balancer::client_certificate::{Client, ClientCertificate, Refused};
use crate::load_balancer::http::head::{Request, Version};
use crate::load_balancer::listener::Front;
use crate::load_balancer::tcp::Secured;
use crate::load_balancer::tls::Agreed;
use neargate_base::time::Timestamp;
use neargate_domain::load_balancer::{Protocol, ProtocolVersion};
use std::fmt::Write as _;
use std::net::SocketAddrV4;
use std::time::Duration;

/// A request that is over.
pub struct Seen<'a> {
    pub front: &'a Front,
    pub peer: SocketAddrV4,
    pub agreed: Option<&'a Agreed>,
    /// `None`: it was none.
    pub request: Option<&'a Request>,
    pub record: &'a Record,
    /// Of its connection, in both logs.
    pub trace: u64,
    pub now: Timestamp,
}

/// A line of an access log.
pub fn access(seen: &Seen<'_>) -> String {
    let Seen {
        front,
        peer,
        agreed,
        request,
        record,
        ..
    } = seen;
    let target = record.target.borrow();
    let mut line = String::with_capacity(512);
    let address = target
        .as_ref()
        .map(|(_, target)| target.address.to_string());
    let group = target.as_ref().map(|(group, _)| group.arn.as_str());
    let target_status = record.target_status.get().map(|status| status.to_string());
    let or_dash = |text: Option<&str>| text.unwrap_or("-").to_owned();
    let [sent, responded, answered] = record.times();
    let _ = write!(
        line,
        "{} {} {} {peer} {} {} {} {} {} {} {} {} ",
        kind(seen),
        time(seen.now),
        elb(&front.load_balancer_arn),
        or_dash(address.as_deref()),
        seconds(sent),
        seconds(responded),
        seconds(answered),
        record.logged_status(),
        or_dash(target_status.as_deref()),
        record.received_bytes.get(),
        record.sent_bytes.get(),
    );
    let agent = request.and_then(|request| request.fields.first("user-agent"));
    let _ = write!(
        line,
        "\"{}\" \"{}\" {} {} {} \"{}\" \"{}\" \"{}\" {} {} \"{}\" \"{}\" \"-\" \"{}\" \"{}\" ",
        first_line(seen),
        quoted(agent.unwrap_or(b"-")),
        agreed.map_or("-", |agreed| agreed.cipher.as_str()),
        agreed.map_or("-", |agreed| agreed.version),
        or_dash(group),
        quoted(record.trace.borrow().as_bytes()),
        or_dash(agreed.and_then(|agreed| agreed.server_name.as_deref())),
        or_dash(agreed.and_then(|agreed| agreed.certificate_arn.as_deref())),
        record.priority(front),
        time(Timestamp::from_millis(record.began_millis)),
        record.action.get(),
        quoted(
            record
                .location
                .borrow()
                .as_deref()
                .unwrap_or("-")
                .as_bytes()
        ),
        or_dash(address.as_deref()),
        or_dash(target_status.as_deref()),
    );
    let class = record
        .class
        .get()
        .filter(|class| class.reason != "Compliant");
    let tier = class.map(|class| format!("{:?}", class.tier));
    // Hosts and paths that transforms made are not noted.
    let _ = writeln!(
        line,
        "\"{}\" \"{}\" TID_{:016x} \"-\" \"-\" \"-\"",
        or_dash(tier.as_deref()),
        class.map_or("-", |class| class.reason),
        seen.trace,
    );
    line
}

/// A connection as it was made, or was not.
pub struct Connected<'a> {
    pub now: Timestamp,
    pub peer: SocketAddrV4,
    pub port: u16,
    /// `None`: without TLS, or they did not agree.
    pub agreed: Option<&'a Agreed>,
    pub outcome: Outcome<'a>,
    pub trace: u64,
}

/// What became of a connection.
pub enum Outcome<'a> {
    /// It is without TLS.
    Plain,
    /// They agreed after this time.
    Agreed(Duration),
    /// They did not; perhaps for the client's certificate.
    Failed(Option<&'a Refused>),
}

/// A line of a connection log.
pub fn connection(connected: &Connected<'_>) -> String {
    let (peer, agreed) = (connected.peer, connected.agreed);
    let refused = match connected.outcome {
        Outcome::Failed(refused) => refused,
        Outcome::Plain | Outcome::Agreed(_) => None,
    };
    let shown: Option<&ClientCertificate> = match agreed.map(|agreed| &agreed.client) {
        Some(Client::Verified(certificate)) => certificate.as_deref(),
        _ => refused.and_then(|refused| refused.certificate.as_ref()),
    };
    let (handshake, status) = match connected.outcome {
        Outcome::Plain => ("-".into(), "-".to_owned()),
        Outcome::Agreed(time) => (seconds(Some(time)), "Success".into()),
        Outcome::Failed(_) => {
            let code = refused.map_or("UnmappedConnectionError", |refused| refused.reason);
            ("-".into(), format!("Failed:{code}"))
        }
    };
    format!(
        "{} {} {} {} {} {} {handshake} \"{}\" {} {} {status} TID_{:016x}\n",
        time(connected.now),
        peer.ip(),
        peer.port(),
        connected.port,
        agreed.map_or("-", |agreed| agreed.version),
        agreed.map_or("-", |agreed| agreed.cipher.as_str()),
        quoted(shown.map_or("-", |shown| &shown.subject).as_bytes()),
        shown.map_or("-", |shown| &shown.validity),
        shown.map_or("-", |shown| &shown.serial_number),
        connected.trace,
    )
}

/// A connection of a network load balancer that is over.
pub struct Carried<'a> {
    pub now: Timestamp,
    pub front: &'a Front,
    pub peer: SocketAddrV4,
    pub target: SocketAddrV4,
    pub secured: &'a Secured,
    pub lasted: Duration,
    pub received: u64,
    pub sent: u64,
}

/// A line of a network load balancer's access log
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-access-logs.html>). What
/// clients say of themselves in alerts and in their lists of protocols is not noted.
pub fn flow(flow: &Carried<'_>) -> String {
    let Secured {
        agreed,
        began,
        handshake,
    } = flow.secured;
    let listener = flow.front.listener_arn.rsplit('/').next();
    let second = |at: Timestamp| at.rfc3339().get(..19).unwrap_or("-").to_owned();
    let name = agreed.server_name.as_deref().unwrap_or("-");
    format!(
        "tls 2.0 {} {} {} {} {} {} {} {} {} - {} - {} {} - {} {} - - {}\n",
        second(flow.now),
        elb(&flow.front.load_balancer_arn),
        listener.unwrap_or("-"),
        flow.peer,
        flow.target,
        flow.lasted.as_millis(),
        handshake.as_millis(),
        flow.received,
        flow.sent,
        agreed.certificate_arn.as_deref().unwrap_or("-"),
        agreed.cipher,
        agreed.version.replace('.', "").to_ascii_lowercase(),
        quoted(name.as_bytes()),
        agreed.protocol.as_deref().unwrap_or("-"),
        second(*began),
    )
}

/// `app/NAME/ID`.
pub fn elb(arn: &str) -> &str {
    arn.split_once(":loadbalancer/").map_or(arn, |(_, id)| id)
}

fn kind(seen: &Seen<'_>) -> &'static str {
    let is_https = seen.front.protocol == Protocol::Https;
    let is_grpc = seen
        .record
        .target
        .borrow()
        .as_ref()
        .is_some_and(|(group, _)| group.version == ProtocolVersion::Grpc);
    let version = seen.request.map(|request| request.version);
    match (seen.record.is_websocket.get(), is_https, version) {
        (true, true, _) => "wss",
        (true, false, _) => "ws",
        (_, true, Some(Version::Http2)) if is_grpc => "grpcs",
        (_, true, Some(Version::Http2)) => "h2",
        (_, true, _) => "https",
        (_, false, _) => "http",
    }
}

/// The method, the whole URL and the version.
fn first_line(seen: &Seen<'_>) -> String {
    let front = seen.front;
    let scheme = if front.protocol == Protocol::Https {
        "https"
    } else {
        "http"
    };
    let port = front.port;
    let Some(request) = seen.request else {
        return format!("- {scheme}://{}:{port}- -", front.dns_name);
    };
    let host = request.host().unwrap_or(front.dns_name.as_bytes());
    let host = crate::load_balancer::route::without_port(host);
    let query = request.query().map(|query| format!("?{}", quoted(query)));
    format!(
        "{} {scheme}://{}:{port}{}{} {}",
        quoted(request.method()),
        quoted(host),
        quoted(request.path()),
        query.unwrap_or_default(),
        match request.version {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
            Version::Http2 => "HTTP/2.0",
        }
    )
}

/// With three digits after the point; -1: it did not happen.
fn seconds(time: Option<Duration>) -> String {
    time.map_or("-1".into(), |time| format!("{:.3}", time.as_secs_f64()))
}

/// To microseconds, of which we know milliseconds.
fn time(at: Timestamp) -> String {
    let text = at.rfc3339();
    format!("{}000Z", text.strip_suffix('Z').unwrap_or(&text))
}

/// What could end the field or the line is written as `\xHH`.
fn quoted(text: &[u8]) -> String {
    let mut quoted = String::with_capacity(text.len());
    for byte in text {
        match byte {
            b'"' | b'\\' | ..b' ' | 0x7f.. => {
                let _ = write!(quoted, "\\x{byte:02X}");
            }
            byte => quoted.push(char::from(*byte)),
        }
    }
    quoted
}
