//! Answers that go on: events in frames
//! (<https://smithy.io/2.0/aws/amazon-eventstream.html>).
//!
//! ```text
//! total_len:u32 headers_len:u32 crc:u32 header* payload crc:u32
//! header: name_len:u8 name 7:u8 value_len:u16 value
//! ```

/// What such an answer's content is.
pub const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// The frame before all events in a protocol of AWS's JSON: what the answer has besides them.
pub fn initial_response() -> Vec<u8> {
    event("initial-response", b"{}")
}

/// An event of this name.
pub fn event(name: &str, payload: &[u8]) -> Vec<u8> {
    let headers = [
        (":event-type", name),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ];
    frame(&headers, payload)
}

/// The error that ends a stream.
pub fn exception(name: &str, payload: &[u8]) -> Vec<u8> {
    let headers = [
        (":exception-type", name),
        (":content-type", "application/json"),
        (":message-type", "exception"),
    ];
    frame(&headers, payload)
}

/// A frame with headers that are text.
fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut head = Vec::new();
    for (name, value) in headers {
        head.push(name.len() as u8);
        head.extend_from_slice(name.as_bytes());
        head.push(7);
        head.extend_from_slice(&(value.len() as u16).to_be_bytes());
        head.extend_from_slice(value.as_bytes());
    }
    let total = 16 + head.len() + payload.len();
    let mut frame = Vec::with_capacity(total);
    frame.extend_from_slice(&(total as u32).to_be_bytes());
    frame.extend_from_slice(&(head.len() as u32).to_be_bytes());
    let crc = crc32fast::hash(&frame);
    frame.extend_from_slice(&crc.to_be_bytes());
    frame.extend_from_slice(&head);
    frame.extend_from_slice(payload);
    let crc = crc32fast::hash(&frame);
    frame.extend_from_slice(&crc.to_be_bytes());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of the vectors of botocore's tests: no headers, `{'foo':'bar'}`.
    #[test]
    fn a_frame_is_as_it_should_be() {
        let expected = "0000001d00000000fd528c5a7b27666f6f273a27626172277dc3653936";
        assert_eq!(hex::encode(frame(&[], b"{'foo':'bar'}")), expected);
        let named = event("e", b"{}");
        assert_eq!(
            named.len(),
            u32::from_be_bytes([named[0], named[1], named[2], named[3]]) as usize
        );
    }
}
