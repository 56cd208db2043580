//! What AWS takes though its model does not say so: an empty text of a parameter that may be missing
//! means that it is, as Terraform sends `ProtocolVersion=`.

use neargate_wire::schema::Operation;
use neargate_wire::value::Value;

/// Texts within lists and structures are left: there an empty one can be meant, as in a redirect's
/// query.
pub(crate) fn admit(operation: &'static Operation, input: &mut Value) {
    let (Some(shape), Value::Struct(fields)) = (operation.input, input) else {
        return;
    };
    let members = shape.members();
    fields.retain(|(at, value)| {
        let is_required = members.get(*at).is_some_and(|m| m.required);
        is_required || value.as_str() != Some("")
    });
}
