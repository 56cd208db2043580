//! Delivery, to relays of every kind: good ones, and those that hang, refuse and lie.

use super::outbox::outbox;
use crate::delivery::{Action, Delivery};
use crate::model::{Letter, State};
use crate::relay::{Outcome, Relay, Times, Tls};
use neargate_service::Stored;
use neargate_service::controller::Controller as _;
use neargate_service::mail::Mail;
use neargate_testkit::Lab;
use parking_lot::Mutex;
use rustls::crypto::ring;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

/// Answers every line that a client says, by the first rule whose word it begins with; what it got.
struct Fake {
    port: u16,
    heard: Arc<Mutex<String>>,
}

async fn fake(greeting: &'static str, rules: &'static [(&'static str, &'static str)]) -> Fake {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::<Mutex<String>>::default();
    let log = heard.clone();
    neargate_base::task::spawn("fake-relay", async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (read, mut write) = stream.into_split();
            let mut lines = BufReader::new(read).lines();
            let _ = write.write_all(greeting.as_bytes()).await;
            let mut in_data = false;
            while let Ok(Some(line)) = lines.next_line().await {
                log.lock().push_str(&format!("{line}\n"));
                if in_data && line != "." {
                    continue;
                }
                let rule = rules.iter().find(|(word, _)| line.starts_with(word));
                let answer = rule.map_or("250 OK\r\n", |(_, answer)| answer);
                in_data = line == "DATA" && answer.starts_with("354");
                if write.write_all(answer.as_bytes()).await.is_err() {
                    break;
                }
            }
        }
    });
    Fake { port, heard }
}

fn relay(port: u16) -> Relay {
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let trust = builder.with_root_certificates(rustls::RootCertStore::empty());
    Relay {
        host: "127.0.0.1".into(),
        port,
        tls: Tls::Offered,
        user: None,
        trust: Arc::new(trust.with_no_client_auth()),
        times: Times {
            connect: Duration::from_secs(5),
            word: Duration::from_millis(500),
            mail: Duration::from_secs(5),
        },
    }
}

const GOOD: &[(&str, &str)] = &[
    ("EHLO", "250-fake\r\n250 SIZE 1000000\r\n"),
    ("RCPT TO:<no@", "550 5.1.1 No such user\r\n"),
    ("RCPT TO:<later@", "451 4.3.0 Later\r\n"),
    ("DATA", "354 Go on\r\n"),
    (".", "250 2.0.0 Queued as 1\r\n"),
];

#[tokio::test]
async fn each_recipient_has_an_outcome() {
    let fake = fake("220 fake\r\n", GOOD).await;
    let to = ["yes@b", "no@b", "later@b"].map(str::to_owned);
    let raw = b"Subject: x\r\n\r\n.dot\r\n";
    let outcomes = relay(fake.port).deliver("a@b", &to, raw).await;
    assert_eq!(
        outcomes,
        [
            Outcome::Taken("250 2.0.0 Queued as 1".into()),
            Outcome::Refused("550 5.1.1 No such user".into()),
            Outcome::Later("451 4.3.0 Later".into()),
        ]
    );
    let heard = fake.heard.lock().clone();
    assert!(heard.contains("MAIL FROM:<a@b> SIZE=20\n"), "{heard}");
    assert!(heard.contains("\n..dot\n.\n"), "{heard}");
}

#[tokio::test]
async fn relays_that_hang_refuse_and_lie_cost_little() {
    type Rules = &'static [(&'static str, &'static str)];
    let cases: [(&str, &'static str, Rules, &str); 9] = [
        ("hangs", "", &[], "did not answer in time"),
        ("refuses", "554 5.7.1 Go away\r\n", &[], "554 5.7.1 Go away"),
        (
            "speaks HTTP",
            "HTTP/1.1 400\r\n",
            &[],
            "does not speak SMTP",
        ),
        (
            "says nothing to EHLO",
            "220 x\r\n",
            &[("EHLO", "")],
            "did not answer in time",
        ),
        (
            "takes no mail",
            "220 x\r\n",
            &[("DATA", "451 4.7.1 Greylisted\r\n")],
            "Greylisted",
        ),
        (
            "hangs at the end",
            "220 x\r\n",
            &[("DATA", "354 x\r\n"), (".", "")],
            "in time",
        ),
        (
            "speaks ahead of TLS",
            "220 x\r\n",
            &[
                ("EHLO", "250-x\r\n250 STARTTLS\r\n"),
                ("STARTTLS", "220 go\r\n250 injected\r\n"),
            ],
            "spoke before TLS",
        ),
        (
            "has TLS that is none",
            "220 x\r\n",
            &[
                ("EHLO", "250-x\r\n250 STARTTLS\r\n"),
                ("STARTTLS", "220 go\r\n"),
            ],
            "",
        ),
        (
            "never says how",
            "220 x\r\n",
            &[
                ("EHLO", "250-\u{fffd}\u{fffd}\r\n250\r\n"),
                ("MAIL", "999 what\r\n"),
            ],
            "does not speak SMTP",
        ),
    ];
    for (what, greeting, rules, said) in cases {
        let fake = fake(greeting, rules).await;
        let outcomes = relay(fake.port)
            .deliver("a@b", &["c@d".into()], b"x\r\n")
            .await;
        match &outcomes[..] {
            [Outcome::Later(why)] => assert!(why.contains(said), "{what}: {why}"),
            other => panic!("{what}: {other:?}"),
        }
    }
    let endless: &'static str = Box::leak("220-more and more\r\n".repeat(4_000).into_boxed_str());
    let fake = fake(endless, &[]).await;
    let outcomes = relay(fake.port)
        .deliver("a@b", &["c@d".into()], b"x\r\n")
        .await;
    assert_eq!(
        outcomes,
        [Outcome::Later("the relay says more than it may".into())]
    );
    let nobody = relay(1).deliver("a@b", &["c@d".into()], b"x\r\n").await;
    assert!(matches!(&nobody[..], [Outcome::Later(why)] if why.contains("cannot connect")));
}

#[tokio::test]
async fn a_password_goes_only_where_it_is_taken() {
    let rules = &[
        ("EHLO", "250-x\r\n250 AUTH LOGIN\r\n"),
        ("AUTH LOGIN", "334 VXNlcm5hbWU6\r\n"),
        ("bWU=", "334 UGFzc3dvcmQ6\r\n"),
        ("c2VjcmV0", "235 ok\r\n"),
        ("DATA", "354 x\r\n"),
    ];
    let fake = fake("220 x\r\n", rules).await;
    let mut relay = relay(fake.port);
    relay.user = Some(("me".into(), neargate_base::Secret::new("secret".into())));
    let taken = relay.deliver("a@b", &["c@d".into()], b"x\r\n").await;
    assert_eq!(taken, [Outcome::Taken("250 OK".into())]);
    relay.tls = Tls::Demanded;
    let refused = relay.deliver("a@b", &["c@d".into()], b"x\r\n").await;
    assert_eq!(
        refused,
        [Outcome::Later("the relay offers no STARTTLS".into())]
    );
}

/// One round of the controller.
async fn round(delivery: &Delivery, key: &str) -> Option<Stored<Letter>> {
    let view = delivery.view(key).await.unwrap()?;
    for action in delivery.plan(&view, delivery.clock.now()).actions {
        let _: &Action = &action;
        delivery.apply(action).await.unwrap();
    }
    delivery.db.get_key::<Letter>(key).await.unwrap()
}

#[tokio::test]
async fn a_mail_is_tried_for_days_and_then_its_sender_is_told() {
    let fake = fake("220 fake\r\n", GOOD).await;
    let lab = Lab::default();
    let outbox = outbox(&lab, true);
    let delivery = Delivery {
        house: lab.house.clone(),
        db: lab.house.db.clone(),
        clock: lab.house.clock.clone(),
        outbox: outbox.clone(),
        relay: Some(Arc::new(relay(fake.port))),
    };
    let mut mail = Mail::text("ses", "me@b", "yes@b", "Greetings", "Hello");
    mail.sender = Some("me@b".into());
    mail.recipients.push("later@b".into());
    let id = outbox.take(&lab.scope, mail).await.unwrap();
    let key = neargate_service::db::key::<Letter>(&lab.scope, &id);
    let letter = round(&delivery, &key).await.unwrap();
    let states = |l: &Letter| l.recipients.iter().map(|r| r.state).collect::<Vec<_>>();
    assert_eq!(states(&letter), [State::Sent, State::Outbox]);
    let mut attempts = 1;
    for _ in 0..200 {
        lab.clock.advance(Duration::from_secs(3_600));
        match round(&delivery, &key).await {
            Some(letter) => attempts = letter.attempts,
            None => break,
        }
    }
    assert!((20..=40).contains(&attempts), "{attempts}");
    let letter = outbox.get(&lab.scope, &id).await.unwrap().unwrap();
    assert_eq!(letter.state(), State::Failed);
    assert_eq!(states(&letter), [State::Sent, State::Failed]);
    let said = letter.recipients[1].said.clone().unwrap();
    assert_eq!(said, "550 4.4.7 Message expired: 451 4.3.0 Later");
    let all = outbox.list(&lab.scope).await.unwrap();
    assert_eq!(all.len(), 2);
    let bounce = &all[0];
    assert_eq!(bounce.subject, "Delivery Status Notification (Failure)");
    assert_eq!(
        (bounce.recipients[0].address.as_str(), &bounce.sender),
        ("me@b", &None)
    );
    let raw = outbox.raw(bounce).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&raw).into_owned();
    assert!(text.contains("Final-Recipient: rfc822; later@b"), "{text}");
    let heard = fake.heard.lock().clone();
    assert_eq!(
        heard.matches("RCPT TO:<yes@b>").count(),
        1,
        "once is enough"
    );
}
