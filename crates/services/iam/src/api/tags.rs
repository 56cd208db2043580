//! Tags of all that has some. IAM tells their keys apart without regard to case
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html>).

use crate::call::{Change, View};
use crate::error;
use crate::index::Record;
use crate::model::{
    InstanceProfile, MfaDevice, OpenIdProvider, Policy, Role, ServerCertificate, User,
};
use crate::page::{Page, paged};
use neargate_api_iam as api;
use neargate_service::tags::{self, InvalidTags, Tags};
use neargate_service::{AwsError, Stored};

/// Something that has tags.
trait Tagged: Record {
    fn tags(&self) -> &Tags;
    fn tags_mut(&mut self) -> &mut Tags;
}

macro_rules! tagged {
    ($($record:ty),*) => {
        $(impl Tagged for $record {
            fn tags(&self) -> &Tags {
                &self.tags
            }

            fn tags_mut(&mut self) -> &mut Tags {
                &mut self.tags
            }
        })*
    };
}

tagged!(
    User,
    Role,
    Policy,
    InstanceProfile,
    MfaDevice,
    OpenIdProvider,
    ServerCertificate
);

/// The tags that a caller sent.
pub fn parse(given: Vec<api::Tag>) -> Result<Tags, AwsError> {
    let mut keys: Vec<String> = given.iter().map(|t| t.key.to_lowercase()).collect();
    let all = keys.len();
    keys.sort_unstable();
    keys.dedup();
    if keys.len() < all {
        return Err(error::invalid_tags(InvalidTags::Duplicate));
    }
    let pairs = given.into_iter().map(|t| (t.key, t.value));
    tags::parse(pairs).map_err(error::invalid_tags)
}

fn tag<T: Tagged>(call: &mut Change, on: &Stored<T>, given: Vec<api::Tag>) -> Result<(), AwsError> {
    let given = parse(given)?;
    let mut tags = on.tags().clone();
    // A key in other letters is the same key; it is kept as it was given last.
    tags.retain(|key, _| {
        !given
            .keys()
            .any(|new| new.to_lowercase() == key.to_lowercase())
    });
    tags::merge(&mut tags, &given).map_err(error::invalid_tags)?;
    call.modify(on, |record| *record.tags_mut() = tags);
    Ok(())
}

fn untag<T: Tagged>(call: &mut Change, on: &Stored<T>, keys: &[String]) {
    let gone = |key: &str| keys.iter().any(|k| k.to_lowercase() == key.to_lowercase());
    if on.tags().keys().any(|key| gone(key)) {
        call.modify(on, |record| record.tags_mut().retain(|key, _| !gone(key)));
    }
}

fn list<T: Tagged>(
    on: &T,
    marker: Option<&str>,
    max_items: Option<i32>,
) -> Result<Page<api::Tag>, AwsError> {
    let all = on.tags().iter().map(|(key, value)| api::Tag {
        key: key.clone(),
        value: value.clone(),
    });
    paged(all, marker, max_items, |tag| tag.key.clone())
}

pub fn tag_user(call: &mut Change, input: api::TagUserInput) -> Result<(), AwsError> {
    let on = call.user(&input.user_name)?;
    tag(call, &on, input.tags)
}

pub fn untag_user(call: &mut Change, input: api::UntagUserInput) -> Result<(), AwsError> {
    let on = call.user(&input.user_name)?;
    untag(call, &on, &input.tag_keys);
    Ok(())
}

pub fn list_user_tags(
    view: &View,
    input: api::ListUserTagsInput,
) -> Result<api::ListUserTagsOutput, AwsError> {
    let on = view.user(&input.user_name)?;
    let page = list(&on.value, input.marker.as_deref(), input.max_items)?;
    Ok(api::ListUserTagsOutput {
        tags: Some(page.items),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}

pub fn tag_role(call: &mut Change, input: api::TagRoleInput) -> Result<(), AwsError> {
    let on = call.own_role(&input.role_name)?;
    tag(call, &on, input.tags)
}

pub fn untag_role(call: &mut Change, input: api::UntagRoleInput) -> Result<(), AwsError> {
    let on = call.own_role(&input.role_name)?;
    untag(call, &on, &input.tag_keys);
    Ok(())
}

pub fn list_role_tags(
    view: &View,
    input: api::ListRoleTagsInput,
) -> Result<api::ListRoleTagsOutput, AwsError> {
    let on = view.role(&input.role_name)?;
    let page = list(&on.value, input.marker.as_deref(), input.max_items)?;
    Ok(api::ListRoleTagsOutput {
        tags: Some(page.items),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}

pub fn tag_policy(call: &mut Change, input: api::TagPolicyInput) -> Result<(), AwsError> {
    let on = call.policy(&input.policy_arn)?;
    tag(call, &on, input.tags)
}

pub fn untag_policy(call: &mut Change, input: api::UntagPolicyInput) -> Result<(), AwsError> {
    let on = call.policy(&input.policy_arn)?;
    untag(call, &on, &input.tag_keys);
    Ok(())
}

pub fn list_policy_tags(
    view: &View,
    input: api::ListPolicyTagsInput,
) -> Result<api::ListPolicyTagsOutput, AwsError> {
    let on = view.policy(&input.policy_arn)?;
    let page = list(&on.value, input.marker.as_deref(), input.max_items)?;
    Ok(api::ListPolicyTagsOutput {
        tags: Some(page.items),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}

pub fn tag_instance_profile(
    call: &mut Change,
    input: api::TagInstanceProfileInput,
) -> Result<(), AwsError> {
    let on = call.profile(&input.instance_profile_name)?;
    tag(call, &on, input.tags)
}

pub fn untag_instance_profile(
    call: &mut Change,
    input: api::UntagInstanceProfileInput,
) -> Result<(), AwsError> {
    let on = call.profile(&input.instance_profile_name)?;
    untag(call, &on, &input.tag_keys);
    Ok(())
}

pub fn list_instance_profile_tags(
    view: &View,
    input: api::ListInstanceProfileTagsInput,
) -> Result<api::ListInstanceProfileTagsOutput, AwsError> {
    let on = view.profile(&input.instance_profile_name)?;
    let page = list(&on.value, input.marker.as_deref(), input.max_items)?;
    Ok(api::ListInstanceProfileTagsOutput {
        tags: Some(page.items),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}

pub fn tag_open_id_connect_provider(
    call: &mut Change,
    input: api::TagOpenIDConnectProviderInput,
) -> Result<(), AwsError> {
    let on = call.provider(&input.openid_connect_provider_arn)?;
    tag(call, &on, input.tags)
}

pub fn untag_open_id_connect_provider(
    call: &mut Change,
    input: api::UntagOpenIDConnectProviderInput,
) -> Result<(), AwsError> {
    let on = call.provider(&input.openid_connect_provider_arn)?;
    untag(call, &on, &input.tag_keys);
    Ok(())
}

pub fn list_open_id_connect_provider_tags(
    view: &View,
    input: api::ListOpenIDConnectProviderTagsInput,
) -> Result<api::ListOpenIDConnectProviderTagsOutput, AwsError> {
    let on = view.provider(&input.openid_connect_provider_arn)?;
    let page = list(&on.value, input.marker.as_deref(), input.max_items)?;
    Ok(api::ListOpenIDConnectProviderTagsOutput {
        tags: Some(page.items),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}

pub fn tag_mfa_device(call: &mut Change, input: api::TagMFADeviceInput) -> Result<(), AwsError> {
    let on = call.mfa_device(&input.serial_number)?;
    tag(call, &on, input.tags)
}

pub fn untag_mfa_device(
    call: &mut Change,
    input: api::UntagMFADeviceInput,
) -> Result<(), AwsError> {
    let on = call.mfa_device(&input.serial_number)?;
    untag(call, &on, &input.tag_keys);
    Ok(())
}

pub fn list_mfa_device_tags(
    view: &View,
    input: api::ListMFADeviceTagsInput,
) -> Result<api::ListMFADeviceTagsOutput, AwsError> {
    let on = view.mfa_device(&input.serial_number)?;
    let page = list(&on.value, input.marker.as_deref(), input.max_items)?;
    Ok(api::ListMFADeviceTagsOutput {
        tags: Some(page.items),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}

pub fn tag_server_certificate(
    call: &mut Change,
    input: api::TagServerCertificateInput,
) -> Result<(), AwsError> {
    let on = call.server_certificate(&input.server_certificate_name)?;
    tag(call, &on, input.tags)
}

pub fn untag_server_certificate(
    call: &mut Change,
    input: api::UntagServerCertificateInput,
) -> Result<(), AwsError> {
    let on = call.server_certificate(&input.server_certificate_name)?;
    untag(call, &on, &input.tag_keys);
    Ok(())
}

pub fn list_server_certificate_tags(
    view: &View,
    input: api::ListServerCertificateTagsInput,
) -> Result<api::ListServerCertificateTagsOutput, AwsError> {
    let on = view.server_certificate(&input.server_certificate_name)?;
    let page = list(&on.value, input.marker.as_deref(), input.max_items)?;
    Ok(api::ListServerCertificateTagsOutput {
        tags: Some(page.items),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}
