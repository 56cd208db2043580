//! Instance classes, and the size of the Fargate task that stands for one
//! (<https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.DBInstanceClass.Summary.html>).

/// What a class has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Class {
    pub vcpus: u32,
    pub memory_mib: u32,
}

const BURSTABLE: [&str; 2] = ["t3", "t4g"];
const GENERAL: [&str; 8] = ["m5", "m5d", "m6g", "m6gd", "m6i", "m7g", "m7i", "m8g"];
const MEMORY: [&str; 6] = ["r5", "r6g", "r6i", "r7g", "r7i", "r8g"];

/// The sizes of tasks: CPU units, and the memory that goes with them in MiB, from and to and by how much
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html>).
const SIZES: [(u32, u32, u32, u32); 7] = [
    (256, 512, 2_048, 512),
    (512, 1_024, 4_096, 1_024),
    (1_024, 2_048, 8_192, 1_024),
    (2_048, 4_096, 16_384, 1_024),
    (4_096, 8_192, 30_720, 1_024),
    (8_192, 16_384, 61_440, 4_096),
    (16_384, 32_768, 122_880, 8_192),
];

impl Class {
    /// `db.t3.micro`; `None` for what is no class, or one that no task here is large enough for.
    pub fn of(name: &str) -> Option<Class> {
        let (family, size) = name.strip_prefix("db.")?.split_once('.')?;
        let (vcpus, gib) = match size {
            "micro" => (2, 1),
            "small" => (2, 2),
            "medium" => (2, 4),
            "large" => (2, 8),
            "xlarge" => (4, 16),
            "2xlarge" => (8, 32),
            "4xlarge" => (16, 64),
            _ => return None,
        };
        let is_small = ["micro", "small", "medium"].contains(&size);
        let gib = match () {
            () if BURSTABLE.contains(&family) && size != "4xlarge" => gib,
            () if GENERAL.contains(&family) && !is_small => gib,
            () if MEMORY.contains(&family) && !is_small && size != "4xlarge" => gib * 2,
            () => return None,
        };
        Some(Class {
            vcpus,
            memory_mib: gib * 1_024,
        })
    }

    /// All that there are.
    pub fn names() -> impl Iterator<Item = String> {
        let sizes = [
            "micro", "small", "medium", "large", "xlarge", "2xlarge", "4xlarge",
        ];
        let families = BURSTABLE.iter().chain(&GENERAL).chain(&MEMORY);
        let all = families.flat_map(move |family| sizes.map(|size| format!("db.{family}.{size}")));
        all.filter(|name| Class::of(name).is_some())
    }

    /// The task that has all its memory, and of its processors as many as go with so much.
    pub fn task(self) -> (u32, u32) {
        let holds = |&&(_, from, to, by): &&(u32, u32, u32, u32)| {
            (from..=to).contains(&self.memory_mib) && self.memory_mib.is_multiple_of(by)
        };
        let fits = |&&(units, ..): &&(u32, u32, u32, u32)| units <= self.vcpus * 1_024;
        let within = SIZES.iter().filter(holds).rfind(fits);
        let size = within.or_else(|| SIZES.iter().find(holds));
        (size.map_or(16_384, |size| size.0), self.memory_mib)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_a_task_with_its_memory() {
        let task = |name| Class::of(name).map(Class::task);
        assert_eq!(task("db.t3.micro"), Some((512, 1_024)));
        assert_eq!(task("db.t3.medium"), Some((2_048, 4_096)));
        assert_eq!(task("db.m5.large"), Some((2_048, 8_192)));
        assert_eq!(task("db.r5.xlarge"), Some((8_192, 32_768)));
        assert_eq!(task("db.m5.4xlarge"), Some((16_384, 65_536)));
        for none in [
            "db.m5.micro",
            "db.r5.4xlarge",
            "t3.micro",
            "db.t3",
            "db.x.large",
        ] {
            assert_eq!(task(none), None, "{none}");
        }
        assert!(Class::names().count() > 60);
    }
}
