//! `/_neargate/mail`: the mails of an account and region, as the outbox keeps them.
//!
//! ```text
//! GET /_neargate/mail        -> { "mails": […], "relay": "host:port" or null }
//! GET /_neargate/mail/<id>   -> { "mail": { …, "headers", "text", "html", "links", "attachments", "raw" } }
//! ```
//! `raw` is the whole message in Base64. The start of an id will do.

use super::Pages;
use crate::error;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use neargate_service::{AwsError, Scope, Stored};
use neargate_ses::{Letter, message};
use serde_json::{Value, json};

impl Pages {
    pub(super) async fn mails(&self, scope: &Scope) -> Result<Value, AwsError> {
        let ses = &self.control_plane.ses;
        let all = ses.outbox(self.house()).list(scope).await?;
        let mails: Vec<Value> = all.iter().map(shown).collect();
        let relay = ses.relay().map(neargate_ses::relay::Relay::place);
        Ok(json!({ "mails": mails, "relay": relay }))
    }

    pub(super) async fn mail(&self, scope: &Scope, id: &str) -> Result<Value, AwsError> {
        let outbox = self.control_plane.ses.outbox(self.house());
        let letter = match outbox.get(scope, id).await? {
            Some(letter) => letter,
            None => {
                let all = outbox.list(scope).await?.into_iter();
                let mut begun = all.filter(|l| l.id().contains(id));
                match (begun.next(), begun.next()) {
                    (Some(letter), None) => letter,
                    (Some(_), Some(_)) => return Err(error::several_mails(id)),
                    (None, _) => return Err(error::no_such_mail(id)),
                }
            }
        };
        let raw = outbox.raw(&letter).await?.unwrap_or_default();
        let read = message::read(&raw).unwrap_or_default();
        let mut links = message::links(read.text.as_deref().unwrap_or_default());
        for link in message::links(read.html.as_deref().unwrap_or_default()) {
            if !links.contains(&link) {
                links.push(link);
            }
        }
        let pairs = |all: &[(String, String)], names: [&str; 2]| -> Value {
            let pair = |(a, b): &(String, String)| json!({ names[0]: a, names[1]: b });
            all.iter().map(pair).collect()
        };
        let mut mail = shown(&letter);
        mail["headers"] = pairs(&read.headers, ["name", "value"]);
        mail["text"] = json!(read.text);
        mail["html"] = json!(read.html);
        mail["links"] = json!(links);
        mail["attachments"] = pairs(&read.attachments, ["name", "contentType"]);
        mail["raw"] = json!(STANDARD.encode(&raw));
        Ok(json!({ "mail": mail }))
    }
}

fn shown(letter: &Stored<Letter>) -> Value {
    let recipient = |r: &neargate_ses::Recipient| json!({ "address": r.address, "state": r.state.word(), "said": r.said });
    let recipients: Vec<Value> = letter.recipients.iter().map(recipient).collect();
    json!({
        "id": letter.id(),
        "service": letter.service,
        "from": letter.from,
        "sender": letter.sender,
        "recipients": recipients,
        "subject": letter.subject,
        "state": letter.state().word(),
        "sizeBytes": letter.size_bytes,
        "attempts": letter.attempts,
        "acceptedAt": letter.accepted_at.as_secs_f64(),
        "settledAt": letter.settled_at.map(|at| at.as_secs_f64()),
    })
}
