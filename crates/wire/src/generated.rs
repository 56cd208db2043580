//! The macros that generated code is written in: a line for a member, a line for an operation.

/// Structures, each with its table in `super::shapes`. A member's line is its index in the shape,
/// how it is kept (`opt`, `req`, or `boxed` where it would contain itself), its name and type.
#[macro_export]
macro_rules! structures {
    ($($name:ident: $shape:ident { $($at:literal $kept:ident $field:ident: $type:ty,)* })*) => { $(
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct $name { $(pub $field: $crate::member_type!($kept $type),)* }

        impl $crate::Structure for $name {
            const SHAPE: &'static $crate::schema::Shape = &super::shapes::$shape;

            #[allow(unused_variables, reason = "some structures have no members")]
            fn set(&mut self, member: usize, value: $crate::value::Value) {
                match member {
                    $($at => $crate::structure::set::$kept(&mut self.$field, value),)*
                    _ => {}
                }
            }

            fn to_value(&self) -> $crate::value::Value {
                #[allow(unused_mut, reason = "some structures have no members")]
                let mut fields = $crate::structure::Fields::with_capacity([$($at,)* 0].len());
                $(fields.$kept($at, &self.$field);)*
                fields.done()
            }
        }
    )* };
}

/// The type of a member's field.
#[doc(hidden)]
#[macro_export]
macro_rules! member_type {
    (opt $type:ty) => { ::core::option::Option<$type> };
    (req $type:ty) => { $type };
    (boxed $type:ty) => { ::core::option::Option<::std::boxed::Box<$type>> };
}

/// A unit struct for each operation, of the service `super::SERVICE`.
#[macro_export]
macro_rules! operation_structs {
    ($($name:ident($input:ty) -> $output:ty;)*) => { $(
        #[derive(Debug, Clone, Copy)]
        pub struct $name;

        impl $crate::OperationDef for $name {
            type Input = $input;
            type Output = $output;
            const NAME: &'static str = stringify!($name);

            fn service() -> &'static $crate::schema::Service {
                &super::SERVICE
            }
        }
    )* };
}
