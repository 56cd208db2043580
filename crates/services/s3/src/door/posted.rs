//! Objects that forms bring, and what a browser is answered
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html>).

use super::form::Form;
use super::{Objects, reply};
use crate::api::put::{self, Incoming};
use crate::asked::Asked;
use crate::content::source::Source;
use crate::error;
use http::{Response, StatusCode};
use neargate_service::door::{Body, Visitor};
use neargate_service::{AwsError, Ctx, House, Principal};
use std::sync::Arc;

impl Objects {
    /// An object that a form brings.
    pub(super) async fn post(
        &self,
        (house, request_id): (&Arc<House>, &str),
        visitor: &Visitor,
        bucket: &str,
        form: Form,
    ) -> Result<Response<Body>, AwsError> {
        let now = house.now();
        let default = &visitor.default_scope;
        let (scope, principal) = match form.signer(visitor, now)? {
            Some(signer) => (default.of_account(signer.account), signer.principal),
            None if visitor.must_prove => (default.clone(), Principal::anonymous()),
            None => (default.clone(), Principal::root(&default.account, "")),
        };
        let bounds = form.check(bucket, now)?;
        let key = form.get("key").ok_or_else(|| {
            error::invalid_argument(
                "key",
                "",
                "Bucket POST must contain a field named 'key'.  If it is specified, please check \
                 the order of the fields.",
            )
        })?;
        let key = key.to_owned();
        let mut input = neargate_api_s3::PutObjectInput {
            bucket: bucket.to_owned(),
            key: key.clone(),
            ..Default::default()
        };
        let said: Vec<(String, String)> = form
            .fields()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut metadata = std::collections::BTreeMap::new();
        for (name, value) in form.fields() {
            let value = Some(value.to_owned());
            match name {
                "acl" => input.acl = value,
                "content-type" => input.content_type = value,
                "cache-control" => input.cache_control = value,
                "content-disposition" => input.content_disposition = value,
                "content-encoding" => input.content_encoding = value,
                "expires" => input.expires = value,
                "x-amz-storage-class" => input.storage_class = value,
                "x-amz-server-side-encryption" => input.server_side_encryption = value,
                "x-amz-website-redirect-location" => input.website_redirect_location = value,
                "x-amz-server-side-encryption-customer-algorithm" => {
                    input.sse_customer_algorithm = value;
                }
                "x-amz-server-side-encryption-aws-kms-key-id" => input.ssekms_key_id = value,
                "x-amz-server-side-encryption-context" => input.ssekms_encryption_context = value,
                "x-amz-server-side-encryption-customer-key" => input.sse_customer_key = value,
                "x-amz-server-side-encryption-customer-key-md5" => {
                    input.sse_customer_key_md5 = value;
                }
                "tagging" => return Err(error::not_built("tags in forms")),
                name => {
                    if let Some(meta) = name.strip_prefix("x-amz-meta-") {
                        metadata.insert(meta.to_owned(), value.into_iter().collect());
                    }
                }
            }
        }
        input.metadata = Some(metadata).filter(|m| !m.is_empty());
        let status = form.get("success_action_status").map(str::to_owned);
        let redirect = form.get("success_action_redirect").map(str::to_owned);
        let cx = Ctx {
            request_id: request_id.to_owned(),
            scope,
            principal,
            reached_at: None,
            house: house.clone(),
        };
        let mut incoming = Incoming {
            source: Source::File(Box::new(form.file)),
            sha256: None,
            trailer: None,
            bounds: bounds.map(|b| (b.min_bytes, b.max_bytes)),
            is_form: true,
        };
        let mut asked = Asked::current().map_or_else(Asked::default, |asked| (*asked).clone());
        for (name, value) in said {
            asked.say(&name, &value);
        }
        let putting = put::put_object_from(self.s3.clone(), cx, input, &mut incoming);
        let made = asked.while_doing(putting).await?;
        let etag = made.e_tag.unwrap_or_default();
        let mut response = Response::new(reply::empty());
        let place = format!("/{bucket}/{key}");
        *response.status_mut() = match (&redirect, status.as_deref()) {
            (Some(_), _) => StatusCode::SEE_OTHER,
            (None, Some("200")) => StatusCode::OK,
            (None, Some("201")) => StatusCode::CREATED,
            (None, _) => StatusCode::NO_CONTENT,
        };
        reply::set(&mut response, "etag", &etag);
        if let Some(version) = &made.version_id {
            reply::set(&mut response, "x-amz-version-id", version);
        }
        match redirect {
            Some(to) => {
                let mark = if to.contains('?') { '&' } else { '?' };
                let encode = |text: &str| {
                    let all = percent_encoding::NON_ALPHANUMERIC;
                    percent_encoding::utf8_percent_encode(text, all).to_string()
                };
                let to = format!(
                    "{to}{mark}bucket={}&key={}&etag={}",
                    encode(bucket),
                    encode(&key),
                    encode(&etag)
                );
                reply::set(&mut response, "location", &to);
            }
            None => reply::set(&mut response, "location", &place),
        }
        if response.status() == StatusCode::CREATED {
            let mut xml =
                String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<PostResponse>");
            reply::element(&mut xml, "Location", &place);
            reply::element(&mut xml, "Bucket", bucket);
            reply::element(&mut xml, "Key", &key);
            reply::element(&mut xml, "ETag", &etag);
            xml.push_str("</PostResponse>");
            *response.body_mut() = reply::full(xml);
            reply::set(&mut response, "content-type", "application/xml");
        }
        Ok(response)
    }
}
