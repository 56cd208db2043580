//! Floor 3, the compute family: ECS and ECR.

pub mod ecr;
pub mod ecs;
