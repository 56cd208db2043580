//! SES's operations of 2010, called through the table as the gateway calls them.

use crate::model::State;
use crate::{Ses, identity};
use neargate_api_ses::{self as api, ops};
use neargate_blob::Extents;
use neargate_service::{AwsError, Component as _, House, Settings};
use neargate_testkit::{Lab, call};
use neargate_wire::structure::OperationDef;
use std::sync::Arc;

struct Post {
    lab: Lab,
    ses: Arc<Ses>,
}

impl Post {
    fn new() -> Post {
        let lab = Lab::default();
        let extents = Extents::open(&lab.path().join("mails")).expect("extents");
        let ses = Arc::new(Ses::new(extents, None));
        Post { lab, ses }
    }

    /// Every call has to be proven.
    fn enforced() -> Post {
        let mut post = Post::new();
        let house = Arc::get_mut(&mut post.lab.house).expect("nobody else has it");
        let house: &mut House = house;
        let settings: &mut Settings = &mut house.settings;
        settings.enforced = true;
        post
    }

    async fn ask<O: OperationDef>(&self, op: O, input: O::Input) -> Result<O::Output, AwsError> {
        call(&*self.ses.clone().table(), self.lab.cx(), op, input).await
    }

    async fn verify_domain(&self, domain: &str) -> String {
        let domain = domain.to_owned();
        let input = api::VerifyDomainIdentityInput { domain };
        let made = self.ask(ops::VerifyDomainIdentity, input).await;
        made.expect("verified").verification_token.expect("a token")
    }

    async fn last(&self) -> (crate::Letter, String) {
        let outbox = self.ses.outbox(&self.lab.house);
        let letter = outbox
            .list(&self.lab.scope)
            .await
            .expect("a list")
            .remove(0);
        let raw = outbox.raw(&letter).await.expect("bytes").expect("bytes");
        (letter.value, String::from_utf8_lossy(&raw).into_owned())
    }
}

fn said<T: std::fmt::Debug>(refused: Result<T, AwsError>) -> String {
    let error = refused.expect_err("refused");
    format!("{} {} {}", error.status, error.code, error.message)
}

fn mail(source: &str, to: &[&str]) -> api::SendEmailInput {
    let content = |data: &str| api::Content {
        data: data.into(),
        charset: None,
    };
    api::SendEmailInput {
        source: source.into(),
        destination: api::Destination {
            to_addresses: Some(to.iter().map(|t| (*t).to_owned()).collect()),
            cc_addresses: None,
            bcc_addresses: Some(vec!["hidden@b.example".into()]),
        },
        message: api::Message {
            subject: content("Hello"),
            body: api::Body {
                text: Some(content("Text")),
                html: Some(content("<b>Text</b>")),
            },
        },
        ..Default::default()
    }
}

#[tokio::test]
async fn an_address_is_verified_by_the_link_of_its_mail() {
    let post = Post::new();
    let input = || api::VerifyEmailIdentityInput {
        email_address: "me@a.example".into(),
    };
    post.ask(ops::VerifyEmailIdentity, input()).await.unwrap();
    let sent = post
        .ask(
            ops::SendEmail,
            mail("Me <me@a.example>", &["you@b.example"]),
        )
        .await;
    assert_eq!(
        said(sent),
        "400 MessageRejected Email address is not verified. The following identities failed the check \
         in region US-EAST-1: Me <me@a.example>"
    );
    let (letter, raw) = post.last().await;
    assert_eq!(letter.recipients[0].address, "me@a.example");
    let read = crate::message::read(raw.as_bytes()).unwrap();
    let links = crate::message::links(read.text.as_deref().unwrap());
    let (_, rest) = links[0]
        .split_once(identity::LINKS)
        .expect("a link of ours");
    let house = &post.lab.house;
    assert_eq!(
        identity::follow(house, &format!("{rest}0")).await.unwrap(),
        None
    );
    let wrong = format!("{}/us-east-1/{}", post.lab.scope.account, "0".repeat(48));
    assert_eq!(identity::follow(house, &wrong).await.unwrap(), None);
    let followed = identity::follow(house, rest).await.unwrap();
    assert_eq!(followed.as_deref(), Some("me@a.example"));
    let sent = post
        .ask(
            ops::SendEmail,
            mail("Me <me@a.example>", &["you@b.example"]),
        )
        .await;
    let id = sent.unwrap().message_id.unwrap();
    let (letter, raw) = post.last().await;
    let to: Vec<&str> = letter
        .recipients
        .iter()
        .map(|r| r.address.as_str())
        .collect();
    assert_eq!(to, ["you@b.example", "hidden@b.example"]);
    assert!(!raw.contains("hidden"), "{raw}");
    assert!(
        raw.contains(&format!("Message-ID: <{id}@email.amazonses.com>")),
        "{raw}"
    );
    let quota = post
        .ask(ops::GetSendQuota, Default::default())
        .await
        .unwrap();
    assert_eq!(quota.sent_last24_hours, Some(2.0));
}

#[tokio::test]
async fn a_domain_needs_its_record_where_calls_are_proven() {
    let post = Post::enforced();
    let token = post.verify_domain("a.example").await;
    let status = async || {
        let identities = vec!["a.example".into(), "unknown.example".into()];
        let input = api::GetIdentityVerificationAttributesInput { identities };
        let said = post
            .ask(ops::GetIdentityVerificationAttributes, input)
            .await
            .unwrap();
        let all = said.verification_attributes.unwrap();
        assert_eq!(all.len(), 1);
        let one = all["a.example"].clone();
        assert_eq!(one.verification_token.as_deref(), Some(token.as_str()));
        one.verification_status.unwrap()
    };
    assert_eq!(status().await, "Pending");
    let account = &post.lab.scope.account;
    let zone = neargate_service::dns::HostedZone {
        name: "a.example.".into(),
        caller_reference: "1".into(),
        comment: String::new(),
        vpcs: None,
        linked_service: None,
        name_servers: Vec::new(),
        created_at: post.lab.house.now(),
        pending: None,
        tags: Default::default(),
    };
    let record = neargate_service::dns::RecordSet::simple(
        "_amazonses.a.example.",
        "TXT",
        60,
        vec![format!("\"{token}\"")],
    );
    let tx = post.lab.house.db.tx();
    let tx = tx.create(neargate_service::dns::zone_key(account, "Z1"), &zone);
    let tx = tx.create(record.key(account, "Z1"), &record);
    let _ = tx.commit().await.unwrap();
    assert_eq!(status().await, "Success");
    let sent = post
        .ask(ops::SendEmail, mail("me@sub.A.example", &["you@b.example"]))
        .await;
    sent.expect("of a domain below");
}

#[tokio::test]
async fn what_is_wrong_is_said_in_ses_words() {
    let post = Post::new();
    post.verify_domain("a.example").await;
    let refused = async |input: api::SendEmailInput| said(post.ask(ops::SendEmail, input).await);
    let from = "me@a.example";
    let invalid = |why: &str| format!("400 InvalidParameterValue {why}");
    assert_eq!(
        refused(mail("me", &["a@b"])).await,
        invalid("Missing final '@domain'")
    );
    assert_eq!(
        refused(mail(from, &["a@b..c"])).await,
        invalid("Domain contains dot-dot")
    );
    let many: Vec<String> = (0..51).map(|n| format!("u{n}@b.example")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(
        refused(mail(from, &many)).await,
        invalid("Recipient count exceeds 50.")
    );
    let mut none = mail(from, &[]);
    none.destination.bcc_addresses = None;
    assert_eq!(
        refused(none).await,
        invalid("Missing required header 'To'.")
    );
    let mut injected = mail(from, &["a@b.example"]);
    injected.message.subject.data = "x\r\nBcc: c@d".into();
    assert!(refused(injected).await.contains("Invalid header"));
    let mut set = mail(from, &["a@b.example"]);
    set.configuration_set_name = Some("none".into());
    assert_eq!(
        refused(set).await,
        "400 ConfigurationSetDoesNotExist Configuration set <none> does not exist."
    );
    let mut tagged = mail(from, &["a@b.example"]);
    tagged.tags = Some(vec![api::MessageTag {
        name: "a:b".into(),
        value: "c".into(),
    }]);
    let why = "Invalid tag name <a:b>: only alphanumeric ASCII characters, '_',  '-' are allowed.";
    assert_eq!(refused(tagged).await, invalid(why));
    let other = mail("me@other.example", &["a@b.example"]);
    assert!(refused(other).await.contains("US-EAST-1: me@other.example"));
    let enabled = Some(false);
    let paused = api::UpdateAccountSendingEnabledInput { enabled };
    post.ask(ops::UpdateAccountSendingEnabled, paused)
        .await
        .unwrap();
    assert_eq!(
        refused(mail(from, &["a@b.example"])).await,
        "400 AccountSendingPausedException Sending paused for this account."
    );
}

#[tokio::test]
async fn templates_are_rendered_for_each_reader() {
    let post = Post::new();
    post.verify_domain("a.example").await;
    let template = api::Template {
        template_name: "hello".into(),
        subject_part: Some("Hi {{name}}".into()),
        text_part: Some("{{#each items}}{{this}};{{/each}}".into()),
        html_part: None,
    };
    let create = || api::CreateTemplateInput {
        template: template.clone(),
    };
    post.ask(ops::CreateTemplate, create()).await.unwrap();
    let twice = post.ask(ops::CreateTemplate, create()).await;
    assert_eq!(
        said(twice),
        "400 AlreadyExists Template hello already exists"
    );
    let rendered = |data: &str| {
        let input = api::TestRenderTemplateInput {
            template_name: "hello".into(),
            template_data: data.into(),
        };
        post.ask(ops::TestRenderTemplate, input)
    };
    let shown = rendered(r#"{"name":"Jane","items":[1,2]}"#).await.unwrap();
    let shown = shown.rendered_template.unwrap();
    assert!(
        shown.contains("Subject: Hi Jane\r\n") && shown.contains("1;2;"),
        "{shown}"
    );
    assert_eq!(
        said(rendered("{}").await),
        "400 MissingRenderingAttribute Attribute 'name' is not present in the rendering data."
    );
    assert!(said(rendered("[]").await).contains("Template rendering data is invalid"));
    let destination = |to: &str, data: &str| api::BulkEmailDestination {
        destination: api::Destination {
            to_addresses: Some(vec![to.into()]),
            ..Default::default()
        },
        replacement_tags: None,
        replacement_template_data: Some(data.into()),
    };
    let input = api::SendBulkTemplatedEmailInput {
        source: "me@a.example".into(),
        template: "hello".into(),
        default_template_data: r#"{"name":"you"}"#.into(),
        destinations: vec![
            destination("one@b.example", r#"{"name":"One"}"#),
            destination("nobody", "{}"),
            destination("two@b.example", ""),
        ],
        ..Default::default()
    };
    let sent = post.ask(ops::SendBulkTemplatedEmail, input).await.unwrap();
    let statuses: Vec<String> = sent
        .status
        .unwrap()
        .into_iter()
        .filter_map(|s| s.status)
        .collect();
    assert_eq!(statuses, ["Success", "InvalidParameterValue", "Success"]);
    let all = post
        .ses
        .outbox(&post.lab.house)
        .list(&post.lab.scope)
        .await
        .unwrap();
    let mut subjects: Vec<&str> = all.iter().map(|l| l.subject.as_str()).collect();
    subjects.sort_unstable();
    assert_eq!(subjects, ["Hi One", "Hi you"]);
}

#[tokio::test]
async fn a_raw_message_names_its_own_readers() {
    let post = Post::new();
    post.verify_domain("a.example").await;
    let send = |raw: &str| {
        let input = api::SendRawEmailInput {
            raw_message: api::RawMessage {
                data: raw.to_owned().into(),
            },
            ..Default::default()
        };
        post.ask(ops::SendRawEmail, input)
    };
    let raw =
        "From: me@a.example\nTo: You <you@b.example>\nBcc: hidden@b.example\nSubject: x\n\nbody\n";
    send(raw).await.unwrap();
    let (letter, raw) = post.last().await;
    let to: Vec<&str> = letter
        .recipients
        .iter()
        .map(|r| r.address.as_str())
        .collect();
    assert_eq!(to, ["you@b.example", "hidden@b.example"]);
    assert!(
        !raw.contains("hidden") && raw.ends_with("\r\n\r\nbody\r\n"),
        "{raw}"
    );
    assert_eq!(letter.state(), State::Outbox);
    let refused = send("To: you@b.example\n\nbody\n").await;
    assert_eq!(
        said(refused),
        "400 InvalidParameterValue Missing required header 'From'."
    );
}
