//! The words of the shells that `neargate env` writes for.

/// A shell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Shell {
    /// sh, bash, zsh, ksh
    #[default]
    Sh,
    Fish,
    Powershell,
}

impl Shell {
    /// A line that gives the variable a value, which has no character that needs quotes but those
    /// of an address: zsh would read `[::1]` as a pattern.
    pub fn set(self, name: &str, value: &str) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || ":/._-+=".contains(c);
        let quoted = if value.chars().all(plain) {
            value.to_owned()
        } else {
            format!("'{value}'")
        };
        match self {
            Shell::Sh => format!("export {name}={quoted}\n"),
            Shell::Fish => format!("set -gx {name} {quoted}\n"),
            Shell::Powershell => format!("$env:{name} = '{value}'\n"),
        }
    }

    pub fn unset(self, names: &[String]) -> String {
        match self {
            Shell::Sh => format!("unset {}\n", names.join(" ")),
            Shell::Fish => format!("set -e {}\n", names.join(" ")),
            Shell::Powershell => {
                let each = names.iter().map(|n| format!("Env:{n}"));
                let all = each.collect::<Vec<_>>().join(", ");
                format!("Remove-Item {all} -ErrorAction SilentlyContinue\n")
            }
        }
    }

    /// A function that tells `aws` the endpoint, for one that does not read the variable.
    pub fn aws(self) -> &'static str {
        match self {
            Shell::Sh => {
                "aws() { command aws ${AWS_ENDPOINT_URL:+\"--endpoint-url=$AWS_ENDPOINT_URL\"} \"$@\"; }\n"
            }
            Shell::Fish => {
                "function aws; command aws --endpoint-url=$AWS_ENDPOINT_URL $argv; end\n"
            }
            Shell::Powershell => {
                "function aws { & (Get-Command aws -CommandType Application)[0] \"--endpoint-url=$env:AWS_ENDPOINT_URL\" @args }\n"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Shell;

    #[test]
    fn lines_in_each_shells_words() {
        assert_eq!(Shell::Sh.set("A", "http://h:1"), "export A=http://h:1\n");
        assert_eq!(
            Shell::Sh.set("A", "http://[::1]:1"),
            "export A='http://[::1]:1'\n"
        );
        assert_eq!(Shell::Fish.set("A", "b"), "set -gx A b\n");
        assert_eq!(Shell::Powershell.set("A", "b"), "$env:A = 'b'\n");
        let names = ["A".to_owned(), "B".to_owned()];
        assert_eq!(Shell::Sh.unset(&names), "unset A B\n");
        assert_eq!(Shell::Fish.unset(&names), "set -e A B\n");
        assert_eq!(
            Shell::Powershell.unset(&names),
            "Remove-Item Env:A, Env:B -ErrorAction SilentlyContinue\n"
        );
    }
}
