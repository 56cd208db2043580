//! Which capabilities a container has: Docker's default set, less and more as asked; and which of
//! them a node's operator lets tasks have.
//!
//! Containers have no user namespace of their own: a capability that the kernel asks for in the
//! first one reaches the whole machine, whatever else is apart. [`CONTAINED`] are those that stay
//! with what the container has for itself; any other is the operator's to give ([`Allowed`]).

use crate::runtime::{ContainerConfig, Namespace};

/// The names in the order of their numbers, from `linux/capability.h`.
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// docs.docker.com/engine/containers/run/#runtime-privilege-and-linux-capabilities; ECS's
/// `KernelCapabilities` starts from the same set.
const DEFAULT: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Beyond Docker's default set, those that reach nothing but the container's own processes, memory
/// (which counts in its cgroup) and System V objects.
///
/// Not among them, for what they reach: `NET_ADMIN`, because a veth's other end is in the host's
/// namespace, which has a number in the container's (`IFLA_TARGET_NETNSID`): its links can be
/// listed, set and deleted; `DAC_READ_SEARCH` (files of the host by handle); `SYS_NICE` (real-time
/// priority before the host's own processes, past the CPU limit); `SYS_RESOURCE` (its own score
/// for the OOM killer, the disk's reserve); `LINUX_IMMUTABLE` (files that cannot be removed at
/// its end); and all that is the kernel's one: modules, time, log, audit, security labels,
/// tracing, BPF, suspend, accounting, `SYS_ADMIN` above all.
const CONTAINED: [&str; 4] = ["IPC_LOCK", "IPC_OWNER", "NET_BROADCAST", "SYS_PTRACE"];

/// Every one there is.
pub(crate) const ALL: u64 = (1 << NAMES.len()) - 1;

/// The set as a bit mask. Names may carry the prefix `CAP_`; `ALL` is every capability.
///
/// # Errors
/// A name that is none, in Docker's words.
pub fn set(add: &[String], drop: &[String]) -> Result<u64, String> {
    Ok(mask(&DEFAULT)? & !mask(drop)? | mask(add)?)
}

fn mask<S: AsRef<str>>(names: &[S]) -> Result<u64, String> {
    names.iter().try_fold(0, |mask, name| {
        let upper = name.as_ref().to_ascii_uppercase();
        let short = upper.strip_prefix("CAP_").unwrap_or(&upper);
        if short == "ALL" {
            return Ok(ALL);
        }
        match NAMES.iter().position(|&known| known == short) {
            Some(number) => Ok(mask | 1 << number),
            None => Err(format!("invalid capability: {}", name.as_ref())),
        }
    })
}

/// What of this machine its operator lets tasks reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed {
    capabilities: u64,
    /// Its files and devices, and being its root.
    host: bool,
}

impl Default for Allowed {
    /// Nothing beyond what the container has for itself.
    fn default() -> Self {
        let names = [&DEFAULT[..], &CONTAINED[..]].concat();
        Allowed {
            capabilities: mask(&names).expect("our own names"),
            host: false,
        }
    }
}

impl Allowed {
    /// The machine is the tasks': what an EC2 instance is to its own.
    pub fn everything() -> Allowed {
        Allowed {
            capabilities: ALL,
            host: true,
        }
    }

    /// These capabilities too.
    ///
    /// # Errors
    /// A name that is none.
    pub fn and(self, names: &[String]) -> Result<Allowed, String> {
        Ok(Allowed {
            capabilities: self.capabilities | mask(names)?,
            ..self
        })
    }

    /// Whether the machine itself is reached by what `field` of a task definition asks for.
    ///
    /// # Errors
    /// It may not be: the setting that would let it.
    pub fn host(self, field: &str) -> Result<(), String> {
        match self.host {
            true => Ok(()),
            false => Err(format!(
                "{field} would reach the host itself, and this node's operator has not allowed that \
                 (neargate's setting allow_privileged)"
            )),
        }
    }

    /// Why a container may not run here, if it may not.
    ///
    /// # Errors
    /// What it asks for beyond this, and the setting that would let it.
    pub fn check(self, config: &ContainerConfig) -> Result<(), String> {
        for (asked, field) in [
            (config.privileged, "privileged"),
            (!config.devices.is_empty(), "linuxParameters.devices"),
            (config.processes == Namespace::Host, "pidMode"),
            (config.ipc == Namespace::Host, "ipcMode"),
            (config.seccomp_unconfined, "dockerSecurityOptions"),
        ] {
            if asked {
                self.host(field)?;
            }
        }
        let asked = set(&config.cap_add, &config.cap_drop)?;
        self.covers(asked, "linuxParameters.capabilities.add")?;
        for limit in &config.ulimits {
            // A nice value of 20 less the limit: what is beyond 20 goes before other programs.
            let before_others = match limit.name.as_str() {
                "rtprio" => limit.hard > 0,
                "nice" => limit.hard > 20,
                _ => false,
            };
            if before_others {
                let field = format!("ulimits.{}", limit.name);
                self.covers(mask(&["SYS_NICE"])?, &field)?;
            }
        }
        Ok(())
    }

    fn covers(self, asked: u64, field: &str) -> Result<(), String> {
        let beyond = asked & !self.capabilities;
        let names = (0..NAMES.len()).filter(|bit| beyond & (1 << bit) != 0);
        let names: Vec<&str> = names.map(|bit| NAMES[bit]).collect();
        if names.is_empty() {
            return Ok(());
        }
        let of = match names.len() {
            1 => "capability",
            _ => "capabilities",
        };
        Err(format!(
            "{field}: {of} {} would reach the host itself, and this node's operator has not \
             allowed that (neargate's setting instance_allow)",
            names.join(", ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Ulimit;

    fn own(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn they_are_dropped_before_added() {
        let set = |add: &[&str], drop: &[&str]| set(&own(add), &own(drop));
        assert_eq!(set(&[], &[]), Ok(0xa804_25fb), "Docker's default mask");
        assert_eq!(set(&["CAP_SYS_PTRACE"], &["ALL"]), Ok(1 << 19));
        assert_eq!(set(&["sys_ptrace"], &["net_raw"]), Ok(0xa80c_05fb));
        let error = set(&["SYS_NONSENSE"], &[]).unwrap_err();
        assert_eq!(error, "invalid capability: SYS_NONSENSE");
    }

    fn refused(allowed: Allowed, add: &[&str], ulimit: Option<(&str, u64)>) -> Option<String> {
        let ulimits = ulimit.map(|(name, hard)| Ulimit {
            name: name.into(),
            soft: 0,
            hard,
        });
        let config = ContainerConfig {
            cap_add: own(add),
            ulimits: ulimits.into_iter().collect(),
            ..ContainerConfig::default()
        };
        allowed.check(&config).err()
    }

    #[test]
    fn what_reaches_the_host_is_the_operators_to_allow() {
        let own_things = [
            "IPC_LOCK",
            "IPC_OWNER",
            "NET_BROADCAST",
            "NET_RAW",
            "MKNOD",
            "SYS_PTRACE",
        ];
        for name in NAMES {
            let contained = own_things.contains(&name) || DEFAULT.contains(&name);
            let why = refused(Allowed::default(), &[name], None);
            assert_eq!(why.is_none(), contained, "{name}: {why:?}");
            assert!(why.is_none_or(|why| why.contains(name)));
            assert_eq!(refused(Allowed::everything(), &[name], None), None);
            let one = Allowed::default().and(&own(&[name])).unwrap();
            assert_eq!(refused(one, &[name], None), None);
        }
        let all = refused(Allowed::default(), &["ALL"], None).unwrap();
        assert!(
            all.contains("DAC_READ_SEARCH") && !all.contains("CHOWN"),
            "{all}"
        );
        assert!(Allowed::default().and(&own(&["NONSENSE"])).is_err());
    }

    #[test]
    fn a_limit_gives_what_the_capability_would() {
        for (name, hard) in [("rtprio", 1), ("nice", 21)] {
            let why = refused(Allowed::default(), &[], Some((name, hard))).unwrap();
            let words = format!("ulimits.{name}: capability SYS_NICE would reach the host");
            assert!(why.starts_with(&words), "{why}");
            let nice = Allowed::default().and(&own(&["SYS_NICE"])).unwrap();
            assert_eq!(refused(nice, &[], Some((name, hard))), None);
        }
        for (name, hard) in [("rtprio", 0), ("nice", 20), ("memlock", u64::MAX)] {
            assert_eq!(refused(Allowed::default(), &[], Some((name, hard))), None);
        }
    }
}
