//! Input that ECS takes though its model does not: what it makes of it before the model is asked.

use super::plan::task_definition;
use neargate_wire::schema::{Kind, Operation, Shape};
use neargate_wire::value::Value;

/// `protocol` is whatever the caller likes: `tcp` unless it is `udp`
/// (a published answer of AWS to `"protocol": "TCP"` has `tcp`).
pub(super) fn admit(operation: &'static Operation, input: &mut Value) {
    if operation.name != "RegisterTaskDefinition" {
        return;
    }
    let Some(shape) = operation.input else { return };
    each(&shape, input, "containerDefinitions", |shape, container| {
        each(shape, container, "portMappings", |shape, mapping| {
            if let Some(Value::Str(protocol)) = member(shape, mapping, "protocol") {
                *protocol = task_definition::protocol(Some(protocol)).to_owned();
            }
        });
    });
}

/// Every element of the list `name` of a structure.
fn each(shape: &Shape, structure: &mut Value, name: &str, mut act: impl FnMut(&Shape, &mut Value)) {
    let list = shape.member(name).map(|(_, list)| list.shape.kind);
    let Some(Kind::List(of)) = list else { return };
    if let Some(Value::List(items)) = member(shape, structure, name) {
        items.iter_mut().for_each(|item| act(&of.shape, item));
    }
}

fn member<'a>(shape: &Shape, structure: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    let (at, _) = shape.member(name)?;
    let Value::Struct(fields) = structure else {
        return None;
    };
    fields.iter_mut().find(|(m, _)| *m == at).map(|(_, v)| v)
}
