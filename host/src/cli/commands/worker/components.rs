//! Components that are compiled and linked, kept for batches to come.
//!
//! They share no folder and no network, so batches of any submitter may use them. The oldest ones go
//! when there are too many, or too many bytes of them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cocoon::component::Component;
use cocoon::limits::{Limits, QUEUE_COMPONENTS_BYTES, QUEUE_COMPONENTS_READY};
use cocoon::worlds::command::Program;

/// What a linked component depends on.
#[derive(PartialEq)]
pub(super) struct Key {
    /// Its SHA-256, or its reference with a digest.
    pub(super) component: String,
    pub(super) is_deterministic: bool,
    pub(super) limits: Limits,
}

struct Kept {
    key: Key,
    component: Arc<Component<Program>>,
    bytes: u64,
}

/// The components, the latest last.
#[derive(Default)]
pub(super) struct Components(Mutex<VecDeque<Kept>>);

impl Components {
    pub(super) fn get(&self, key: &Key) -> Option<Arc<Component<Program>>> {
        let mut all = self.all();
        let at = all.iter().position(|kept| kept.key == *key)?;
        let found = all.remove(at)?;
        let component = Arc::clone(&found.component);
        all.push_back(found);
        Some(component)
    }

    /// Keeps a component of `bytes`.
    pub(super) fn keep(&self, key: Key, component: Arc<Component<Program>>, bytes: u64) {
        let mut all = self.all();
        all.push_back(Kept {
            key,
            component,
            bytes,
        });
        let sum = |all: &VecDeque<Kept>| all.iter().map(|kept| kept.bytes).sum::<u64>();
        while all.len() > QUEUE_COMPONENTS_READY || sum(&all) > QUEUE_COMPONENTS_BYTES {
            all.pop_front();
        }
    }

    fn all(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
