//! No bytes from the network make a decoder panic.

use super::{Request, cbor, form, text, xml};
use crate::schema::{Kind, Member, SHAPE, Shape, Target, TimestampFormat, member};
use bytes::Bytes;
use proptest::prelude::*;

static TEXT: Shape = Shape {
    name: "Text",
    kind: Kind::String,
    ..SHAPE
};
static MEMBERS: [Member; 1] = [member("text", Target::Here(&TEXT))];
static ROOT: Shape = Shape {
    name: "Root",
    kind: Kind::Structure(&MEMBERS),
    ..SHAPE
};

const KINDS: [Kind; 9] = [
    Kind::String,
    Kind::Blob,
    Kind::Boolean,
    Kind::Integer,
    Kind::Long,
    Kind::Float,
    Kind::Double,
    Kind::Timestamp(None),
    Kind::Document,
];

proptest! {
    #[test]
    fn arbitrary_bytes(body in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = cbor::read_body(&ROOT, &body);
        let _ = xml::parse(&body);
        let request: Request = http::Request::new(Bytes::from(body));
        let _ = form::parse(&request);
    }

    #[test]
    fn arbitrary_markup(body in "[<>/a-c=\"'& ;!\\[\\]?#-]{0,60}") {
        let _ = xml::parse(body.as_bytes());
    }

    #[test]
    fn arbitrary_scalars(input in "[-+0-9eE.:TZ GMTtrueNaInfty\u{e9}]{0,40}") {
        for kind in KINDS {
            let shape = Shape { name: "S", kind, ..SHAPE };
            for format in [
                TimestampFormat::EpochSeconds,
                TimestampFormat::DateTime,
                TimestampFormat::HttpDate,
            ] {
                if let Ok(value) = text::read(&shape, format, &input) {
                    text::write(&shape, format, &value);
                }
            }
        }
    }
}
