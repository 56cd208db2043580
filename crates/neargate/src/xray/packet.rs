//! What comes to the daemon's UDP port
//! (<https://docs.aws.amazon.com/xray/latest/devguide/xray-api-sendingdata.html#xray-api-daemon>): a line that says
//! the format, and a segment document or, from AWS's distribution of OpenTelemetry, spans.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// What a datagram holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// A segment document, which nobody has looked at.
    Segment(String),
    /// Spans of a trace that is sampled, as OTLP's protobuf.
    Spans(Vec<u8>),
    /// Spans of one that is not: X-Ray keeps none of them.
    Unsampled,
}

/// Spans that are sampled, and that are not: the first characters of the document.
const SAMPLED: &[u8] = b"T1S";
const UNSAMPLED: &[u8] = b"T1U";

/// `None`: it is nothing of the protocol.
pub fn read(datagram: &[u8]) -> Option<Packet> {
    let end = datagram.iter().position(|byte| *byte == b'\n')?;
    let header: Value = serde_json::from_slice(&datagram[..end]).ok()?;
    let is_ours = header["format"] == "json" && header["version"] == 1;
    let document = datagram[end + 1..].trim_ascii();
    if !is_ours || document.is_empty() {
        return None;
    }
    if document.starts_with(UNSAMPLED) {
        return Some(Packet::Unsampled);
    }
    if let Some(spans) = document.strip_prefix(SAMPLED) {
        return STANDARD.decode(spans).ok().map(Packet::Spans);
    }
    String::from_utf8(document.to_vec())
        .ok()
        .map(Packet::Segment)
}

#[cfg(test)]
mod tests {
    use super::{Packet, read};

    #[test]
    fn packets() {
        let segment = read(b"{\"format\": \"json\", \"version\": 1}\n{\"id\":\"x\"}\n");
        assert_eq!(segment, Some(Packet::Segment("{\"id\":\"x\"}".into())));
        let header = b"{\"format\":\"json\",\"version\":1}\n";
        let with = |rest: &[u8]| read(&[&header[..], rest].concat());
        assert_eq!(with(b"T1SAAEC"), Some(Packet::Spans(vec![0, 1, 2])));
        assert_eq!(with(b"T1UAAEC"), Some(Packet::Unsampled));
        for wrong in [&b""[..], b"T1S!", b"\xff\xfe"] {
            assert_eq!(with(wrong), None);
        }
        for wrong in [
            &b""[..],
            b"\n",
            b"x\n{}",
            b"{\"format\":\"xml\",\"version\":1}\n{}",
            b"{}",
        ] {
            assert_eq!(read(wrong), None);
        }
    }
}
