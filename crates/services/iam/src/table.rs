//! Which operations are served, and how completely.

use crate::api::{
    access_keys, account, authorization, boundaries, context_keys, credential_report, grants,
    groups, instance_profiles, login_profiles, mfa_devices, oidc_providers, policies, roles,
    server_certificates, service_credentials, service_linked_roles, signing_certificates, simulate,
    ssh_keys, tags, users,
};
use crate::call::{act, change, read};
use crate::{Iam, error};
use neargate_api_iam::{SERVICE, ops};
use neargate_service::OperationTable;
use std::sync::Arc;

const AWS: &str = "AWS's own policies are those of the services that we know and of those they are \
    commonly used with, in their newest version of 2026";
const VERSIONS: &str = "of AWS's own policies only the newest version of 2026 is known";
const BEDROCK: &str = "API keys for Bedrock are refused";
const CONSOLE: &str = "there is no console yet to sign in to";
const DELETED: &str = "at once, or not at all: looked for are meshes, Auto Scaling groups, scalable targets, clusters, \
    load balancers, database instances and notification rules";
const EXCLUDED: &str = "a list of policies to leave out is refused; there are no organisations";
const LINKED: &str = "ECS, Elastic Load Balancing, both Auto Scalings, RDS, App Mesh and CodeStar Notifications make their role \
    themselves, whoever calls; the other services do not";
const ROLE_USE: &str = "when a role was last used is not said";
const ROOT: &str = "an account's root has no date";
const LISTENERS: &str = "certificates are kept; listeners take those of ACM alone";
const SIGNING: &str = "certificates are kept; nothing takes requests that are signed with one";
const SIMULATED: &str = "policies of organisations are refused: there are none";
const THUMB: &str =
    "thumbprints are kept and not fetched, as AWS does where it trusts the authority";

pub fn table(iam: Arc<Iam>) -> OperationTable<Iam> {
    OperationTable::new(&SERVICE, iam)
        .wording(error::invalid)
        .without_users_sessions()
        .on(
            ops::AddClientIDToOpenIDConnectProvider,
            act(oidc_providers::add_client_id_to_open_id_connect_provider),
        )
        .on(
            ops::AddRoleToInstanceProfile,
            act(instance_profiles::add_role_to_instance_profile),
        )
        .on(ops::AddUserToGroup, act(groups::add_user_to_group))
        .on(ops::AttachGroupPolicy, act(grants::attach_group_policy))
        .on(ops::AttachRolePolicy, act(grants::attach_role_policy))
        .on(ops::AttachUserPolicy, act(grants::attach_user_policy))
        .on(ops::ChangePassword, login_profiles::change_password)
        .on(ops::CreateAccessKey, change(access_keys::create_access_key))
        .on(ops::CreateAccountAlias, act(account::create_account_alias))
        .on(ops::CreateGroup, change(groups::create_group))
        .on(
            ops::CreateInstanceProfile,
            change(instance_profiles::create_instance_profile),
        )
        .partly(
            ops::CreateLoginProfile,
            login_profiles::create_login_profile,
            CONSOLE,
        )
        .partly(
            ops::CreateOpenIDConnectProvider,
            change(oidc_providers::create_open_id_connect_provider),
            THUMB,
        )
        .on(ops::CreatePolicy, change(policies::create_policy))
        .on(
            ops::CreatePolicyVersion,
            change(policies::create_policy_version),
        )
        .on(ops::CreateRole, change(roles::create_role))
        .partly(
            ops::CreateServiceLinkedRole,
            change(service_linked_roles::create_service_linked_role),
            LINKED,
        )
        .partly(
            ops::CreateServiceSpecificCredential,
            change(service_credentials::create_service_specific_credential),
            BEDROCK,
        )
        .on(ops::CreateUser, change(users::create_user))
        .on(
            ops::DeactivateMFADevice,
            act(mfa_devices::deactivate_mfa_device),
        )
        .on(
            ops::CreateVirtualMFADevice,
            change(mfa_devices::create_virtual_mfa_device),
        )
        .on(ops::DeleteAccessKey, act(access_keys::delete_access_key))
        .on(ops::DeleteAccountAlias, act(account::delete_account_alias))
        .on(
            ops::DeleteAccountPasswordPolicy,
            act(account::delete_account_password_policy),
        )
        .on(ops::DeleteGroup, act(groups::delete_group))
        .on(ops::DeleteGroupPolicy, act(grants::delete_group_policy))
        .on(
            ops::DeleteInstanceProfile,
            act(instance_profiles::delete_instance_profile),
        )
        .on(
            ops::DeleteLoginProfile,
            act(login_profiles::delete_login_profile),
        )
        .on(
            ops::DeleteOpenIDConnectProvider,
            act(oidc_providers::delete_open_id_connect_provider),
        )
        .on(ops::DeletePolicy, act(policies::delete_policy))
        .on(
            ops::DeletePolicyVersion,
            act(policies::delete_policy_version),
        )
        .on(ops::DeleteRole, act(roles::delete_role))
        .on(
            ops::DeleteRolePermissionsBoundary,
            act(boundaries::delete_role_permissions_boundary),
        )
        .on(ops::DeleteRolePolicy, act(grants::delete_role_policy))
        .on(
            ops::DeleteSSHPublicKey,
            act(ssh_keys::delete_ssh_public_key),
        )
        .on(
            ops::DeleteServerCertificate,
            act(server_certificates::delete_server_certificate),
        )
        .partly(
            ops::DeleteServiceLinkedRole,
            service_linked_roles::delete_service_linked_role,
            DELETED,
        )
        .on(
            ops::DeleteServiceSpecificCredential,
            act(service_credentials::delete_service_specific_credential),
        )
        .on(
            ops::DeleteSigningCertificate,
            act(signing_certificates::delete_signing_certificate),
        )
        .on(ops::DeleteUser, act(users::delete_user))
        .on(
            ops::DeleteUserPermissionsBoundary,
            act(boundaries::delete_user_permissions_boundary),
        )
        .on(ops::DeleteUserPolicy, act(grants::delete_user_policy))
        .on(
            ops::DeleteVirtualMFADevice,
            act(mfa_devices::delete_virtual_mfa_device),
        )
        .on(ops::DetachGroupPolicy, act(grants::detach_group_policy))
        .on(ops::DetachRolePolicy, act(grants::detach_role_policy))
        .on(ops::DetachUserPolicy, act(grants::detach_user_policy))
        .on(ops::EnableMFADevice, act(mfa_devices::enable_mfa_device))
        .on(
            ops::GenerateCredentialReport,
            change(credential_report::generate_credential_report),
        )
        .on(
            ops::GetAccessKeyLastUsed,
            read(access_keys::get_access_key_last_used),
        )
        .partly(
            ops::GetAccountAuthorizationDetails,
            read(authorization::get_account_authorization_details),
            ROLE_USE,
        )
        .on(
            ops::GetAccountPasswordPolicy,
            read(account::get_account_password_policy),
        )
        .on(ops::GetAccountSummary, read(account::get_account_summary))
        .on(
            ops::GetContextKeysForCustomPolicy,
            read(context_keys::get_context_keys_for_custom_policy),
        )
        .on(
            ops::GetContextKeysForPrincipalPolicy,
            read(context_keys::get_context_keys_for_principal_policy),
        )
        .on(
            ops::GetCredentialReport,
            read(credential_report::get_credential_report),
        )
        .on(ops::GetGroup, read(groups::get_group))
        .on(ops::GetGroupPolicy, read(grants::get_group_policy))
        .on(
            ops::GetInstanceProfile,
            read(instance_profiles::get_instance_profile),
        )
        .on(
            ops::GetLoginProfile,
            read(login_profiles::get_login_profile),
        )
        .on(ops::GetMFADevice, read(mfa_devices::get_mfa_device))
        .on(
            ops::GetOpenIDConnectProvider,
            read(oidc_providers::get_open_id_connect_provider),
        )
        .on(ops::GetPolicy, read(policies::get_policy))
        .partly(
            ops::GetPolicyVersion,
            read(policies::get_policy_version),
            VERSIONS,
        )
        .partly(ops::GetRole, read(roles::get_role), ROLE_USE)
        .on(ops::GetRolePolicy, read(grants::get_role_policy))
        .on(ops::GetSSHPublicKey, read(ssh_keys::get_ssh_public_key))
        .on(
            ops::GetServerCertificate,
            read(server_certificates::get_server_certificate),
        )
        .on(
            ops::GetServiceLinkedRoleDeletionStatus,
            service_linked_roles::get_service_linked_role_deletion_status,
        )
        .partly(ops::GetUser, read(users::get_user), ROOT)
        .on(ops::GetUserPolicy, read(grants::get_user_policy))
        .on(ops::ListAccessKeys, read(access_keys::list_access_keys))
        .on(ops::ListAccountAliases, read(account::list_account_aliases))
        .on(
            ops::ListAttachedGroupPolicies,
            read(grants::list_attached_group_policies),
        )
        .on(
            ops::ListAttachedRolePolicies,
            read(grants::list_attached_role_policies),
        )
        .on(
            ops::ListAttachedUserPolicies,
            read(grants::list_attached_user_policies),
        )
        .on(
            ops::ListEntitiesForPolicy,
            read(policies::list_entities_for_policy),
        )
        .on(ops::ListGroupPolicies, read(grants::list_group_policies))
        .on(ops::ListGroups, read(groups::list_groups))
        .on(ops::ListGroupsForUser, read(groups::list_groups_for_user))
        .on(
            ops::ListInstanceProfileTags,
            read(tags::list_instance_profile_tags),
        )
        .on(
            ops::ListInstanceProfiles,
            read(instance_profiles::list_instance_profiles),
        )
        .on(
            ops::ListInstanceProfilesForRole,
            read(instance_profiles::list_instance_profiles_for_role),
        )
        .on(ops::ListMFADeviceTags, read(tags::list_mfa_device_tags))
        .on(ops::ListMFADevices, read(mfa_devices::list_mfa_devices))
        .on(
            ops::ListOpenIDConnectProviderTags,
            read(tags::list_open_id_connect_provider_tags),
        )
        .on(
            ops::ListOpenIDConnectProviders,
            read(oidc_providers::list_open_id_connect_providers),
        )
        .partly(ops::ListPolicies, read(policies::list_policies), AWS)
        .on(ops::ListPolicyTags, read(tags::list_policy_tags))
        .partly(
            ops::ListPolicyVersions,
            read(policies::list_policy_versions),
            VERSIONS,
        )
        .on(ops::ListRolePolicies, read(grants::list_role_policies))
        .on(ops::ListRoleTags, read(tags::list_role_tags))
        .on(ops::ListRoles, read(roles::list_roles))
        .on(ops::ListSAMLProviders, read(account::list_saml_providers))
        .on(ops::ListSSHPublicKeys, read(ssh_keys::list_ssh_public_keys))
        .on(
            ops::ListServerCertificateTags,
            read(tags::list_server_certificate_tags),
        )
        .on(
            ops::ListServerCertificates,
            read(server_certificates::list_server_certificates),
        )
        .on(
            ops::ListServiceSpecificCredentials,
            read(service_credentials::list_service_specific_credentials),
        )
        .on(
            ops::ListSigningCertificates,
            read(signing_certificates::list_signing_certificates),
        )
        .on(ops::ListUserPolicies, read(grants::list_user_policies))
        .on(ops::ListUserTags, read(tags::list_user_tags))
        .on(ops::ListUsers, read(users::list_users))
        .on(
            ops::ListVirtualMFADevices,
            read(mfa_devices::list_virtual_mfa_devices),
        )
        .on(ops::PutGroupPolicy, act(grants::put_group_policy))
        .on(
            ops::PutRolePermissionsBoundary,
            act(boundaries::put_role_permissions_boundary),
        )
        .on(ops::PutRolePolicy, act(grants::put_role_policy))
        .on(
            ops::PutUserPermissionsBoundary,
            act(boundaries::put_user_permissions_boundary),
        )
        .on(ops::PutUserPolicy, act(grants::put_user_policy))
        .on(
            ops::RemoveClientIDFromOpenIDConnectProvider,
            act(oidc_providers::remove_client_id_from_open_id_connect_provider),
        )
        .on(
            ops::RemoveRoleFromInstanceProfile,
            act(instance_profiles::remove_role_from_instance_profile),
        )
        .on(
            ops::RemoveUserFromGroup,
            act(groups::remove_user_from_group),
        )
        .on(
            ops::ResetServiceSpecificCredential,
            change(service_credentials::reset_service_specific_credential),
        )
        .on(ops::ResyncMFADevice, act(mfa_devices::resync_mfa_device))
        .on(
            ops::SetDefaultPolicyVersion,
            act(policies::set_default_policy_version),
        )
        .on(
            ops::SetSecurityTokenServicePreferences,
            act(account::set_security_token_service_preferences),
        )
        .partly(
            ops::SimulateCustomPolicy,
            read(simulate::simulate_custom_policy),
            SIMULATED,
        )
        .partly(
            ops::SimulatePrincipalPolicy,
            read(simulate::simulate_principal_policy),
            EXCLUDED,
        )
        .on(ops::TagInstanceProfile, act(tags::tag_instance_profile))
        .on(ops::TagMFADevice, act(tags::tag_mfa_device))
        .on(
            ops::TagOpenIDConnectProvider,
            act(tags::tag_open_id_connect_provider),
        )
        .on(ops::TagPolicy, act(tags::tag_policy))
        .on(ops::TagRole, act(tags::tag_role))
        .on(ops::TagServerCertificate, act(tags::tag_server_certificate))
        .on(ops::TagUser, act(tags::tag_user))
        .on(ops::UntagInstanceProfile, act(tags::untag_instance_profile))
        .on(ops::UntagMFADevice, act(tags::untag_mfa_device))
        .on(
            ops::UntagOpenIDConnectProvider,
            act(tags::untag_open_id_connect_provider),
        )
        .on(ops::UntagPolicy, act(tags::untag_policy))
        .on(ops::UntagRole, act(tags::untag_role))
        .on(
            ops::UntagServerCertificate,
            act(tags::untag_server_certificate),
        )
        .on(ops::UntagUser, act(tags::untag_user))
        .on(ops::UpdateAccessKey, act(access_keys::update_access_key))
        .on(
            ops::UpdateAccountPasswordPolicy,
            act(account::update_account_password_policy),
        )
        .on(
            ops::UpdateAssumeRolePolicy,
            act(roles::update_assume_role_policy),
        )
        .on(ops::UpdateGroup, act(groups::update_group))
        .partly(
            ops::UpdateLoginProfile,
            login_profiles::update_login_profile,
            CONSOLE,
        )
        .on(
            ops::UpdateOpenIDConnectProviderThumbprint,
            act(oidc_providers::update_open_id_connect_provider_thumbprint),
        )
        .on(ops::UpdateRole, change(roles::update_role))
        .on(
            ops::UpdateRoleDescription,
            change(roles::update_role_description),
        )
        .on(
            ops::UpdateSSHPublicKey,
            act(ssh_keys::update_ssh_public_key),
        )
        .on(
            ops::UpdateServerCertificate,
            act(server_certificates::update_server_certificate),
        )
        .on(
            ops::UpdateServiceSpecificCredential,
            act(service_credentials::update_service_specific_credential),
        )
        .on(
            ops::UpdateSigningCertificate,
            act(signing_certificates::update_signing_certificate),
        )
        .on(ops::UpdateUser, act(users::update_user))
        .on(
            ops::UploadSSHPublicKey,
            change(ssh_keys::upload_ssh_public_key),
        )
        .partly(
            ops::UploadServerCertificate,
            change(server_certificates::upload_server_certificate),
            LISTENERS,
        )
        .partly(
            ops::UploadSigningCertificate,
            change(signing_certificates::upload_signing_certificate),
            SIGNING,
        )
}
