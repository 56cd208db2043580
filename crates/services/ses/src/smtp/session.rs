//! One client's conversation, in SES's words
//! (<https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-smtp.html>).

use super::lines::{Broken, Data, Lines, Stream};
use super::{Endpoint, Holder, credentials};
use crate::address::Address;
use crate::api::send::{Raw, send_raw};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use neargate_service::{AwsError, Ctx, Scope};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

const NAME: &str = "email-smtp.amazonaws.com";
/// The most recipients of a mail.
const MOST_RECIPIENTS: usize = 50;
/// Who guesses passwords is sent away, and waits before.
const MOST_GUESSES: usize = 3;
const GUESS_WAIT: Duration = Duration::from_millis(500);
/// Commands that bring a conversation no further.
const MOST_ERRORS: usize = 20;

/// What a client has said so far.
#[derive(Default)]
struct Said {
    greeted: bool,
    holder: Option<Holder>,
    sender: Option<String>,
    /// How long the mail is, as the client says; it may be no longer then.
    size: Option<usize>,
    recipients: Vec<String>,
    guesses: usize,
    errors: usize,
}

/// What comes after a command.
enum Next {
    Go,
    Tls,
    End,
}

/// Talks with a client until one of both has enough.
pub(super) async fn run(
    endpoint: &Endpoint,
    stream: TcpStream,
    at_once: bool,
) -> Result<(), Broken> {
    let patience = endpoint.limits.patience;
    let greeting = format!("220 {NAME} ESMTP SimpleEmailService");
    if at_once {
        let stream = timeout(patience, endpoint.tls.accept(stream)).await;
        let mut lines = Lines::new(stream.map_err(|_| Broken::Late)??, patience);
        lines.say(&greeting).await?;
        return talk(endpoint, &mut lines, true).await.map(drop);
    }
    let mut lines = Lines::new(stream, patience);
    lines.say(&greeting).await?;
    match talk(endpoint, &mut lines, false).await? {
        Next::Tls => {}
        Next::Go | Next::End => return Ok(()),
    }
    // What was said ahead would be taken for something that came under TLS.
    if lines.has_more() {
        return lines.say("503 Nothing may follow STARTTLS").await;
    }
    lines.say("220 Ready to start TLS").await?;
    let stream = timeout(patience, endpoint.tls.accept(lines.stream)).await;
    let mut lines = Lines::new(stream.map_err(|_| Broken::Late)??, patience);
    talk(endpoint, &mut lines, true).await.map(drop)
}

async fn talk<S: Stream>(
    endpoint: &Endpoint,
    lines: &mut Lines<S>,
    secure: bool,
) -> Result<Next, Broken> {
    let mut said = Said::default();
    loop {
        let heard = match lines.line().await {
            Ok(line) => command(endpoint, lines, &mut said, secure, &line).await,
            Err(broken) => Err(broken),
        };
        let last = match heard {
            Ok(Next::Go) if said.errors > MOST_ERRORS => "421 Too many errors",
            Ok(Next::Go) => continue,
            Ok(next) => return Ok(next),
            Err(Broken::Late) => "451 Timeout waiting for data from client.",
            Err(Broken::Long) => "500 Line too long",
            Err(Broken::Bare) => "550 5.5.2 A line must end with <CR><LF>",
            Err(broken) => return Err(broken),
        };
        lines.say(last).await?;
        return Ok(Next::End);
    }
}

async fn command<S: Stream>(
    endpoint: &Endpoint,
    lines: &mut Lines<S>,
    said: &mut Said,
    secure: bool,
    line: &[u8],
) -> Result<Next, Broken> {
    let text = String::from_utf8_lossy(line).into_owned();
    let (word, rest) = text.split_once(' ').unwrap_or((&text, ""));
    let word = word.to_ascii_uppercase();
    let answer = match word.as_str() {
        "EHLO" => {
            *said = Said {
                greeted: true,
                holder: said.holder.take(),
                guesses: said.guesses,
                ..Said::default()
            };
            let size = endpoint.limits.most_bytes;
            let tls = if secure {
                "250-AUTH PLAIN LOGIN"
            } else {
                "250-STARTTLS"
            };
            format!(
                "250-{NAME}\r\n250-8BITMIME\r\n250-PIPELINING\r\n250-SIZE {size}\r\n{tls}\r\n250 Ok"
            )
        }
        "HELO" => {
            said.greeted = true;
            format!("250 {NAME}")
        }
        "NOOP" => "250 Ok".into(),
        "RSET" => {
            said.sender = None;
            said.recipients.clear();
            "250 Ok".into()
        }
        "QUIT" => {
            lines.say("221 Bye").await?;
            return Ok(Next::End);
        }
        "STARTTLS" if !secure => return Ok(Next::Tls),
        _ if !said.greeted => {
            said.errors += 1;
            "503 Say EHLO first".into()
        }
        "AUTH" | "MAIL" | "RCPT" | "DATA" if !secure => {
            said.errors += 1;
            "530 Must issue a STARTTLS command first".into()
        }
        "AUTH" => return authenticate(endpoint, lines, said, rest).await,
        "MAIL" | "RCPT" | "DATA" if said.holder.is_none() => {
            said.errors += 1;
            "530 Authentication required".into()
        }
        "MAIL" => sender(endpoint, said, rest),
        "RCPT" => recipient(said, rest),
        "DATA" => return data(endpoint, lines, said).await,
        _ => {
            said.errors += 1;
            "502 Unknown command".into()
        }
    };
    lines.say(&answer).await?;
    Ok(Next::Go)
}

/// The address in `FROM:<address> PARAMETER…`, and the parameters.
fn path<'a>(rest: &'a str, word: &str) -> Option<(&'a str, Vec<&'a str>)> {
    let (start, behind) = (rest.get(..word.len())?, rest.get(word.len()..)?);
    if !start.eq_ignore_ascii_case(word) {
        return None;
    }
    let inside = behind.trim_start().strip_prefix('<')?;
    let (address, parameters) = inside.split_once('>')?;
    Some((address, parameters.split_ascii_whitespace().collect()))
}

fn sender(endpoint: &Endpoint, said: &mut Said, rest: &str) -> String {
    if said.sender.is_some() {
        said.errors += 1;
        return "503 There is a sender already".into();
    }
    let parsed = path(rest, "FROM:");
    let Some((address, parameters)) = parsed.filter(|(a, _)| Address::parse(a).is_ok()) else {
        said.errors += 1;
        return "501 Invalid MAIL FROM address provided".into();
    };
    said.size = None;
    for parameter in parameters {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match name.to_ascii_uppercase().as_str() {
            "SIZE" => match value.parse::<usize>() {
                Ok(size) if size > endpoint.limits.most_bytes => {
                    return "552 Message is too long.".into();
                }
                Ok(size) => said.size = Some(size),
                Err(_) => return "501 SIZE must be a number".into(),
            },
            "BODY" | "AUTH" => {}
            _ => return format!("555 Unknown parameter {name}"),
        }
    }
    said.sender = Some(address.to_owned());
    "250 Ok".into()
}

fn recipient(said: &mut Said, rest: &str) -> String {
    if said.sender.is_none() {
        said.errors += 1;
        return "503 Say MAIL FROM first".into();
    }
    if said.recipients.len() >= MOST_RECIPIENTS {
        return "452 Too many recipients".into();
    }
    match path(rest, "TO:") {
        Some((address, parameters)) if parameters.is_empty() && Address::parse(address).is_ok() => {
            said.recipients.push(address.to_owned());
            "250 Ok".into()
        }
        _ => {
            said.errors += 1;
            "501 Invalid RCPT TO address provided".into()
        }
    }
}

async fn authenticate<S: Stream>(
    endpoint: &Endpoint,
    lines: &mut Lines<S>,
    said: &mut Said,
    rest: &str,
) -> Result<Next, Broken> {
    if said.holder.is_some() {
        lines.say("503 Authenticated already").await?;
        return Ok(Next::Go);
    }
    let (way, first) = rest.split_once(' ').unwrap_or((rest, ""));
    let first = Some(first.trim()).filter(|f| !f.is_empty() && *f != "=");
    let decoded = |line: &[u8]| {
        let bytes = STANDARD.decode(line.trim_ascii()).ok()?;
        String::from_utf8(bytes).ok()
    };
    let told = match way.to_ascii_uppercase().as_str() {
        "PLAIN" => {
            let line = match first {
                Some(first) => first.as_bytes().to_vec(),
                None => {
                    lines.say("334 ").await?;
                    lines.line().await?
                }
            };
            decoded(&line).and_then(|text| {
                let mut parts = text.split('\0').skip(1).map(str::to_owned);
                Some((parts.next()?, parts.next()?))
            })
        }
        "LOGIN" => {
            let user = match first {
                Some(first) => first.as_bytes().to_vec(),
                None => {
                    lines.say("334 VXNlcm5hbWU6").await?;
                    lines.line().await?
                }
            };
            lines.say("334 UGFzc3dvcmQ6").await?;
            let password = lines.line().await?;
            decoded(&user).zip(decoded(&password))
        }
        _ => {
            said.errors += 1;
            lines.say("504 Unrecognized authentication type").await?;
            return Ok(Next::Go);
        }
    };
    let region = &endpoint.house.settings.default_scope.region;
    let holder = told.and_then(|(user, given)| {
        let holder = (endpoint.holders)(&user)?;
        let wanted = credentials::password(holder.secret.expose(), region.as_str());
        credentials::is_same(&given, &wanted).then_some(holder)
    });
    if let Some(holder) = holder {
        said.holder = Some(holder);
        lines.say("235 Authentication successful.").await?;
        return Ok(Next::Go);
    }
    said.guesses += 1;
    tokio::time::sleep(GUESS_WAIT).await;
    lines.say("535 Authentication Credentials Invalid").await?;
    Ok(match said.guesses >= MOST_GUESSES {
        true => Next::End,
        false => Next::Go,
    })
}

async fn data<S: Stream>(
    endpoint: &Endpoint,
    lines: &mut Lines<S>,
    said: &mut Said,
) -> Result<Next, Broken> {
    let (Some(sender), Some(holder)) = (said.sender.take(), said.holder.clone()) else {
        said.errors += 1;
        lines.say("503 Say MAIL FROM first").await?;
        return Ok(Next::Go);
    };
    let recipients = std::mem::take(&mut said.recipients);
    if recipients.is_empty() {
        said.errors += 1;
        said.sender = Some(sender);
        lines.say("503 Say RCPT TO first").await?;
        return Ok(Next::Go);
    }
    let limits = endpoint.limits;
    let most = match said.size.take() {
        Some(size) => size.max(1 << 20).min(limits.most_bytes),
        None => limits.most_bytes,
    };
    let Some(_room) = room(endpoint, most).await else {
        lines
            .say("454 Throttling failure: Maximum sending rate exceeded")
            .await?;
        return Ok(Next::Go);
    };
    lines.say("354 End data with <CR><LF>.<CR><LF>").await?;
    let answer = match lines.data(most, limits.mail).await? {
        Data::TooLong => "552 Message is too long.".to_owned(),
        Data::Mail(mail) => {
            let cx = Ctx {
                request_id: endpoint.house.rng.uuid(),
                scope: Scope {
                    account: holder.account.clone(),
                    region: endpoint.house.settings.default_scope.region.clone(),
                },
                principal: holder.principal,
                house: endpoint.house.clone(),
                reached_at: None,
            };
            let raw = Raw {
                operation: "SendRawEmail",
                source: Some(sender),
                destinations: recipients,
                return_path: None,
                configuration_set: None,
                tags: Vec::new(),
                source_arn: None,
                content: mail.into(),
            };
            match send_raw(&endpoint.ses, &cx, raw).await {
                Ok(id) => format!("250 Ok {id}"),
                Err(refused) => refusal(&refused),
            }
        }
    };
    lines.say(&answer).await?;
    Ok(Next::Go)
}

/// Room in memory for a mail of so many bytes.
async fn room(endpoint: &Endpoint, most: usize) -> Option<OwnedSemaphorePermit> {
    let mib = most.div_ceil(1 << 20).max(1);
    let mib = u32::try_from(mib).unwrap_or(u32::MAX);
    let waiting = endpoint.memory.clone().acquire_many_owned(mib);
    timeout(endpoint.limits.patience / 2, waiting)
        .await
        .ok()?
        .ok()
}

/// Why a mail is not taken, in one line.
fn refusal(refused: &AwsError) -> String {
    let message = refused.message.replace(['\r', '\n'], " ");
    match refused.code.as_str() {
        "MessageRejected" => format!("554 Message rejected: {message}"),
        "AccessDenied" | "AccessDeniedException" => format!("554 Access denied: {message}"),
        "InvalidParameterValue" => format!("554 Transaction failed: {message}"),
        _ if refused.status >= 500 => "451 Temporary service failure".to_owned(),
        _ => format!("554 Transaction failed: {message}"),
    }
}
