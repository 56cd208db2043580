//! As much of MessagePack as the forward protocol takes to send
//! (<https://github.com/msgpack/msgpack/blob/master/spec.md>). Pure.

/// Bytes that are packed one after the other.
#[derive(Debug, Default)]
pub struct Pack(pub Vec<u8>);

impl Pack {
    /// Text, or what should be it: a container may write anything.
    pub fn text(&mut self, text: &[u8]) -> &mut Pack {
        self.head(text.len(), (0xa0, 32), Some(0xd9), [0xda, 0xdb]);
        self.0.extend_from_slice(text);
        self
    }

    /// So many pairs follow.
    pub fn map(&mut self, pairs: usize) -> &mut Pack {
        self.head(pairs, (0x80, 16), None, [0xde, 0xdf]);
        self
    }

    /// So many values follow.
    pub fn array(&mut self, values: usize) -> &mut Pack {
        self.head(values, (0x90, 16), None, [0xdc, 0xdd]);
        self
    }

    pub fn number(&mut self, number: u32) -> &mut Pack {
        self.0.push(0xce);
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// Fluentd's time with nanoseconds: an extension of type 0
    /// (<https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1#eventtime-ext-format>).
    pub fn event_time(&mut self, seconds: u32, nanos: u32) -> &mut Pack {
        self.0.extend_from_slice(&[0xd7, 0x00]);
        self.0.extend_from_slice(&seconds.to_be_bytes());
        self.0.extend_from_slice(&nanos.to_be_bytes());
        self
    }

    /// A length: in one byte with its type if it is `short`, else after a byte for it.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "each cast is behind the comparison that makes it fit"
    )]
    fn head(&mut self, len: usize, short: (u8, usize), byte: Option<u8>, wide: [u8; 2]) {
        match (len, byte) {
            (len, _) if len < short.1 => self.0.push(short.0 | len as u8),
            (len, Some(byte)) if len < 1 << 8 => self.0.extend_from_slice(&[byte, len as u8]),
            (len, _) if len < 1 << 16 => {
                self.0.push(wide[0]);
                self.0.extend_from_slice(&(len as u16).to_be_bytes());
            }
            (len, _) => {
                self.0.push(wide[1]);
                self.0.extend_from_slice(&(len as u32).to_be_bytes());
            }
        }
    }
}
