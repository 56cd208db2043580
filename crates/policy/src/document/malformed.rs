//! Why a text is no policy, in IAM's words for `MalformedPolicyDocument`.

/// What is wrong with a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("Syntax errors in policy.")]
    Syntax,
    #[error("Policy document must be version 2012-10-17 or greater.")]
    Version,
    #[error("The policy failed legacy parsing")]
    Legacy,
    #[error("Statement IDs (SID) in a single policy must be unique.")]
    Sids,
    #[error("Policy statement must contain actions.")]
    NoActions,
    #[error("Policy statement must contain resources.")]
    NoResources,
    #[error("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")]
    NoVendor,
    #[error("Actions/Condition can contain only one colon.")]
    Colons,
    #[error("Vendor {0} is not valid")]
    Vendor(String),
    #[error("Resource {0} must be in ARN format or \"*\".")]
    Resource(String),
    #[error("Partition \"{partition}\" is not valid for resource \"{resource}\".")]
    Partition { partition: String, resource: String },
    #[error("Resource vendor must be fully qualified and cannot contain regexes.")]
    ResourceVendor,
    #[error("IAM resource {0} cannot contain region information.")]
    IamRegion(String),
    #[error("Resource {0} can not contain region information.")]
    Region(String),
    #[error(
        "IAM resource path must either be \"*\" or start with user/, federated-user/, role/, \
         group/, instance-profile/, mfa/, server-certificate/, policy/, sms-mfa/, saml-provider/, \
         oidc-provider/, report/, access-report/."
    )]
    IamPath,
    #[error("Policy document should not specify a principal.")]
    HasPrincipal,
    #[error("Policy statement must contain principals.")]
    NoPrincipals,
    #[error("Invalid principal in policy: \"{kind}\":\"{value}\"")]
    Principal { kind: String, value: String },
    #[error("Has prohibited field Resource.")]
    HasResource,
    #[error("AssumeRole policy may only specify STS AssumeRole actions.")]
    TrustActions,
}
