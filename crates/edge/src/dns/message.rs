//! Messages in wire form (RFC 1035, section 4): questions as clients ask them, and replies, which
//! are passed on as they came, whatever their records are.
//!
//! Nothing here follows a compression pointer, so no message can make it go in circles.

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, Record, RecordType};
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder};

/// What a UDP message may hold where nobody says more.
const PLAIN_BYTES: usize = 512;
/// What passes everywhere in one piece (<https://www.dnsflagday.net/2020/>); we take and send no
/// longer UDP messages.
pub const EDNS_BYTES: u16 = 1232;
const HEADER_BYTES: usize = 12;
/// An OPT record without options.
const OPT_BYTES: usize = 11;

const OPT: u16 = 41;
const SOA: u16 = 6;

/// How a message travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Udp,
    Tcp,
}

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    id: u16,
    /// The one question, name as it was written, in wire form.
    wire: Vec<u8>,
    pub name: Name,
    pub kind: RecordType,
    recursion_desired: bool,
    pub checking_disabled: bool,
    wants_authentic: bool,
    /// The client knows EDNS (RFC 6891): how much it takes, and whether with DNSSEC's records.
    edns: Option<(u16, bool)>,
}

/// Why there is no question to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unasked {
    /// No query, or too little of one to say anything to: nobody gets an answer.
    Silence,
    /// This message says what is wrong.
    Refused(Vec<u8>),
}

impl Question {
    /// Reads a client's message.
    ///
    /// # Errors
    /// It is no question that we answer.
    pub fn read(bytes: &[u8]) -> Result<Question, Unasked> {
        let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(Unasked::Silence);
        };
        // An answer to an answer would make a circle.
        if header[2] & 0x80 != 0 {
            return Err(Unasked::Silence);
        }
        let id = u16::from_be_bytes([header[0], header[1]]);
        let op_code = OpCode::from_u8(header[2] >> 3 & 0x0f);
        let refused = |code| Unasked::Refused(refusal(id, op_code, code, None));
        if op_code != OpCode::Query {
            return Err(refused(ResponseCode::NotImp));
        }
        let message = Message::from_vec(bytes).map_err(|_| refused(ResponseCode::FormErr))?;
        let [query] = &message.queries[..] else {
            return Err(refused(ResponseCode::FormErr));
        };
        if message.edns.as_ref().is_some_and(|edns| edns.version() > 0) {
            let refused = refusal(id, op_code, ResponseCode::BADVERS, Some(query));
            return Err(Unasked::Refused(refused));
        }
        let zone_transfer = matches!(query.query_type, RecordType::AXFR | RecordType::IXFR);
        if query.query_class != DNSClass::IN || zone_transfer || query.query_type == RecordType::OPT
        {
            let refused = refusal(id, op_code, ResponseCode::Refused, Some(query));
            return Err(Unasked::Refused(refused));
        }
        let wire = encoded(query).ok_or_else(|| refused(ResponseCode::FormErr))?;
        Ok(Question {
            id,
            wire,
            name: query.name.clone(),
            kind: query.query_type,
            recursion_desired: message.recursion_desired,
            checking_disabled: message.checking_disabled,
            wants_authentic: message.authentic_data,
            edns: message.edns.as_ref().map(|edns| {
                let dnssec = edns.flags().dnssec_ok;
                (edns.max_payload(), dnssec)
            }),
        })
    }

    /// The client wants DNSSEC's records, too.
    pub fn dnssec(&self) -> bool {
        self.edns.is_some_and(|(_, dnssec)| dnssec)
    }

    /// The same for every way to write the name.
    pub fn key(&self) -> Vec<u8> {
        self.wire.to_ascii_lowercase()
    }

    /// The same question as ours, with this id; with EDNS unless `plain`.
    pub fn forward(&self, id: u16, plain: bool) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.wire.len() + OPT_BYTES);
        bytes.extend(id.to_be_bytes());
        let authentic = u8::from(self.wants_authentic) << 5;
        let disabled = u8::from(self.checking_disabled) << 4;
        bytes.extend([u8::from(self.recursion_desired), authentic | disabled]);
        bytes.extend([0, 1, 0, 0, 0, 0, 0, u8::from(!plain)]);
        bytes.extend(&self.wire);
        if !plain {
            bytes.extend(opt(self.dnssec()));
        }
        bytes
    }

    /// What the client gets who asked by `over`: as much of the reply as there is room for.
    pub fn answer(&self, mut reply: Reply, over: Transport) -> Vec<u8> {
        let room = match (over, self.edns) {
            (Transport::Tcp, _) => usize::from(u16::MAX),
            (Transport::Udp, None) => PLAIN_BYTES,
            (Transport::Udp, Some((bytes, _))) => {
                usize::from(bytes.min(EDNS_BYTES)).max(PLAIN_BYTES)
            }
        };
        let opt = self.edns.map(|(_, dnssec)| opt(dnssec));
        reply.fit(room - opt.map_or(0, |opt| opt.len()));
        let mut bytes = reply.bytes;
        bytes[..2].copy_from_slice(&self.id.to_be_bytes());
        let keeps = if self.wants_authentic || self.dnssec() {
            0x2f
        } else {
            0x0f
        };
        let truncated = bytes[2] & 0x02;
        bytes[2] = 0x80 | truncated | u8::from(self.recursion_desired);
        bytes[3] = bytes[3] & keeps | 0x80 | u8::from(self.checking_disabled) << 4;
        // As the client wrote it: some compare every letter.
        bytes[HEADER_BYTES..HEADER_BYTES + self.wire.len()].copy_from_slice(&self.wire);
        if let Some(opt) = opt {
            bytes.extend(opt);
            let additional = u16::from_be_bytes([bytes[10], bytes[11]]) + 1;
            bytes[10..12].copy_from_slice(&additional.to_be_bytes());
        }
        bytes
    }

    /// The same question about another name.
    pub fn about(&self, name: &Name) -> Option<Question> {
        Some(Question {
            wire: encoded(&Query::query(name.clone(), self.kind))?,
            name: name.clone(),
            ..self.clone()
        })
    }

    /// The reply that says only this.
    pub fn failed(&self, code: ResponseCode) -> Reply {
        let mut bytes = vec![0; HEADER_BYTES];
        bytes[2] = 0x80;
        bytes[3] = code.low();
        bytes[5] = 1;
        bytes.extend(&self.wire);
        Reply::read(&bytes, self).expect("a header and the question")
    }
}

/// What a server or a source of names says, in wire form and without an OPT record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    bytes: Vec<u8>,
    records: Vec<Place>,
    counts: [u16; 3],
}

/// Where a record of a [`Reply`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    kind: u16,
    ttl_at: usize,
    end: usize,
}

impl Reply {
    /// Reads a reply to this question. `None`: it is none.
    pub fn read(bytes: &[u8], question: &Question) -> Option<Reply> {
        let header = bytes.first_chunk::<HEADER_BYTES>()?;
        let count = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let answers = header[2] & 0x80 != 0 && header[2] & 0x78 == 0;
        let asked = HEADER_BYTES..HEADER_BYTES + question.wire.len();
        let same = bytes
            .get(asked.clone())?
            .eq_ignore_ascii_case(&question.wire);
        if !answers || count(4) != 1 || !same {
            return None;
        }
        let mut reply = Reply {
            bytes: Vec::new(),
            records: Vec::new(),
            counts: [0; 3],
        };
        let mut end = asked.end;
        'sections: for section in 0..3 {
            for _ in 0..count(6 + 2 * section) {
                let place = record(bytes, end)?;
                if place.kind == OPT {
                    // A longer code is one of EDNS's own, which says nothing of the question. What
                    // comes behind may point across: it is no part of the answer.
                    let extended = bytes[place.ttl_at];
                    if section < 2 || extended != 0 {
                        return None;
                    }
                    break 'sections;
                }
                end = place.end;
                reply.records.push(place);
                reply.counts[section] += 1;
            }
        }
        reply.bytes = bytes[..end].to_vec();
        reply.write_counts();
        Some(reply)
    }

    /// A reply of our own.
    pub fn of(question: &Question, message: &Message) -> Option<Reply> {
        let mut bytes = Vec::with_capacity(PLAIN_BYTES);
        message.emit(&mut BinEncoder::new(&mut bytes)).ok()?;
        Reply::read(&bytes, question)
    }

    /// The reply to a question that `followed`, which leads to what this one is about, answers first.
    pub fn behind(&self, question: &Question, followed: &[Record]) -> Option<Reply> {
        let mut message = Message::from_vec(&self.bytes).ok()?;
        message.queries = vec![Query::query(question.name.clone(), question.kind)];
        message.answers.splice(0..0, followed.iter().cloned());
        Reply::of(question, &message)
    }

    pub fn code(&self) -> ResponseCode {
        ResponseCode::from_low(self.bytes[3] & 0x0f)
    }

    pub fn is_truncated(&self) -> bool {
        self.bytes[2] & 0x02 != 0
    }

    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// For how many seconds it holds (RFC 2308 for what is not there); `None`: it is not to be kept.
    pub fn lifetime(&self) -> Option<u32> {
        let is_kept = matches!(self.code(), ResponseCode::NoError | ResponseCode::NXDomain);
        if !is_kept || self.is_truncated() {
            return None;
        }
        let answers = usize::from(self.counts[0]);
        let authority = answers..answers + usize::from(self.counts[1]);
        let ttl = |place: &Place| self.u32(place.ttl_at).filter(|ttl| ttl >> 31 == 0);
        let positive = self.records[..answers]
            .iter()
            .map(|place| ttl(place).unwrap_or(0));
        let soa = self.records[authority].iter().find(|p| p.kind == SOA);
        // The last field of its data.
        let negative = soa.map(|soa| {
            let minimum = self.u32(soa.end - 4).unwrap_or(0);
            ttl(soa).unwrap_or(0).min(minimum).min(LONGEST_NEGATIVE)
        });
        positive.chain(negative).min().map(|ttl| ttl.min(LONGEST))
    }

    /// Every record is this many seconds older.
    pub fn age(&mut self, seconds: u32) {
        for place in &self.records {
            let at = place.ttl_at..place.ttl_at + 4;
            let ttl = self.u32(place.ttl_at).unwrap_or(0).saturating_sub(seconds);
            self.bytes[at].copy_from_slice(&ttl.to_be_bytes());
        }
    }

    /// What is left of an answer to ANY: the records of one type (RFC 8482, section 4.1).
    pub fn only_first_type(&mut self) {
        let answers = &self.records[..usize::from(self.counts[0])];
        let Some(first) = answers.first().map(|place| place.kind) else {
            return;
        };
        let same = answers.iter().take_while(|p| p.kind == first).count();
        if same < answers.len() {
            self.cut(same);
        }
    }

    /// Leaves away what there is no room for: additional records first, then authority where there
    /// are answers, neither of which the client misses; then the last answers, and says so.
    fn fit(&mut self, room: usize) {
        let [answers, authority, _] = self.counts.map(usize::from);
        for enough in [answers + authority, answers] {
            if self.bytes.len() > room && (enough > 0 || authority == 0) {
                self.cut(enough);
            }
        }
        if self.bytes.len() > room {
            let fits = self.records.iter().take_while(|p| p.end <= room).count();
            self.cut(fits);
            self.bytes[2] |= 0x02;
        }
    }

    /// Keeps the first `records` alone.
    fn cut(&mut self, records: usize) {
        let question = self.records.first().map(|_| question_end(&self.bytes));
        let end = match records.checked_sub(1) {
            Some(last) => self.records.get(last).map(|place| place.end),
            None => question.flatten(),
        };
        let Some(end) = end else {
            return;
        };
        self.bytes.truncate(end);
        self.records.truncate(records);
        let mut left = records;
        for count in &mut self.counts {
            *count = usize::from(*count).min(left) as u16;
            left -= usize::from(*count);
        }
        self.write_counts();
    }

    fn write_counts(&mut self) {
        for (n, count) in self.counts.iter().enumerate() {
            let at = 6 + 2 * n;
            self.bytes[at..at + 2].copy_from_slice(&count.to_be_bytes());
        }
    }

    fn u32(&self, at: usize) -> Option<u32> {
        let bytes = self.bytes.get(at..)?.first_chunk()?;
        Some(u32::from_be_bytes(*bytes))
    }
}

/// The longest that anything is kept: a day, as is usual among resolvers.
const LONGEST: u32 = 86_400;
/// RFC 2308, section 5, finds one to three hours sensible; names of services come sooner.
const LONGEST_NEGATIVE: u32 = 900;

/// The id of a message.
pub fn id(bytes: &[u8]) -> Option<u16> {
    bytes.first_chunk().map(|id| u16::from_be_bytes(*id))
}

/// The code of a message that may repeat no question.
pub fn bare_code(bytes: &[u8]) -> Option<ResponseCode> {
    let header = bytes.first_chunk::<HEADER_BYTES>()?;
    (header[2] & 0x80 != 0).then(|| ResponseCode::from_low(header[3] & 0x0f))
}

fn question_end(bytes: &[u8]) -> Option<usize> {
    Some(name_end(bytes, HEADER_BYTES)? + 4)
}

/// The record that begins here.
fn record(bytes: &[u8], at: usize) -> Option<Place> {
    let fixed = name_end(bytes, at)?;
    let fields = bytes.get(fixed..)?.first_chunk::<10>()?;
    let length = usize::from(u16::from_be_bytes([fields[8], fields[9]]));
    let kind = u16::from_be_bytes([fields[0], fields[1]]);
    let end = fixed + 10 + length;
    let whole = end <= bytes.len() && (kind != SOA || length >= 20);
    whole.then_some(Place {
        kind,
        ttl_at: fixed + 4,
        end,
    })
}

/// Where the name that begins here ends: behind its root label, or its first pointer.
fn name_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *bytes.get(at)? {
            0 => return Some(at + 1),
            length @ 1..=63 => at += 1 + usize::from(length),
            0xc0.. => return bytes.get(at + 1).map(|_| at + 2),
            _ => return None,
        }
    }
}

fn encoded(query: &Query) -> Option<Vec<u8>> {
    let mut wire = Vec::with_capacity(64);
    query.emit(&mut BinEncoder::new(&mut wire)).ok()?;
    Some(wire)
}

/// An OPT record that says how much we take.
fn opt(dnssec: bool) -> [u8; OPT_BYTES] {
    let [high, low] = EDNS_BYTES.to_be_bytes();
    let dnssec = u8::from(dnssec) << 7;
    [0, 0, OPT as u8, high, low, 0, 0, dnssec, 0, 0, 0]
}

fn refusal(id: u16, op_code: OpCode, code: ResponseCode, query: Option<&Query>) -> Vec<u8> {
    let mut message = Message::new(id, MessageType::Response, op_code);
    message.metadata.response_code = code;
    message.metadata.recursion_available = true;
    message.add_queries(query.cloned());
    if code.high() > 0 {
        let mut edns = hickory_proto::op::Edns::new();
        edns.set_max_payload(EDNS_BYTES);
        message.set_edns(edns);
    }
    message.to_vec().unwrap_or_default()
}
