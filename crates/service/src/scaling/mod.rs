//! What Auto Scaling and Application Auto Scaling have in common, and where others find groups.

pub mod adjust;
pub mod own_alarm;

/// `service/kind` of the records of Auto Scaling groups. What is in them is Auto Scaling's own:
/// others ask for it by Auto Scaling's operations, again whenever a group's record has changed.
pub const GROUP: &str = "autoscaling/group";
