//! The WIT world of a component.

use wasmtime::Store;
use wasmtime::component::InstancePre;

use crate::grants::State;

/// The bindings of a WIT world: the exports that a component must have, and how to call them.
pub trait World: Send + Sync + 'static {
    /// The exports, looked up once for all sandboxes.
    type Pre: Send + Sync + 'static;
    /// The exports of one instance.
    type Exports: Send + Sync + 'static;

    /// Looks the exports up.
    ///
    /// # Errors
    ///
    /// Where the component lacks one, or it has another type.
    fn prepare(pre: InstancePre<State>) -> wasmtime::Result<Self::Pre>;

    /// Makes one instance.
    ///
    /// # Errors
    ///
    /// Where there is no slot for it, or its start function traps.
    fn instantiate(
        pre: &Self::Pre,
        store: &mut Store<State>,
    ) -> impl Future<Output = wasmtime::Result<Self::Exports>> + Send;
}

/// Implements [`World`] for the types that `wasmtime::component::bindgen!` made.
#[macro_export]
macro_rules! world {
    ($(#[$doc:meta])* $name:ident, $pre:ty, $exports:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl $crate::component::World for $name {
            type Pre = $pre;
            type Exports = $exports;

            fn prepare(
                pre: ::wasmtime::component::InstancePre<$crate::grants::State>,
            ) -> ::wasmtime::Result<Self::Pre> {
                <$pre>::new(pre)
            }

            async fn instantiate(
                pre: &Self::Pre,
                store: &mut ::wasmtime::Store<$crate::grants::State>,
            ) -> ::wasmtime::Result<Self::Exports> {
                pre.instantiate_async(store).await
            }
        }
    };
}
