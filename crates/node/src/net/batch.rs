//! Changes of nftables that need no `nft`: elements of sets and maps, and chains whose rules only lead
//! on or drop. They are what the coming and going of an interface changes, and starting a process for
//! them costs a hundred times what the kernel does (`nf_tables.h`, `nfnetlink.h`).
//!
//! A batch is one transaction, and the kernel takes it only if nobody has changed anything since the
//! number that it is sent with.

use super::netns;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};
use std::io;
use std::net::Ipv4Addr;

/// `NFNL_SUBSYS_NFTABLES`.
const NFTABLES: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NEW_CHAIN: u16 = 3;
const DELETE_CHAIN: u16 = 5;
const NEW_RULE: u16 = 6;
const DELETE_RULE: u16 = 8;
const NEW_ELEMENTS: u16 = 12;
const DELETE_ELEMENTS: u16 = 14;

const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_CREATE: u16 = 0x400;
const NLM_F_APPEND: u16 = 0x800;
const NLMSG_ERROR: u16 = 2;
const NLMSG_HEADER: usize = 16;

/// `NFTA_CHAIN_TABLE`, `NFTA_RULE_TABLE` and `NFTA_SET_ELEM_LIST_TABLE` are all the first.
const TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const RULE_CHAIN: u16 = 2;
const RULE_EXPRESSIONS: u16 = 4;
const EXPRESSION_NAME: u16 = 1;
const EXPRESSION_DATA: u16 = 2;
const IMMEDIATE_REGISTER: u16 = 1;
const IMMEDIATE_DATA: u16 = 2;
const ELEMENTS_SET: u16 = 2;
const ELEMENTS: u16 = 3;
const LIST_ELEMENT: u16 = 1;
const ELEMENT_KEY: u16 = 1;
const ELEMENT_DATA: u16 = 2;
const DATA_VALUE: u16 = 1;
const DATA_VERDICT: u16 = 2;
const VERDICT_CODE: u16 = 1;
const VERDICT_CHAIN: u16 = 2;
const BATCH_GENERATION: u16 = 1;
/// `NLA_F_NESTED`.
const NESTED: u16 = 0x8000;

/// The most of it: a socket's usual room, and an attribute's.
const MOST: usize = 96 * 1024;
const MOST_ELEMENTS: usize = 512;

/// One transaction.
#[derive(Debug, Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    messages: u32,
    /// Where the last message begins, and its flags.
    last: usize,
    flags: u16,
}

/// What a batch cannot say; `nft` can.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unsayable;

type Said = Result<(), Unsayable>;

impl Batch {
    /// `name` is `family table name`, here and below.
    pub(super) fn add_chain(&mut self, name: &str) -> Said {
        let (family, table, chain) = place(name)?;
        let body = [text(TABLE, table), text(CHAIN_NAME, chain)].concat();
        self.push(NEW_CHAIN, NLM_F_CREATE, family, &body)
    }

    pub(super) fn delete_chain(&mut self, name: &str) -> Said {
        let (family, table, chain) = place(name)?;
        let body = [text(TABLE, table), text(CHAIN_NAME, chain)].concat();
        self.push(DELETE_CHAIN, 0, family, &body)
    }

    /// Takes all rules of a chain away.
    pub(super) fn flush_chain(&mut self, name: &str) -> Said {
        let (family, table, chain) = place(name)?;
        let body = [text(TABLE, table), text(RULE_CHAIN, chain)].concat();
        self.push(DELETE_RULE, 0, family, &body)
    }

    /// Appends a rule that is a verdict and nothing else.
    pub(super) fn add_rule(&mut self, name: &str, rule: &str) -> Said {
        let (family, table, chain) = place(name)?;
        // NFT_REG_VERDICT is 0.
        let register = attribute(IMMEDIATE_REGISTER, &0_u32.to_be_bytes());
        let data = nested(IMMEDIATE_DATA, &verdict(rule)?);
        let immediate = [
            text(EXPRESSION_NAME, "immediate"),
            nested(EXPRESSION_DATA, &[register, data].concat()),
        ];
        let expressions = nested(LIST_ELEMENT, &immediate.concat());
        let body = [
            text(TABLE, table),
            text(RULE_CHAIN, chain),
            nested(RULE_EXPRESSIONS, &expressions),
        ];
        self.push(
            NEW_RULE,
            NLM_F_CREATE | NLM_F_APPEND,
            family,
            &body.concat(),
        )
    }

    /// Elements of a set with keys of this type; those of a map have values.
    pub(super) fn add_elements(&mut self, name: &str, of: &str, all: &[(&str, &str)]) -> Said {
        let element = |(k, v): &(&str, &str)| {
            let mut element = nested(ELEMENT_KEY, &attribute(DATA_VALUE, &key(of, k)?));
            if !v.is_empty() {
                element.extend(nested(ELEMENT_DATA, &value(v)?));
            }
            Ok(nested(LIST_ELEMENT, &element))
        };
        self.elements(NEW_ELEMENTS, NLM_F_CREATE, name, all, element)
    }

    pub(super) fn delete_elements(&mut self, name: &str, of: &str, all: &[&str]) -> Said {
        let element = |k: &&str| {
            let key = nested(ELEMENT_KEY, &attribute(DATA_VALUE, &key(of, k)?));
            Ok(nested(LIST_ELEMENT, &key))
        };
        self.elements(DELETE_ELEMENTS, 0, name, all, element)
    }

    fn elements<T>(
        &mut self,
        kind: u16,
        flags: u16,
        name: &str,
        all: &[T],
        element: impl Fn(&T) -> Result<Vec<u8>, Unsayable>,
    ) -> Said {
        let (family, table, set) = place(name)?;
        for some in all.chunks(MOST_ELEMENTS) {
            let some: Result<Vec<Vec<u8>>, Unsayable> = some.iter().map(&element).collect();
            let body = [
                text(TABLE, table),
                text(ELEMENTS_SET, set),
                nested(ELEMENTS, &some?.concat()),
            ];
            self.push(kind, flags, family, &body.concat())?;
        }
        Ok(())
    }

    fn push(&mut self, kind: u16, flags: u16, family: u8, body: &[u8]) -> Said {
        self.messages += 1;
        (self.last, self.flags) = (self.bytes.len(), flags);
        let kind = NFTABLES << 8 | kind;
        let message = message(kind, flags, self.messages, family, 0, body);
        self.bytes.extend(message);
        match self.bytes.len() {
            ..=MOST => Ok(()),
            _ => Err(Unsayable),
        }
    }

    /// Carries it out in the calling thread's network, if the rule set's number there still is this.
    /// Gives the number after it.
    pub(super) fn send(mut self, generation: u32) -> io::Result<u32> {
        if self.messages == 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let last = self.messages;
        if let Some(flags) = self.bytes.get_mut(self.last + 6..self.last + 8) {
            flags.copy_from_slice(&(self.flags | NLM_F_REQUEST | NLM_F_ACK).to_ne_bytes());
        }
        let number = attribute(BATCH_GENERATION, &generation.to_be_bytes());
        let mut bytes = message(BATCH_BEGIN, 0, 0, 0, NFTABLES, &number);
        bytes.append(&mut self.bytes);
        bytes.extend(message(BATCH_END, 0, last + 1, 0, NFTABLES, &[]));
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        let answer = socket.send(&bytes, 0).and_then(|_| outcome(&socket, last));
        netns::close_at_leisure(socket);
        answer.map(|()| next(generation))
    }
}

/// What fails is said before what succeeds, and of a success the last message tells.
fn outcome(socket: &Socket, last: u32) -> io::Result<()> {
    loop {
        let (answer, _) = socket.recv_from_full()?;
        let invalid = || io::Error::from(io::ErrorKind::InvalidData);
        let word = |at: usize| answer.get(at..).and_then(|rest| rest.first_chunk::<4>());
        let kind = word(4).ok_or_else(invalid)?;
        if u16::from_ne_bytes([kind[0], kind[1]]) != NLMSG_ERROR {
            continue;
        }
        let number = u32::from_ne_bytes(*word(8).ok_or_else(invalid)?);
        match i32::from_ne_bytes(*word(NLMSG_HEADER).ok_or_else(invalid)?) {
            0 if number == last => return Ok(()),
            0 => {}
            code => return Err(io::Error::from_raw_os_error(-code)),
        }
    }
}

/// The kernel leaves zero out.
fn next(generation: u32) -> u32 {
    generation.wrapping_add(1).max(1)
}

/// Family, table and name.
fn place(name: &str) -> Result<(u8, &str, &str), Unsayable> {
    let mut words = name.split(' ');
    let family = match words.next() {
        Some("inet") => 1,
        Some("arp") => 3,
        Some("bridge") => 7,
        _ => return Err(Unsayable),
    };
    match (words.next(), words.next(), words.next()) {
        (Some(table), Some(name), None) => Ok((family, table, name)),
        _ => Err(Unsayable),
    }
}

/// A key of this type: its parts, each of whole words of four bytes.
fn key(of: &str, key: &str) -> Result<Vec<u8>, Unsayable> {
    let mut bytes = Vec::new();
    let mut parts = key.split(" . ");
    for kind in of.split(" . ") {
        let part = parts.next().ok_or(Unsayable)?;
        match kind {
            "ipv4_addr" => bytes.extend(address(part)?),
            "ether_addr" => {
                bytes.extend(super::parse_mac(part).map_err(|_| Unsayable)?);
                bytes.extend([0; 2]);
            }
            "ifname" => {
                let name = part.trim_matches('"').as_bytes();
                let mut field = [0; 16];
                let room = field.get_mut(..name.len()).filter(|_| name.len() < 16);
                room.ok_or(Unsayable)?.copy_from_slice(name);
                bytes.extend(field);
            }
            _ => return Err(Unsayable),
        }
    }
    match parts.next() {
        None => Ok(bytes),
        Some(_) => Err(Unsayable),
    }
}

fn address(text: &str) -> Result<[u8; 4], Unsayable> {
    let address: Ipv4Addr = text.parse().map_err(|_| Unsayable)?;
    Ok(address.octets())
}

/// A map's value: an address or a verdict.
fn value(text: &str) -> Result<Vec<u8>, Unsayable> {
    match address(text) {
        Ok(address) => Ok(attribute(DATA_VALUE, &address)),
        Err(_) => verdict(text),
    }
}

fn verdict(rule: &str) -> Result<Vec<u8>, Unsayable> {
    // NF_DROP, NF_ACCEPT, NFT_JUMP, NFT_GOTO, NFT_RETURN.
    let (code, chain): (i32, _) = match rule.split(' ').collect::<Vec<_>>()[..] {
        ["drop"] => (0, None),
        ["accept"] => (1, None),
        ["jump", chain] => (-3, Some(chain)),
        ["goto", chain] => (-4, Some(chain)),
        ["return"] => (-5, None),
        _ => return Err(Unsayable),
    };
    let mut verdict = attribute(VERDICT_CODE, &code.to_be_bytes());
    verdict.extend(chain.into_iter().flat_map(|c| text(VERDICT_CHAIN, c)));
    Ok(nested(DATA_VERDICT, &verdict))
}

fn text(kind: u16, text: &str) -> Vec<u8> {
    attribute(kind, &[text.as_bytes(), &[0]].concat())
}

fn nested(kind: u16, attributes: &[u8]) -> Vec<u8> {
    attribute(kind | NESTED, attributes)
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let len = u16::try_from(value.len() + 4).expect("there are few elements in a message");
    let mut bytes = [len.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// With its `struct nfgenmsg`: family, version 0, and the subsystem of a batch.
fn message(kind: u16, flags: u16, number: u32, family: u8, of: u16, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(NLMSG_HEADER + 4 + body.len()).expect("it is short");
    let mut bytes = len.to_ne_bytes().to_vec();
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(&(NLM_F_REQUEST | flags).to_ne_bytes());
    bytes.extend_from_slice(&number.to_ne_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&[family, 0]);
    bytes.extend_from_slice(&of.to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}
