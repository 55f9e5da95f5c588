//! The bindings of the world in `wit/`, and its types, which are ours above this
//! layer.

#![expect(
    missing_docs,
    unreachable_pub,
    reason = "generated from `wit/`, which documents every item"
)]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "cocoon:factorial/sandbox",
    exports: { default: async },
    additional_derives: [PartialEq, Eq, Hash],
});

pub use self::exports::cocoon::factorial::factorial::{
    Count, Error, Estimate, Facts, Format, Grade, Kind, Request, Verdict, Verification,
};
pub use self::exports::cocoon::factorial::parts::Step;

crate::world!(
    /// Components of the world `cocoon:factorial/sandbox`.
    FactorialWorld,
    SandboxPre<crate::component::State>,
    Sandbox
);
