//! The scripts, each with the part that all share.

use redis::Script;

macro_rules! scripts {
    ($($name:ident),*) => {
        /// All scripts.
        pub(super) struct Scripts {
            $(pub(super) $name: Script,)*
        }

        impl Scripts {
            pub(super) fn new() -> Self {
                Self {
                    $($name: Script::new(concat!(
                        include_str!("scripts/prelude.lua"),
                        include_str!(concat!("scripts/", stringify!($name), ".lua"))
                    )),)*
                }
            }
        }
    };
}

scripts!(
    create,
    add,
    close,
    take,
    renew,
    stage,
    publish,
    hand_back,
    acknowledge,
    cancel,
    purge
);
