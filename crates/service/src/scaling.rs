//! Auto Scaling groups, as far as others look at them: by Auto Scaling's own operations, again
//! whenever a group's record has changed.

/// `service/kind` of the records of groups. What is in them is Auto Scaling's own.
pub const GROUP: &str = "autoscaling/group";
