//! Floor 3, the network family: so far Amazon EC2 as far as tasks need it (the default VPC).

pub mod ec2;
