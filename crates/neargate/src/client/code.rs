//! The error codes that a command does something about.

/// An error code of a service, as its model has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    AccessDenied,
    /// ECS's for what it does not have or take, where it has no other.
    Client,
    ClusterNotFound,
    ImageAlreadyExists,
    IncompleteSignature,
    InvalidParameter,
    InvalidSignature,
    MissingAuthenticationToken,
    NotImplemented,
    RepositoryAlreadyExists,
    ResourceNotFound,
    ServiceNotActive,
    ServiceNotFound,
    UnknownOperation,
    UnrecognizedClient,
}

const ALL: [Code; 15] = [
    Code::AccessDenied,
    Code::Client,
    Code::ClusterNotFound,
    Code::ImageAlreadyExists,
    Code::IncompleteSignature,
    Code::InvalidParameter,
    Code::InvalidSignature,
    Code::MissingAuthenticationToken,
    Code::NotImplemented,
    Code::RepositoryAlreadyExists,
    Code::ResourceNotFound,
    Code::ServiceNotActive,
    Code::ServiceNotFound,
    Code::UnknownOperation,
    Code::UnrecognizedClient,
];

impl Code {
    /// The code in an answer, without a namespace; `None` for those that no command knows.
    pub fn read(code: &str) -> Option<Code> {
        ALL.into_iter().find(|known| known.as_str() == code)
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Code::AccessDenied => "AccessDeniedException",
            Code::Client => "ClientException",
            Code::ClusterNotFound => "ClusterNotFoundException",
            Code::ImageAlreadyExists => "ImageAlreadyExistsException",
            Code::IncompleteSignature => "IncompleteSignatureException",
            Code::InvalidParameter => "InvalidParameterException",
            Code::InvalidSignature => "InvalidSignatureException",
            Code::MissingAuthenticationToken => "MissingAuthenticationTokenException",
            Code::NotImplemented => "NotImplemented",
            Code::RepositoryAlreadyExists => "RepositoryAlreadyExistsException",
            Code::ResourceNotFound => "ResourceNotFoundException",
            Code::ServiceNotActive => "ServiceNotActiveException",
            Code::ServiceNotFound => "ServiceNotFoundException",
            Code::UnknownOperation => "UnknownOperationException",
            Code::UnrecognizedClient => "UnrecognizedClientException",
        }
    }
}
