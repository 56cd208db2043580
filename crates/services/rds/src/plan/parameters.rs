//! The parameters that reach the engines, as options of their command line
//! (<https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_WorkingWithParamGroups.html>).

use crate::plan::engine::Engine;
use std::collections::BTreeMap;

/// One that may be set.
#[derive(Debug)]
pub struct Parameter {
    pub name: &'static str,
    pub description: &'static str,
    pub kind: Kind,
    /// The engine takes it only when it starts.
    pub is_static: bool,
}

#[derive(Debug)]
pub enum Kind {
    Integer(i64, i64),
    Float(i64, i64),
    OneOf(&'static [&'static str]),
    /// Letters, digits and some punctuation: names and lists of them.
    Words,
}

impl Kind {
    pub fn data_type(&self) -> &'static str {
        match self {
            Kind::Integer(..) => "integer",
            Kind::Float(..) => "float",
            Kind::OneOf(values) if *values == SWITCH => "boolean",
            Kind::OneOf(_) => "string",
            Kind::Words => "string",
        }
    }

    pub fn allowed(&self) -> Option<String> {
        match self {
            Kind::Integer(from, to) | Kind::Float(from, to) => Some(format!("{from}-{to}")),
            Kind::OneOf(values) => Some(values.join(",")),
            Kind::Words => None,
        }
    }

    pub fn takes(&self, value: &str) -> bool {
        match self {
            Kind::Integer(from, to) => value.parse().is_ok_and(|n| (*from..=*to).contains(&n)),
            #[expect(clippy::cast_precision_loss, reason = "the bounds are small")]
            Kind::Float(from, to) => value
                .parse()
                .is_ok_and(|n: f64| (*from as f64..=*to as f64).contains(&n)),
            Kind::OneOf(values) => values.contains(&value),
            Kind::Words => {
                let fits = |c: char| c.is_ascii_alphanumeric() || "_-/+:., %".contains(c);
                value.len() <= 512 && value.chars().all(fits)
            }
        }
    }
}

const SWITCH: &[&str] = &["0", "1"];

const fn parameter(
    name: &'static str,
    kind: Kind,
    is_static: bool,
    description: &'static str,
) -> Parameter {
    Parameter {
        name,
        description,
        kind,
        is_static,
    }
}

const MAX_INT: i64 = 2_147_483_647;

const POSTGRES: &[Parameter] = &[
    parameter(
        "autovacuum",
        Kind::OneOf(SWITCH),
        false,
        "Starts the autovacuum subprocess.",
    ),
    parameter(
        "checkpoint_timeout",
        Kind::Integer(30, 86_400),
        false,
        "(s) Sets the maximum time between automatic WAL checkpoints.",
    ),
    parameter(
        "default_statistics_target",
        Kind::Integer(1, 10_000),
        false,
        "Sets the default statistics target.",
    ),
    parameter(
        "effective_cache_size",
        Kind::Integer(1, MAX_INT),
        false,
        "(8kB) Sets the planner's assumption about the size of the disk cache.",
    ),
    parameter(
        "idle_in_transaction_session_timeout",
        Kind::Integer(0, MAX_INT),
        false,
        "(ms) Sets the maximum allowed duration of any idling transaction.",
    ),
    parameter(
        "lock_timeout",
        Kind::Integer(0, MAX_INT),
        false,
        "(ms) Sets the maximum allowed duration of any wait for a lock.",
    ),
    parameter(
        "log_connections",
        Kind::OneOf(SWITCH),
        false,
        "Logs each successful connection.",
    ),
    parameter(
        "log_disconnections",
        Kind::OneOf(SWITCH),
        false,
        "Logs end of a session, including duration.",
    ),
    parameter(
        "log_min_duration_statement",
        Kind::Integer(-1, MAX_INT),
        false,
        "(ms) Sets the minimum execution time above which statements will be logged.",
    ),
    parameter(
        "log_statement",
        Kind::OneOf(&["none", "ddl", "mod", "all"]),
        false,
        "Sets the type of statements logged.",
    ),
    parameter(
        "maintenance_work_mem",
        Kind::Integer(1_024, MAX_INT),
        false,
        "(kB) Sets the maximum memory to be used for maintenance operations.",
    ),
    parameter(
        "max_connections",
        Kind::Integer(6, 262_143),
        true,
        "Sets the maximum number of concurrent connections.",
    ),
    parameter(
        "max_wal_size",
        Kind::Integer(128, 201_326),
        false,
        "(MB) Sets the WAL size that triggers a checkpoint.",
    ),
    parameter(
        "random_page_cost",
        Kind::Float(0, 100),
        false,
        "Sets the planner's estimate of the cost of a nonsequentially fetched disk page.",
    ),
    parameter(
        "shared_buffers",
        Kind::Integer(16, 1_073_741_823),
        true,
        "(8kB) Sets the number of shared memory buffers used by the server.",
    ),
    parameter(
        "statement_timeout",
        Kind::Integer(0, MAX_INT),
        false,
        "(ms) Sets the maximum allowed duration of any statement.",
    ),
    parameter(
        "timezone",
        Kind::Words,
        false,
        "Sets the time zone for displaying and interpreting time stamps.",
    ),
    parameter(
        "work_mem",
        Kind::Integer(64, MAX_INT),
        false,
        "(kB) Sets the maximum memory to be used for query workspaces.",
    ),
];

const MYSQL: &[Parameter] = &[
    parameter(
        "character_set_server",
        Kind::Words,
        false,
        "The server's default character set.",
    ),
    parameter(
        "collation_server",
        Kind::Words,
        false,
        "The server's default collation.",
    ),
    parameter(
        "event_scheduler",
        Kind::OneOf(&["ON", "OFF"]),
        false,
        "Indicates the status of the Event Scheduler",
    ),
    parameter(
        "innodb_buffer_pool_size",
        Kind::Integer(5_242_880, i64::MAX),
        false,
        "The size in bytes of the memory buffer innodb uses to cache data and indexes of its tables.",
    ),
    parameter(
        "innodb_flush_log_at_trx_commit",
        Kind::OneOf(&["0", "1", "2"]),
        false,
        "Determines Innodb transaction durability",
    ),
    parameter(
        "interactive_timeout",
        Kind::Integer(1, 31_536_000),
        false,
        "The number of seconds the server waits for activity on an interactive connection before closing it.",
    ),
    parameter(
        "log_bin_trust_function_creators",
        Kind::OneOf(SWITCH),
        false,
        "Enforces restrictions on stored functions / triggers - logging for replication.",
    ),
    parameter(
        "long_query_time",
        Kind::Float(0, 31_536_000),
        false,
        "Defines what MySQL considers long queries",
    ),
    parameter(
        "lower_case_table_names",
        Kind::OneOf(SWITCH),
        true,
        "Affects how the server handles identifier case sensitivity",
    ),
    parameter(
        "max_allowed_packet",
        Kind::Integer(1_024, 1_073_741_824),
        false,
        "This value by default is small, to catch large (possibly incorrect) packets.",
    ),
    parameter(
        "max_connections",
        Kind::Integer(1, 100_000),
        false,
        "The number of simultaneous client connections allowed.",
    ),
    parameter(
        "slow_query_log",
        Kind::OneOf(SWITCH),
        false,
        "Enable or disable the slow query log",
    ),
    parameter("sql_mode", Kind::Words, false, "Current SQL Server Mode."),
    parameter("time_zone", Kind::Words, false, "The server time zone"),
    parameter(
        "wait_timeout",
        Kind::Integer(1, 31_536_000),
        false,
        "The number of seconds the server waits for activity on a noninteractive connection before closing it.",
    ),
];

/// Those of an engine, by name.
pub fn all(engine: &Engine) -> &'static [Parameter] {
    match engine.name {
        "postgres" => POSTGRES,
        _ => MYSQL,
    }
}

pub fn find(engine: &Engine, name: &str) -> Option<&'static Parameter> {
    all(engine).iter().find(|parameter| parameter.name == name)
}

/// What the engine's command line says of them.
pub fn arguments(engine: &Engine, values: &BTreeMap<String, String>) -> Vec<String> {
    let known = values
        .iter()
        .filter(|(name, _)| find(engine, name).is_some());
    known
        .flat_map(|(name, value)| match (engine.name, name.as_str()) {
            ("postgres", _) => vec!["-c".to_owned(), format!("{name}={value}")],
            (_, "time_zone") => vec![format!("--default-time-zone={value}")],
            _ => vec![format!("--{}={value}", name.replace('_', "-"))],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::engine;

    #[test]
    fn values_are_checked_and_reach_the_command_line() {
        let postgres = engine::find("postgres").unwrap();
        let kind = |name| &find(postgres, name).unwrap().kind;
        assert!(kind("max_connections").takes("50"));
        assert!(!kind("max_connections").takes("5"));
        assert!(!kind("log_statement").takes("everything"));
        assert!(!kind("timezone").takes("UTC'; --"));
        assert!(kind("random_page_cost").takes("1.1"));
        let values = BTreeMap::from([("work_mem".to_owned(), "4096".to_owned())]);
        assert_eq!(arguments(postgres, &values), ["-c", "work_mem=4096"]);
        let mysql = engine::find("mysql").unwrap();
        let values = BTreeMap::from([
            ("max_connections".to_owned(), "9".to_owned()),
            ("time_zone".to_owned(), "UTC".to_owned()),
        ]);
        assert_eq!(
            arguments(mysql, &values),
            ["--max-connections=9", "--default-time-zone=UTC"]
        );
    }

    #[test]
    fn they_are_in_order() {
        for all in [POSTGRES, MYSQL] {
            assert!(all.is_sorted_by_key(|parameter| parameter.name));
        }
    }
}
