//! What identifiers, names and passwords may be
//! (<https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html>).

use crate::error;
use crate::plan::engine::Engine;
use neargate_service::AwsError;

/// Is it one that RDS takes, of at most so many characters?
pub fn is_identifier(text: &str, most: usize) -> bool {
    text.len() <= most
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && !text.ends_with('-')
        && !text.contains("--")
}

/// The identifier in lower case.
///
/// # Errors
/// It is none.
pub fn identifier(parameter: &str, given: &str, most: usize) -> Result<String, AwsError> {
    match is_identifier(given, most) {
        true => Ok(given.to_ascii_lowercase()),
        false => Err(error::identifier(parameter)),
    }
}

/// # Errors
/// The engine does not take such a master user.
pub fn username(engine: &Engine, name: &str) -> Result<(), AwsError> {
    let fits = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.len() <= engine.max_username_chars;
    if !fits {
        return Err(error::value(format!(
            "The parameter MasterUsername is not a valid name. It must be 1 to {} letters, numbers, or \
             underscores, and its first character must be a letter.",
            engine.max_username_chars
        )));
    }
    let reserved = |word: &&&str| word.eq_ignore_ascii_case(name);
    if engine.reserved.iter().any(|word| reserved(&word)) || name.starts_with("pg_") {
        return Err(error::value(format!(
            "MasterUsername {name} cannot be used as it is a reserved word used by the engine"
        )));
    }
    Ok(())
}

/// # Errors
/// The engine does not take such a password.
pub fn password(engine: &Engine, text: &str) -> Result<(), AwsError> {
    let refuse = |why: &str| {
        error::value(format!(
            "The parameter MasterUserPassword is not a valid password{why}"
        ))
    };
    if text.chars().count() < 8 {
        return Err(refuse(" because it is shorter than 8 characters."));
    }
    if text.chars().count() > engine.max_password_chars {
        return Err(refuse(&format!(
            " because it is longer than {} characters.",
            engine.max_password_chars
        )));
    }
    let fits = |c: char| c.is_ascii_graphic() && !"/@\"".contains(c);
    if !text.chars().all(fits) {
        return Err(refuse(
            ". Only printable ASCII characters besides '/', '@', '\"', ' ' may be used.",
        ));
    }
    Ok(())
}

/// # Errors
/// The engine does not take a database of this name.
pub fn db_name(engine: &Engine, name: &str) -> Result<(), AwsError> {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let fits = name.starts_with(first)
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.len() <= 63;
    let reserved = ["mysql", "sys", "information_schema", "performance_schema"];
    if !fits || (engine.name != "postgres" && reserved.contains(&name)) {
        return Err(error::value(
            "DBName must begin with a letter and contain only alphanumeric characters.",
        ));
    }
    Ok(())
}

/// # Errors
/// No volume here is so large, or so small.
pub fn storage(engine: &Engine, kind: &str, gib: i32) -> Result<(), AwsError> {
    let least = match kind {
        "gp2" | "gp3" => 20,
        "standard" => 5,
        "io1" | "io2" => return Err(error::unsupported(&format!("StorageType {kind}"))),
        other => return Err(error::value(format!("Invalid storage type: {other}"))),
    };
    if !(least..=65_536).contains(&gib) {
        return Err(error::value(format!(
            "Invalid storage size for engine name {} and storage type {kind}: {gib}",
            engine.name
        )));
    }
    Ok(())
}

/// # Errors
/// It is none that a database may have.
pub fn port(port: i32) -> Result<(), AwsError> {
    match (1_150..=65_535).contains(&port) {
        true => Ok(()),
        false => Err(error::value(format!(
            "Invalid database port: {port}. Must be between 1150 and 65535"
        ))),
    }
}

/// # Errors
/// More than 35 days.
pub fn retention(days: i32) -> Result<(), AwsError> {
    match (0..=35).contains(&days) {
        true => Ok(()),
        false => Err(error::value(format!(
            "Invalid backup retention period: {days}. Retention period must be between 0 and 35"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::engine;

    #[test]
    fn identifiers() {
        for good in ["a", "orders-1", "A9"] {
            assert!(is_identifier(good, 63), "{good}");
        }
        for bad in ["", "1a", "a-", "a--b", "a_b", "ä"] {
            assert!(!is_identifier(bad, 63), "{bad}");
        }
        assert!(!is_identifier(&"a".repeat(64), 63));
    }

    #[test]
    fn users_and_passwords() {
        let postgres = engine::find("postgres").unwrap();
        assert!(username(postgres, "app_1").is_ok());
        for bad in ["", "1a", "a-b", "Admin", "pg_x", "rdsadmin"] {
            assert!(username(postgres, bad).is_err(), "{bad}");
        }
        assert!(password(postgres, "a'b\\c$d;").is_ok());
        for bad in ["short", "has space", "has/slash", "has@sign", "has\"quote"] {
            assert!(password(postgres, bad).is_err(), "{bad}");
        }
        assert!(storage(postgres, "gp3", 20).is_ok());
        assert!(storage(postgres, "gp3", 19).is_err());
        assert!(storage(postgres, "gp3", 65_537).is_err());
    }
}
