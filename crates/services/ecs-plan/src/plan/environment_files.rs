//! Files of variables in S3: where they are, what they say, and the words for those that cannot be had
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/use-environment-file.html>). Pure.
//!
//! Variables of `environment` and secrets stay as they are; of several files, the first that has a
//! variable gives its value ("processed from the top down").

use neargate_base::Arn;
use neargate_domain::LaunchType;

/// As AWS says no bound: what a process is given at its start, all told, is smaller.
pub const MAX_BYTES: u64 = 1 << 20;

/// The bucket and the key that an ARN names.
pub fn location(value: &str) -> Option<(String, String)> {
    let arn: Arn = value.parse().ok().filter(|arn: &Arn| arn.service == "s3")?;
    let (bucket, key) = arn.resource.split_once('/')?;
    let both = !bucket.is_empty() && !key.is_empty();
    both.then(|| (bucket.to_owned(), key.to_owned()))
}

/// The variables of a file. Comments begin with `#`, and a line without `=` says nothing. The ECS agent
/// takes values as they stand and no empty ones; on Fargate "the file is handled like a native Docker
/// env-file", which has empty values, and blanks before a name.
pub fn variables(text: &str, launch_type: LaunchType) -> Vec<(String, String)> {
    let as_docker = launch_type == LaunchType::Fargate;
    let text = text.trim_start_matches('\u{feff}');
    text.lines()
        .map(|line| if as_docker { line.trim_start() } else { line })
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .filter(|(name, value)| !name.is_empty() && (as_docker || !value.is_empty()))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Why a file cannot be had: the text after `ResourceInitializationError: `, Fargate's or the agent's.
pub fn unread(launch_type: LaunchType, value: &str, why: &str) -> String {
    match (launch_type, location(value)) {
        (LaunchType::Fargate, _) => format!(
            "failed to download env files: file download command: non empty error stream: {why}"
        ),
        (_, Some((bucket, key))) => {
            format!("unable to download env file with key {key} from bucket {bucket}, error: {why}")
        }
        (_, None) => format!(
            "unable to parse bucket and key from s3 ARN specified in environmentFile {value}, \
             error: {why}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_variables() {
        let text =
            "# a comment\nA=1\n\nB=two words = three\n  C=indented\nD=\nnothing\n=x\nE='q'\r\n";
        let names = |launch_type| {
            let all = variables(text, launch_type);
            all.into_iter()
                .map(|(n, v)| format!("{n}|{v}"))
                .collect::<Vec<_>>()
        };
        let fargate = ["A|1", "B|two words = three", "C|indented", "D|", "E|'q'"];
        assert_eq!(names(LaunchType::Fargate), fargate);
        let agent = ["A|1", "B|two words = three", "  C|indented", "E|'q'"];
        assert_eq!(names(LaunchType::Ec2), agent);
    }

    #[test]
    fn files_are_named_by_arn() {
        let found = location("arn:aws:s3:::box/a/b.env");
        assert_eq!(found, Some(("box".into(), "a/b.env".into())));
        for bad in ["arn:aws:s3:::box", "arn:aws:ssm:::a/b", "s3://box/a.env"] {
            assert_eq!(location(bad), None, "{bad}");
        }
    }
}
