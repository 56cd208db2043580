//! What rules, actions and target groups may be, and what a target's health is shown as: pure.

pub(crate) mod actions;
pub(crate) mod conditions;
pub(crate) mod health;
pub(crate) mod protocol;
pub(crate) mod target_groups;
pub(crate) mod transforms;
pub(crate) mod trust_stores;
