//! Host memory of a component besides its linear memories, counted from its bytes.
//!
//! Wasmtime keeps a record for each function, global, table, memory and tag of each core
//! instance on its own heap, where no limit of a store reaches. A component decides how many
//! there are, and how often it instantiates a module. Here they are counted before anything
//! is compiled, and so are memories and tables.

use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind,
    ComponentTypeRef, Instance, Parser, Payload, TypeRef,
};

/// Sizes of one component.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Footprint {
    /// Bytes of the functions of all modules.
    pub(super) code_bytes: u64,
    /// Bytes of instance data in each sandbox, at the most.
    pub(super) instance_bytes: u64,
    /// Linear memories of each sandbox.
    pub(super) memories: u64,
    /// Tables of each sandbox.
    pub(super) tables: u64,
    /// The largest initial memory of all modules, in bytes.
    pub(super) memory_image_bytes: u64,
    /// Whether the component needs a garbage-collected heap (GC types, exceptions).
    pub(super) collects: bool,
}

/// Bytes of an instance without anything in it.
const INSTANCE_BYTES: u64 = 1024;
/// The largest record of one function, global, table, memory or tag in Wasmtime 48 on a 64-bit
/// machine (`VMFuncRef`, `VMFunctionImport`: 32 bytes), and half of that for Wasmtime's other
/// data.
const ITEM_BYTES: u64 = 48;

impl Footprint {
    /// Counts the items in `wasm`. The compiler reports invalid bytes.
    pub(super) fn of(wasm: &[u8]) -> Self {
        let mut scan = Scan::default();
        for payload in Parser::new(0).parse_all(wasm) {
            let Ok(payload) = payload else { break };
            if scan.take(&payload).is_err() {
                break;
            }
        }
        // A truncated component has no end sections.
        while scan.scopes.len() > 1 {
            scan.end();
        }
        let whole = scan.scopes.pop().unwrap_or_default().needs;
        Self {
            instance_bytes: whole.bytes,
            memories: whole.memories,
            tables: whole.tables,
            ..scan.footprint
        }
    }
}

/// The needs of one instance of a module or component, with all that it instantiates.
#[derive(Clone, Copy, Default)]
struct Needs {
    bytes: u64,
    memories: u64,
    tables: u64,
}

impl Needs {
    fn plus(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            memories: self.memories.saturating_add(other.memories),
            tables: self.tables.saturating_add(other.tables),
        }
    }

    fn max(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.max(other.bytes),
            memories: self.memories.max(other.memories),
            tables: self.tables.max(other.tables),
        }
    }
}

/// A module or component that is being read.
#[derive(Default)]
struct Scope {
    is_module: bool,
    needs: Needs,
    /// The needs of each module and each component that it can instantiate, by index.
    modules: Vec<Needs>,
    components: Vec<Needs>,
}

#[derive(Default)]
struct Scan {
    footprint: Footprint,
    /// The whole first, the innermost last.
    scopes: Vec<Scope>,
    /// The most that a module and a component took which ended.
    module_max: Needs,
    component_max: Needs,
}

impl Scan {
    fn take(&mut self, payload: &Payload<'_>) -> wasmparser::Result<()> {
        match payload {
            Payload::Version { encoding, .. } => {
                let is_module = *encoding == wasmparser::Encoding::Module;
                self.scopes.push(Scope {
                    is_module,
                    needs: Needs {
                        bytes: INSTANCE_BYTES,
                        ..Needs::default()
                    },
                    ..Scope::default()
                });
            }
            Payload::End(_) if self.scopes.len() > 1 => self.end(),
            Payload::CodeSectionStart { size, count, .. } => {
                self.footprint.code_bytes += u64::from(*size);
                self.items(u64::from(*count));
            }
            Payload::TypeSection(types) => {
                for group in types.clone() {
                    let collects = group?.types().any(|ty| {
                        !matches!(
                            ty.composite_type.inner,
                            wasmparser::CompositeInnerType::Func(_)
                        )
                    });
                    self.footprint.collects |= collects;
                }
            }
            Payload::ImportSection(imports) => {
                for import in imports.clone().into_imports() {
                    self.footprint.collects |= matches!(import?.ty, TypeRef::Tag(_));
                    self.items(1);
                }
            }
            Payload::GlobalSection(globals) => self.items(globals.count().into()),
            Payload::TableSection(tables) => {
                self.items(tables.count().into());
                if let Some(scope) = self.scopes.last_mut() {
                    scope.needs.tables += u64::from(tables.count());
                }
            }
            Payload::MemorySection(memories) => {
                self.items(memories.count().into());
                if let Some(scope) = self.scopes.last_mut() {
                    scope.needs.memories += u64::from(memories.count());
                }
                for memory in memories.clone() {
                    let memory = memory?;
                    let page_bytes = 1 << memory.page_size_log2.unwrap_or(16).min(16);
                    let bytes = memory.initial.saturating_mul(page_bytes);
                    let image = &mut self.footprint.memory_image_bytes;
                    *image = bytes.max(*image);
                }
            }
            Payload::TagSection(tags) => {
                self.footprint.collects |= tags.count() > 0;
                self.items(tags.count().into());
            }
            Payload::InstanceSection(instances) => {
                for instance in instances.clone() {
                    if let Instance::Instantiate { module_index, .. } = instance? {
                        let max = self.module_max;
                        self.instantiate(|scope| &scope.modules, module_index, max);
                    }
                }
            }
            Payload::ComponentInstanceSection(instances) => {
                for instance in instances.clone() {
                    if let ComponentInstance::Instantiate {
                        component_index, ..
                    } = instance?
                    {
                        let max = self.component_max;
                        self.instantiate(|scope| &scope.components, component_index, max);
                    }
                }
            }
            Payload::ComponentImportSection(imports) => {
                for import in imports.clone() {
                    match import?.ty {
                        ComponentTypeRef::Module(_) => self.push_module(None),
                        ComponentTypeRef::Component(_) => self.push_component(None),
                        _ => {}
                    }
                    self.items(1);
                }
            }
            Payload::ComponentAliasSection(aliases) => {
                for alias in aliases.clone() {
                    self.alias(&alias?);
                }
            }
            Payload::ComponentCanonicalSection(functions) => self.items(functions.count().into()),
            _ => {}
        }
        Ok(())
    }

    /// Adds records to the innermost module or component.
    fn items(&mut self, count: u64) {
        if let Some(scope) = self.scopes.last_mut() {
            let bytes = &mut scope.needs.bytes;
            *bytes = bytes.saturating_add(count.saturating_mul(ITEM_BYTES));
        }
    }

    /// Adds an instance of the item at `index`, or of one that needs `max` if that is unknown.
    fn instantiate(&mut self, of: fn(&Scope) -> &Vec<Needs>, index: u32, max: Needs) {
        if let Some(scope) = self.scopes.last_mut() {
            let needs = of(scope).get(index as usize).copied().unwrap_or(max);
            scope.needs = scope.needs.plus(needs);
        }
    }

    fn alias(&mut self, alias: &ComponentAlias<'_>) {
        match *alias {
            ComponentAlias::Outer { kind, count, index } => {
                let outer = self.scopes.len().checked_sub(1 + count as usize);
                let outer = outer.and_then(|outer| self.scopes.get(outer));
                let known = |of: fn(&Scope) -> &Vec<Needs>| {
                    outer.and_then(|outer| of(outer).get(index as usize).copied())
                };
                match kind {
                    ComponentOuterAliasKind::CoreModule => {
                        let needs = known(|scope| &scope.modules);
                        self.push_module(needs);
                    }
                    ComponentOuterAliasKind::Component => {
                        let needs = known(|scope| &scope.components);
                        self.push_component(needs);
                    }
                    _ => {}
                }
            }
            ComponentAlias::InstanceExport { kind, .. } => match kind {
                ComponentExternalKind::Module => self.push_module(None),
                ComponentExternalKind::Component => self.push_component(None),
                _ => {}
            },
            ComponentAlias::CoreInstanceExport { .. } => {}
        }
    }

    /// Gives the next index to a module with `needs`, or with the most that is known.
    fn push_module(&mut self, needs: Option<Needs>) {
        let needs = needs.unwrap_or(self.module_max);
        if let Some(scope) = self.scopes.last_mut() {
            scope.modules.push(needs);
        }
    }

    /// Gives the next index to a component with `needs`, or with the most that is known.
    fn push_component(&mut self, needs: Option<Needs>) {
        let needs = needs.unwrap_or(self.component_max);
        if let Some(scope) = self.scopes.last_mut() {
            scope.components.push(needs);
        }
    }

    /// Ends the innermost module or component, which the one around it can instantiate.
    fn end(&mut self) {
        let Some(scope) = self.scopes.pop() else {
            return;
        };
        if scope.is_module {
            self.module_max = self.module_max.max(scope.needs);
            self.push_module(Some(scope.needs));
        } else {
            self.component_max = self.component_max.max(scope.needs);
            self.push_component(Some(scope.needs));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn footprint(text: &str) -> Footprint {
        Footprint::of(&wat::parse_str(text).expect("a component"))
    }

    #[test]
    fn each_instance_of_a_module_counts() {
        let one = footprint(
            "(component (core module $m (func) (func) (global i32 (i32.const 0)))
                (core instance (instantiate $m)))",
        );
        let three = footprint(
            "(component (core module $m (func) (func) (global i32 (i32.const 0)))
                (core instance (instantiate $m)) (core instance (instantiate $m))
                (core instance (instantiate $m)))",
        );
        let module = INSTANCE_BYTES + 3 * ITEM_BYTES;
        assert_eq!(one.instance_bytes, INSTANCE_BYTES + module);
        assert_eq!(three.instance_bytes, INSTANCE_BYTES + 3 * module);
        assert!(!one.collects && one.code_bytes > 0);
    }

    #[test]
    fn nested_components_multiply() {
        let nested = footprint(
            "(component
                (core module $m (func))
                (component $two
                    (core instance (instantiate (module $m))) (core instance (instantiate (module $m))))
                (component $four
                    (alias outer 1 $two (component $c))
                    (instance (instantiate $c)) (instance (instantiate $c)))
                (instance (instantiate $four)) (instance (instantiate $four)))",
        );
        let module = INSTANCE_BYTES + ITEM_BYTES;
        let two = INSTANCE_BYTES + 2 * module;
        let four = INSTANCE_BYTES + 2 * two;
        assert_eq!(nested.instance_bytes, INSTANCE_BYTES + 2 * four);
    }

    #[test]
    fn memories_and_tables_of_all_instances_count() {
        let two = footprint(
            "(component
                (core module $m (memory 3) (table 1 funcref))
                (core module $n (memory 2))
                (core instance (instantiate $m)) (core instance (instantiate $m)) (core instance (instantiate $n)))",
        );
        assert_eq!((two.memories, two.tables), (3, 2));
        assert_eq!(two.memory_image_bytes, 3 << 16);
    }

    #[test]
    fn collected_objects_are_recognised() {
        for text in [
            "(component (core module (type (struct (field i32)))))",
            "(component (core module (tag)))",
        ] {
            assert!(footprint(text).collects, "{text}");
        }
    }

    #[test]
    fn invalid_bytes_have_no_footprint() {
        assert_eq!(Footprint::of(b"rubbish"), Footprint::default());
        assert_eq!(Footprint::of(b""), Footprint::default());
    }
}
