//! Addresses as people write them: `Name <someone@example.com>` (RFC 5322, 3.4).

use std::fmt;

/// An address, and the name in front of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub name: Option<String>,
    /// `someone@example.com`
    pub mailbox: String,
}

/// Why something is no address, in SES's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    #[error("Missing final '@domain'")]
    NoDomain,
    #[error("Missing '>'")]
    Unclosed,
    #[error("Domain contains illegal character")]
    Domain,
    #[error("Domain contains dot-dot")]
    DotDot,
    #[error("Local address contains control or whitespace")]
    Local,
    #[error("Missing local name")]
    NoLocal,
    #[error("Extra route-addr")]
    Control,
}

/// The longest address that SMTP has (RFC 5321, 4.5.3.1).
const MOST_CHARS: usize = 320;

impl Address {
    /// # Errors
    /// [`Invalid`].
    pub fn parse(text: &str) -> Result<Address, Invalid> {
        let text = text.trim();
        if text.chars().any(char::is_control) {
            return Err(Invalid::Control);
        }
        let Some(start) = text.rfind('<') else {
            check(text)?;
            return Ok(Address {
                name: None,
                mailbox: text.to_owned(),
            });
        };
        let inside = text[start + 1..].strip_suffix('>');
        let mailbox = inside.ok_or(Invalid::Unclosed)?.trim();
        check(mailbox)?;
        let name = text[..start].trim();
        let name = match name.strip_prefix('"').and_then(|n| n.strip_suffix('"')) {
            Some(quoted) => quoted.replace("\\\"", "\"").replace("\\\\", "\\"),
            None => name.to_owned(),
        };
        Ok(Address {
            name: Some(name).filter(|n| !n.is_empty()),
            mailbox: mailbox.to_owned(),
        })
    }
}

/// What is behind the last `@`.
pub fn domain_of(mailbox: &str) -> &str {
    mailbox.rsplit_once('@').map_or("", |(_, domain)| domain)
}

fn check(mailbox: &str) -> Result<(), Invalid> {
    let (local, domain) = mailbox.rsplit_once('@').ok_or(Invalid::NoDomain)?;
    if local.is_empty() {
        return Err(Invalid::NoLocal);
    }
    let is_odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>');
    if local.chars().any(is_odd) || mailbox.len() > MOST_CHARS {
        return Err(Invalid::Local);
    }
    if domain.is_empty() {
        return Err(Invalid::NoDomain);
    }
    if domain.contains("..") {
        return Err(Invalid::DotDot);
    }
    let of_domain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_literal = domain.starts_with('[') && domain.ends_with(']');
    let has_odd = !is_literal && !domain.chars().all(of_domain);
    if has_odd || domain.starts_with(['.', '-']) || domain.ends_with(['.', '-']) {
        return Err(Invalid::Domain);
    }
    Ok(())
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} <{}>", self.mailbox),
            None => f.write_str(&self.mailbox),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_names() {
        let parsed = Address::parse("\"Smith, J.\" <j.smith@Example.com>").expect("valid");
        assert_eq!(parsed.name.as_deref(), Some("Smith, J."));
        assert_eq!(parsed.mailbox, "j.smith@Example.com");
        assert_eq!(domain_of(&parsed.mailbox), "Example.com");
        assert_eq!(Address::parse(" a@b ").expect("valid").mailbox, "a@b");
    }

    #[test]
    fn what_is_none_is_refused_in_words_of_ses() {
        for (text, said) in [
            ("nobody", "Missing final '@domain'"),
            ("a@", "Missing final '@domain'"),
            ("@b", "Missing local name"),
            ("a b@c", "Local address contains control or whitespace"),
            ("a@b..c", "Domain contains dot-dot"),
            ("a@b c", "Domain contains illegal character"),
            ("A <a@b", "Missing '>'"),
            ("a@b\r\nBcc: c@d", "Extra route-addr"),
        ] {
            let refused = Address::parse(text).expect_err(text);
            assert_eq!(refused.to_string(), said, "{text}");
        }
    }
}
