//! The outbox: what is kept of mails, and for how long.

use crate::model::settings::{Account, ConfigurationSet, Identity, Suppressed, Template};
use crate::model::{Letter, State};
use crate::outbox::{Bounds, Outbox};
use neargate_base::Clock as _;
use neargate_blob::Extents;
use neargate_service::golden::check;
use neargate_service::mail::{Content, MOST_BYTES, Mail};
use neargate_testkit::Lab;
use std::sync::Arc;

pub fn outbox(lab: &Lab, has_relay: bool) -> Arc<Outbox> {
    let extents = Extents::open(&lab.path().join("mails")).expect("extents");
    Arc::new(Outbox::new(&lab.house, extents, has_relay))
}

fn hello(subject: &str) -> Mail {
    Mail::text(
        "sns",
        "AWS <no-reply@example.com>",
        "you@example.com",
        subject,
        "Hello\n.\n",
    )
}

#[tokio::test]
async fn a_mail_is_kept_whole() {
    let lab = Lab::default();
    let outbox = outbox(&lab, false);
    let id = outbox.take(&lab.scope, hello("one")).await.unwrap();
    let letter = outbox
        .get(&lab.scope, &id)
        .await
        .unwrap()
        .expect("it is kept");
    assert_eq!(
        (letter.subject.as_str(), letter.state()),
        ("one", State::Outbox)
    );
    assert_eq!(letter.from, "AWS <no-reply@example.com>");
    let raw = outbox.raw(&letter).await.unwrap().expect("its bytes");
    let read = crate::message::read(&raw).expect("a message");
    assert_eq!(read.to, ["you@example.com"]);
    assert_eq!(
        read.text.as_deref().map(str::trim_end),
        Some("Hello\r\n.").or(Some("Hello\n."))
    );
    let other = lab.scope.of_account("111122223333".parse().unwrap());
    assert!(
        outbox.get(&other, &id).await.unwrap().is_none(),
        "of that account alone"
    );
}

#[tokio::test]
async fn the_oldest_goes_and_nothing_that_waits_for_a_relay() {
    let bounds = Bounds {
        mails: 2,
        bytes: 1 << 20,
    };
    let lab = Lab::default();
    let extents = Extents::open(&lab.path().join("mails")).unwrap();
    let alone = Outbox::new(&lab.house, extents.clone(), false).bounded(bounds);
    for subject in ["one", "two", "three"] {
        alone.take(&lab.scope, hello(subject)).await.unwrap();
        lab.clock.advance(std::time::Duration::from_millis(1));
    }
    let kept = alone.list(&lab.scope).await.unwrap();
    let subjects: Vec<&str> = kept.iter().map(|l| l.subject.as_str()).collect();
    assert_eq!(subjects, ["three", "two"]);
    assert_eq!(
        extents.list().await.unwrap().len(),
        2,
        "its bytes are gone too"
    );

    let with_relay = Outbox::new(&lab.house, extents, true).bounded(bounds);
    with_relay.load().await.unwrap();
    let full = with_relay.take(&lab.scope, hello("four")).await;
    assert_eq!(full.expect_err("full").code, "LimitExceededException");
    let mut settled = kept[1].value.clone();
    settled.settled_at = Some(lab.clock.now());
    with_relay.note(&lab.scope, kept[1].id(), &settled);
    with_relay.take(&lab.scope, hello("four")).await.unwrap();
}

#[tokio::test]
async fn what_is_too_long_is_refused_and_leaves_nothing() {
    let lab = Lab::default();
    let outbox = outbox(&lab, false);
    let mut mail = hello("long");
    mail.content = Content::Raw(vec![b'x'; MOST_BYTES + 1].into());
    let refused = outbox.take(&lab.scope, mail).await.expect_err("too long");
    assert!(
        refused.message.starts_with("Message length is more than"),
        "{refused}"
    );
    let raw = hello("half");
    let prepared = outbox
        .prepare(&lab.scope, outbox.new_id(), raw)
        .await
        .unwrap();
    drop(prepared);
    assert_eq!(
        outbox.sweep().await.unwrap(),
        0,
        "what has no record is gone at once"
    );
}

#[test]
fn stored_forms_are_pinned() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    check::<Letter>(golden);
    check::<Identity>(golden);
    check::<Template>(golden);
    check::<ConfigurationSet>(golden);
    check::<Account>(golden);
    check::<Suppressed>(golden);
}
