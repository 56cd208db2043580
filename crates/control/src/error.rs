//! The errors of what is no AWS operation: our own pages, the operator's socket, the node API.

use neargate_service::AwsError;

/// The code of an error that is none of AWS's.
const REFUSED: &str = "Refused";

/// What an operator or his node asked for is refused, with a text for him.
pub(crate) fn refused(message: impl Into<String>) -> AwsError {
    AwsError::client(REFUSED, message)
}

/// What a person is told of an error. AWS's errors keep their code, as AWS's agent shows them; one
/// that is only a text has none to show.
pub(crate) fn text(error: &AwsError) -> String {
    if error.is(REFUSED) {
        error.message.clone()
    } else {
        error.to_string()
    }
}

/// The query of a page cannot be read.
pub(crate) fn invalid_query(why: impl Into<String>) -> AwsError {
    AwsError::client("ValidationException", why)
}

/// This host cannot be an instance of the type.
pub(crate) fn invalid_instance_type(why: impl Into<String>) -> AwsError {
    AwsError::client("InvalidParameterException", why)
}

/// The body of a page's request cannot be read.
pub(crate) fn invalid_body(why: &serde_json::Error) -> AwsError {
    AwsError::client("SerializationException", why.to_string())
}

pub(crate) fn no_such_service(cluster: &str, service: &str) -> AwsError {
    AwsError::client(
        "ServiceNotFoundException",
        format!("There is no service {service} in the cluster {cluster}."),
    )
}

pub(crate) fn no_such_mail(id: &str) -> AwsError {
    AwsError::client("NotFoundException", format!("There is no mail {id}."))
}

pub(crate) fn several_mails(id: &str) -> AwsError {
    let message = format!("The ids of several mails have {id} in them; give more of it.");
    AwsError::client("ValidationException", message)
}

pub(crate) fn no_such_load_balancer(name: &str) -> AwsError {
    AwsError::client(
        "LoadBalancerNotFound",
        format!("There is no load balancer {name}."),
    )
}

pub(crate) fn nothing_to_publish() -> AwsError {
    AwsError::client(
        "InvalidParameterException",
        "Either a service or a load balancer is published.",
    )
}

pub(crate) fn port_published(port: u16, to: &str) -> AwsError {
    AwsError::client(
        "InvalidParameterException",
        format!("Port {port} leads to {to} of another account or region already."),
    )
}

pub(crate) fn port_not_published(port: u16) -> AwsError {
    AwsError::client(
        "InvalidParameterException",
        format!(
            "Port {port} is not published; `neargate publish` without more shows those that are."
        ),
    )
}

pub(crate) fn wrong_method() -> AwsError {
    let message = "The page exists, but not for this method.";
    AwsError::client("UnsupportedOperation", message).status(405)
}

pub(crate) fn no_such_page() -> AwsError {
    AwsError::client("UnknownOperationException", "no such page").status(404)
}
