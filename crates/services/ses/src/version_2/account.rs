//! What holds for an account.

use super::{refuse_some, worded};
use crate::api::account::{NO_QUOTA, RATE, change, sent_last_day};
use crate::model::settings::Details;
use crate::{Ses, error, sending};
use neargate_api_sesv2 as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// Both reasons, which hold unless the account chose.
fn all_reasons() -> Vec<String> {
    ["BOUNCE", "COMPLAINT"].map(str::to_owned).to_vec()
}

pub async fn get_account(
    ses: Arc<Ses>,
    cx: Ctx,
    _: api::GetAccountInput,
) -> Result<api::GetAccountOutput, AwsError> {
    let account = sending::account(&cx).await?;
    let details = account.details.map(|d| api::AccountDetails {
        mail_type: Some(d.mail_type),
        website_url: Some(d.website_url),
        contact_language: d.contact_language,
        use_case_description: d.use_case,
        additional_contact_email_addresses: Some(d.contacts),
        review_details: None,
    });
    Ok(api::GetAccountOutput {
        dedicated_ip_auto_warmup_enabled: Some(false),
        enforcement_status: Some("HEALTHY".into()),
        production_access_enabled: Some(true),
        send_quota: Some(api::SendQuota {
            max24_hour_send: Some(NO_QUOTA),
            max_send_rate: Some(RATE),
            sent_last24_hours: Some(sent_last_day(&ses, &cx).await?),
        }),
        sending_enabled: Some(!account.paused),
        suppression_attributes: Some(api::SuppressionAttributes {
            suppressed_reasons: Some(account.suppressed_reasons.unwrap_or_else(all_reasons)),
            validation_attributes: None,
        }),
        details,
        ..Default::default()
    })
}

pub async fn put_account_details(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::PutAccountDetailsInput,
) -> Result<api::PutAccountDetailsOutput, AwsError> {
    let details = Details {
        mail_type: input.mail_type,
        website_url: input.website_url,
        contact_language: input.contact_language,
        use_case: input.use_case_description,
        contacts: input.additional_contact_email_addresses.unwrap_or_default(),
    };
    change(&cx, |account| account.details = Some(details.clone())).await?;
    Ok(api::PutAccountDetailsOutput {})
}

pub async fn put_account_sending_attributes(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::PutAccountSendingAttributesInput,
) -> Result<api::PutAccountSendingAttributesOutput, AwsError> {
    let paused = !input.sending_enabled.unwrap_or_default();
    change(&cx, |account| account.paused = paused).await?;
    Ok(api::PutAccountSendingAttributesOutput {})
}

pub async fn put_account_suppression_attributes(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::PutAccountSuppressionAttributesInput,
) -> Result<api::PutAccountSuppressionAttributesOutput, AwsError> {
    refuse_some(input.validation_attributes.as_ref(), "ValidationAttributes")?;
    let reasons = input.suppressed_reasons.unwrap_or_default();
    if let Some(odd) = reasons.iter().find(|r| !all_reasons().contains(r)) {
        let why = format!("Invalid suppression reason <{odd}>.");
        return worded(Err(error::invalid_parameter(why)));
    }
    change(&cx, |account| {
        account.suppressed_reasons = Some(reasons.clone())
    })
    .await?;
    Ok(api::PutAccountSuppressionAttributesOutput {})
}
