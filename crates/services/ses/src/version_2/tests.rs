//! Version 2's operations, called through the table as the gateway calls them.

use super::SesV2;
use crate::Ses;
use neargate_api_sesv2::{self as api, ops};
use neargate_blob::Extents;
use neargate_service::{AwsError, Component as _};
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

    async fn ask<O: OperationDef>(&self, op: O, input: O::Input) -> Result<O::Output, AwsError> {
        let service = Arc::new(SesV2::new(&self.ses));
        call(&*service.table(), self.lab.cx(), op, input).await
    }
}

fn said<T: std::fmt::Debug>(refused: Result<T, AwsError>) -> String {
    let error = refused.expect_err("refused");
    format!("{} {} {}", error.status, error.code, error.message)
}

fn to(address: &str) -> api::Destination {
    api::Destination {
        to_addresses: Some(vec![address.into()]),
        ..Default::default()
    }
}

fn simple(from: &str, address: &str) -> api::SendEmailInput {
    let content = |data: &str| api::Content {
        data: data.into(),
        charset: None,
    };
    api::SendEmailInput {
        from_email_address: Some(from.into()),
        destination: Some(to(address)),
        content: api::EmailContent {
            simple: Some(api::Message {
                subject: content("Hello"),
                body: api::Body {
                    text: Some(content("Text")),
                    html: None,
                },
                headers: Some(vec![api::MessageHeader {
                    name: "X-Kind".into(),
                    value: "one".into(),
                }]),
                attachments: Some(vec![api::Attachment {
                    raw_content: bytes::Bytes::from_static(b"\x00\x01"),
                    content_disposition: None,
                    file_name: "a.bin".into(),
                    content_description: None,
                    content_id: None,
                    content_transfer_encoding: None,
                    content_type: None,
                }]),
            }),
            ..Default::default()
        },
        ..Default::default()
    }
}

#[tokio::test]
async fn an_identity_sends_and_is_deleted() {
    let post = Post::new();
    let create = || api::CreateEmailIdentityInput {
        email_identity: "a.example".into(),
        ..Default::default()
    };
    let made = post.ask(ops::CreateEmailIdentity, create()).await.unwrap();
    assert_eq!(made.verified_for_sending_status, Some(true));
    assert_eq!(made.dkim_attributes.unwrap().tokens.unwrap().len(), 3);
    let twice = post.ask(ops::CreateEmailIdentity, create()).await;
    let wanted = "400 AlreadyExistsException Email identity a.example already exist.";
    assert_eq!(said(twice), wanted);
    let sent = post
        .ask(ops::SendEmail, simple("Me <me@a.example>", "you@b.example"))
        .await;
    let id = sent.unwrap().message_id.unwrap();
    let outbox = post.ses.outbox(&post.lab.house);
    let letter = outbox.get(&post.lab.scope, &id).await.unwrap().unwrap();
    let raw = outbox.raw(&letter).await.unwrap().unwrap();
    let read = crate::message::read(&raw).unwrap();
    assert_eq!(
        read.attachments,
        [("a.bin".to_owned(), "application/octet-stream".to_owned())]
    );
    assert!(
        read.headers
            .contains(&("X-Kind".to_owned(), "one".to_owned()))
    );
    let gone = api::DeleteEmailIdentityInput {
        email_identity: "a.example".into(),
    };
    post.ask(ops::DeleteEmailIdentity, gone).await.unwrap();
    let refused = post
        .ask(ops::SendEmail, simple("me@a.example", "you@b.example"))
        .await;
    assert_eq!(
        said(refused),
        "400 MessageRejected Email address is not verified. The following identities failed the check in \
         region US-EAST-1: me@a.example"
    );
    let get = api::GetEmailIdentityInput {
        email_identity: "a.example".into(),
    };
    let missing = post.ask(ops::GetEmailIdentity, get).await;
    let wanted = "404 NotFoundException Email identity a.example does not exist.";
    assert_eq!(said(missing), wanted);
}

#[tokio::test]
async fn nothing_is_sent_to_who_is_on_the_list() {
    let post = Post::new();
    let create = api::CreateEmailIdentityInput {
        email_identity: "a.example".into(),
        ..Default::default()
    };
    post.ask(ops::CreateEmailIdentity, create).await.unwrap();
    let put = api::PutSuppressedDestinationInput {
        email_address: "no@B.example".into(),
        reason: "COMPLAINT".into(),
        tenant_name: None,
    };
    post.ask(ops::PutSuppressedDestination, put).await.unwrap();
    let send = async || {
        let sent = post
            .ask(ops::SendEmail, simple("me@a.example", "no@b.example"))
            .await;
        let id = sent.unwrap().message_id.unwrap();
        let outbox = post.ses.outbox(&post.lab.house);
        let letter = outbox.get(&post.lab.scope, &id).await.unwrap().unwrap();
        letter.recipients[0].here
    };
    assert_eq!(send().await, Some(crate::State::Failed));
    let reasons = api::PutAccountSuppressionAttributesInput {
        suppressed_reasons: Some(vec!["BOUNCE".into()]),
        validation_attributes: None,
    };
    post.ask(ops::PutAccountSuppressionAttributes, reasons)
        .await
        .unwrap();
    assert_eq!(send().await, None, "complaints count no longer");
    let list = post
        .ask(ops::ListSuppressedDestinations, Default::default())
        .await
        .unwrap();
    assert_eq!(list.suppressed_destination_summaries.unwrap().len(), 1);
    let gone = || api::DeleteSuppressedDestinationInput {
        email_address: "no@b.example".into(),
        tenant_name: None,
    };
    post.ask(ops::DeleteSuppressedDestination, gone())
        .await
        .unwrap();
    let twice = post.ask(ops::DeleteSuppressedDestination, gone()).await;
    assert!(said(twice).starts_with("404 NotFoundException"));
}

#[tokio::test]
async fn templates_come_with_the_call_or_are_kept() {
    let post = Post::new();
    let create = api::CreateEmailIdentityInput {
        email_identity: "a.example".into(),
        ..Default::default()
    };
    post.ask(ops::CreateEmailIdentity, create).await.unwrap();
    let content = || api::EmailTemplateContent {
        subject: Some("Hi {{name}}".into()),
        text: Some("x".into()),
        html: None,
    };
    let send = |template: api::Template| {
        let input = api::SendEmailInput {
            from_email_address: Some("me@a.example".into()),
            destination: Some(to("you@b.example")),
            content: api::EmailContent {
                template: Some(template),
                ..Default::default()
            },
            ..Default::default()
        };
        post.ask(ops::SendEmail, input)
    };
    let data = || Some(r#"{"name":"Jane"}"#.to_owned());
    let inline = api::Template {
        template_content: Some(content()),
        template_data: data(),
        ..Default::default()
    };
    send(inline).await.unwrap();
    let kept = |data: Option<String>| api::Template {
        template_name: Some("hello".into()),
        template_data: data,
        ..Default::default()
    };
    let missing = send(kept(data())).await;
    assert_eq!(
        said(missing),
        "404 NotFoundException Template hello does not exist"
    );
    let create = api::CreateEmailTemplateInput {
        template_name: "hello".into(),
        template_content: content(),
        tags: None,
    };
    post.ask(ops::CreateEmailTemplate, create).await.unwrap();
    send(kept(data())).await.unwrap();
    let lacks = send(kept(None)).await;
    assert_eq!(
        said(lacks),
        "400 BadRequestException Attribute 'name' is not present in the rendering data."
    );
}
