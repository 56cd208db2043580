//! What a load balancer answers by itself, in AWS's words
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html>).

use super::head::Request;
use crate::load_balancer::route::{Redirect, without_port};

/// How a load balancer names itself.
pub const SERVER: &str = "awselb/2.0";

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub content_type: String,
    pub body: String,
    pub location: Option<String>,
}

impl Answer {
    /// A page that says nothing but the status.
    pub fn page(status: u16) -> Answer {
        let title = format!("{status} {}", reason(status));
        Answer {
            status,
            content_type: "text/html".into(),
            body: format!(
                "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n\
                 <center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
            ),
            location: None,
        }
    }

    pub fn fixed(status: u16, content_type: &str, body: &str) -> Answer {
        let is_text = content_type.starts_with("text/");
        Answer {
            status,
            content_type: match is_text {
                true => format!("{content_type}; charset=utf-8"),
                false => content_type.into(),
            },
            body: body.into(),
            location: None,
        }
    }

    /// Each part may name the request's own parts; what is not named is dropped.
    pub fn redirect(to: &Redirect, request: &Request, protocol: &str, port: u16) -> Answer {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let path = text(request.path());
        let values = [
            ("#{protocol}", protocol.to_ascii_lowercase()),
            (
                "#{host}",
                text(without_port(request.host().unwrap_or_default())),
            ),
            ("#{port}", port.to_string()),
            ("#{path}", path.strip_prefix('/').unwrap_or(&path).into()),
            ("#{query}", text(request.query().unwrap_or_default())),
        ];
        let fill = |template: &str| fill(template, &values);
        let (protocol, host) = (fill(&to.protocol.to_ascii_lowercase()), fill(&to.host));
        let (port, path, query) = (fill(&to.port), fill(&to.path), fill(&to.query));
        let mark = if query.is_empty() { "" } else { "?" };
        let location = format!("{protocol}://{host}:{port}{path}{mark}{query}");
        Answer {
            location: Some(location),
            ..Answer::page(to.status)
        }
    }
}

/// Puts values in once: what a value brings is not looked at again.
fn fill(template: &str, values: &[(&str, String)]) -> String {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(at) = rest.find("#{") {
        filled.push_str(&rest[..at]);
        rest = &rest[at..];
        match values.iter().find(|(name, _)| rest.starts_with(name)) {
            Some((name, value)) => {
                filled.push_str(value);
                rest = &rest[name.len()..];
            }
            None => {
                filled.push_str("#{");
                rest = &rest[2..];
            }
        }
    }
    filled + rest
}

/// The words that AWS's load balancers say beside a status.
pub fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Time-out",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Large",
        415 => "Unsupported Media Type",
        416 => "Requested Range Not Satisfiable",
        421 => "Misdirected Request",
        422 => "Unprocessable Entity",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Temporarily Unavailable",
        504 => "Gateway Time-out",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        _ => "",
    }
}
