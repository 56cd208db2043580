//! Exceptions, each with its reason.

use std::collections::HashMap;
use std::sync::LazyLock;

const GZIP: &str = "the vector gives no body, only the Content-Encoding a compressing client sends";
const TOKEN: &str = "the client fills in the idempotency token; the parameters do not hold it";

/// (kind, case) that are not run.
static SKIPPED: LazyLock<HashMap<(&str, &str), &str>> = LazyLock::new(|| {
    HashMap::from([
        (("input", "SDKAppliedContentEncoding_ec2Query"), GZIP),
        (
            (
                "input",
                "SDKAppendsGzipAndIgnoresHttpProvidedEncoding_ec2Query",
            ),
            GZIP,
        ),
        (("input", "SDKAppliedContentEncoding_awsQuery"), GZIP),
        (
            (
                "input",
                "SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsQuery",
            ),
            GZIP,
        ),
        (("input", "SDKAppliedContentEncoding_awsJson1_0"), GZIP),
        (
            (
                "input",
                "SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsJson1_0",
            ),
            GZIP,
        ),
        (("input", "SDKAppliedContentEncoding_awsJson1_1"), GZIP),
        (
            (
                "input",
                "SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsJson1_1",
            ),
            GZIP,
        ),
        (("input", "SDKAppliedContentEncoding_restJson1"), GZIP),
        (
            ("input", "SDKAppendedGzipAfterProvidedEncoding_restJson1"),
            GZIP,
        ),
        (("input", "SDKAppliedContentEncoding_restXml"), GZIP),
        (
            ("input", "SDKAppendedGzipAfterProvidedEncoding_restXml"),
            GZIP,
        ),
        (("input", "Ec2ProtocolIdempotencyTokenAutoFill"), TOKEN),
        (("input", "QueryProtocolIdempotencyTokenAutoFill"), TOKEN),
        (("input", "RestJsonQueryIdempotencyTokenAutoFill"), TOKEN),
        (("input", "QueryIdempotencyTokenAutoFill"), TOKEN),
    ])
});

/// The wire form does not tell an empty list, map, structure or text from an absent one: both
/// sides are compared without empty members.
pub(super) const EMPTY_IS_ABSENT: &[&str] = &[
    "Ec2EmptyQueryLists",
    "QueryEmptyQueryMaps",
    "RestJsonHttpPrefixHeadersAreNotPresent",
    "HttpPrefixHeadersAreNotPresent",
    "RestJsonOmitsEmptyListQueryValues",
    // A client sends `{}` for a payload structure that is not set.
    "RestJsonHttpWithEmptyStructurePayload",
    "RestJsonHttpWithHeadersButNoPayload",
];

/// The reply is in a form that clients must accept but that servers need not send: our reply
/// must read the same, but need not be the same.
pub(super) const CLIENTS_ONLY: &[&str] = &[
    // Times with an offset other than Z.
    "Ec2QueryDateTimeWithNegativeOffset",
    "Ec2QueryDateTimeWithPositiveOffset",
    "AwsQueryDateTimeWithNegativeOffset",
    "AwsQueryDateTimeWithPositiveOffset",
    "AwsJson11DateTimeWithNegativeOffset",
    "AwsJson11DateTimeWithPositiveOffset",
    "RestJsonDateTimeWithNegativeOffset",
    "RestJsonDateTimeWithPositiveOffset",
    "RestXmlDateTimeWithNegativeOffset",
    "RestXmlDateTimeWithPositiveOffset",
    // No body at all where we send the empty document.
    "QueryEmptyInputAndEmptyOutput",
    "QueryNoInputAndOutput",
    "empty_output_no_body",
    // Members that the model does not have.
    "RpcV2CborExtraFieldsInTheBodyShouldBeSkippedByClients",
    "RpcV2CborPayloadWithUnsetUnion",
    // The vector leaves out the namespace that its own model gives the structure.
    "Ec2XmlNamespaces",
    "QueryXmlNamespaces",
];

pub(super) fn skipped(kind: &str, id: &str) -> bool {
    SKIPPED.contains_key(&(kind, id))
}
