//! A query's way from events to rows.
//!
//! Commands up to the first that needs several events at once see one event at a time. That
//! command gathers: stats keep groups, everything else keeps the rows that will be shown, with
//! the fields that are asked for later. What comes behind works on rows in memory. What is
//! gathered is bounded in bytes; a query that needs more fails.

use super::evaluate::{evaluate, extract};
use super::pattern::{self, Patterns};
use super::record::{Event, Record};
use super::stats::Groups;
use super::syntax::{Command, Expr, Name, SortKey, Stats};
use super::value::Value;
use crate::engine::Position;
use serde_json::Value as Json;
use std::cmp::Ordering;
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::sync::Arc;

/// What a query may gather.
pub const MAX_BYTES: usize = 128 << 20;
/// What a query may make of one event.
const MAX_RECORD_BYTES: usize = 16 << 20;
/// A value that makes it worth a look how much there is.
const LARGE_BYTES: usize = 64 << 10;
/// Elements of one list that unnest makes records of.
const MAX_ELEMENTS: usize = 10_000;

/// A query needs more memory than it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMuch;

/// A row as it is shown: names and values.
pub type Row = Vec<(Name, String)>;

/// How a query is carried out.
#[derive(Debug)]
pub struct Plan {
    /// See one event at a time.
    stream: Vec<Command>,
    gather: Gather,
    /// Work on rows.
    rest: Vec<Command>,
    columns: Vec<Name>,
    /// Rows are events, which `@ptr` points to.
    of_events: bool,
    /// What is kept of an event.
    kept: Vec<Name>,
    limit: usize,
}

#[derive(Debug)]
enum Gather {
    Stats(Stats),
    Pattern(Expr),
    Rows {
        order: Arc<[SortKey]>,
        dedup: Vec<Name>,
        /// How many are wanted at most; `None`: what comes behind needs all.
        most: Option<usize>,
        /// So many are enough, whichever they are.
        ends_early: bool,
    },
}

impl Plan {
    /// At most `limit` rows will be shown.
    pub fn new(commands: Vec<Command>, limit: usize) -> Plan {
        let (columns, of_events) = columns(&commands);
        let streams = |c: &Command| {
            !matches!(
                c,
                Command::Stats(_)
                    | Command::Pattern(_)
                    | Command::Sort(_)
                    | Command::Limit { .. }
                    | Command::Dedup(_)
            )
        };
        let first = commands.iter().position(|c| !streams(c));
        let mut stream = commands;
        let mut rest = stream.split_off(first.unwrap_or(stream.len()));
        let gather = match rest.first() {
            Some(Command::Stats(_) | Command::Pattern(_)) => match rest.remove(0) {
                Command::Stats(stats) => Gather::Stats(stats),
                Command::Pattern(of) => Gather::Pattern(of),
                _ => unreachable!("it was looked at"),
            },
            _ => rows(&mut rest, limit),
        };
        let mut kept: BTreeSet<Name> = columns.iter().cloned().collect();
        for command in &rest {
            command.reads(&mut |name| {
                kept.insert(name.clone());
            });
            if let Command::Stats(_) = command {
                kept.insert("@timestamp".into());
            }
        }
        if of_events {
            kept.insert("@ptr".into());
        }
        Plan {
            stream,
            gather,
            rest,
            columns,
            of_events,
            kept: kept.into_iter().collect(),
            limit,
        }
    }
}

/// The way rows are gathered: what sort, dedup and limit say, if they come in this order.
fn rows(rest: &mut Vec<Command>, limit: usize) -> Gather {
    let mut order: Arc<[SortKey]> = Arc::default();
    let mut dedup = Vec::new();
    let (mut most, mut ends_early) = (None, false);
    if let Some(Command::Sort(_)) = rest.first()
        && let Command::Sort(keys) = rest.remove(0)
    {
        order = keys.into();
    }
    if let Some(Command::Dedup(_)) = rest.first()
        && let Command::Dedup(names) = rest.remove(0)
    {
        dedup = names;
    }
    if let Some(Command::Limit { most: number, any }) = rest.first() {
        (most, ends_early) = (Some(*number), *any && order.is_empty() && dedup.is_empty());
        rest.remove(0);
    } else if rest.iter().all(|c| matches!(c, Command::Display(_))) {
        most = Some(limit);
    }
    Gather::Rows {
        order,
        dedup,
        most,
        ends_early,
    }
}

/// What is shown of a row, and whether rows are events.
fn columns(commands: &[Command]) -> (Vec<Name>, bool) {
    let (mut shown, mut chosen, mut of_events): (Vec<Name>, bool, bool) = (Vec::new(), false, true);
    let mut found: Vec<Name> = Vec::new();
    let add = |list: &mut Vec<Name>, name: &Name| {
        if !list.contains(name) {
            list.push(name.clone());
        }
    };
    let mut displayed = None;
    for command in commands {
        match command {
            Command::Fields(list) => {
                chosen = true;
                list.iter().for_each(|named| add(&mut shown, &named.name));
            }
            Command::Parse(parse) => {
                let list = if chosen { &mut shown } else { &mut found };
                parse.names.iter().for_each(|(_, name)| add(list, name));
            }
            Command::Unnest { into, .. } => {
                add(if chosen { &mut shown } else { &mut found }, into);
            }
            Command::Stats(stats) => {
                (chosen, of_events) = (true, false);
                shown.clear();
                let names = stats.by.iter().chain(&stats.columns);
                names.for_each(|named| add(&mut shown, &named.name));
            }
            Command::Pattern(_) => {
                (chosen, of_events) = (true, false);
                shown = pattern::COLUMNS.iter().map(|name| (*name).into()).collect();
            }
            Command::Display(names) => displayed = Some(names.clone()),
            Command::Filter(_) | Command::Sort(_) | Command::Limit { .. } | Command::Dedup(_) => {}
        }
    }
    if let Some(names) = displayed {
        return (names, of_events);
    }
    if !chosen {
        shown = vec!["@timestamp".into(), "@message".into()];
        found.iter().for_each(|name| add(&mut shown, name));
    }
    (shown, of_events)
}

/// A query that is being carried out.
#[derive(Debug)]
pub struct Run {
    plan: Arc<Plan>,
    gathered: Gathered,
    bytes: usize,
    /// Records that the commands before the gathering let through.
    pub matched: u64,
}

#[derive(Debug)]
enum Gathered {
    Stats(Groups),
    Patterns(Patterns),
    /// The last one first.
    Best(BinaryHeap<Ranked>),
    /// The best of each combination of values, and those that lack one.
    Distinct(HashMap<String, Ranked>, Vec<Ranked>),
}

impl Run {
    pub fn new(plan: Arc<Plan>) -> Run {
        let gathered = match &plan.gather {
            Gather::Stats(_) => Gathered::Stats(Groups::default()),
            Gather::Pattern(_) => Gathered::Patterns(Patterns::default()),
            Gather::Rows { dedup, .. } if dedup.is_empty() => Gathered::Best(BinaryHeap::new()),
            Gather::Rows { .. } => Gathered::Distinct(HashMap::new(), Vec::new()),
        };
        Run {
            plan,
            gathered,
            bytes: 0,
            matched: 0,
        }
    }

    /// Take in an event.
    pub fn event(&mut self, event: &Event<'_>) -> Result<(), TooMuch> {
        let plan = self.plan.clone();
        flow(&plan.stream, Record::of(event), &mut |record| {
            self.matched += 1;
            self.gather(&plan, event.at, record)
        })?;
        if self.bytes > MAX_BYTES {
            return Err(TooMuch);
        }
        Ok(())
    }

    /// Is everything found that was asked for?
    pub fn has_enough(&self) -> bool {
        match (&self.gathered, &self.plan.gather) {
            (
                Gathered::Best(best),
                Gather::Rows {
                    most: Some(most),
                    ends_early: true,
                    ..
                },
            ) => best.len() >= *most,
            _ => false,
        }
    }

    fn gather(&mut self, plan: &Plan, at: Position, record: Record<'_>) -> Result<(), TooMuch> {
        match (&mut self.gathered, &plan.gather) {
            (Gathered::Stats(groups), Gather::Stats(stats)) => {
                groups.add(stats, &record);
                self.bytes = groups.bytes;
            }
            (Gathered::Patterns(patterns), Gather::Pattern(of)) => {
                patterns.add(&evaluate(of, &record, &[]));
                self.bytes = patterns.bytes;
            }
            (Gathered::Best(best), Gather::Rows { order, most, .. }) => {
                let rank = Rank::of(order, &record, at);
                let full = most.is_some_and(|most| best.len() >= most);
                if full && best.peek().is_some_and(|last| last.rank <= rank) {
                    return Ok(());
                }
                let row = Ranked::new(rank, plan, &record);
                self.bytes += row.bytes;
                best.push(row);
                if full && let Some(last) = best.pop() {
                    self.bytes -= last.bytes;
                }
            }
            (Gathered::Distinct(best, others), Gather::Rows { order, dedup, .. }) => {
                let rank = Rank::of(order, &record, at);
                let values: Vec<Value> = dedup.iter().map(|name| record.get(name)).collect();
                // "Log events with null values for any specified fields are retained."
                if values.iter().any(Value::is_null) {
                    let row = Ranked::new(rank, plan, &record);
                    self.bytes += row.bytes;
                    others.push(row);
                    return Ok(());
                }
                let key: Vec<String> = values.iter().map(Value::to_string).collect();
                let key = key.join("\u{0}");
                let known = best.get(&key);
                if known.is_none_or(|known| rank < known.rank) {
                    let row = Ranked::new(rank, plan, &record);
                    self.bytes += row.bytes + key.len();
                    if let Some(old) = best.insert(key, row) {
                        self.bytes -= old.bytes;
                    }
                }
            }
            _ => unreachable!("a run gathers what its plan says"),
        }
        Ok(())
    }

    /// The rows to show.
    pub fn finish(self) -> Result<Vec<Row>, TooMuch> {
        let plan = self.plan;
        let mut records = match (self.gathered, &plan.gather) {
            (Gathered::Stats(groups), Gather::Stats(stats)) => groups.rows(stats),
            (Gathered::Patterns(patterns), _) => patterns.rows(),
            (Gathered::Best(best), _) => ranked(best.into_vec()),
            (Gathered::Distinct(best, mut others), Gather::Rows { most, .. }) => {
                others.extend(best.into_values());
                let mut records = ranked(others);
                records.truncate(most.unwrap_or(usize::MAX));
                records
            }
            _ => unreachable!("a run gathers what its plan says"),
        };
        for command in &plan.rest {
            records = apply(command, records)?;
        }
        records.truncate(plan.limit);
        let pointer: Option<Name> = plan.of_events.then(|| "@ptr".into());
        let shown: Vec<&Name> = plan.columns.iter().chain(&pointer).collect();
        let row = |record: &Record<'_>| -> Row {
            let values = shown.iter().map(|name| ((*name).clone(), record.get(name)));
            let there = values.filter(|(_, value)| !value.is_null());
            there
                .map(|(name, value)| (name, value.to_string()))
                .collect()
        };
        Ok(records.iter().map(row).collect())
    }
}

/// Commands that need one record at a time.
fn flow<'e>(
    commands: &[Command],
    mut record: Record<'e>,
    out: &mut dyn FnMut(Record<'e>) -> Result<(), TooMuch>,
) -> Result<(), TooMuch> {
    for (number, command) in commands.iter().enumerate() {
        match command {
            Command::Filter(expr) => {
                if !evaluate(expr, &record, &[]).holds() {
                    return Ok(());
                }
            }
            Command::Fields(list) => {
                for named in list {
                    let own =
                        matches!(&named.expr, super::syntax::Expr::Field(f) if *f == named.name);
                    if !own {
                        let value = evaluate(&named.expr, &record, &[]);
                        let large = value.bytes() > LARGE_BYTES;
                        record.set(&named.name, value);
                        if large && size(&record.made) > MAX_RECORD_BYTES {
                            return Err(TooMuch);
                        }
                    }
                }
            }
            Command::Parse(parse) => extract(parse, &mut record),
            Command::Unnest { list, into } => {
                for element in elements(&record.get(list)) {
                    let mut one = record.clone();
                    one.set(into, element);
                    flow(&commands[number + 1..], one, out)?;
                }
                return Ok(());
            }
            Command::Display(_)
            | Command::Stats(_)
            | Command::Pattern(_)
            | Command::Sort(_)
            | Command::Limit { .. }
            | Command::Dedup(_) => {}
        }
    }
    out(record)
}

/// "Any other types, such as MAP, String and numbers, are treated as a list with one item."
fn elements(value: &Value) -> Vec<Value> {
    match value {
        Value::Structure(json) => match &**json {
            Json::Array(list) => list.iter().take(MAX_ELEMENTS).map(Value::of_json).collect(),
            _ => vec![value.clone()],
        },
        value => vec![value.clone()],
    }
}

/// A command on rows.
fn apply(
    command: &Command,
    mut records: Vec<Record<'static>>,
) -> Result<Vec<Record<'static>>, TooMuch> {
    match command {
        Command::Limit { most, .. } => records.truncate(*most),
        Command::Sort(keys) => {
            let order: Arc<[SortKey]> = keys.clone().into();
            let ranks = records.iter().map(|r| Rank::of(&order, r, Position::MIN));
            let mut all: Vec<(Rank, Record<'static>)> = ranks.zip(records.clone()).collect();
            all.sort_by(|(one, _), (other, _)| one.cmp(other));
            records = all.into_iter().map(|(_, record)| record).collect();
        }
        Command::Dedup(names) => {
            let mut seen = BTreeSet::new();
            records.retain(|record| {
                let values: Vec<Value> = names.iter().map(|name| record.get(name)).collect();
                let key: Vec<String> = values.iter().map(Value::to_string).collect();
                values.iter().any(Value::is_null) || seen.insert(key)
            });
        }
        Command::Stats(stats) => {
            let mut groups = Groups::default();
            for record in &records {
                groups.add(stats, record);
            }
            records = groups.rows(stats);
        }
        Command::Pattern(of) => {
            let mut patterns = Patterns::default();
            for record in &records {
                patterns.add(&evaluate(of, record, &[]));
            }
            records = patterns.rows();
        }
        Command::Display(_) => {}
        Command::Filter(_) | Command::Fields(_) | Command::Parse(_) | Command::Unnest { .. } => {
            let mut made = Vec::new();
            let mut bytes = 0;
            for record in records {
                flow(std::slice::from_ref(command), record, &mut |record| {
                    bytes += size(&record.made);
                    made.push(record);
                    if bytes > MAX_BYTES {
                        Err(TooMuch)
                    } else {
                        Ok(())
                    }
                })?;
            }
            records = made;
        }
    }
    Ok(records)
}

fn size(made: &[(Name, Value)]) -> usize {
    let one = |(_, value): &(Name, Value)| size_of::<Name>() + value.bytes();
    made.iter().map(one).sum()
}

/// Where a row stands: by its keys, then the latest first.
#[derive(Debug)]
struct Rank {
    order: Arc<[SortKey]>,
    keys: Vec<Value>,
    at: Position,
}

impl Rank {
    fn of(order: &Arc<[SortKey]>, record: &Record<'_>, at: Position) -> Rank {
        let keys = order.iter().map(|key| evaluate(&key.expr, record, &[]));
        Rank {
            keys: keys.collect(),
            order: order.clone(),
            at,
        }
    }
}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> Ordering {
        for (key, (one, another)) in self.order.iter().zip(self.keys.iter().zip(&other.keys)) {
            let order = one.natural(another);
            let order = if key.descending {
                order.reverse()
            } else {
                order
            };
            if order.is_ne() {
                return order;
            }
        }
        other.at.cmp(&self.at)
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Rank {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Rank {}

/// A row that may be shown.
#[derive(Debug)]
struct Ranked {
    rank: Rank,
    made: Vec<(Name, Value)>,
    bytes: usize,
}

impl Ranked {
    fn new(rank: Rank, plan: &Plan, record: &Record<'_>) -> Ranked {
        let kept = plan
            .kept
            .iter()
            .map(|name| (name.clone(), record.get(name)));
        let made: Vec<(Name, Value)> = kept.filter(|(_, value)| !value.is_null()).collect();
        let keys: usize = rank.keys.iter().map(Value::bytes).sum();
        let bytes = size(&made) + keys + size_of::<Ranked>();
        Ranked { rank, made, bytes }
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank.cmp(&other.rank)
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl Eq for Ranked {}

fn ranked(mut rows: Vec<Ranked>) -> Vec<Record<'static>> {
    rows.sort();
    let record = |row: Ranked| Record {
        event: None,
        made: row.made,
    };
    rows.into_iter().map(record).collect()
}
