//! Messages (RFC 5322): made of parts, taken as they are given, and read for people.

use crate::address::Address;
use mail_builder::MessageBuilder;
use mail_builder::headers::{address, raw::Raw};
use mail_builder::mime::{BodyPart, MimePart};
use mail_parser::{MessageParser, MimeHeaders as _};
use neargate_base::Timestamp;
use neargate_service::mail::Written;

/// A header that was given cannot be one: it would begin another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid header: {0}")]
pub struct InvalidHeader(pub String);

/// When a mail was sent, and under which id.
#[derive(Debug, Clone, Copy)]
pub struct Stamp<'a> {
    pub id: &'a str,
    pub host: &'a str,
    pub now: Timestamp,
}

impl Stamp<'_> {
    fn date(self) -> String {
        let at = jiff::Timestamp::from_millisecond(self.now.as_millis()).unwrap_or_default();
        let zoned = at.to_zoned(jiff::tz::TimeZone::UTC);
        jiff::fmt::rfc2822::to_string(&zoned).unwrap_or_default()
    }
}

/// The message of these parts.
///
/// # Errors
/// [`InvalidHeader`] when one would begin another.
pub fn compose(written: &Written, stamp: Stamp<'_>) -> Result<Vec<u8>, InvalidHeader> {
    for (name, value) in &written.headers {
        check_header(name, value)?;
    }
    check_header("Subject", &written.subject)?;
    let mut builder = MessageBuilder::new()
        .header(
            "Message-ID",
            Raw::new(format!("<{}@{}>", stamp.id, stamp.host)),
        )
        .header("Date", Raw::new(stamp.date()))
        .from(addresses(std::slice::from_ref(&written.from))?);
    for (name, all) in [
        ("To", &written.to),
        ("Cc", &written.cc),
        ("Reply-To", &written.reply_to),
    ] {
        if !all.is_empty() {
            builder = builder.header(name, addresses(all)?);
        }
    }
    builder = builder.subject(written.subject.as_str());
    for (name, value) in &written.headers {
        let text = mail_builder::headers::text::Text::new(value.as_str());
        builder = builder.header(name.as_str(), text);
    }
    if let Some(text) = &written.text {
        builder = builder.text_body(text.as_str());
    }
    if let Some(html) = &written.html {
        builder = builder.html_body(html.as_str());
    }
    if written.attachments.is_empty() {
        return Ok(builder.write_to_vec().unwrap_or_default());
    }
    for attachment in &written.attachments {
        for value in [&attachment.name, &attachment.media_type] {
            check_header("Content-Type", value)?;
        }
        let content = attachment.content.to_vec();
        let (kind, name) = (attachment.media_type.as_str(), attachment.name.as_str());
        builder = match &attachment.inline {
            Some(id) => builder.inline(kind, id.as_str(), BodyPart::from(content)),
            None => builder.attachment(kind, name, BodyPart::from(content)),
        };
    }
    Ok(builder.write_to_vec().unwrap_or_default())
}

/// Is it a header that begins no other?
///
/// # Errors
/// When it is not.
pub fn check_header(name: &str, value: &str) -> Result<(), InvalidHeader> {
    let is_name = |c: char| c.is_ascii_graphic() && c != ':';
    let good = !name.is_empty() && name.chars().all(is_name) && !value.contains(['\r', '\n', '\0']);
    match good {
        true => Ok(()),
        false => Err(InvalidHeader(name.to_owned())),
    }
}

fn addresses(all: &[String]) -> Result<address::Address<'static>, InvalidHeader> {
    let mut list = Vec::new();
    for text in all {
        let parsed = Address::parse(text).map_err(|_| InvalidHeader(text.clone()))?;
        list.push(address::Address::new_address(parsed.name, parsed.mailbox));
    }
    Ok(match list.len() {
        1 => list.remove(0),
        _ => address::Address::new_list(list),
    })
}

/// A text and what it is about, as one part of a report (RFC 3464).
fn part<'x>(kind: &'static str, text: String) -> MimePart<'x> {
    MimePart::new(kind, text)
}

/// Tells the sender of a mail that these could not have it (RFC 3464).
pub fn bounce(to: &str, subject: &str, failed: &[(String, String)], stamp: Stamp<'_>) -> Vec<u8> {
    let mut words = String::from(
        "An error occurred while trying to deliver the mail to the following recipients:\r\n",
    );
    let mut status = format!("Reporting-MTA: dns; {}\r\n", stamp.host);
    for (address, said) in failed {
        words += &format!("{address}: {said}\r\n");
        let code = said
            .split([' ', '-'])
            .find(|w| is_status(w))
            .unwrap_or("5.0.0");
        status += &format!(
            "\r\nFinal-Recipient: rfc822; {address}\r\nAction: failed\r\nStatus: {code}\r\n\
             Diagnostic-Code: smtp; {said}\r\n"
        );
    }
    let parts = vec![
        part("text/plain", words),
        part("message/delivery-status", status),
        part("text/rfc822-headers", format!("Subject: {subject}\r\n")),
    ];
    let report = MimePart::new("multipart/report; report-type=delivery-status", parts);
    MessageBuilder::new()
        .header(
            "Message-ID",
            Raw::new(format!("<{}@{}>", stamp.id, stamp.host)),
        )
        .header("Date", Raw::new(stamp.date()))
        .from(("", format!("MAILER-DAEMON@{}", stamp.host).as_str()))
        .to(to.to_owned())
        .subject("Delivery Status Notification (Failure)")
        .body(report)
        .write_to_vec()
        .unwrap_or_default()
}

/// `5.1.1`
fn is_status(word: &str) -> bool {
    let parts: Vec<&str> = word.split('.').collect();
    let digits = |p: &&str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit());
    parts.len() == 3 && parts.iter().all(digits)
}

/// A message as it was given, as SES sends it: every line ends with CR LF, `Bcc` and headers that are
/// SES's alone are gone, and `Message-ID` and `Date` are SES's
/// (<https://docs.aws.amazon.com/ses/latest/dg/send-email-raw.html>).
pub fn prepare(raw: &[u8], stamp: Stamp<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len() + 256);
    let (mut in_head, mut dropped) = (true, false);
    for line in lines(raw) {
        if in_head {
            if line.is_empty() {
                in_head = false;
                put_stamp(&mut out, stamp);
            } else if line[0] == b' ' || line[0] == b'\t' {
                if dropped {
                    continue;
                }
            } else {
                dropped = header_name(line).is_some_and(is_ours);
                if dropped {
                    continue;
                }
            }
        }
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
    }
    if in_head {
        put_stamp(&mut out, stamp);
        out.extend_from_slice(b"\r\n");
    }
    out
}

fn put_stamp(out: &mut Vec<u8>, stamp: Stamp<'_>) {
    let text = format!(
        "Message-ID: <{}@{}>\r\nDate: {}\r\n",
        stamp.id,
        stamp.host,
        stamp.date()
    );
    out.extend_from_slice(text.as_bytes());
}

/// Lines, however they end: a line feed alone would end a mail for some servers and not for others.
fn lines(raw: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(raw);
    std::iter::from_fn(move || {
        let all = rest.filter(|r| !r.is_empty())?;
        let Some(end) = all.iter().position(|b| matches!(b, b'\r' | b'\n')) else {
            rest = None;
            return Some(all);
        };
        let behind = match &all[end..] {
            [b'\r', b'\n', ..] => end + 2,
            _ => end + 1,
        };
        rest = Some(&all[behind..]);
        Some(&all[..end])
    })
}

fn header_name(line: &[u8]) -> Option<&str> {
    let end = line.iter().position(|b| *b == b':')?;
    std::str::from_utf8(&line[..end]).ok().map(str::trim_end)
}

fn is_ours(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    matches!(name.as_str(), "bcc" | "message-id" | "date" | "return-path")
        || name.starts_with("x-ses-")
}

/// A message as people and handlers see it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Read {
    /// Names and values, decoded, in their order.
    pub headers: Vec<(String, String)>,
    pub subject: String,
    /// As the header says it.
    pub from: String,
    pub to: Vec<String>,
    pub cc: Vec<String>,
    pub bcc: Vec<String>,
    pub return_path: Option<String>,
    pub text: Option<String>,
    pub html: Option<String>,
    /// What is attached: names and media types.
    pub attachments: Vec<(String, String)>,
}

/// `None`: it is no message.
pub fn read(raw: &[u8]) -> Option<Read> {
    let message = MessageParser::default().parse(raw)?;
    let list = |all: Option<&mail_parser::Address<'_>>| -> Vec<String> {
        let each = all.into_iter().flat_map(|a| a.iter());
        each.filter_map(|a| {
            let mailbox = a.address()?.to_owned();
            let name = a.name().map(str::to_owned);
            Some(Address { name, mailbox }.to_string())
        })
        .collect()
    };
    let headers = message.headers_raw().map(|(name, value)| {
        let unfolded: Vec<&str> = value.split(['\r', '\n']).map(str::trim).collect();
        let value = unfolded.join(" ");
        (name.to_owned(), value.trim().to_owned())
    });
    let mut headers: Vec<(String, String)> = headers.collect();
    let subject = message.subject().unwrap_or_default().to_owned();
    for (name, value) in &mut headers {
        if name.eq_ignore_ascii_case("subject") {
            value.clone_from(&subject);
        }
    }
    let has_html = message.html_bodies().any(|p| p.is_text_html());
    let has_text = message
        .text_bodies()
        .any(|p| p.is_text() && !p.is_text_html());
    let named = |p: &mail_parser::MessagePart<'_>| {
        let name = p.attachment_name().unwrap_or("(no name)").to_owned();
        let kind = p.content_type().map(|t| match t.subtype() {
            Some(sub) => format!("{}/{sub}", t.ctype()),
            None => t.ctype().to_owned(),
        });
        (name, kind.unwrap_or_default())
    };
    Some(Read {
        headers,
        subject,
        from: list(message.from()).into_iter().next().unwrap_or_default(),
        to: list(message.to()),
        cc: list(message.cc()),
        bcc: list(message.bcc()),
        return_path: message.return_address().map(str::to_owned),
        text: message
            .body_text(0)
            .filter(|_| has_text || has_html)
            .map(|t| t.into_owned()),
        html: message
            .body_html(0)
            .filter(|_| has_html)
            .map(|t| t.into_owned()),
        attachments: message.attachments().map(named).collect(),
    })
}

/// Every address of the web in a text, in its order, each once.
pub fn links(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for scheme in ["https://", "http://"] {
        for (at, _) in text.match_indices(scheme) {
            let ends =
                |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | ')' | ']');
            let end = text[at..].find(ends).map_or(text.len(), |n| at + n);
            let link = text[at..end].trim_end_matches(['.', ',', ';']);
            let link = link.replace("&amp;", "&");
            if !found.contains(&link) {
                found.push(link);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp<'static> = Stamp {
        id: "0100-1",
        host: "email.amazonses.com",
        now: Timestamp::from_millis(1_700_000_000_000),
    };

    #[test]
    fn what_is_written_is_read_again() {
        let written = Written {
            from: "Grüße <a@example.com>".into(),
            to: vec!["b@example.com".into(), "C <c@example.com>".into()],
            subject: "Größe ☃".into(),
            text: Some("Follow https://example.com/a?b=1&c=2.\n.\nend".into()),
            html: Some("<a href=\"http://example.com/x\">x</a>".into()),
            headers: vec![("X-Kind".into(), "one".into())],
            ..Written::default()
        };
        let raw = compose(&written, STAMP).expect("valid");
        let read = read(&raw).expect("a message");
        assert_eq!(read.from, "Grüße <a@example.com>");
        assert_eq!(read.to, ["b@example.com", "C <c@example.com>"]);
        assert_eq!(read.subject, "Größe ☃");
        assert_eq!(
            links(&read.text.expect("text")),
            ["https://example.com/a?b=1&c=2"]
        );
        assert_eq!(links(&read.html.expect("html")), ["http://example.com/x"]);
        let header = |name: &str| {
            let found = read.headers.iter().find(|(n, _)| n == name);
            found.map(|(_, v)| v.as_str())
        };
        assert_eq!(header("X-Kind"), Some("one"));
        assert_eq!(header("Message-ID"), Some("<0100-1@email.amazonses.com>"));
        assert_eq!(header("Date"), Some("Tue, 14 Nov 2023 22:13:20 +0000"));
        let bare = raw.iter().enumerate().filter(|(_, b)| **b == b'\n');
        assert!(
            bare.clone().all(|(n, _)| n > 0 && raw[n - 1] == b'\r'),
            "CR LF"
        );
    }

    #[test]
    fn no_header_begins_another() {
        let written = |subject: &str, header: &str| Written {
            from: "a@example.com".into(),
            subject: subject.into(),
            headers: vec![("X-Kind".into(), header.into())],
            ..Written::default()
        };
        assert!(compose(&written("a\r\nBcc: b@c", "x"), STAMP).is_err());
        assert!(compose(&written("a", "x\nBcc: b@c"), STAMP).is_err());
    }

    #[test]
    fn a_raw_message_loses_what_is_for_ses() {
        let raw = b"From: a@b\nBcc: c@d,\n e@f\nMessage-ID: <1@x>\nX-SES-CONFIGURATION-SET: s\nSubject: x\n\n.\nbody\n";
        let prepared = String::from_utf8(prepare(raw, STAMP)).expect("text");
        assert_eq!(
            prepared,
            "From: a@b\r\nSubject: x\r\nMessage-ID: <0100-1@email.amazonses.com>\r\n\
             Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n\r\n.\r\nbody\r\n"
        );
    }
}
