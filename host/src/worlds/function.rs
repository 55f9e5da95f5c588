//! Any exported function of any component, called with arguments in WAVE, as
//! `wasmtime run --invoke` does.

use bytes::Bytes;
use wasmtime::Store;
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::wasm_wave::untyped::UntypedFuncCall;
use wasmtime::component::wasm_wave::wasm::{DisplayFuncResults, DisplayType};
use wasmtime::component::{ComponentExportIndex, Instance, InstancePre, Type, Val};

use super::command::{Start, Stream, run_in_sandbox};
use super::program::exit_code;
use crate::channel::Sender;
use crate::component::{Component, World};
use crate::deadline::Deadline;
use crate::error::RunError;
use crate::grants::{Grants, State};
use crate::limits::ERROR_CHARS;
use crate::pool::Pool;
use crate::text;

/// Components with any exports.
#[derive(Clone, Copy, Debug)]
pub struct Functions;

impl World for Functions {
    type Pre = InstancePre<State>;
    type Exports = Instance;

    fn prepare(pre: InstancePre<State>) -> wasmtime::Result<InstancePre<State>> {
        Ok(pre)
    }

    async fn instantiate(
        pre: &InstancePre<State>,
        store: &mut Store<State>,
    ) -> wasmtime::Result<Instance> {
        pre.instantiate_async(store).await
    }
}

/// A call of one function with its arguments.
#[derive(Clone, Debug)]
pub struct Call {
    function: ComponentExportIndex,
    arguments: Vec<Val>,
    results: usize,
}

impl Call {
    /// Parses a call as in `factorial(10)` or `wasi:cli/run@0.2.0.run()`, of a function that
    /// `component` exports. A name without an interface is looked for in all interfaces.
    ///
    /// # Errors
    ///
    /// [`RunError::Malformed`] for an unknown or ambiguous name, for arguments of other types, and
    /// for types that WAVE does not have.
    pub fn parse(component: &Component<Functions>, text: &str) -> Result<Self, RunError> {
        let malformed = |what: String| RunError::Malformed(text::one_line(&what, ERROR_CHARS));
        let expected = |got: String| {
            malformed(format!(
                "expected a call such as `f(1, \"text\")`, got `{text}`: {got}"
            ))
        };
        let call = UntypedFuncCall::parse(text).map_err(|error| expected(error.to_string()))?;
        let name = call.name().to_owned();
        let (function, ty) = find(component.pre().component(), &name).map_err(malformed)?;
        let mut types = ty.params().map(|(_, ty)| ty).chain(ty.results());
        if !types.all(|ty| is_in_wave(&ty)) {
            return Err(malformed(format!(
                "expected a function without resources, streams, futures and maps, got `{name}`"
            )));
        }
        let parameters: Vec<_> = ty.params().map(|(_, ty)| ty).collect();
        let arguments = call.to_wasm_params(&parameters).map_err(|error| {
            let (signature, error) = (signature(&name, &ty), error.to_string());
            malformed(format!(
                "expected arguments of {signature}, got `{text}`: {error}"
            ))
        })?;
        Ok(Self {
            function,
            arguments,
            results: ty.results().len(),
        })
    }
}

/// How a called function ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Called {
    /// It returned these results, in WAVE.
    Returned(String),
    /// It exited with this code, as a program does.
    Exited(i32),
}

/// Calls a function of `component` in a sandbox of its own, under the grants and limits of a
/// program. Sends what it writes to `output`, which ends with the call.
///
/// # Errors
///
/// The error that refused or stopped it.
pub async fn call(
    pool: &Pool,
    component: &Component<Functions>,
    grants: &Grants,
    start: Start,
    call: Call,
    deadline: &Deadline,
    output: Sender<(Stream, Bytes)>,
) -> Result<Called, RunError> {
    let calling = async |store: &mut Store<State>, instance: &Instance| {
        let Some(function) = instance.get_func(&mut *store, call.function) else {
            wasmtime::bail!("expected an exported function, got none");
        };
        let mut results = vec![Val::Bool(false); call.results];
        let arguments = &call.arguments;
        let called = function.call_async(&mut *store, arguments, &mut results);
        match called.await {
            Ok(()) => Ok(Called::Returned(DisplayFuncResults(&results).to_string())),
            Err(error) => exit_code(error).map(Called::Exited),
        }
    };
    let running = run_in_sandbox(pool, component, grants, start, deadline, &output, calling);
    let result = tokio::select! {
        ended = running => ended.and_then(|(results, _)| results),
        () = output.reader_gone() => Err(RunError::ReaderGone),
    };
    let result = pool.meter().watch(result);
    output.end(&result.clone().map(|_| ()));
    result
}

type Found = (ComponentExportIndex, ComponentFunc);

/// The exported function that `name` selects, or an error that names those that there are. A name
/// has the forms `function`, `interface.function` and `package:name/interface.function`, and may
/// end with `@` and the version of the interface.
fn find(component: &wasmtime::component::Component, name: &str) -> Result<Found, String> {
    let (path, version) = match name.split_once('@') {
        Some((path, version)) => (path, Some(version)),
        None => (name, None),
    };
    let (interface, function) = match path.rsplit_once('.') {
        Some((interface, function)) => (Some(interface), function),
        None => (None, path),
    };
    let selects = |(of, named): &&(String, String)| {
        let (of, of_version) = match of.split_once('@') {
            Some((of, version)) => (of, Some(version)),
            None => (of.as_str(), None),
        };
        named == function
            && interface.is_none_or(|interface| interface == of)
            && (version.is_none() || version == of_version)
    };
    let functions = functions(component);
    let mut selected: Vec<_> = functions.iter().filter(selects).collect();
    // A function of the component itself comes before those of its interfaces.
    if interface.is_none() && selected.iter().any(|(of, _)| of.is_empty()) {
        selected.retain(|(of, _)| of.is_empty());
    }
    let (of, function) = match selected.as_slice() {
        [one] => one,
        [] => {
            let choices = choices(functions.iter());
            return Err(format!(
                "expected an exported function, got `{name}`; {choices}"
            ));
        }
        several => {
            let choices = choices(several.iter().copied());
            return Err(format!(
                "expected the name of one function, got `{name}`; {choices}"
            ));
        }
    };
    let interface = if of.is_empty() {
        None
    } else {
        component.get_export_index(None, of.as_str())
    };
    match component.get_export(interface.as_ref(), function.as_str()) {
        Some((ComponentItem::ComponentFunc(ty), index)) => Ok((index, ty)),
        _ => Err(format!("expected a function, got `{name}`")),
    }
}

/// All exported functions: their interface, or an empty text, and their name.
fn functions(component: &wasmtime::component::Component) -> Vec<(String, String)> {
    let engine = component.engine();
    let mut functions = Vec::new();
    for (name, export) in component.component_type().exports(engine) {
        match export.ty {
            ComponentItem::ComponentFunc(_) => functions.push((String::new(), name.to_owned())),
            ComponentItem::ComponentInstance(interface) => {
                for (function, item) in interface.exports(engine) {
                    if matches!(item.ty, ComponentItem::ComponentFunc(_)) {
                        functions.push((name.to_owned(), function.to_owned()));
                    }
                }
            }
            _ => {}
        }
    }
    functions
}

/// Lists functions as they can be called.
fn choices<'a>(functions: impl Iterator<Item = &'a (String, String)>) -> String {
    let called: Vec<_> = functions
        .map(
            |(interface, function)| match (interface.is_empty(), interface.split_once('@')) {
                (true, _) => function.clone(),
                (false, Some((interface, version))) => format!("{interface}.{function}@{version}"),
                (false, None) => format!("{interface}.{function}"),
            },
        )
        .collect();
    if called.is_empty() {
        return "the component exports none".to_owned();
    }
    format!("use one of {}", called.join(", "))
}

/// The function with its parameters, as WIT has them.
fn signature(name: &str, ty: &ComponentFunc) -> String {
    let parameters: Vec<_> = ty
        .params()
        .map(|(name, ty)| format!("{name}: {}", DisplayType(&ty)))
        .collect();
    format!("`{name}({})`", parameters.join(", "))
}

/// Whether WAVE has values of this type.
fn is_in_wave(ty: &Type) -> bool {
    match ty {
        Type::Bool
        | Type::S8
        | Type::U8
        | Type::S16
        | Type::U16
        | Type::S32
        | Type::U32
        | Type::S64
        | Type::U64
        | Type::Float32
        | Type::Float64
        | Type::Char
        | Type::String
        | Type::Enum(_)
        | Type::Flags(_) => true,
        Type::List(list) => is_in_wave(&list.ty()),
        Type::Record(record) => record.fields().all(|field| is_in_wave(&field.ty)),
        Type::Tuple(tuple) => tuple.types().all(|ty| is_in_wave(&ty)),
        Type::Variant(variant) => variant
            .cases()
            .all(|case| case.ty.is_none_or(|ty| is_in_wave(&ty))),
        Type::Option(option) => is_in_wave(&option.ty()),
        Type::Result(result) => [result.ok(), result.err()]
            .into_iter()
            .flatten()
            .all(|ty| is_in_wave(&ty)),
        _ => false,
    }
}
