//! What can happen to an object, in the words of notifications
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html>).

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Put,
    /// By an HTML form.
    Posted,
    Copied,
    /// An upload in parts was completed.
    Completed,
    /// A version went for good.
    Removed(By),
    /// A delete marker hides the versions.
    Marked(By),
    Tagged,
    Untagged,
    AclPut,
    Retained,
}

/// Who removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    Request,
    Lifecycle,
}

/// The types of events that a bucket can be asked to tell, but for those whose names end with `:*`.
pub const EVENTS: [&str; 24] = [
    "s3:ReducedRedundancyLostObject",
    "s3:ObjectCreated:Put",
    "s3:ObjectCreated:Post",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectRemoved:Delete",
    "s3:ObjectRemoved:DeleteMarkerCreated",
    "s3:ObjectRestore:Post",
    "s3:ObjectRestore:Completed",
    "s3:ObjectRestore:Delete",
    "s3:Replication:OperationFailedReplication",
    "s3:Replication:OperationNotTracked",
    "s3:Replication:OperationMissedThreshold",
    "s3:Replication:OperationReplicatedAfterThreshold",
    "s3:LifecycleTransition",
    "s3:IntelligentTiering",
    "s3:ObjectAcl:Put",
    "s3:LifecycleExpiration:Delete",
    "s3:LifecycleExpiration:DeleteMarkerCreated",
    "s3:ObjectTagging:Put",
    "s3:ObjectTagging:Delete",
    "s3:ObjectAnnotation:Put",
    "s3:ObjectAnnotation:Delete",
    "s3:ObjectRetention:Put",
];

/// The types of events that a name of a configuration stands for.
pub fn events(name: &str) -> Vec<&'static str> {
    let of_group = |event: &&str| match name.strip_suffix('*') {
        Some(group) => group.ends_with(':') && event.starts_with(group),
        None => *event == name,
    };
    EVENTS.iter().copied().filter(of_group).collect()
}

impl Change {
    /// The type of the event.
    pub fn event(self) -> &'static str {
        match self {
            Change::Put => "s3:ObjectCreated:Put",
            Change::Posted => "s3:ObjectCreated:Post",
            Change::Copied => "s3:ObjectCreated:Copy",
            Change::Completed => "s3:ObjectCreated:CompleteMultipartUpload",
            Change::Removed(By::Request) => "s3:ObjectRemoved:Delete",
            Change::Marked(By::Request) => "s3:ObjectRemoved:DeleteMarkerCreated",
            Change::Removed(By::Lifecycle) => "s3:LifecycleExpiration:Delete",
            Change::Marked(By::Lifecycle) => "s3:LifecycleExpiration:DeleteMarkerCreated",
            Change::Tagged => "s3:ObjectTagging:Put",
            Change::Untagged => "s3:ObjectTagging:Delete",
            Change::AclPut => "s3:ObjectAcl:Put",
            Change::Retained => "s3:ObjectRetention:Put",
        }
    }

    pub fn is_creation(self) -> bool {
        matches!(
            self,
            Change::Put | Change::Posted | Change::Copied | Change::Completed
        )
    }

    /// The version of a notification's record.
    pub fn record_version(self) -> &'static str {
        match self {
            Change::Removed(By::Request) | Change::Marked(By::Request) => "2.1",
            change if change.is_creation() => "2.1",
            _ => "2.3",
        }
    }

    /// EventBridge's detail type; `None`: it is not told.
    pub fn detail_type(self) -> Option<&'static str> {
        match self {
            Change::Put | Change::Posted | Change::Copied | Change::Completed => {
                Some("Object Created")
            }
            Change::Removed(_) | Change::Marked(_) => Some("Object Deleted"),
            Change::Tagged => Some("Object Tags Added"),
            Change::Untagged => Some("Object Tags Deleted"),
            Change::AclPut => Some("Object ACL Updated"),
            Change::Retained => None,
        }
    }

    /// EventBridge's reason, where it tells one.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Change::Put => Some("PutObject"),
            Change::Posted => Some("POST Object"),
            Change::Copied => Some("CopyObject"),
            Change::Completed => Some("CompleteMultipartUpload"),
            Change::Removed(By::Request) | Change::Marked(By::Request) => Some("DeleteObject"),
            Change::Removed(By::Lifecycle) | Change::Marked(By::Lifecycle) => {
                Some("Lifecycle Expiration")
            }
            Change::Tagged | Change::Untagged | Change::AclPut | Change::Retained => None,
        }
    }

    /// EventBridge's type of a deletion.
    pub fn deletion_type(self) -> Option<&'static str> {
        match self {
            Change::Removed(_) => Some("Permanently Deleted"),
            Change::Marked(_) => Some("Delete Marker Created"),
            _ => None,
        }
    }
}
