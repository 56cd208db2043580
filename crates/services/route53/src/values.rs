//! What the values of records may be, and what Route 53 says of those that are not: pure
//! (<https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/ResourceRecordTypes.html>).

use std::net::{Ipv4Addr, Ipv6Addr};

/// What is wrong with a value.
pub fn problem(record_type: &str, value: &str) -> Option<String> {
    let (code, why) = wrong(record_type, value)?;
    Some(format!(
        "Invalid Resource Record: 'FATAL problem: {code} ({why}) encountered with '{value}''"
    ))
}

fn wrong(record_type: &str, value: &str) -> Option<(&'static str, &'static str)> {
    let fields: Vec<&str> = value.split_whitespace().collect();
    let fails =
        |is_good: bool, problem: (&'static str, &'static str)| (!is_good).then_some(problem);
    let is_number = |n: usize| fields.get(n).is_some_and(|f| f.parse::<u16>().is_ok());
    let is_name = |n: usize| fields.get(n).is_some_and(|f| is_domain_name(f));
    let bad_name = ("DomainNameInvalid", "Value is not a valid domain name");
    match record_type {
        "A" => fails(
            value.parse::<Ipv4Addr>().is_ok(),
            (
                "ARRDATAIllegalIPv4Address",
                "Value is not a valid IPv4 address",
            ),
        ),
        "AAAA" => fails(
            value.parse::<Ipv6Addr>().is_ok(),
            (
                "AAAARRDATAIllegalIPv6Address",
                "Value is not a valid IPv6 address",
            ),
        ),
        "CNAME" | "NS" | "PTR" => fails(fields.len() == 1 && is_name(0), bad_name),
        "MX" => match fields.len() {
            2 => fails(
                is_number(0) && is_name(1),
                ("MXRRDATAIllegalField", "MX record has an invalid field"),
            ),
            _ => Some(("MXRRDATANotTwoFields", "MX record doesn't have 2 fields")),
        },
        "SRV" => match fields.len() {
            4 => fails(
                (0..3).all(is_number) && is_name(3),
                ("SRVRRDATAIllegalField", "SRV record has an invalid field"),
            ),
            _ => Some(("SRVRRDATANotFourFields", "SRV record doesn't have 4 fields")),
        },
        "SOA" => fails(
            fields.len() == 7 && fields[2..].iter().all(|f| f.parse::<u32>().is_ok()),
            (
                "SOARRDATANotSevenFields",
                "SOA record doesn't have 7 fields",
            ),
        ),
        "TXT" | "SPF" => strings(value),
        "CAA" => fails(
            fields.len() >= 3 && fields[0].parse::<u8>().is_ok() && value.ends_with('"'),
            ("CAARRDATAInvalid", "CAA record is invalid"),
        ),
        _ => fails(!fields.is_empty(), ("RRDATAMissing", "Value is missing")),
    }
}

/// One or more strings in quotation marks, each of 255 characters at the most.
fn strings(value: &str) -> Option<(&'static str, &'static str)> {
    let mut rest = value.trim();
    if rest.is_empty() {
        return Some(INVALID_STRING);
    }
    while !rest.is_empty() {
        let Some(inside) = rest.strip_prefix('"') else {
            return Some(INVALID_STRING);
        };
        let mut escaped = false;
        let end = inside.char_indices().find(|(_, c)| {
            let is_end = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            is_end
        });
        let Some((end, _)) = end else {
            return Some(INVALID_STRING);
        };
        if end > 255 {
            return Some(("CharacterStringTooLong", "Value is too long"));
        }
        rest = inside[end + 1..].trim_start();
    }
    None
}

const INVALID_STRING: (&str, &str) = (
    "InvalidCharacterString",
    "Value should be enclosed in quotation marks",
);

/// Labels of up to 63 characters, 255 in all.
pub fn is_domain_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| !label.is_empty() && label.len() <= 63;
    let is_plain = |c: char| c.is_ascii_graphic();
    name.is_empty()
        || (name.len() <= 253 && name.split('.').all(is_label) && name.chars().all(is_plain))
}

#[cfg(test)]
mod tests {
    use super::problem;

    #[test]
    fn values_follow_their_types() {
        let good = [
            ("A", "192.0.2.1"),
            ("AAAA", "2001:db8::1"),
            ("CNAME", "www.example.com"),
            ("MX", "10 mail.example.com."),
            ("SRV", "1 1 80 a.example.com"),
            ("TXT", "\"a\" \"b \\\" c\""),
            ("CAA", "0 issue \"letsencrypt.org\""),
            (
                "SOA",
                "ns-1.awsdns-00.com. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400",
            ),
        ];
        for (record_type, value) in good {
            assert_eq!(problem(record_type, value), None, "{record_type} {value}");
        }
        assert_eq!(
            problem("A", "x").unwrap(),
            "Invalid Resource Record: 'FATAL problem: ARRDATAIllegalIPv4Address (Value is not a valid \
             IPv4 address) encountered with 'x''"
        );
        let bad = [
            ("A", "192.0.2.256"),
            ("AAAA", "192.0.2.1"),
            ("CNAME", "two words"),
            ("MX", "mail.example.com"),
            ("SRV", "1 1 a.example.com"),
            ("TXT", "bare"),
            ("TXT", "\"open"),
            ("NS", "a..b"),
        ];
        for (record_type, value) in bad {
            assert!(
                problem(record_type, value).is_some(),
                "{record_type} {value}"
            );
        }
    }
}
