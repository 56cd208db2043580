//! SES's operations of 2010, and how completely each is served.

use crate::api::{account, identities, notifications, policies, send, sets, templates};
use crate::{Ses, error};
use neargate_api_ses::{SERVICE, ops};
use neargate_service::OperationTable;
use std::sync::Arc;

const LINK: &str =
    "the mail with the link goes to the outbox; the address is verified when the link is followed";
const DOMAIN: &str = "a domain is verified at once on a development installation, and elsewhere once a public \
                      zone of Route 53 here holds the record";
const DKIM: &str = "tokens are given and looked for; mails are not signed: that is the relay's";
const KEPT: &str = "policies are kept; senders of other accounts are refused";
const MAIL_FROM: &str = "it is kept; the sender of the envelope is the mail's own";
const TOPICS: &str = "destinations are topics of SNS; events are Send, Delivery and Bounce";
const SENT: &str = "senders of other accounts' identities are refused";
const STATISTICS: &str = "of the mails that the outbox still has";

/// A raw message in Base64, as a form.
const MOST_BODY: usize = 80 << 20;

pub fn table(ses: Arc<Ses>) -> OperationTable<Ses> {
    let table = OperationTable::new(&SERVICE, ses)
        .wording(error::invalid)
        .takes_up_to(ops::SendRawEmail, MOST_BODY);
    let table = table
        .partly(
            ops::VerifyEmailIdentity,
            identities::verify_email_identity,
            LINK,
        )
        .partly(
            ops::VerifyEmailAddress,
            identities::verify_email_address,
            LINK,
        )
        .partly(
            ops::VerifyDomainIdentity,
            identities::verify_domain_identity,
            DOMAIN,
        )
        .partly(ops::VerifyDomainDkim, identities::verify_domain_dkim, DKIM)
        .on(ops::DeleteIdentity, identities::delete_identity)
        .on(
            ops::DeleteVerifiedEmailAddress,
            identities::delete_verified_email_address,
        )
        .on(ops::ListIdentities, identities::list_identities)
        .on(
            ops::ListVerifiedEmailAddresses,
            identities::list_verified_email_addresses,
        )
        .on(
            ops::GetIdentityVerificationAttributes,
            identities::get_identity_verification_attributes,
        )
        .on(
            ops::GetIdentityDkimAttributes,
            identities::get_identity_dkim_attributes,
        )
        .partly(
            ops::SetIdentityDkimEnabled,
            identities::set_identity_dkim_enabled,
            DKIM,
        )
        .partly(
            ops::SetIdentityMailFromDomain,
            identities::set_identity_mail_from_domain,
            MAIL_FROM,
        )
        .on(
            ops::GetIdentityMailFromDomainAttributes,
            identities::get_identity_mail_from_domain_attributes,
        )
        .partly(
            ops::SetIdentityNotificationTopic,
            notifications::set_identity_notification_topic,
            TOPICS,
        )
        .on(
            ops::SetIdentityFeedbackForwardingEnabled,
            notifications::set_identity_feedback_forwarding_enabled,
        )
        .on(
            ops::SetIdentityHeadersInNotificationsEnabled,
            notifications::set_identity_headers_in_notifications_enabled,
        )
        .on(
            ops::GetIdentityNotificationAttributes,
            notifications::get_identity_notification_attributes,
        )
        .partly(ops::PutIdentityPolicy, policies::put_identity_policy, KEPT)
        .on(ops::DeleteIdentityPolicy, policies::delete_identity_policy)
        .on(ops::GetIdentityPolicies, policies::get_identity_policies)
        .on(ops::ListIdentityPolicies, policies::list_identity_policies);
    let table = table
        .on(ops::CreateTemplate, templates::create_template)
        .on(ops::UpdateTemplate, templates::update_template)
        .on(ops::GetTemplate, templates::get_template)
        .on(ops::DeleteTemplate, templates::delete_template)
        .on(ops::ListTemplates, templates::list_templates)
        .on(ops::TestRenderTemplate, templates::test_render_template)
        .on(ops::CreateConfigurationSet, sets::create_configuration_set)
        .on(ops::DeleteConfigurationSet, sets::delete_configuration_set)
        .on(
            ops::DescribeConfigurationSet,
            sets::describe_configuration_set,
        )
        .on(ops::ListConfigurationSets, sets::list_configuration_sets)
        .on(
            ops::UpdateConfigurationSetSendingEnabled,
            sets::update_configuration_set_sending_enabled,
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
        );
    table
        .partly(ops::SendEmail, send::send_email, SENT)
        .partly(ops::SendRawEmail, send::send_raw_email, SENT)
        .partly(ops::SendTemplatedEmail, send::send_templated_email, SENT)
        .partly(
            ops::SendBulkTemplatedEmail,
            send::send_bulk_templated_email,
            SENT,
        )
        .partly(ops::GetSendQuota, account::get_send_quota, STATISTICS)
        .partly(
            ops::GetSendStatistics,
            account::get_send_statistics,
            STATISTICS,
        )
        .on(
            ops::GetAccountSendingEnabled,
            account::get_account_sending_enabled,
        )
        .on(
            ops::UpdateAccountSendingEnabled,
            account::update_account_sending_enabled,
        )
}
