//! Settings that are got and taken away alike.

/// The handlers that get a setting and take it away.
macro_rules! setting {
    (
        $get:ident($get_input:ident) -> $get_output:ident,
        $delete:ident($delete_input:ident),
        $get_action:literal, $delete_action:literal,
        $field:ident => $member:ident,
        $code:literal, $message:literal
    ) => {
        pub async fn $get(
            _: Arc<S3>,
            cx: Ctx,
            input: api::$get_input,
        ) -> Result<api::$get_output, AwsError> {
            let owner = input.expected_bucket_owner.as_deref();
            let bucket = bucket::open(&cx, &input.bucket, owner, $get_action, None).await?;
            let set = bucket.$field.clone();
            let set = set.ok_or_else(|| error::unset($code, $message, &input.bucket))?;
            Ok(api::$get_output {
                $member: Some(set.0),
            })
        }

        pub async fn $delete(
            _: Arc<S3>,
            cx: Ctx,
            input: api::$delete_input,
        ) -> Result<Unit, AwsError> {
            let owner = input.expected_bucket_owner.as_deref();
            change(&cx, &input.bucket, owner, $delete_action, |bucket| {
                bucket.$field = None;
                Ok(())
            })
            .await?;
            Ok(Unit)
        }
    };
}
pub(crate) use setting;
