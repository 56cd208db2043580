//! `dockerSecurityOptions`: what Docker makes of each
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html>).
//!
//! Labels of SELinux and profiles of AppArmor are the host's. Docker passes over them where the host has
//! none, and so does this; where it has one, a container that asks for a profile is refused, since it
//! would run without it.

use std::path::Path;

/// What the options ask for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Security {
    pub no_new_privileges: bool,
    pub seccomp_unconfined: bool,
}

impl Security {
    /// # Errors
    /// One that Docker does not know, or that is not carried out here.
    pub fn of(options: &[String]) -> Result<Security, String> {
        Security::on(options, |path| Path::new(path).exists())
    }

    fn on(options: &[String], has: impl Fn(&str) -> bool) -> Result<Security, String> {
        let mut security = Security::default();
        for option in options {
            let (name, value) = option.split_once([':', '=']).unwrap_or((option, ""));
            match (name, value) {
                ("no-new-privileges", "" | "true") => security.no_new_privileges = true,
                ("no-new-privileges", "false") => security.no_new_privileges = false,
                ("seccomp", "unconfined") => security.seccomp_unconfined = true,
                ("apparmor", "unconfined") | ("label", "disable") => {}
                ("apparmor", _) if !has("/sys/kernel/security/apparmor/profiles") => {}
                ("label", _) if !has("/sys/fs/selinux/enforce") => {}
                ("apparmor" | "label" | "seccomp", _) => {
                    return Err(format!(
                        "dockerSecurityOptions: {option:?} is not carried out on this node"
                    ));
                }
                _ => {
                    return Err(format!(
                        "Error response from daemon: invalid --security-opt 2: {option:?}"
                    ));
                }
            }
        }
        Ok(security)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_dockers() {
        let of = |options: &[&str], has: bool| {
            let options: Vec<String> = options.iter().map(|&o| o.to_owned()).collect();
            Security::on(&options, |_| has)
        };
        for option in [
            "no-new-privileges",
            "no-new-privileges:true",
            "no-new-privileges=true",
        ] {
            assert!(of(&[option], true).unwrap().no_new_privileges);
        }
        assert!(
            of(&["seccomp=unconfined"], true)
                .unwrap()
                .seccomp_unconfined
        );
        for option in ["apparmor:docker-nginx", "label:type:svirt_t"] {
            assert_eq!(of(&[option], false), Ok(Security::default()));
            assert!(of(&[option], true).unwrap_err().contains("not carried out"));
        }
        for option in ["apparmor=unconfined", "label=disable"] {
            assert_eq!(of(&[option], true), Ok(Security::default()));
        }
        assert!(of(&["seccomp:/p.json"], false).is_err());
        assert!(of(&["nonsense"], false).unwrap_err().contains("nonsense"));
    }
}
