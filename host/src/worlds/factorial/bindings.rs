//! The bindings of the world in `wit/`. The layers above use its types as ours.
//!
//! The generated bindings look up and check every function of each new instance. A sandbox is
//! mostly called once, so these bindings look up a function when it is called.

#![expect(
    missing_docs,
    unreachable_pub,
    reason = "`bindgen!` makes undocumented types, and `wit/` documents these and the functions"
)]

use wasmtime::Store;
use wasmtime::component::{
    Accessor, ComponentExportIndex, ComponentNamedList, FutureReader, Instance, InstancePre, Lift,
    Lower, StreamReader, TypedFunc,
};

use crate::component::World;
use crate::grants::State;

wasmtime::component::bindgen!({
    path: "../wit",
    world: "cocoon:factorial/sandbox",
    exports: { default: async },
    additional_derives: [PartialEq, Eq, Hash],
});

pub use self::exports::cocoon::factorial::factorial::{
    Count, Error, Estimate, Facts, Format, Grade, Kind, Request, Verdict, Verification,
};
pub use self::exports::cocoon::factorial::parts::Part;

/// A stream of digits, and its result.
pub type DigitStream = (StreamReader<u8>, FutureReader<Result<Grade, Error>>);

/// The streams of a part, and their result.
pub type PartStreams = (Vec<StreamReader<u8>>, FutureReader<Result<Grade, Error>>);

/// Components of the world `cocoon:factorial/sandbox`.
#[derive(Clone, Copy, Debug)]
pub struct FactorialWorld;

/// A linked component, and the indices of its functions.
pub struct LinkedFactorial {
    pre: InstancePre<State>,
    functions: Functions,
}

/// The functions of an instance.
pub struct Exports {
    instance: Instance,
    functions: Functions,
}

/// The indices of a component's functions.
#[derive(Clone, Copy)]
struct Functions {
    notation: ComponentExportIndex,
    cost: ComponentExportIndex,
    info: ComponentExportIndex,
    compute: ComponentExportIndex,
    digits: ComponentExportIndex,
    verify: ComponentExportIndex,
    serve: ComponentExportIndex,
    plan: ComponentExportIndex,
    perform: ComponentExportIndex,
}

impl World for FactorialWorld {
    type Pre = LinkedFactorial;
    type Exports = Exports;

    fn prepare(pre: InstancePre<State>) -> wasmtime::Result<LinkedFactorial> {
        // The generated check names a missing export.
        let pre = SandboxPre::new(pre)?.instance_pre().clone();
        let functions = Functions::of(&pre)?;
        Ok(LinkedFactorial { pre, functions })
    }

    async fn instantiate(
        pre: &LinkedFactorial,
        store: &mut Store<State>,
    ) -> wasmtime::Result<Exports> {
        let instance = pre.pre.instantiate_async(store).await?;
        let functions = pre.functions;
        Ok(Exports {
            instance,
            functions,
        })
    }
}

impl Functions {
    fn of(pre: &InstancePre<State>) -> wasmtime::Result<Self> {
        let factorial = |name| find(pre, Some("cocoon:factorial/factorial@0.1.0"), name);
        let parts = |name| find(pre, Some("cocoon:factorial/parts@0.1.0"), name);
        Ok(Self {
            notation: factorial("notation")?,
            cost: factorial("cost")?,
            info: factorial("info")?,
            compute: factorial("compute")?,
            digits: factorial("digits")?,
            verify: factorial("verify")?,
            serve: factorial("serve")?,
            plan: parts("plan")?,
            perform: parts("perform")?,
        })
    }
}

impl Exports {
    pub fn cocoon_factorial_factorial(&self) -> FactorialExports<'_> {
        FactorialExports(self)
    }

    pub fn cocoon_factorial_parts(&self) -> PartsExports<'_> {
        PartsExports(self)
    }

    async fn call<P, R>(
        &self,
        store: &mut Store<State>,
        function: ComponentExportIndex,
        parameters: P,
    ) -> wasmtime::Result<R>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: Lift + Send + Sync + 'static,
        (R,): ComponentNamedList + Lift,
    {
        call(&self.instance, store, function, parameters).await
    }

    /// Calls a function that runs on while its streams are read and written.
    async fn call_concurrent<P, R>(
        &self,
        accessor: &Accessor<State>,
        function: ComponentExportIndex,
        parameters: P,
    ) -> wasmtime::Result<R>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: Lift + Send + Sync + 'static,
        (R,): ComponentNamedList + Lift,
    {
        let instance = &self.instance;
        let function: TypedFunc<P, (R,)> =
            accessor.with(|store| instance.get_typed_func(store, function))?;
        let (result,) = function.call_concurrent(accessor, parameters).await?;
        Ok(result)
    }
}

/// The index of a function of a component, in an interface or at the top level.
pub(super) fn find(
    pre: &InstancePre<State>,
    interface: Option<&str>,
    name: &str,
) -> wasmtime::Result<ComponentExportIndex> {
    let component = pre.component();
    let missing = |name: &str| wasmtime::Error::msg(format!("expected an export {name}, got none"));
    let interface = match interface {
        Some(interface) => {
            let index = component.get_export_index(None, interface);
            Some(index.ok_or_else(|| missing(interface))?)
        }
        None => None,
    };
    let function = component.get_export_index(interface.as_ref(), name);
    function.ok_or_else(|| missing(name))
}

/// Calls a function that ends before the next call of its sandbox begins.
pub(super) async fn call<P, R>(
    instance: &Instance,
    store: &mut Store<State>,
    function: ComponentExportIndex,
    parameters: P,
) -> wasmtime::Result<R>
where
    P: ComponentNamedList + Lower + Send + Sync + 'static,
    R: Lift + Send + Sync + 'static,
    (R,): ComponentNamedList + Lift,
{
    let function: TypedFunc<P, (R,)> = instance.get_typed_func(&mut *store, function)?;
    let (result,) = function.call_async(store, parameters).await?;
    Ok(result)
}

/// The functions of the interface `factorial`.
#[derive(Clone, Copy)]
pub struct FactorialExports<'a>(&'a Exports);

impl FactorialExports<'_> {
    pub async fn call_notation(
        self,
        store: &mut Store<State>,
        kind: Kind,
        n: u64,
    ) -> wasmtime::Result<Result<String, Error>> {
        let function = self.0.functions.notation;
        self.0.call(store, function, (kind, n)).await
    }

    pub async fn call_cost(
        self,
        store: &mut Store<State>,
        request: Request,
    ) -> wasmtime::Result<Result<Estimate, Error>> {
        let function = self.0.functions.cost;
        self.0.call(store, function, (request,)).await
    }

    pub async fn call_info(
        self,
        store: &mut Store<State>,
        kind: Kind,
        n: u64,
    ) -> wasmtime::Result<Result<Facts, Error>> {
        let function = self.0.functions.info;
        self.0.call(store, function, (kind, n)).await
    }

    pub async fn call_compute(
        self,
        store: &mut Store<State>,
        request: Request,
    ) -> wasmtime::Result<Result<String, Error>> {
        let function = self.0.functions.compute;
        self.0.call(store, function, (request,)).await
    }

    pub async fn call_digits(
        self,
        accessor: &Accessor<State>,
        request: Request,
        seed: u64,
    ) -> wasmtime::Result<Result<DigitStream, Error>> {
        let function = self.0.functions.digits;
        let parameters = (request, seed);
        self.0.call_concurrent(accessor, function, parameters).await
    }

    pub async fn call_verify(
        self,
        accessor: &Accessor<State>,
        kind: Kind,
        n: u64,
        digits: StreamReader<u8>,
        seed: u64,
    ) -> wasmtime::Result<Result<Verdict, Error>> {
        let function = self.0.functions.verify;
        let parameters = (kind, n, digits, seed);
        self.0.call_concurrent(accessor, function, parameters).await
    }

    pub async fn call_serve(
        self,
        accessor: &Accessor<State>,
        requests: StreamReader<Request>,
    ) -> wasmtime::Result<StreamReader<Result<String, Error>>> {
        let function = self.0.functions.serve;
        self.0
            .call_concurrent(accessor, function, (requests,))
            .await
    }
}

/// The functions of the interface `parts`.
#[derive(Clone, Copy)]
pub struct PartsExports<'a>(&'a Exports);

impl PartsExports<'_> {
    pub async fn call_plan(
        self,
        store: &mut Store<State>,
        request: Request,
        sandboxes: u32,
    ) -> wasmtime::Result<Result<Vec<Part>, Error>> {
        let function = self.0.functions.plan;
        self.0.call(store, function, (request, sandboxes)).await
    }

    pub async fn call_perform(
        self,
        accessor: &Accessor<State>,
        request: Request,
        sandboxes: u32,
        index: u32,
        seed: u64,
        inputs: Vec<StreamReader<u8>>,
    ) -> wasmtime::Result<Result<PartStreams, Error>> {
        let function = self.0.functions.perform;
        let parameters = (request, sandboxes, index, seed, inputs);
        self.0.call_concurrent(accessor, function, parameters).await
    }
}
