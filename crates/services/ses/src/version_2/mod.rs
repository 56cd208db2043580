//! SES's API of 2019, version 2, over what version 1 keeps: a file for each resource.

mod account;
mod identities;
mod send;
mod sets;
mod suppression;
mod tags;
mod templates;

#[cfg(test)]
mod tests;

use crate::{Ses, error};
use neargate_api_sesv2::{SERVICE, ops};
use neargate_service::{AwsError, Component, OperationTable, Service};
use std::sync::Arc;

/// Version 2 of SES's API.
#[derive(Debug)]
pub struct SesV2 {
    ses: Arc<Ses>,
}

impl SesV2 {
    pub fn new(ses: &Arc<Ses>) -> SesV2 {
        SesV2 { ses: ses.clone() }
    }
}

impl Component for SesV2 {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        Arc::new(table(self.ses.clone()))
    }
}

/// A failure in version 2's words.
fn worded<T>(result: Result<T, AwsError>) -> Result<T, AwsError> {
    result.map_err(error::in_version_2)
}

/// Something that is asked for and not built.
fn refuse_some<T>(given: Option<&T>, what: &str) -> Result<(), AwsError> {
    match given {
        None => Ok(()),
        Some(_) => Err(AwsError::not_implemented("sesv2", what)),
    }
}

const IDENTITY: &str = "an address is verified by the link in the mail that it is sent; a domain at once on a \
                        development installation, and elsewhere once a public zone of Route 53 here holds the \
                        records; keys of your own are refused; mails are not signed: that is the relay's";
const MAIL_FROM: &str = "it is kept; the sender of the envelope is the mail's own";
const KEPT: &str = "policies are kept; senders of other accounts are refused";
const TOPICS: &str = "destinations are topics of SNS; events are Send, Delivery and Bounce";
const SENT: &str =
    "senders of other accounts' identities, list management, endpoints and tenants are refused";
const SETS: &str = "sending and suppression options are acted on; a TlsPolicy is kept and not acted on; pools and the others are refused";
const ACCOUNT: &str = "there is no sandbox and no review";
const LIST: &str = "of the whole account; tenants and validation are refused";

/// A raw message in Base64, as JSON.
const MOST_BODY: usize = 60 << 20;

fn table(ses: Arc<Ses>) -> OperationTable<Ses> {
    let table = OperationTable::new(&SERVICE, ses)
        .wording(error::invalid_in_version_2)
        .takes_up_to(ops::SendEmail, MOST_BODY);
    let table = table
        .partly(
            ops::CreateEmailIdentity,
            identities::create_email_identity,
            IDENTITY,
        )
        .on(ops::GetEmailIdentity, identities::get_email_identity)
        .on(ops::ListEmailIdentities, identities::list_email_identities)
        .on(ops::DeleteEmailIdentity, identities::delete_email_identity)
        .partly(
            ops::PutEmailIdentityDkimAttributes,
            identities::put_email_identity_dkim_attributes,
            IDENTITY,
        )
        .on(
            ops::PutEmailIdentityFeedbackAttributes,
            identities::put_email_identity_feedback_attributes,
        )
        .partly(
            ops::PutEmailIdentityMailFromAttributes,
            identities::put_email_identity_mail_from_attributes,
            MAIL_FROM,
        )
        .on(
            ops::PutEmailIdentityConfigurationSetAttributes,
            identities::put_email_identity_configuration_set_attributes,
        )
        .partly(
            ops::CreateEmailIdentityPolicy,
            identities::create_email_identity_policy,
            KEPT,
        )
        .partly(
            ops::UpdateEmailIdentityPolicy,
            identities::update_email_identity_policy,
            KEPT,
        )
        .on(
            ops::DeleteEmailIdentityPolicy,
            identities::delete_email_identity_policy,
        )
        .on(
            ops::GetEmailIdentityPolicies,
            identities::get_email_identity_policies,
        );
    let table = table
        .on(ops::CreateEmailTemplate, templates::create_email_template)
        .on(ops::UpdateEmailTemplate, templates::update_email_template)
        .on(ops::GetEmailTemplate, templates::get_email_template)
        .on(ops::DeleteEmailTemplate, templates::delete_email_template)
        .on(ops::ListEmailTemplates, templates::list_email_templates)
        .on(
            ops::TestRenderEmailTemplate,
            templates::test_render_email_template,
        )
        .partly(
            ops::CreateConfigurationSet,
            sets::create_configuration_set,
            SETS,
        )
        .on(ops::GetConfigurationSet, sets::get_configuration_set)
        .on(ops::ListConfigurationSets, sets::list_configuration_sets)
        .on(ops::DeleteConfigurationSet, sets::delete_configuration_set)
        .partly(
            ops::PutConfigurationSetDeliveryOptions,
            sets::put_configuration_set_delivery_options,
            SETS,
        )
        .on(
            ops::PutConfigurationSetSendingOptions,
            sets::put_configuration_set_sending_options,
        )
        .partly(
            ops::PutConfigurationSetSuppressionOptions,
            sets::put_configuration_set_suppression_options,
            SETS,
        )
        .partly(
            ops::CreateConfigurationSetEventDestination,
            sets::create_configuration_set_event_destination,
            TOPICS,
        )
        .partly(
            ops::UpdateConfigurationSetEventDestination,
            sets::update_configuration_set_event_destination,
            TOPICS,
        )
        .on(
            ops::DeleteConfigurationSetEventDestination,
            sets::delete_configuration_set_event_destination,
        )
        .on(
            ops::GetConfigurationSetEventDestinations,
            sets::get_configuration_set_event_destinations,
        );
    table
        .partly(
            ops::PutSuppressedDestination,
            suppression::put_suppressed_destination,
            LIST,
        )
        .partly(
            ops::GetSuppressedDestination,
            suppression::get_suppressed_destination,
            LIST,
        )
        .partly(
            ops::ListSuppressedDestinations,
            suppression::list_suppressed_destinations,
            LIST,
        )
        .partly(
            ops::DeleteSuppressedDestination,
            suppression::delete_suppressed_destination,
            LIST,
        )
        .partly(ops::GetAccount, account::get_account, ACCOUNT)
        .partly(
            ops::PutAccountDetails,
            account::put_account_details,
            ACCOUNT,
        )
        .on(
            ops::PutAccountSendingAttributes,
            account::put_account_sending_attributes,
        )
        .partly(
            ops::PutAccountSuppressionAttributes,
            account::put_account_suppression_attributes,
            LIST,
        )
        .partly(ops::SendEmail, send::send_email, SENT)
        .partly(ops::SendBulkEmail, send::send_bulk_email, SENT)
        .on(ops::TagResource, tags::tag_resource)
        .on(ops::UntagResource, tags::untag_resource)
        .on(ops::ListTagsForResource, tags::list_tags_for_resource)
}
