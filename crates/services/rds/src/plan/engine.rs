//! The engines, their versions, and the images that run them.
//!
//! A version's image is the official one of that tag, unless the operator named another (`rds_images`).

use std::collections::BTreeMap;

/// An engine as RDS names it.
#[derive(Debug)]
pub struct Engine {
    pub name: &'static str,
    pub description: &'static str,
    pub port: i32,
    pub license: &'static str,
    /// The newest first; the first is the default.
    pub versions: &'static [Version],
    /// What CloudWatch Logs may have of it: all that it says.
    pub log_type: &'static str,
    /// What the master user may not be called.
    pub reserved: &'static [&'static str],
    pub max_username_chars: usize,
    pub max_password_chars: usize,
}

#[derive(Debug)]
pub struct Version {
    pub name: &'static str,
    pub major: &'static str,
    pub family: &'static str,
}

const fn version(name: &'static str, major: &'static str, family: &'static str) -> Version {
    Version {
        name,
        major,
        family,
    }
}

pub const ENGINES: [Engine; 3] = [
    Engine {
        name: "postgres",
        description: "PostgreSQL",
        port: 5432,
        license: "postgresql-license",
        versions: &[
            version("17.6", "17", "postgres17"),
            version("16.10", "16", "postgres16"),
            version("15.14", "15", "postgres15"),
            version("14.19", "14", "postgres14"),
        ],
        log_type: "postgresql",
        reserved: &[
            "admin",
            "postgres_rds",
            "rdsadmin",
            "rds_superuser",
            "public",
            "none",
            "current_user",
            "session_user",
            "user",
        ],
        max_username_chars: 63,
        max_password_chars: 128,
    },
    Engine {
        name: "mysql",
        description: "MySQL Community Edition",
        port: 3306,
        license: "general-public-license",
        versions: &[
            version("8.4.6", "8.4", "mysql8.4"),
            version("8.0.43", "8.0", "mysql8.0"),
        ],
        log_type: "error",
        reserved: &["rdsadmin", "mysql", "root"],
        max_username_chars: 16,
        max_password_chars: 41,
    },
    Engine {
        name: "mariadb",
        description: "MariaDB Community Edition",
        port: 3306,
        license: "general-public-license",
        versions: &[
            version("11.4.8", "11.4", "mariadb11.4"),
            version("10.11.14", "10.11", "mariadb10.11"),
            version("10.6.23", "10.6", "mariadb10.6"),
        ],
        log_type: "error",
        reserved: &["rdsadmin", "mysql", "root"],
        max_username_chars: 16,
        max_password_chars: 41,
    },
];

pub fn find(name: &str) -> Option<&'static Engine> {
    ENGINES.iter().find(|engine| engine.name == name)
}

/// Is this the family of parameters of some version?
pub fn of_family(family: &str) -> Option<&'static Engine> {
    let has = |engine: &&Engine| engine.versions.iter().any(|v| v.family == family);
    ENGINES.iter().find(has)
}

impl Engine {
    /// The version of this name, or the newest of a major version.
    pub fn version(&self, asked: Option<&str>) -> Option<&'static Version> {
        let versions = find(self.name)?.versions;
        match asked {
            None => versions.first(),
            Some(asked) => versions
                .iter()
                .find(|v| v.name == asked || v.major == asked),
        }
    }
}

/// The image that runs it: the operator's for the version, for its major version or for the engine, else
/// the official one.
pub fn image(images: &BTreeMap<String, String>, engine: &str, version: &str) -> String {
    let major = find(engine)
        .and_then(|engine| engine.version(Some(version)))
        .map_or(version, |version| version.major);
    let named = [
        format!("{engine}:{version}"),
        format!("{engine}:{major}"),
        engine.to_owned(),
    ];
    let own = named.iter().find_map(|name| images.get(name));
    own.cloned()
        .unwrap_or_else(|| format!("public.ecr.aws/docker/library/{engine}:{version}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_by_their_major_one() {
        let postgres = find("postgres").unwrap();
        assert_eq!(postgres.version(None).unwrap().name, "17.6");
        assert_eq!(postgres.version(Some("15")).unwrap().name, "15.14");
        assert_eq!(
            postgres.version(Some("15.14")).unwrap().family,
            "postgres15"
        );
        assert!(postgres.version(Some("9.6")).is_none());
        assert_eq!(of_family("mariadb10.11").unwrap().name, "mariadb");
    }

    #[test]
    fn the_operators_image_comes_first() {
        let official = "public.ecr.aws/docker/library/postgres:16.10";
        let mut images = BTreeMap::new();
        assert_eq!(image(&images, "postgres", "16.10"), official);
        images.insert("postgres".into(), "any".into());
        assert_eq!(image(&images, "postgres", "16.10"), "any");
        images.insert("postgres:16".into(), "major".into());
        assert_eq!(image(&images, "postgres", "16.10"), "major");
        images.insert("postgres:16.10".into(), "own".into());
        assert_eq!(image(&images, "postgres", "16.10"), "own");
        assert_eq!(image(&images, "postgres", "15.14"), "any");
    }
}
