//! Why something failed, in the sentences that events show.

use neargate_service::AwsError;

/// The code of input that does not fit an operation.
pub const MISFIT: &str = "Neargate.Misfit";

/// What keeps a resource from being as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub reason: String,
    /// It may be otherwise in a while.
    pub is_passing: bool,
    /// What is asked for is not there.
    pub is_missing: bool,
}

impl Problem {
    pub fn new(reason: impl Into<String>) -> Problem {
        Problem {
            reason: reason.into(),
            is_passing: false,
            is_missing: false,
        }
    }

    pub fn internal(why: &str) -> Problem {
        Problem::new(format!("Internal Failure: {why}"))
    }

    pub fn exists(kind: &str, id: &str, token: &str) -> Problem {
        Problem::new(format!(
            "Resource handler returned message: \"Resource of type '{kind}' with identifier '{id}' already exists.\" (RequestToken: {token}, HandlerErrorCode: AlreadyExists)"
        ))
    }

    pub fn not_stabilized(why: &str) -> Problem {
        Problem::new(format!(
            "Resource handler returned message: \"{why}\" (HandlerErrorCode: NotStabilized)"
        ))
    }

    pub fn of(error: &AwsError, token: &str, logical_id: &str) -> Problem {
        let reason = match error.code.as_str() {
            MISFIT => format!(
                "Properties validation failed for resource {logical_id} with message:\n[{}]",
                error.message
            ),
            _ => format!(
                "Resource handler returned message: \"{}\" (RequestToken: {token}, HandlerErrorCode: {})",
                error.message,
                handler_code(error)
            ),
        };
        Problem {
            reason,
            is_passing: error.status == 503
                || IN_USE.iter().any(|code| error.code.starts_with(code)),
            is_missing: is_missing(error),
        }
    }
}

/// Something else still holds on to it.
const IN_USE: [&str; 8] = [
    "DependencyViolation",
    "ResourceInUse",
    "DeleteConflict",
    "ClusterContains",
    "InvalidGroup.InUse",
    "InvalidIPAddress.InUse",
    "Throttling",
    "InvalidParameterValue.Busy",
];

pub fn is_missing(error: &AwsError) -> bool {
    let code = error.code.as_str();
    let said = ["NotFound", "NoSuch", "NonExistent", "DoesNotExist", "404"];
    said.iter().any(|part| code.contains(part))
        || matches!(code, "ParameterNotFound" | "ServiceNotActiveException")
}

fn handler_code(error: &AwsError) -> &'static str {
    let code = error.code.as_str();
    match code {
        _ if is_missing(error) => "NotFound",
        _ if code.contains("AlreadyExists")
            || code.contains("Duplicate")
            || code.contains("AlreadyOwned") =>
        {
            "AlreadyExists"
        }
        _ if code.contains("AccessDenied") || code.contains("Unauthorized") => "AccessDenied",
        _ if code.contains("Limit") || code.contains("Quota") => "ServiceLimitExceeded",
        _ if code.contains("Conflict") || code.contains("InUse") => "ResourceConflict",
        _ if error.status >= 500 => "GeneralServiceException",
        _ => "InvalidRequest",
    }
}
