//! The scripts, each with the part that all share.
//!
//! Those that return memory or hold leases run in a Redis that is full, too: its memory becomes free
//! only when results are read.

use redis::Script;

macro_rules! scripts {
    ($($name:ident $(if $flags:literal)?),*) => {
        /// All scripts.
        pub(super) struct Scripts {
            $(pub(super) $name: Script,)*
        }

        impl Scripts {
            pub(super) fn new() -> Self {
                Self {
                    $($name: Script::new(concat!(
                        $($flags,)?
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
    renew if "#!lua flags=allow-oom\n",
    stage,
    publish,
    hand_back if "#!lua flags=allow-oom\n",
    refuse if "#!lua flags=allow-oom\n",
    attach if "#!lua flags=allow-oom\n",
    acknowledge if "#!lua flags=allow-oom\n",
    cancel if "#!lua flags=allow-oom\n",
    purge if "#!lua flags=allow-oom\n"
);
