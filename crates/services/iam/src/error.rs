//! IAM's errors, one constructor each
//! (<https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html>). The sentences are
//! those that AWS was seen to answer.

use neargate_service::AwsError;
use neargate_service::tags::InvalidTags;
use neargate_wire::validate::{Constraint, Invalid};

/// Input that breaks the model. For names and paths of wrong letters IAM has sentences of its own.
pub fn invalid(invalid: &Invalid) -> AwsError {
    let [only] = invalid.violations.as_slice() else {
        return validation(invalid.to_string());
    };
    let name = only.path.as_str();
    match (&only.constraint, name) {
        (Constraint::Pattern(_), "path" | "newPath") => validation(format!(
            "The specified value for {name} is invalid. It must begin and end with / and contain \
             only alphanumeric characters and/or / characters."
        )),
        (Constraint::Pattern(_), name) if NAMES.contains(&name) => validation(format!(
            "The specified value for {name} is invalid. It must contain only alphanumeric \
             characters and/or the following: +=,.@_-"
        )),
        _ => validation(invalid.to_string()),
    }
}

const NAMES: [&str; 7] = [
    "userName",
    "newUserName",
    "groupName",
    "newGroupName",
    "roleName",
    "policyName",
    "instanceProfileName",
];

pub fn validation(message: impl Into<String>) -> AwsError {
    AwsError::client("ValidationError", message)
}

pub fn invalid_input(message: impl Into<String>) -> AwsError {
    AwsError::client("InvalidInput", message)
}

/// Something here went wrong.
pub fn service_failure() -> AwsError {
    AwsError::server(
        "ServiceFailure",
        "The request processing has failed because of an unknown error, exception or failure.",
    )
}

pub fn no_such_entity(message: impl Into<String>) -> AwsError {
    AwsError::client("NoSuchEntity", message).status(404)
}

/// `The user with name x cannot be found.`
pub fn not_found(noun: &str, name: &str) -> AwsError {
    no_such_entity(format!("The {noun} with name {name} cannot be found."))
}

/// `The Access Key with id x cannot be found.`
pub fn id_not_found(noun: &str, id: &str) -> AwsError {
    no_such_entity(format!("The {noun} with id {id} cannot be found."))
}

pub fn profile_not_found(name: &str) -> AwsError {
    no_such_entity(format!("Instance Profile {name} cannot be found."))
}

pub fn policy_not_found(arn: &str) -> AwsError {
    no_such_entity(format!("Policy {arn} was not found."))
}

pub fn policy_not_attachable(arn: &str) -> AwsError {
    no_such_entity(format!("Policy {arn} does not exist or is not attachable."))
}

/// Nobody but AWS changes AWS's policies.
pub fn aws_owned(arn: &str) -> AwsError {
    let message = format!("Cannot perform the operation on the AWS managed policy {arn}");
    AwsError::client("AccessDenied", message).status(403)
}

/// A policy that only AWS's own services attach.
pub fn policy_not_yours(arn: &str) -> AwsError {
    AwsError::client(
        "PolicyNotAttachable",
        format!("Cannot attach a Service Role Policy to a Customer Role.: {arn}"),
    )
}

pub fn boundary_not_found(arn: &str) -> AwsError {
    no_such_entity(format!(
        "Scope ARN: {arn} does not exist or is not attachable."
    ))
}

pub fn not_a_boundary(arn: &str) -> AwsError {
    AwsError::client(
        "InvalidParameterValue",
        format!("Value ({arn}) for parameter PermissionsBoundary is invalid."),
    )
}

pub fn version_not_found(arn: &str, version: &str) -> AwsError {
    no_such_entity(format!(
        "Policy {arn} version {version} does not exist or is not attachable."
    ))
}

pub fn invalid_arn() -> AwsError {
    validation("Invalid ARN:  Could not be parsed!")
}

pub fn credential_not_found(id: &str) -> AwsError {
    no_such_entity(format!("No such credential {id} exists"))
}

pub fn provider_not_found(arn: &str) -> AwsError {
    no_such_entity(format!("OpenIDConnect Provider not found for arn {arn}"))
}

pub fn password_policy_not_found(account: &str) -> AwsError {
    no_such_entity(format!(
        "The Password Policy with domain name {account} cannot be found."
    ))
}

pub fn login_profile_not_found(user: &str) -> AwsError {
    no_such_entity(format!("Login Profile for User {user} cannot be found."))
}

fn already_exists(message: impl Into<String>) -> AwsError {
    AwsError::client("EntityAlreadyExists", message).status(409)
}

/// `User with name x already exists.`
pub fn name_taken(noun: &str, name: &str) -> AwsError {
    already_exists(format!("{noun} with name {name} already exists."))
}

pub fn profile_taken(name: &str) -> AwsError {
    already_exists(format!("Instance Profile {name} already exists."))
}

pub fn policy_taken(name: &str) -> AwsError {
    already_exists(format!(
        "A policy called {name} already exists. Duplicate names are not allowed."
    ))
}

pub fn provider_taken(url: &str) -> AwsError {
    already_exists(format!("Provider with url {url} already exists."))
}

pub fn login_profile_taken(user: &str) -> AwsError {
    already_exists(format!("Login Profile for user {user} already exists."))
}

pub fn alias_taken(alias: &str) -> AwsError {
    already_exists(format!("The account alias {alias} already exists."))
}

pub fn ssh_key_taken() -> AwsError {
    AwsError::client(
        "DuplicateSSHPublicKey",
        "The SSH public key is already associated with the specified IAM user.",
    )
}

pub fn signing_certificate_taken() -> AwsError {
    AwsError::client(
        "DuplicateCertificate",
        "The same certificate is associated with an IAM user in the account.",
    )
    .status(409)
}

/// A role that a service made for itself and that was asked for again.
pub fn service_role_taken(name: &str) -> AwsError {
    invalid_input(format!(
        "Service role name {name} has been taken in this account, please try a different suffix."
    ))
}

pub fn no_suffix(service: &str) -> AwsError {
    invalid_input(format!("Custom suffix is not allowed for {service}"))
}

/// `Cannot delete entity, must detach all policies first.`
pub fn in_use(must: &str) -> AwsError {
    conflict(format!("Cannot delete entity, must {must} first."))
}

pub fn referenced() -> AwsError {
    conflict("Cannot delete entity, must remove referenced objects first.")
}

pub fn conflict(message: impl Into<String>) -> AwsError {
    AwsError::client("DeleteConflict", message).status(409)
}

/// `Cannot exceed quota for AccessKeysPerUser: 2`
pub fn quota(of: &str, most: usize) -> AwsError {
    limit(format!("Cannot exceed quota for {of}: {most}"))
}

pub fn too_many_versions() -> AwsError {
    limit(
        "A managed policy can have up to 5 versions. Before you create a new version, you must \
         delete an existing version.",
    )
}

/// All inline policies together are too long.
pub fn inline_too_long(noun: &str, name: &str, most: usize) -> AwsError {
    limit(format!(
        "Maximum policy size of {most} bytes exceeded for {noun} {name}"
    ))
}

fn limit(message: impl Into<String>) -> AwsError {
    AwsError::client("LimitExceeded", message).status(409)
}

pub fn malformed_policy(message: impl Into<String>) -> AwsError {
    AwsError::client("MalformedPolicyDocument", message)
}

pub fn malformed_certificate(message: &str) -> AwsError {
    AwsError::client("MalformedCertificate", message)
}

/// The key is not that of the certificate.
pub fn key_pair_mismatch() -> AwsError {
    AwsError::client(
        "KeyPairMismatch",
        "Certificate and private key do not match.",
    )
}

pub fn server_certificate_not_found(name: &str) -> AwsError {
    no_such_entity(format!(
        "The Server Certificate with name {name} cannot be found."
    ))
}

pub fn server_certificate_taken(name: &str) -> AwsError {
    already_exists(format!(
        "The Server Certificate with name {name} already exists."
    ))
}

/// A role that is linked to a service.
pub fn protected(role: &str) -> AwsError {
    AwsError::client(
        "UnmodifiableEntity",
        format!(
            "Cannot perform the operation on the protected role '{role}' - this role is only \
             modifiable by AWS"
        ),
    )
}

pub fn password_rules() -> AwsError {
    AwsError::client(
        "PasswordPolicyViolation",
        "Password does not conform to the account password policy.",
    )
}

pub fn wrong_password() -> AwsError {
    AwsError::client("InvalidUserType", "The old password was incorrect.")
}

pub fn mfa_device_not_found(serial: &str) -> AwsError {
    no_such_entity(format!(
        "VirtualMFADevice with serial number {serial} doesn't exist."
    ))
}

/// It is enabled for somebody else, or for nobody.
pub fn mfa_device_invalid() -> AwsError {
    no_such_entity("MFA Device invalid for user.")
}

pub fn mfa_device_taken() -> AwsError {
    already_exists("MFADevice entity at the same path and name already exists.")
}

pub fn mfa_device_in_use() -> AwsError {
    already_exists("MFA Device is already in use.")
}

pub fn wrong_mfa_code() -> AwsError {
    AwsError::client(
        "InvalidAuthenticationCode",
        "Authentication code for device is not valid.",
    )
    .status(403)
}

/// Only users have what was asked for.
pub fn users_only() -> AwsError {
    validation("Must specify userName when calling with non-User credentials")
}

pub fn marker() -> AwsError {
    validation("Invalid Marker.")
}

pub fn unknown_ssh_encoding() -> AwsError {
    AwsError::client(
        "UnrecognizedPublicKeyEncoding",
        "The public key encoding format is unsupported or unrecognized.",
    )
}

pub fn invalid_ssh_key() -> AwsError {
    AwsError::client(
        "InvalidPublicKey",
        "The public key is malformed or otherwise invalid.",
    )
}

pub fn unsupported_service(service: &str) -> AwsError {
    no_such_entity(format!(
        "No such service {service} is supported for Service Specific Credentials"
    ))
}

pub fn report_not_present() -> AwsError {
    AwsError::client("ReportNotPresent", "No report is present.").status(410)
}

pub fn invalid_tags(why: InvalidTags) -> AwsError {
    match why {
        InvalidTags::Duplicate => invalid_input(why.to_string()),
        InvalidTags::TooMany => limit("The number of tags has reached the maximum limit of 50."),
        InvalidTags::Reserved => {
            invalid_input("aws: prefixed tag key names are not allowed for external use.")
        }
        other => validation(other.to_string()),
    }
}
